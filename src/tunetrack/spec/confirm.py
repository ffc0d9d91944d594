"""What a study file says about confirming: how the best configurations are trained again, or what a study confirms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tunetrack.spec.base import Config, PositiveInt

__all__ = ["ConfirmConfig", "Confirms"]


class ConfirmConfig(Config):
    """After the search, the best configurations are trained again on shared seeds, and a winner is named."""

    top: PositiveInt = Field(5, description="how many of the best configurations")
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="how many training seeds, the same for every configuration"
    )
    first_seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        1000,
        description="the first of them; the others follow it. A seed of the search would favour what it has chosen",
    )

    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds in order."""
        return tuple(range(self.first_seed, self.first_seed + self.seeds))


class Confirms(Config):
    """What a study confirms. Written by tunetrack, not by hand.

    Trial n trains the configuration of the trial ``trials[n % len(trials)]`` on the seed ``seeds[n // len(trials)]``.
    """

    study: str = Field(description="name of the searched study")
    key: str = Field(description="key of the searched study")
    run: str = Field(description="MLflow run of the searched study")
    trials: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] = Field(
        description="numbers of its trials, best first"
    )
    seeds: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] = Field(description="training seeds")

    def original(self, number: int) -> int:
        """The searched study's trial whose configuration trial `number` trains."""
        return self.trials[number % len(self.trials)]

    def replicates(self, original: int) -> tuple[int, ...]:
        """The numbers of a configuration's trials, in the order of the seeds."""
        first = self.trials.index(original)
        return tuple(range(first, len(self.trials) * len(self.seeds), len(self.trials)))
