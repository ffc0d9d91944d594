"""What a trial asks of the database does not grow with the study: no statement goes through all of its trials."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy

from tunetrack.ledger import Ledger, open_storage
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import drive, toy_spec

TRIALS = 12


def plans(ledger: Ledger, url: str) -> dict[str, list[str]]:
    """By statement of one trial's life, how SQLite finds its rows."""
    engine = ledger._storage._backend.engine  # type: ignore[attr-defined]
    asked: dict[str, Any] = {}

    def note(*given: Any) -> None:
        if not given[5]:  # several rows at once are inserts
            asked[given[2]] = given[3]

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    with ledger.keeping():
        ticket = ledger.ask()
        assert ticket is not None
        ledger.report(ticket, 1, 0.5)
        ledger.twin(ticket)
        ledger.find_duplicate(ticket.key)
        ledger.reclaim(wait=False)
        ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (0.5,)), ticket.key)
    sqlalchemy.event.remove(engine, "before_cursor_execute", note)
    with sqlalchemy.create_engine(url).connect() as connection:
        return {
            statement: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
            for statement, given in asked.items()
        }


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_no_statement_of_a_trial_goes_through_the_study(sampler: str, url: str) -> None:
    ledger = Ledger.create(open_storage(url), toy_spec(sampler={"name": sampler}, budget={"trials": TRIALS + 1}))
    drive(ledger, TRIALS)
    found = plans(ledger, url)
    assert len(found) > 10
    for statement, steps in found.items():
        for step in steps:
            # A table is never scanned; one constant row, or a list that was given, may be.
            assert not step.startswith("SCAN") or "CONSTANT" in step or "subquery" in step, (statement, step)
            # Those of a study only above a number, or the last one alone.
            if "ix_trials_study_id" in step:
                assert "rowid>?" in step or "LIMIT" in statement, (statement, step)
