"""A database server that goes away in the middle of anything: the ledger waits for it, and each change counts once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy

from ledger_support import asked
from postgres_support import Postgres
from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, Ticket, patience
from tunetrack.testing import drive, toy_spec
from tunetrack.testing.toy import run_toy_trial

SPEC = toy_spec("nested", sampler={"name": "tpe", "n_startup_trials": 2, "seed": 1}, constraints=["train_seconds <= 5"])
EARLIER = 3
#: One test takes every so many-th statement.
STRIDE = 9


def work(ledger: Ledger) -> None:
    """All that a worker does with a ledger."""
    ticket = asked(ledger)
    ledger.report(ticket, 1, 0.5)
    ledger.release(ticket)
    again = asked(ledger)
    ledger.set_attribute("seen", [ticket.number, again.number])
    assert ledger.workers()[0].number == ticket.number
    assert ledger.reclaim().released == ()
    run_toy_trial(ledger, again)


def table(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [
        (t.number, dict(t.values), t.state, t.objectives, dict(t.intermediate or {}), t.deaths, dict(t.constraints))
        for t in ledger.trials()
    ]


def begun(url: str, name: str) -> Ledger:
    ledger = Ledger.create(url, SPEC, name)
    drive(ledger, EARLIER)
    return Ledger.load(url, name)


@contextmanager
def at_moment(number: int, cut: Callable[[], None]) -> Iterator[list[int]]:
    """Calls `cut` before the statement or commit of this number; gives how many there were."""
    count = [0]

    def moment(*_: object) -> None:
        count[0] += 1
        if count[0] == number:
            cut()

    for name in ("before_cursor_execute", "commit"):
        sqlalchemy.event.listen(sqlalchemy.Engine, name, moment)
    try:
        yield count
    finally:
        for name in ("before_cursor_execute", "commit"):
            sqlalchemy.event.remove(sqlalchemy.Engine, name, moment)


@pytest.mark.parametrize("first", [1, *(pytest.param(first, marks=pytest.mark.slow) for first in range(2, STRIDE + 1))])
def test_connection_that_is_lost_before_any_statement(postgres: Postgres, postgres_ledger: str, first: int) -> None:
    whole = begun(postgres_ledger, "whole")
    with at_moment(0, lambda: None) as moments:
        work(whole)
    expected = table(whole)

    assert moments[0] > 40
    for number in range(first, moments[0] + 1, STRIDE):
        ledger = begun(postgres_ledger, f"cut{number}")
        with at_moment(number, postgres.cut_off):
            work(ledger)
        assert table(ledger) == expected, f"cut off at statement {number} of {moments[0]}"
        assert ledger.attributes()["seen"] == [EARLIER, EARLIER]


@pytest.mark.parametrize("use", ["add", "propose", "report", "release", "take", "tell"])
def test_commit_whose_answer_is_lost_counts_once(
    postgres_ledger: str, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = begun(postgres_ledger, use)
    lost = [0]
    dialect = ledger._storage._backend.engine.dialect  # type: ignore[attr-defined]
    commit = dialect.do_commit

    def without_answer(connection: Any) -> None:
        commit(connection)
        if lost[0]:
            lost[0] -= 1
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dialect, "do_commit", without_answer)
    write = ledger._claims.storage_of

    def propose() -> Ticket:
        with monkeypatch.context() as patched:
            patched.setattr(ledger._claims, "storage_of", lambda trial: (lost.__setitem__(0, 1), write(trial))[1])
            return asked(ledger)

    lost[0] = use == "add"
    ticket = propose() if use == "propose" else asked(ledger)
    lost[0] = use == "report"
    ledger.report(ticket, 1, 0.25)
    if use in ("release", "take"):
        lost[0] = use == "release"
        ledger.release(ticket)
        lost[0] = use == "take"
        ticket = asked(ledger)
        assert ticket.retry
    lost[0] = use == "tell"
    run_toy_trial(ledger, ticket)
    assert lost == [0]
    *_, last = ledger.trials()
    assert (last.number, last.deaths) == (EARLIER, 0)
    assert dict(last.values) == dict(ticket.values)
    assert last.state.value not in ("RUNNING", "KILLED")


def test_server_that_is_started_again_is_waited_for(
    postgres: Postgres, postgres_ledger: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = begun(postgres_ledger, "toy")
    ticket = asked(ledger)
    postgres.stop()
    back = threading.Timer(2.0, postgres.start)
    back.start()
    try:
        began = time.monotonic()
        run_toy_trial(ledger, ticket)
        assert time.monotonic() - began > 1.5
    finally:
        back.join()
    assert [trial.deaths for trial in ledger.trials()] == [0] * (EARLIER + 1)
    first, second = (record.getMessage() for record in caplog.records)
    assert "ada:***@127.0.0.1" in first
    assert "does not answer, which is waited for (10 minutes at most)" in first
    assert second == "the ledger answers again"


def test_server_that_stays_away_is_an_error_in_words(
    postgres: Postgres, postgres_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1.0)
    ledger = begun(postgres_ledger, "toy")
    postgres.stop()
    try:
        with pytest.raises(LedgerError, match=r"ada:\*\*\*@.* cannot be reached; is the database server running"):
            ledger.trials()
    finally:
        postgres.start()
    assert len(ledger.trials()) == EARLIER
