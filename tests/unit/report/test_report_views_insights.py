"""When importance and interactions of a study are computed anew."""

from __future__ import annotations

from dataclasses import replace

from report_samples import realistic

from tunetrack.report.views.insights import KnownInsights
from tunetrack.spec.records import TrialState
from tunetrack.tracking import StudyState
from tunetrack.tracking.queries import StudyTable, TrialRow
from tunetrack.tracking.reader import Versioned


def test_insights_are_computed_again_only_when_they_may_have_changed() -> None:
    table, _ = realistic(120)
    known = KnownInsights()
    first = known.of(Versioned("1", table))
    count = first.trials
    assert count == sum(one.state is TrialState.COMPLETE for one in table.trials) > 50
    running = replace(table, study=replace(table.study, state=StudyState.RUNNING))
    fewer = replace(running, trials=tuple(one for one in table.trials if one.number != best_of(table)))
    assert known.of(Versioned("2", running)) is first
    second = known.of(Versioned("3", fewer))  # a trial that was there is gone
    assert (second.trials, known.of(Versioned("4", running))) == (count - 1, second)
    grown = replace(running, trials=grown_by(running, 2))
    assert known.of(Versioned("5", grown)).trials == count + 2
    assert known.of(Versioned("6", table)).trials == count  # it has ended: all of its trials count


def best_of(table: StudyTable) -> int:
    return next(one.number for one in table.trials if one.state is TrialState.COMPLETE)


def grown_by(table: StudyTable, count: int) -> tuple[TrialRow, ...]:
    last = next(one for one in reversed(table.trials) if one.state is TrialState.COMPLETE)
    return (*table.trials, *(replace(last, number=10_000 + more) for more in range(count)))
