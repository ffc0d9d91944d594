"""A study's outcome as plain data: what Python callers, tables and scripts receive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tunetrack.errors import TrackingError
from tunetrack.ledger import TrialRecord, pareto_front
from tunetrack.spec import Objective, TrialState, flatten
from tunetrack.spec.certainty import SHARES
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.domains import Scalar
from tunetrack.spec.winner import Winner
from tunetrack.stats import Interval, share_interval, tied
from tunetrack.tracking import connect, read_weight_stats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HeldOut", "StudyResult", "StudyTrial"]


@dataclass(frozen=True)
class StudyTrial:
    """One trial of a study.

    Attributes:
        record: what the ledger knows of it.
        run_id: its MLflow run; None where it has none.
        searched: paths of the study's searched parameters.
        tracking_uri: where that run is.
        confirms: in a confirmation, the searched study's trial whose configuration this one trains again.
    """

    record: TrialRecord
    run_id: str | None
    searched: tuple[str, ...] = ()
    tracking_uri: str = ""
    confirms: int | None = None

    @property
    def number(self) -> int:
        """0 for the study's first trial."""
        return self.record.number

    @property
    def state(self) -> TrialState:
        """Where the trial stands."""
        return self.record.state

    @property
    def values(self) -> tuple[float, ...] | None:
        """One value an objective; None where the trial has no result that counts."""
        return self.record.objectives

    @property
    def value(self) -> float | None:
        """The first objective's value."""
        return self.values[0] if self.values else None

    @property
    def config(self) -> dict[str, Any]:
        """The values and ranges of the study file with this trial's choices made; empty where it never began."""
        return self.record.config or {}

    @property
    def params(self) -> dict[str, Scalar]:
        """The trial's configuration by dotted path, as far as the study file gives it."""
        return flatten(self.config, self.searched)

    def weight_stats(self) -> pd.DataFrame:
        """What was measured in the network while it trained, read from the trial's run at every call.

        Returns:
            One row a tensor, activation layer or residual block at one moment; the columns are explained in
            docs/weight-statistics.md.

        Raises:
            TrackingError: the tracking store cannot be read, or the trial has no weight statistics.
        """
        if self.run_id is None:
            raise TrackingError(f"trial {self.number} has no MLflow run, and so no weight statistics")
        with connect(self.tracking_uri) as store:
            return read_weight_stats(store, self.run_id)

    def document(self) -> dict[str, Any]:
        """The trial as JSON-ready data: number, state, reason, parameters by path, values, MLflow run."""
        return {
            "number": self.number,
            "state": self.state.value,
            "reason": self.record.reason,
            "params": self.params,
            "values": None if self.values is None else list(self.values),
            "violates": list(self.record.violates),
            "run_id": self.run_id,
            **({} if self.confirms is None else {"confirms": self.confirms}),
        }


@dataclass(frozen=True)
class HeldOut:
    """One look at the test images.

    Attributes:
        trial: number of the trial that was measured.
        accuracy: fraction in [0, 1]; of a confirmed configuration the mean over its seeds, like all that follows.
        loss: mean cross-entropy.
        groups: further accuracies by their names in MLflow, where the data set has groups.
        at: when it was taken, seconds since 1970; 0.0 where that was not kept.
        confirmation: name of the confirmation whose replicates were measured; empty: the trial itself was.
        values: accuracy by seed, where replicates were measured.
        low, high: interval of `accuracy` over new seeds and new images, where replicates were measured.
        images: how many there are, where replicates were measured.
    """

    trial: int
    accuracy: float
    loss: float
    groups: dict[str, float] = field(default_factory=dict)
    at: float = 0.0
    confirmation: str = ""
    values: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    images: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> HeldOut:
        """What was kept of a look, as `dataclasses.asdict` gives it and JSON keeps it."""
        return cls(**{**data, "values": tuple(data.get("values", ()))})

    def metrics(self) -> dict[str, float]:
        """The numbers under the names that they have in MLflow."""
        return {"test/accuracy": self.accuracy, "test/loss": self.loss, **self.groups}


