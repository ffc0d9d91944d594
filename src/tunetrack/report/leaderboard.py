"""Knows the best trials in numbers: value, parameters, cost, and best epoch apart from last epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tunetrack.report.certainty import images_of, value_interval
from tunetrack.report.values import pareto_front, ranked, score, seconds_of
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Confirmed, Winner
from tunetrack.stats import Interval
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["LeaderboardInfo", "LeaderboardRow", "leaderboard_info", "leaderboard_trials"]

#: How many trials the leaderboard shows.
TOP = 10


@dataclass(frozen=True)
class LeaderboardRow:
    """One trial.

    Attributes:
        number: of the trial.
        values: one an objective.
        params: the searched parameters that this trial has, by path.
        epochs: how many were trained; None where no curve was read.
        seconds: what the trial cost; None where it is not known.
        parameters: trainable parameters of the model; None where it is not known.
        best_accuracy, best_epoch: the best epoch's validation accuracy, and which epoch; None where not logged.
        final_accuracy: the last epoch's validation accuracy; None where not logged.
        test_accuracy: None where the test images were not looked at.
        on_front: whether no other trial beats it; for one objective, whether it has the best value.
        interval: of the first value over new images at 95 %, where it is an accuracy; it rests on one training seed.
        images: number of validation images behind the values; None where it is not known.
        confirmed: what the same configuration gave on several seeds; None where it was not trained again.
    """

    number: int
    values: tuple[float, ...]
    params: Mapping[str, object]
    epochs: int | None
    seconds: float | None
    parameters: int | None
    best_accuracy: float | None
    best_epoch: int | None
    final_accuracy: float | None
    test_accuracy: float | None
    on_front: bool
    interval: Interval | None = None
    images: int | None = None
    confirmed: Confirmed | None = None


@dataclass(frozen=True)
class LeaderboardInfo:
    """The best trials, best first by the first objective.

    Attributes:
        rows: for one objective the top trials; for several the Pareto front first, then the rest.
        finished: number of trials that are ranked, duplicates left out.
    """

    rows: tuple[LeaderboardRow, ...]
    finished: int


def leaderboard_trials(table: StudyTable, top: int = TOP) -> tuple[TrialRow, ...]:
    """The trials that the leaderboard shows, in its order.

    Args:
        table: the study.
        top: how many at most.
    """
    return tuple(_ordered(table)[0][:top])


def leaderboard_info(
    table: StudyTable,
    history: pd.DataFrame,
    top: int = TOP,
    images: int | None = None,
    winner: Winner | None = None,
) -> LeaderboardInfo:
    """The best trials. Duplicates are left out: they repeat the result of a trial that is listed.

    Args:
        table: the study.
        history: metrics by epoch, as `read_history` gives it; tells how many epochs were trained.
        top: how many rows at most.
        images: number of validation images, where the trials' own parameters do not say.
        winner: what was confirmed of this study; None where nothing was.
    """
    trials, front = _ordered(table)
    epochs = {str(run): int(rows["step"].max()) for run, rows in history.groupby("run_id")}
    tests = _test_accuracies(table)
    searched = [param.path for param in table.study.info.searched]
    metric = table.study.info.objectives[0].metric
    if winner is not None and winner.study_run != table.study.run_id:
        winner = None  # a confirmation's own trials have numbers of their own
    rows = []
    for trial in trials[:top]:
        rows.append(
            LeaderboardRow(
                number=trial.number,
                values=trial.values or (),
                params={path: trial.params[path] for path in searched if path in trial.params},
                epochs=epochs.get(trial.run_id) or None,
                seconds=seconds_of(trial),
                parameters=_whole(trial, "model/parameters"),
                best_accuracy=_metric(trial, "best/validation/accuracy"),
                best_epoch=_whole(trial, "best/epoch"),
                final_accuracy=_metric(trial, "final/validation/accuracy", "validation/accuracy"),
                test_accuracy=tests.get(trial.number),
                on_front=trial.number in front,
                interval=value_interval(metric, score(trial), images_of(trial, images)),
                images=images_of(trial, images),
                confirmed=None if winner is None else winner.of(trial.number),
            )
        )
    return LeaderboardInfo(tuple(rows), len(trials))


def _ordered(table: StudyTable) -> tuple[list[TrialRow], set[int]]:
    """The completed trials, those first that no other one beats; and the numbers of these.

    With one objective these are the trials with the best value.
    """
    trials = [trial for trial in ranked(table) if trial.state is TrialState.COMPLETE]
    maximize = [goal.maximize for goal in table.study.info.objectives]
    front = {trials[index].number for index in pareto_front([trial.values or () for trial in trials], maximize)}
    return sorted(trials, key=lambda trial: trial.number not in front), front


def _test_accuracies(table: StudyTable) -> dict[int, float]:
    """Test accuracy by trial number; one that was logged on a duplicate belongs to the trial that it repeats."""
    found = {}
    for trial in table.trials:
        value = _metric(trial, "test/accuracy")
        if value is not None:
            found[trial.number if trial.duplicate_of is None else trial.duplicate_of] = value
    return found


def _metric(trial: TrialRow, *names: str) -> float | None:
    for name in names:
        value = trial.metrics.get(name)
        if value is not None and math.isfinite(value):
            return value
    return None


def _whole(trial: TrialRow, name: str) -> int | None:
    value = _metric(trial, name)
    return None if value is None else round(value)
