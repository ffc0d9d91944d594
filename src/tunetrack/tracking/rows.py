"""Knows how stored runs become the frozen rows of studies and trials, whichever way the runs were read."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pandas as pd
from mlflow.entities import Run

from tunetrack.errors import TrackingError, masked
from tunetrack.spec.records import TrialState
from tunetrack.tracking.names import HEALTHY, StudyState, Tag
from tunetrack.tracking.study_info import StudyInfo, info_from_tags
from tunetrack.tracking.values import LOG10_PREFIX, ParamValue, decode_param

__all__ = [
    "EPOCH_METRIC",
    "StoredRun",
    "StudyRow",
    "StudyTable",
    "TrialRow",
    "chosen_study",
    "newest_studies",
    "stored_run",
    "study_row",
    "study_table",
    "trial_row",
]

State = TypeVar("State", StudyState, TrialState)

#: The metric that every epoch logs at its own number.
EPOCH_METRIC = "train/loss"

#: Most params are the same in all trials of a study.
_decoded = functools.lru_cache(maxsize=50_000)(decode_param)


@dataclass(frozen=True)
class StudyRow:
    """One study's parent run.

    Attributes:
        info: name, what is searched, objectives; the document is empty here (`study_file`).
        state: where it stands.
        run_id, experiment_id: MLflow's ids.
        experiment: the experiment's name.
        start, end: UTC; `end` is None while it runs.
        tags: all of the run's tags.
    """

    info: StudyInfo
    state: StudyState
    run_id: str
    experiment_id: str
    experiment: str
    start: datetime
    end: datetime | None
    tags: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def confirms(self) -> str | None:
        """The run of the study that this one confirms; None where it searches itself."""
        return None if self.info.confirms is None else self.info.confirms.run


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: from 0.
        state: where it stands; RUNNING also where its process was killed and nobody has noticed.
        reason: why it was not completed, in words.
        run_id: MLflow's id.
        params: value by dotted path, with the type that was logged.
        metrics: latest value by name.
        values: one value an objective; None where the trial has no result.
        duplicate_of: number of the trial whose result was reused.
        start, end: UTC; `end` is None while it runs.
        health: what was found in its weights, a sentence a rule; empty where nothing was, None where it was not judged.
        name: the run's name.
        epochs: how many were trained; None where none was logged.
        worker: who ran it; empty where that was not logged.
        unsearched: values at paths that the study searches, but none of this trial's branches does, such as the weight
            decay of 0 of an optimiser that has a default for it. The trial was trained with them; `params` lacks them.
        would_prune_at: epoch after which the pruner would have ended it; it was run on, being of the control sample.
        device: kind of device that it was trained on; empty where that was not logged.
        threads: CPU threads of one of its operations; None where that was not logged.
        confirms: in a confirmation, the searched study's trial whose configuration this one trains again.
        violates: the constraints of the study that it breaks, in words; such a trial is never the best.
    """

    number: int
    state: TrialState
    reason: str
    run_id: str
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    values: tuple[float, ...] | None
    duplicate_of: int | None
    start: datetime
    end: datetime | None
    health: Mapping[str, str] | None = None
    name: str = ""
    epochs: int | None = None
    worker: str = ""
    unsearched: Mapping[str, ParamValue] = field(default_factory=dict)
    would_prune_at: int | None = None
    device: str = ""
    threads: int | None = None
    confirms: int | None = None
    violates: str = ""

    @property
    def trained_with(self) -> dict[str, ParamValue]:
        """All parameters, searched or not, as they were logged."""
        return {**self.params, **self.unsearched}

    @property
    def seconds(self) -> float | None:
        """What the trial cost, seconds: its training time, else how long its run was open; None where neither is known.

        The training time comes first: the run of a trial that was taken up again was also open while nobody worked.
        """
        trained = self.metrics.get("train_seconds")
        if trained is not None and math.isfinite(trained):
            return trained
        return None if self.end is None else max(0.0, (self.end - self.start).total_seconds())


@dataclass(frozen=True)
class StudyTable:
    """A study with its trials in the order of their numbers."""

    study: StudyRow
    trials: tuple[TrialRow, ...]

    def frame(self) -> pd.DataFrame:
        """One row a trial: number, state, reason, run_id, start, end, ``params.*``, ``metrics.*``."""
        return pd.DataFrame(
            [
                {
                    "number": trial.number,
                    "state": trial.state.value,
                    "reason": trial.reason,
                    "run_id": trial.run_id,
                    "start": trial.start,
                    "end": trial.end,
                    **{f"params.{path}": value for path, value in trial.trained_with.items()},
                    **{f"metrics.{name}": value for name, value in trial.metrics.items()},
                }
                for trial in self.trials
            ]
        )


@dataclass(frozen=True)
class StoredRun:
    """One run as the store has it.

    Attributes:
        run_id, experiment_id: MLflow's ids.
        name: the run's name.
        status: MLflow's own.
        start, end: ms since 1970; `end` is None until the run has ended once.
        tags: those that the rows need, at least.
        params: text by name.
        metrics: latest value by name; what is not a number is `math.nan` itself, so that equal runs are equal.
        epochs: the last step of `EPOCH_METRIC`.
    """

    run_id: str
    experiment_id: str
    name: str
    status: str
    start: int
    end: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    epochs: int | None = None


