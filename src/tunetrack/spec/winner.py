"""A confirmed winner as plain data: what each configuration gave on the shared seeds, which one was chosen and why.

It is the file `winner.json` on the run of the searched study and on that of its confirmation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tunetrack.errors import TrackingError
from tunetrack.spec.words import duration

__all__ = ["VERSION", "Confirmed", "FromBest", "TestLook", "Winner"]

#: Version of the file's layout.
VERSION = 1


@dataclass(frozen=True)
class FromBest:
    """The difference of a configuration's mean from that of the best one; all zero for the best one itself.

    Attributes:
        estimate: this mean less the best one's, in the units of the metric.
        low: lower end of its interval.
        high: upper end of its interval.
        p: two-sided p value; None for the best one.
        p_adjusted: the same after Holm's correction for the number of configurations compared.
        mcnemar_p: exact McNemar test on the images; only where there is one seed.
    """

    estimate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    p: float | None = None
    p_adjusted: float | None = None
    mcnemar_p: float | None = None


@dataclass(frozen=True)
class Confirmed:
    """One configuration that was trained again.

    Attributes:
        trial: number of the searched study's trial that it comes from.
        params: its searched values by dotted path.
        parameters: trainable numbers of its network; None where they were not counted.
        seconds: mean training time of one replicate.
        raw: what the search gave, one seed, chosen among many.
        shrunken: `raw` corrected for having been chosen among many; None where no estimate could be made.
        values: the metric of each replicate, in the order of the seeds.
        runs: their MLflow runs, in the same order.
        mean: mean of `values`.
        low: lower end of the interval of the mean.
        high: upper end of the interval of the mean.
        p_best: probability that no other configuration is better, in [0, 1].
        group: 1: cannot be told apart from the best one; 2: not from the best one of the others; and so on.
        difference: from the best one.
    """

    trial: int
    params: dict[str, Any]
    parameters: int | None
    seconds: float
    raw: float
    shrunken: float | None
    values: tuple[float, ...]
    runs: tuple[str, ...]
    mean: float
    low: float
    high: float
    p_best: float
    group: int
    difference: FromBest


@dataclass(frozen=True)
class TestLook:
    """What the test images say of the chosen configuration.

    Attributes:
        trial: number of the searched study's trial.
        values: test accuracy of each replicate, fractions in [0, 1], in the order of the seeds.
        mean: their mean.
        low: lower end of its interval.
        high: upper end of its interval.
        images: how many test images there are.
        looks: how often the study has looked at them, this time included; 1: they were untouched.
    """

    __test__ = False  # pytest takes every class of this name for tests

    trial: int
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    images: int
    looks: int


@dataclass(frozen=True)
class Winner:
    """The outcome of a confirmation.

    Attributes:
        study: name of the searched study.
        study_run: its MLflow run.
        confirm_study: name of the confirmation.
        confirm_run: its MLflow run.
        metric: what was compared.
        maximize: whether larger is better.
        level: of all intervals, such as 0.95.
        images: validation images that all replicates answered.
        seeds: training seeds, the same for every configuration.
        by_image: whether the answers to each image were compared, so that intervals hold for new seeds and for new
            images; else values were, and intervals hold for new seeds alone.
        searched_trials: how many trials of the search had a value when the winner was named.
        chosen: the searched study's trial that was chosen.
        best: the one with the best mean.
        reason: why the chosen one was chosen, in words.
        configurations: best mean first.
        test: the look at the test images; None where nothing was looked at.
        trials: how many replicates were trained.
        train_seconds: their training time in all.
        version: of the file's layout.
    """

    study: str
    study_run: str
    confirm_study: str
    confirm_run: str
    metric: str
    maximize: bool
    level: float
    images: int
    seeds: tuple[int, ...]
    by_image: bool
    searched_trials: int
    chosen: int
    best: int
    reason: str
    configurations: tuple[Confirmed, ...]
    test: TestLook | None
    trials: int
    train_seconds: float
    version: int = VERSION

    def of(self, trial: int) -> Confirmed | None:
        """The configuration of a trial of the searched study; None where that trial was not confirmed."""
        return next((one for one in self.configurations if one.trial == trial), None)

    @property
    def winner(self) -> Confirmed:
        """The chosen configuration."""
        return next(one for one in self.configurations if one.trial == self.chosen)

    @property
    def model_run(self) -> str:
        """The run of the chosen configuration's replicate with the median value, the lower one of two."""
        pairs = sorted(zip(self.winner.values, self.winner.runs, strict=True), key=lambda pair: pair[0])
        return pairs[(len(pairs) - 1) // 2][1]

    @property
    def tied(self) -> tuple[Confirmed, ...]:
        """The configurations that cannot be told apart from the best one, that one included; best mean first."""
        return tuple(one for one in self.configurations if one.group == 1)

    def in_words(self) -> str:
        """The winner in one sentence of Markdown, with its interval and what it could not be told apart from."""
        won, seeds = self.winner, f"{len(self.seeds)} seed{'' if len(self.seeds) == 1 else 's'}"
        sample = f"{seeds} x {self.images:,} images" if self.by_image else seeds
        interval = f"{100 * self.level:g} % interval {won.low:.4f} to {won.high:.4f}"
        return f"**Winner: trial {won.trial}**, {self.metric} {won.mean:.4f} ({interval}, {sample}); {self.reason}."

    def cost_in_words(self) -> str:
        """What the confirmation has cost beside the search, as a sentence."""
        time = duration(self.train_seconds)
        return f"Confirmed by {self.trials} trials of {self.confirm_study}: {time} of training beside the search."

    def document(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {"version": self.version, **asdict(self)}

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps(self.document(), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Winner:
        """Reads the file.

        Raises:
            TrackingError: it is no such file, or one of a later version.
        """
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise TrackingError(
                    f"winner.json has version {data['version']}, and this tunetrack reads version {VERSION}; use the "
                    "tunetrack that has written it, or confirm again"
                )
            return cls(
                **{
                    **data,
                    "seeds": tuple(data["seeds"]),
                    "configurations": tuple(_confirmed(one) for one in data["configurations"]),
                    "test": None if data["test"] is None else TestLook(**_with_tuples(data["test"], "values")),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TrackingError(
                f"winner.json is not what tunetrack writes ({type(error).__name__}: {error}); confirm again"
            ) from error


def _confirmed(data: Mapping[str, Any]) -> Confirmed:
    return Confirmed(**{**_with_tuples(data, "values", "runs"), "difference": FromBest(**data["difference"])})


def _with_tuples(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**data, **{name: tuple(data[name]) for name in names}}