@dataclass(frozen=True)
class StudyResult:
    """A study and its trials.

    Attributes:
        name: unique in its ledger.
        objectives: in the order of the trials' values.
        searched: paths of the searched parameters, in the order of the study file.
        trials: in the order of their numbers.
        run_id: the study's MLflow run; None where the tracking store does not know it.
        experiment_id: the MLflow experiment of all its runs.
        tracking_uri: where they are.
        validation_images: how many images decide; None where trials differ.
        looks: every look at the test images, in order. One after the search; another only where a resumed study
            found a better trial.
        validates_on_test_images: whether trials, or some of them, draw their validation images from the official test
            set.
        winner: what the last confirmation has found; None where there was none.
        confirms: what this study confirms; None where it searches itself.
        constraints: limits that the best trial keeps, in words.
        stopped: why it gets no further trial, in words; empty while it may.
    """

    name: str
    objectives: tuple[Objective, ...]
    searched: tuple[str, ...]
    trials: tuple[StudyTrial, ...]
    run_id: str | None
    experiment_id: str | None
    tracking_uri: str
    validation_images: int | None = None
    looks: tuple[HeldOut, ...] = ()
    validates_on_test_images: bool = False
    winner: Winner | None = None
    confirms: Confirms | None = None

    @property
    def winner_is_current(self) -> bool:
        """Whether there is a confirmed winner, and no trial has got a value since."""
        return self.winner is not None and self.winner.searched_trials == len(self.ranked())

    constraints: tuple[str, ...] = ()
    stopped: str = ""

    def ranked(self) -> tuple[StudyTrial, ...]:
        """The trials that have a value, best first by the first objective; equals by the others, then by number.

        Those that break a constraint are left out.
        """
        signs = [-1.0 if objective.maximize else 1.0 for objective in self.objectives]
        valued = [(trial.values, trial) for trial in self.trials if trial.values and trial.record.ranked]
        return tuple(
            trial for _, trial in sorted(valued, key=lambda pair: [s * v for s, v in zip(signs, pair[0], strict=True)])
        )

    @property
    def front(self) -> tuple[StudyTrial, ...]:
        """The trained trials that no other one beats, best first by the first objective; of a single one, the best."""
        complete = [trial for trial in self.ranked() if trial.state is TrialState.COMPLETE]
        numbers = {record.number for record in pareto_front([trial.record for trial in complete], self.objectives)}
        return tuple(trial for trial in complete if trial.number in numbers)

    def front_in_words(self, shown: int = 12) -> str:
        """Which trials no other one beats, at most so many of them; empty where none finished."""
        front = [str(trial.number) for trial in self.front]
        if not front:
            return ""
        more = f" and {len(front) - shown} more" if len(front) > shown else ""
        metrics = " and ".join(str(objective.metric) for objective in self.objectives)
        stand = "trial stands" if len(front) == 1 else "trials stand"
        return f"{len(front)} {stand} on the Pareto front of {metrics}: {', '.join(front[:shown])}{more}."

    @property
    def best(self) -> StudyTrial | None:
        """The trial with the best first objective, which is on the Pareto front; None where none has a value."""
        return next(iter(self.ranked()), None)

    @property
    def test(self) -> HeldOut | None:
        """How the winner, or without one the best trial, did on the test images; None before it was measured."""
        wanted = (None if self.best is None else self.best.number, "")
        if self.winner is not None and self.winner_is_current:
            wanted = (self.winner.chosen, self.winner.confirm_study)
        return next((look for look in self.looks if (look.trial, look.confirmation) == wanted), None)

    def test_in_words(self) -> str:
        """The winner's test accuracy, and how often the test images were looked at; empty before that."""
        if self.test is None:
            return ""
        if self.test.confirmation:
            sample = (
                f"{len(self.test.values)} seed{'' if len(self.test.values) == 1 else 's'} x {self.test.images:,} images"
            )
            interval = f"95 % interval {self.test.low:.4f} to {self.test.high:.4f}, {sample}"
            looks = "looked at once" if len(self.looks) == 1 else self._looks_in_words()
            return f"Test accuracy of the winner: {self.test.accuracy:.4f} ({interval}); {looks}"
        which = "the best trial"
        if len(self.objectives) > 1:
            which = f"trial {self.test.trial}, which is the best in {self.objectives[0].metric}"
        if len(self.looks) == 1:
            return f"Test accuracy of {which}, looked at once: {self.test.accuracy:.4f}"
        return f"Test accuracy of {which}: {self.test.accuracy:.4f}; {self._looks_in_words()}"

    def outdated_in_words(self) -> str:
        """That the confirmed winner is older than the last trials; empty where it is not, or where there is none."""
        if self.winner is None or self.winner_is_current:
            return ""
        return (
            f"The confirmed winner, trial {self.winner.chosen}, is out of date: it was chosen among "
            f"{self.winner.searched_trials} trials with a value, and now there are {len(self.ranked())}; "
            f"`tunetrack confirm {self.name}` chooses again."
        )

    def _looks_in_words(self) -> str:
        trials = ", ".join(str(look.trial) for look in self.looks)
        times = f"the test images were looked at {len(self.looks)} times (trials {trials})"
        return f"{times}, so they are no longer untouched"

    def protocol_in_words(self) -> str:
        """What there is to know of the choice of images; empty for a study whose test images were kept apart."""
        if not self.validates_on_test_images:
            return ""
        return "The validation images were drawn from the official test set (data.faithful)"

    def constraints_in_words(self) -> str:
        """How many trials broke a constraint, untrained or trained; empty where there is none."""
        if not self.constraints:
            return ""
        trained = sum(bool(trial.record.violates) and trial.values is not None for trial in self.trials)
        untrained = sum(bool(trial.record.violates) and trial.values is None for trial in self.trials)
        broken = [f"{untrained} untrained"] if untrained else []
        broken += [f"{trained} trained, which cannot be the best"] if trained else []
        said = f"Constraint{'s' if len(self.constraints) > 1 else ''} {' and '.join(self.constraints)}"
        return f"{said}: broken by {' and '.join(broken) if broken else 'no trial'}"

    def counts(self) -> dict[TrialState, int]:
        """How many trials ended in each state."""
        return dict(Counter(trial.state for trial in self.trials))

    def interval(self, trial: StudyTrial) -> Interval | None:
        """The 95 % interval of a trial's accuracy over new images; None for objectives that are no accuracy.

        It knows nothing of other training seeds: `winner` does.
        """
        if trial.value is None or not self.validation_images or len(self.objectives) > 1:
            return None
        if self.objectives[0].metric not in SHARES or not 0.0 <= trial.value <= 1.0:
            return None
        return share_interval(round(trial.value * self.validation_images), self.validation_images)

    def ties_in_words(self) -> str:
        """How many other trials the images do not tell apart from the best one; empty where nothing can be said.

        Those are meant with which the 95 % interval of the difference of the two accuracies holds 0.
        """
        best, images = self.best, self.validation_images
        if best is None or images is None or self.interval(best) is None:
            return ""
        others = [trial for trial in self.ranked()[1:] if trial.state is TrialState.COMPLETE]
        ties = len(tied([trial.value or 0.0 for trial in (best, *others)], [images] * (len(others) + 1)))
        if not others:
            return ""
        if not ties:
            return "by these images every other trial can be told apart from it"
        return f"{ties} other trial{'s' * (ties > 1)} cannot be told apart from it"

    def frame(self) -> pd.DataFrame:
        """The trials as a table: number, state, one column a value, one a parameter by path, run_id."""
        import pandas as pd

        names = [str(objective.metric) for objective in self.objectives]
        rows = [
            {
                "number": trial.number,
                "state": trial.state.value,
                **dict(zip(names, trial.values or (), strict=False)),
                **trial.params,
                **({"violates": "; ".join(trial.record.violates)} if self.constraints else {}),
                "run_id": trial.run_id,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows)

    def document(self) -> dict[str, Any]:
        """The study as JSON-ready data."""
        best = self.best
        return {
            "name": self.name,
            "objectives": [
                {"metric": str(o.metric), "direction": "maximize" if o.maximize else "minimize"}
                for o in self.objectives
            ],
            "constraints": list(self.constraints),
            "stopped": self.stopped,
            "best_trial": None if best is None else best.number,
            "winner": None if self.winner is None else {**self.winner.document(), "current": self.winner_is_current},
            "pareto_front": [trial.number for trial in self.front],
            "test": [asdict(look) for look in self.looks],
            "tracking_uri": self.tracking_uri,
            "experiment_id": self.experiment_id,
            "run_id": self.run_id,
            "trials": [trial.document() for trial in self.trials],
        }
