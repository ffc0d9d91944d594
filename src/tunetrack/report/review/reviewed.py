"""Knows what a rule of the reviewer sees: trials, their curves and settings, wherever the runs came from."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tunetrack.report.values import number
from tunetrack.spec.domains import CategoricalDomain, Domain
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import ParamValue

__all__ = [
    "Answers",
    "NotJudged",
    "Reviewed",
    "ReviewedTrial",
    "SearchedRange",
    "is_seed",
    "last_part",
    "shapes_network",
]

#: Last parts of parameters that say which repetition a run is, not what was done in it.
_REPEATS = ("seed", "repeat", "replicate", "fold", "random_state", "rng", "run", "trial", "number")
#: Words of parameters that shape the network.
_STRUCTURE = ("filter", "kernel", "layer", "unit", "hidden", "width", "depth", "channel", "block", "stage", "head")
_LISTED = 6


class NotJudged(Exception):
    """A rule cannot say anything of this study; its text says why."""


@dataclass(frozen=True)
class SearchedRange:
    """The values that one parameter may take in one branch of the search space.

    Attributes:
        path: dotted path.
        domain: the values.
        where: the values by which configurations of the branch are known; empty: all.
    """

    path: str
    domain: Domain
    where: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether a configuration belongs to the branch."""
        return self.path in params and all(path not in params or params[path] == v for path, v in self.where.items())

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers, given as a range or as a list."""
        if isinstance(self.domain, CategoricalDomain):
            return all(number(choice) is not None for choice in self.domain.choices)
        return True


@dataclass(frozen=True)
class Answers:
    """What a model answered to the validation images: counts, rows the true class, columns the predicted one."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ReviewedTrial:
    """One training.

    Attributes:
        number: of the trial; of runs that are not ours, their place by start time.
        state: how it ended.
        params: all its parameters, searched or not.
        metrics: last values, under tunetrack's names where these are known.
        value: the first objective; None where there is none that counts.
        curves: values by epoch, under the same names; empty where the epochs were not read.
        name: of the run.
        reason: why it was not completed.
        duplicate_of: the trial whose result was reused.
        seconds: what it cost.
        health: what was found in its weights, a sentence a rule; None where nobody looked.
        would_prune_at: the epoch at which the pruner would have ended it, had it not been kept as a control.
        model_bytes: size of the stored model file, where that is all that tells the size of the network.
        files: names of stored files, where they were listed.
    """

    number: int
    state: TrialState
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    value: float | None
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    name: str = ""
    reason: str = ""
    duplicate_of: int | None = None
    seconds: float | None = None
    health: Mapping[str, str] | None = None
    would_prune_at: int | None = None
    model_bytes: int | None = None
    files: tuple[str, ...] = ()

    def metric(self, *names: str) -> float | None:
        """The first of these metrics that is there and finite."""
        for name in names:
            value = self.metrics.get(name)
            if value is not None and math.isfinite(value):
                return value
        return None

    def curve(self, name: str) -> tuple[float, ...]:
        """Values by epoch; empty where they are not known."""
        return self.curves.get(name, ())

    @property
    def setting(self) -> dict[str, ParamValue]:
        """The parameters without those that tell repetitions apart."""
        return {path: value for path, value in self.params.items() if not is_seed(path)}


