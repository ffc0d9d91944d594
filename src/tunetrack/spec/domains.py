"""The values that one hyperparameter may take: a range of floats or ints, or a list of choices."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import Any

__all__ = ["CategoricalDomain", "Domain", "FloatDomain", "IntDomain", "Scalar"]

Scalar = bool | int | float | str | None

#: A range whose width is this close to a whole number of steps counts as divisible (0.1 + 0.2 is not 0.3).
STEP_TOLERANCE = 1e-8


@dataclass(frozen=True)
class FloatDomain:
    """Floats from low to high, both included; with `step`, low + k * step; with `log`, uniform in the logarithm."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def size(self) -> int | None:
        """Number of values, or None where there is a continuum."""
        if self.low == self.high:
            return 1
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def ends(self) -> tuple[float, ...]:
        """The extreme values: what must be valid for the whole range to be."""
        return (self.low,) if self.low == self.high else (self.low, self.high)

    def sample(self, rng: random.Random) -> float:
        """One value, each equally probable (in the logarithm for `log`)."""
        if self.step is not None:
            return min(self.low + self.step * rng.randrange(self.size or 1), self.high)
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
            return min(max(value, self.low), self.high)
        return rng.uniform(self.low, self.high)

    def describe(self) -> str:
        """The domain in words, as `tunetrack validate` prints it."""
        return f"float {self.low:g} to {self.high:g}" + _suffix(self.step, self.log)


@dataclass(frozen=True)
class IntDomain:
    """Whole numbers from low to high, both included, in steps of `step`; with `log`, small ones are more probable."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    @property
    def size(self) -> int:
        """Number of values."""
        return (self.high - self.low) // self.step + 1

    def ends(self) -> tuple[int, ...]:
        """The extreme values: what must be valid for the whole range to be."""
        return (self.low,) if self.low == self.high else (self.low, self.high)

    def sample(self, rng: random.Random) -> int:
        """One value, each equally probable (`log`: uniform in the logarithm, rounded)."""
        if self.log:
            value = round(math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5))))
            return min(max(value, self.low), self.high)
        return self.low + self.step * rng.randrange(self.size)

    def describe(self) -> str:
        """The domain in words, as `tunetrack validate` prints it."""
        return f"int {self.low} to {self.high}" + _suffix(None if self.step == 1 else self.step, self.log)


@dataclass(frozen=True)
class CategoricalDomain:
    """A list of values without order.

    Attributes:
        choices: the values as the config receives them; a list or a mapping is one value.
    """

    choices: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The choices as scalars that every engine can store: a list or a mapping becomes its JSON text."""
        return tuple(label_of(choice) for choice in self.choices)

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.choices)

    def ends(self) -> tuple[Any, ...]:
        """All values: each one must be valid."""
        return self.choices

    def sample(self, rng: random.Random) -> Any:
        """One value, each equally probable."""
        return rng.choice(self.choices)

    def from_label(self, label: Scalar) -> Any:
        """The value that a label stands for; True, 1 and 1.0 are told apart.

        Raises:
            KeyError: no choice has this label.
        """
        for choice, own in zip(self.choices, self.labels, strict=True):
            if own == label and type(own) is type(label):
                return choice
        raise KeyError(label)

    def describe(self) -> str:
        """The domain in words, as `tunetrack validate` prints it."""
        return "one of " + ", ".join(json.dumps(choice) for choice in self.choices)


Domain = FloatDomain | IntDomain | CategoricalDomain


def label_of(choice: Any) -> Scalar:
    """A choice as a scalar: itself, or its JSON text where it is a list or a mapping."""
    if choice is None or isinstance(choice, bool | int | float | str):
        return choice
    return json.dumps(choice, sort_keys=True)


def _suffix(step: float | None, log: bool) -> str:
    return (f", step {step:g}" if step is not None else "") + (", log" if log else "")
