"""Knows what became of all trials: how many in which state, what they cost, and why some failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tunetrack.report.values import seconds_of
from tunetrack.spec.records import TrialState, pruning_rule
from tunetrack.tracking.queries import StudyTable

__all__ = ["FailureInfo", "StateRow", "StatesInfo", "failures_info", "states_info"]

_WITH_REASON = (TrialState.FAILED, TrialState.INFEASIBLE, TrialState.KILLED)


@dataclass(frozen=True)
class StateRow:
    """All trials of one state.

    Attributes:
        state: which.
        count: number of trials.
        seconds: what they cost together.
        unknown: how many of them have no known cost (they still run, or were never ended).
    """

    state: TrialState
    count: int
    seconds: float
    unknown: int


@dataclass(frozen=True)
class StatesInfo:
    """The states that occur, in the order of `TrialState`.

    Attributes:
        rows: one a state.
        trials: number of trials.
        seconds: what they cost together.
        pruned_share: fraction of `seconds` spent on pruned trials; None where nothing was spent.
        ended_by: pruned trials by the health rule that ended them; those that the pruner ended are left out.
    """

    rows: tuple[StateRow, ...]
    trials: int
    seconds: float
    pruned_share: float | None
    ended_by: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FailureInfo:
    """Trials that ended without a result for the same reason.

    Attributes:
        state: FAILED, INFEASIBLE or KILLED.
        reason: in words.
        numbers: of the trials.
    """

    state: TrialState
    reason: str
    numbers: tuple[int, ...]


def states_info(table: StudyTable) -> StatesInfo:
    """Counts and seconds by state; seconds as `tunetrack.report.values.seconds_of` defines them."""
    rows = []
    for state in TrialState:
        costs = [seconds_of(trial) for trial in table.trials if trial.state is state]
        if costs:
            rows.append(StateRow(state, len(costs), sum(cost or 0.0 for cost in costs), costs.count(None)))
    total = sum(row.seconds for row in rows)
    pruned = sum(row.seconds for row in rows if row.state is TrialState.PRUNED)
    rules = [pruning_rule(trial.reason) for trial in table.trials if trial.state is TrialState.PRUNED]
    ended_by = dict(Counter(rule for rule in rules if rule is not None).most_common())
    return StatesInfo(tuple(rows), len(table.trials), total, pruned / total if total > 0 else None, ended_by)


def failures_info(table: StudyTable) -> tuple[FailureInfo, ...]:
    """Trials without a result, grouped by state and reason, the most frequent reason first."""
    groups: dict[tuple[TrialState, str], list[int]] = {}
    for trial in table.trials:
        if trial.state in _WITH_REASON:
            groups.setdefault((trial.state, trial.reason), []).append(trial.number)
    found = [FailureInfo(state, reason, tuple(numbers)) for (state, reason), numbers in groups.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.numbers), group.numbers)))
