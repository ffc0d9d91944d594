"""Knows trainings whose true accuracy is known: they are drawn, not trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

__all__ = ["Answers", "Floats", "Images"]

Answers = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Images:
    """How the answers of two trainings to the same image hang together.

    A training with the true accuracy q answers image i rightly where ``ndtri(q) + sqrt(across) u_i + sqrt(within -
    across) v_i + sqrt(1 - within) e > 0``: u is the image's ease for all configurations, v that for one configuration,
    e is drawn anew for every training; all three are standard normal. So each training's true accuracy is q exactly.

    Attributes:
        within: latent correlation of two trainings of one configuration.
        across: latent correlation of trainings of two configurations; at most `within`.
    """

    within: float
    across: float

    def answers(self, accuracies: Floats, images: int, random: np.random.Generator) -> Answers:
        """Right answers (configurations, seeds, images) of trainings with these true accuracies.

        Args:
            accuracies: (configurations, seeds), fractions within (0, 1).
            images: how many; they are drawn anew.
            random: what draws.
        """
        count, seeds = accuracies.shape
        ease = self.across**0.5 * random.standard_normal(images, dtype=np.float32)
        ease = ease + (self.within - self.across) ** 0.5 * random.standard_normal((count, 1, images), dtype=np.float32)
        rest = (1.0 - self.within) ** 0.5 * random.standard_normal((count, seeds, images), dtype=np.float32)
        right: Answers = rest + ease > -ndtri(accuracies)[:, :, None].astype(np.float32)
        return right
