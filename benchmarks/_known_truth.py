"""Knows trainings whose true accuracy is known: they are drawn, not trained.

The sizes are those of real trainings, rounded (`benchmarks/seed_spread.py`). Accuracies are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

__all__ = ["Answers", "Ease", "Floats", "Search", "seed_effects", "seed_sds"]

Answers = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

#: Latent correlation of the answers of two trainings of one configuration, and of two configurations.
WITHIN, ACROSS = 0.85, 0.81
#: Standard deviation of a training's true accuracy about its configuration's mean: between these, evenly in the log.
SEED_SD = (0.001, 0.008)
#: Share of that variance which a seed does to all configurations alike.
COMMON = 0.5
#: Share of a training's deviation that is its last epoch's and not the seed's, as standard deviations.
WOBBLE = 0.7
EPOCHS = 10


@dataclass(frozen=True)
class Ease:
    """How easy images are: for all configurations, and for each one apart.

    A training with the true accuracy q answers image i rightly where ``ndtri(q) + sqrt(ACROSS) u_i + sqrt(WITHIN -
    ACROSS) v_i + sqrt(1 - WITHIN) e > 0``: u is the image's ease for all configurations, v that for one configuration,
    e is drawn anew for every training; all three are standard normal. So each training's true accuracy is q exactly.

    Attributes:
        latent: the sum of the first two, (configurations, images).
    """

    latent: npt.NDArray[np.float32]

    @classmethod
    def drawn(cls, configurations: int, images: int, random: np.random.Generator) -> Ease:
        """Of images that are drawn anew."""
        own = (WITHIN - ACROSS) ** 0.5 * random.standard_normal((configurations, images), dtype=np.float32)
        return cls(own + ACROSS**0.5 * random.standard_normal(images, dtype=np.float32))

    def of(self, configurations: npt.NDArray[np.intp]) -> Ease:
        """Of these configurations alone."""
        return Ease(self.latent[configurations])

    def answers(self, accuracies: Floats, random: np.random.Generator) -> Answers:
        """Right answers (configurations, seeds, images) of trainings with these true accuracies.

        Args:
            accuracies: (configurations, seeds).
            random: what draws.
        """
        count, seeds = accuracies.shape
        rest = random.standard_normal((count, seeds, self.latent.shape[1]), dtype=np.float32)
        rest *= (1.0 - WITHIN) ** 0.5
        least = -ndtri(np.clip(accuracies, 0.001, 0.9995)).astype(np.float32)[:, :, None] - self.latent[:, None, :]
        right: Answers = rest > least
        return right


def seed_effects(sd: Floats, seeds: int, random: np.random.Generator, accidents: float = 0.0) -> Floats:
    """How far trainings on shared seeds lie from their configuration's mean, (configurations, seeds).

    Args:
        sd: of each configuration.
        seeds: how many.
        random: what draws.
        accidents: share of trainings that go wrong and lose four standard deviations.
    """
    alike = COMMON**0.5 * random.standard_normal(seeds)
    own = (1.0 - COMMON) ** 0.5 * random.standard_normal((len(sd), seeds))
    gone_wrong = 4.0 * (accidents - (random.random((len(sd), seeds)) < accidents))
    return np.asarray(sd[:, None] * (alike + own + gone_wrong))


def seed_sds(count: int, random: np.random.Generator) -> Floats:
    """Standard deviations between seeds of so many configurations."""
    return np.asarray(np.exp(random.uniform(*np.log(SEED_SD), count)))


@dataclass(frozen=True)
class Search:
    """A search of one training a trial, all on the same validation images.

    Attributes:
        truth: each trial's true mean accuracy, after the last epoch.
        sd: each trial's standard deviation between seeds.
        ease: of the validation images.
        last: validation accuracy after the last epoch.
        best: the largest validation accuracy of all epochs.
    """

    truth: Floats
    sd: Floats
    ease: Ease
    last: Floats
    best: Floats

    @classmethod
    def drawn(cls, trials: int, images: int, random: np.random.Generator) -> Search:
        """A search as a good sampler leaves it: two thirds near the top, one third far below.

        A learning curve is ``truth - fall (epoch^-power - EPOCHS^-power)``, a power law, with noise in each epoch.
        """
        scale = np.where(random.random(trials) < 2 / 3, 0.008, 0.05)
        truth, sd = 0.92 - scale * random.exponential(size=trials), seed_sds(trials, random)
        ease = Ease.drawn(trials, images, random)
        noise = sd[:, None] * WOBBLE * random.standard_normal((trials, EPOCHS))
        own = truth + sd * (1.0 - WOBBLE**2) ** 0.5 * random.standard_normal(trials) + noise[:, -1]
        last = ease.answers(own[:, None], random).mean(axis=2)[:, 0]
        fall, power = random.uniform(0.03, 0.10, trials), random.uniform(0.5, 1.5, trials)
        epochs = np.arange(1, EPOCHS + 1) ** -power[:, None]
        curves = last[:, None] + (noise - noise[:, -1:]) - fall[:, None] * (epochs - epochs[:, -1:])
        return cls(truth, sd, ease, last, curves.max(axis=1))

    def again(self, trials: npt.NDArray[np.intp], seeds: int, random: np.random.Generator) -> Answers:
        """Right answers to the validation images when these trials are trained again, on shared seeds."""
        accuracies = self.truth[trials, None] + seed_effects(self.sd[trials], seeds, random)
        return self.ease.of(trials).answers(accuracies, random)