@dataclass(frozen=True)
class Reviewed:
    """A study, or a group of runs that are not ours.

    Attributes:
        name: of the study or the experiment.
        ours: whether tunetrack has run it.
        trials: by number.
        objective: what was to be made large or small, under tunetrack's name.
        maximize: whether large is good.
        objectives: how many there are.
        ranges: what was searched; empty where that is not known.
        document: the study file; empty where it is not known.
        images: validation images; None where their number is not known.
        test_images: the same of the test set.
        from_test: whether the images that chose are test images; None where that is not known.
        from_test_said: how that is known, a sentence.
        winner: the outcome of a confirmation.
        answers: of the best trial's model.
        idle_parameters: by trial, parameters of layers that are never called.
        told_test: numbers of the trials whose test accuracy is logged.
        guessed: what was guessed, in sentences.
    """

    name: str
    ours: bool
    trials: tuple[ReviewedTrial, ...]
    objective: str = "validation/accuracy"
    maximize: bool = True
    objectives: int = 1
    ranges: tuple[SearchedRange, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    images: int | None = None
    test_images: int | None = None
    from_test: bool | None = False
    from_test_said: str = ""
    winner: Winner | None = None
    answers: Answers | None = None
    idle_parameters: Mapping[int, int] = field(default_factory=dict)
    told_test: tuple[int, ...] = ()
    guessed: tuple[str, ...] = ()

    @cached_property
    def finished(self) -> tuple[ReviewedTrial, ...]:
        """The trials that were trained to their end and have a finite value."""
        return tuple(trial for trial in self.trials if trial.state is TrialState.COMPLETE and trial.value is not None)

    @cached_property
    def ranked(self) -> tuple[ReviewedTrial, ...]:
        """The finished trials, best first."""
        sign = -1.0 if self.maximize else 1.0
        return tuple(sorted(self.finished, key=lambda trial: (sign * (trial.value or 0.0), trial.number)))

    @property
    def best(self) -> ReviewedTrial:
        """The best of them.

        Raises:
            NotJudged: none has finished.
        """
        if not self.ranked:
            raise NotJudged("no trial has finished with a value")
        return self.ranked[0]

    def share(self, trial: ReviewedTrial) -> float | None:
        """The accuracy by which a trial is judged, a fraction: its objective, else its last validation accuracy."""
        if self.objective.removeprefix("best/") in ("validation/accuracy", "test/accuracy"):
            found = trial.value
        else:
            held = "test" if self.objective.startswith("test/") else "validation"
            found = trial.metric(f"final/{held}/accuracy", f"{held}/accuracy")
        return found if found is not None and 0.0 <= found <= 1.0 else None

    def better(self, one: float, other: float) -> bool:
        """Whether the one value beats the other."""
        return one > other if self.maximize else one < other

    @cached_property
    def varied(self) -> dict[str, tuple[ParamValue, ...]]:
        """Parameters with more than one value among the trained trials, in the order of their appearance."""
        values: dict[str, dict[str, ParamValue]] = {}
        for trial in self.trials:
            if trial.state not in (TrialState.INFEASIBLE, TrialState.DUPLICATE):
                for path, value in trial.params.items():
                    values.setdefault(path, {}).setdefault(repr(value), value)
        return {path: tuple(known.values()) for path, known in values.items() if len(known) > 1}

    @cached_property
    def configurations(self) -> tuple[tuple[ReviewedTrial, ...], ...]:
        """The finished trials by configuration, seeds left aside, in the order of their first trials."""
        counts = Counter(path for trial in self.finished for path in trial.params)
        partial = [path for path, count in counts.items() if count < len(self.finished)]
        paths = [path for path in dict.fromkeys((*self.varied, *partial)) if not is_seed(path)]
        found: dict[str, list[ReviewedTrial]] = {}
        for trial in self.finished:
            found.setdefault(repr([trial.params.get(path) for path in paths]), []).append(trial)
        return tuple(map(tuple, found.values()))

    @property
    def is_search(self) -> bool:
        """Whether an algorithm drew the values, so that all of them change at once on purpose."""
        sampler = self.section("sampler").get("name", "tpe")
        if self.ours:
            return bool(self.varied) and sampler not in ("grid", "brute_force")
        numeric = [path for path, known in self.varied.items() if all(number(value) is not None for value in known)]
        drawn = [path for path in numeric if len(self.varied[path]) > len(self.finished) / 2]
        return len(self.finished) >= 10 and len(drawn) >= 2

    def section(self, name: str) -> dict[str, Any]:
        """A section of the study file; empty where it has none."""
        given = self.document.get(name)
        return dict(given) if isinstance(given, Mapping) else {}

    @property
    def kind(self) -> str:
        """What a training is called."""
        return "trial" if self.ours else "run"

    def key(self, text: str) -> str:
        """Where a study file says it, in brackets; nothing for runs that have no study file."""
        return f" ({text})" if self.ours else ""

    def call(self, trial: ReviewedTrial) -> str:
        """How a trial is called in a sentence."""
        return f"trial {trial.number}" if self.ours else f"run {trial.number} ({trial.name})"

    def call_all(self, trials: Iterable[ReviewedTrial]) -> str:
        """Several of them: ``trials 3, 7 and 12``."""
        numbers = sorted(trial.number for trial in trials)
        if len(numbers) == 1:
            return f"{self.kind} {numbers[0]}"
        shown = [str(one) for one in numbers[:_LISTED]]
        if more := len(numbers) - len(shown):
            return f"{self.kind}s {', '.join(shown)} and {more} more"
        return f"{self.kind}s {', '.join(shown[:-1])} and {shown[-1]}"

    def must_have(self, count: int, trials: Sequence[ReviewedTrial] | None = None) -> None:
        """Sees to it that there is enough to compare.

        Raises:
            NotJudged: there is not.
        """
        have = len(self.finished if trials is None else trials)
        if have < count:
            words = f"{have} finished {self.kind}{'' if have == 1 else 's'}"
            raise NotJudged(f"{words}; it takes {count}")


@functools.lru_cache(maxsize=10_000)
def last_part(path: str) -> str:
    """The last part of a dotted path, in small letters."""
    return path.rpartition(".")[2].lower()


@functools.lru_cache(maxsize=10_000)
def is_seed(path: str) -> bool:
    """Whether a parameter tells repetitions of the same configuration apart."""
    name = last_part(path)
    return name in _REPEATS or name.endswith(("_seed", "seed")) or name in ("run_id", "run_name", "timestamp", "date")


def shapes_network(path: str) -> bool:
    """Whether a parameter's name says that it shapes the network."""
    return path.startswith("model.") or any(word in last_part(path) for word in _STRUCTURE)