def stored_run(run: Run) -> StoredRun:
    """What MLflow's client has given."""
    info, data = run.info, run.data
    return StoredRun(
        info.run_id,
        info.experiment_id,
        info.run_name or "",
        info.status,
        int(info.start_time),
        info.end_time or None,
        dict(data.tags),
        dict(data.params),
        {name: math.nan if math.isnan(value) else value for name, value in data.metrics.items()},
        # The client has the steps of the latest values, and shows them nowhere else.
        next((metric.step for metric in data._metric_objs if metric.key == EPOCH_METRIC), None),
    )


def newest_studies(runs: Iterable[StoredRun], experiments: Mapping[str, str]) -> tuple[StudyRow, ...]:
    """The studies, newest first; of a study with several parent runs, the newest.

    Args:
        runs: parent runs.
        experiments: name by id.
    """
    rows: dict[tuple[str, str], StudyRow] = {}
    for run in sorted(runs, key=lambda run: (-run.start, run.run_id)):
        row = study_row(run, experiments[run.experiment_id])
        rows.setdefault((row.experiment_id, row.info.identity), row)
    return tuple(rows.values())


def chosen_study(studies: Iterable[StudyRow], study: str, experiment: str | None, uri: str) -> StudyRow:
    """The study of this name or run id.

    Raises:
        TrackingError: there is none, or more than one.
    """
    rows = tuple(studies)
    found = [row for row in rows if study in (row.info.name, row.run_id) and experiment in (None, row.experiment)]
    if len(found) != 1:
        known = ", ".join(sorted(f"{row.info.name} (experiment {row.experiment})" for row in rows))
        problem = "more than one study is called" if found else "there is no study"
        hint = "; name it by its run's id instead" if found else ""
        raise TrackingError(f"{problem} {study!r} in {masked(uri)}{hint}; known: {known or 'none'}")
    return found[0]


def study_table(parent: StudyRow, trials: Iterable[TrialRow]) -> StudyTable:
    """The study with the newest run of each of its trials, by number."""
    # A trial has two runs only where a crash hid the first one.
    latest = {row.number: row for row in sorted(trials, key=lambda row: (row.start, row.run_id))}
    return StudyTable(parent, tuple(latest[number] for number in sorted(latest)))


def study_row(run: StoredRun, experiment: str) -> StudyRow:
    """The row of a parent run.

    Raises:
        TrackingError: its tags were changed by hand.
    """
    info = info_from_tags(run.tags, run.run_id)
    state = _enum(StudyState, run.tags.get(Tag.STUDY_STATE, ""), run.run_id)
    start, end = _utc(run.start), _utc(run.end) if run.end else None
    return StudyRow(info, state, run.run_id, run.experiment_id, experiment, start, end, run.tags)


def trial_row(run: StoredRun, info: StudyInfo) -> TrialRow:
    """The row of a trial's run.

    Raises:
        TrackingError: its tags were changed by hand.
    """
    tags, metrics, number = run.tags, run.metrics, int(run.tags[Tag.TRIAL_NUMBER])
    duplicate = tags.get(Tag.TRIAL_DUPLICATE_OF)
    values = [metrics.get(name) for name in info.objective_metrics]
    known = tuple(value for value in values if value is not None)
    params = {path: _decoded(text) for path, text in run.params.items() if not path.startswith(LOG10_PREFIX)}
    left = [param.path for param in info.searched if param.path in params and not param.is_searched(params)]
    unsearched = {path: params.pop(path) for path in left}
    return TrialRow(
        number=number,
        state=_enum(TrialState, tags.get(Tag.TRIAL_STATE, ""), run.run_id),
        reason=tags.get(Tag.TRIAL_REASON, ""),
        run_id=run.run_id,
        params=params,
        metrics=metrics,
        values=known if known and len(known) == len(values) else None,
        duplicate_of=int(duplicate) if duplicate else None,
        start=_utc(run.start),
        end=_utc(run.end) if run.end else None,
        health=_health(tags),
        name=run.name,
        epochs=run.epochs or None,
        worker=tags.get(Tag.TRIAL_WORKER, ""),
        unsearched=unsearched,
        would_prune_at=_whole(tags.get(Tag.TRIAL_WOULD_PRUNE_AT)),
        device=tags.get(Tag.USED_DEVICE, ""),
        threads=_whole(tags.get(Tag.USED_THREADS)),
        confirms=None if info.confirms is None else info.confirms.original(number),
        violates=tags.get(Tag.TRIAL_VIOLATES, ""),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _health(tags: Mapping[str, str]) -> dict[str, str] | None:
    rules = tags.get(Tag.WEIGHT_HEALTH)
    if rules is None or rules == HEALTHY:
        return None if rules is None else {}
    return {rule: tags.get(f"{Tag.WEIGHT_HEALTH_PREFIX}{rule}", "") for rule in rules.split(",")}


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _enum(kind: type[State], text: str, run_id: str) -> State:
    try:
        return kind(text)
    except ValueError as error:
        raise TrackingError(f"run {run_id} has the unknown state {text!r}; allowed: {', '.join(kind)}") from error
