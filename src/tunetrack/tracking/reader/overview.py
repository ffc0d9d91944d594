"""Knows a study in one line: how many trials in which state, the best one, and what all of them cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tunetrack.spec.records import TrialState
from tunetrack.tracking.rows import StudyRow, TrialRow, study_table
from tunetrack.tracking.study_info import Objective

__all__ = ["StudyOverview", "overview"]


@dataclass(frozen=True)
class StudyOverview:
    """One study.

    Attributes:
        study: its row.
        trials: number of trials by state, those that occur.
        best: number of the best completed trial by the first objective, equals by the others, of those that break no
            constraint; None where there is none.
        values: its values; empty where there is no best trial.
        seconds: what all trials cost together.
        saved_view: id of its saved view in MLflow's UI; None where none was written.
    """

    study: StudyRow
    trials: Mapping[TrialState, int]
    best: int | None
    values: tuple[float, ...]
    seconds: float
    saved_view: str | None = None


def overview(study: StudyRow, trials: Iterable[TrialRow], saved_view: str | None = None) -> StudyOverview:
    """A study in one line, from the rows of its runs; of a trial with two runs the newer one counts."""
    rows = study_table(study, trials).trials
    counts = Counter(row.state for row in rows)
    best = _best(rows, study.info.objectives)
    return StudyOverview(
        study,
        {state: counts[state] for state in TrialState if state in counts},
        None if best is None else best.number,
        () if best is None else best.values or (),
        sum(row.seconds or 0.0 for row in rows),
        saved_view,
    )


def _best(rows: Sequence[TrialRow], goals: Sequence[Objective]) -> TrialRow | None:
    def key(row: TrialRow) -> tuple[float, ...]:
        pairs = zip(row.values or (), goals, strict=True)
        return (*(-value if goal.maximize else value for value, goal in pairs), row.number)

    known = [
        row
        for row in rows
        if row.state is TrialState.COMPLETE
        and row.values is not None
        and not row.violates
        and all(map(math.isfinite, row.values))
    ]
    return min(known, key=key, default=None)
