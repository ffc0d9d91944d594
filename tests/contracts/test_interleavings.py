"""Several ledgers on one database, in any order of asking, reporting, telling, giving back, dying and reclaiming.

Whatever happens, each number is finished once, by whoever holds it; deaths are counted once each; nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from optuna.storages import BaseStorage

from ledger_support import die
from tunetrack.errors import LeaseLostError
from tunetrack.ledger import Ledger, Ticket, open_storage
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec

RETRIES = 1
LEDGERS = 3


@dataclass
class Attempt:
    """A ticket in somebody's hands, also of one that has died over it or has lost it without knowing."""

    ledger: Ledger
    ticket: Ticket
    dead: bool = False
    lost: bool = False


class Interleavings(RuleBasedStateMachine):
    """The ledgers, and what must be in the storage."""

    storage: BaseStorage

    def __init__(self) -> None:
        super().__init__()
        spec = toy_spec(sampler={"name": "random"}, budget={"trials": 100, "retries": RETRIES})
        first = Ledger.start(self.storage, spec)
        self.ledgers = [first, *(Ledger.load(self.storage, first.name) for _ in range(LEDGERS - 1))]
        self.attempts: list[Attempt] = []
        self.states: dict[int, TrialState] = {}
        self.deaths: dict[int, int] = {}
        self.finished: dict[int, float] = {}
        self.steps = 0

    @rule(who=st.integers(0, LEDGERS - 1))
    def ask(self, who: int) -> None:
        ticket = self.ledgers[who].ask()
        assert ticket is not None
        waiting = [number for number, state in self.states.items() if state is TrialState.KILLED]
        assert ticket.number == (min(waiting) if waiting else len(self.states))
        assert (ticket.retry, ticket.deaths) == (bool(waiting), self.deaths.get(ticket.number, 0))
        self.states[ticket.number] = TrialState.RUNNING
        self.attempts.append(Attempt(self.ledgers[who], ticket))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), use=st.sampled_from(["report", "tell", "release"]))
    def goes_on(self, data: st.DataObject, use: str) -> None:
        self._use(data.draw(st.sampled_from(self.attempts)), use)

    def _use(self, attempt: Attempt, use: str) -> None:
        ledger, ticket = attempt.ledger, attempt.ticket
        value = float(len(self.finished))
        try:
            if use == "report":
                self.steps += 1
                ledger.report(ticket, self.steps, value)
            elif use == "tell":
                ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (value,)))
            else:
                ledger.release(ticket)
        except LeaseLostError:
            assert attempt.lost
            self.attempts.remove(attempt)
            return
        assert not attempt.lost
        if use == "tell":
            assert ticket.number not in self.finished
            self.finished[ticket.number] = value
            self.states[ticket.number] = TrialState.COMPLETE
        elif use == "release":
            self.states[ticket.number] = TrialState.KILLED
        if use != "report":
            self.attempts.remove(attempt)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def dies_or_is_frozen(self, data: st.DataObject) -> None:
        """Its claim is nobody's from now on; it may still be heard of later, as one that was frozen is."""
        attempt = data.draw(st.sampled_from(self.attempts))
        die(attempt.ledger, attempt.ticket)
        attempt.dead = True

    @rule(who=st.integers(0, LEDGERS - 1))
    def reclaim(self, who: int) -> None:
        gone = [attempt for attempt in self.attempts if attempt.dead and not attempt.lost]
        reclaimed = self.ledgers[who].reclaim("killed")
        assert sorted((*reclaimed.released, *reclaimed.failed)) == sorted(a.ticket.number for a in gone)
        for attempt in gone:
            number = attempt.ticket.number
            attempt.lost = True
            self.deaths[number] = self.deaths.get(number, 0) + 1
            failed = self.deaths[number] > RETRIES
            assert (number in reclaimed.failed) == failed
            self.states[number] = TrialState.FAILED if failed else TrialState.KILLED

    @precondition(lambda self: any(not attempt.lost for attempt in self.attempts))
    @rule(data=st.data(), who=st.integers(0, LEDGERS - 1), use=st.sampled_from(["report", "tell", "release"]))
    def wakes_up_when_another_one_is_at_it(self, data: st.DataObject, who: int, use: str) -> None:
        """What chance alone finds too seldom."""
        frozen = data.draw(st.sampled_from([attempt for attempt in self.attempts if not attempt.lost]))
        die(frozen.ledger, frozen.ticket)
        frozen.dead = True
        self.reclaim(who)
        while self.states[frozen.ticket.number] is TrialState.KILLED:
            self.ask(who)
        self._use(frozen, use)

    @rule(who=st.integers(0, LEDGERS - 1))
    def opens_anew(self, who: int) -> None:
        """A process that ends: its trials are as good as dead."""
        for attempt in self.attempts:
            if attempt.ledger is self.ledgers[who]:
                die(attempt.ledger, attempt.ticket)
                attempt.dead = True
        self.ledgers[who] = Ledger.load(self.storage, self.ledgers[who].name)

    @invariant()
    def storage_holds_what_must_be(self) -> None:
        records = self.ledgers[self.steps % LEDGERS].trials()
        assert [record.number for record in records] == list(range(len(self.states)))
        assert {record.number: record.state for record in records} == self.states
        assert {record.number: record.deaths for record in records if record.deaths} == self.deaths
        assert {r.number: r.objectives[0] for r in records if r.objectives} == self.finished
        held = {a.ticket.number for a in self.attempts if not a.lost}
        assert {worker.number for worker in self.ledgers[0].workers()} == held


@pytest.fixture
def storage(ledger_url: str) -> Iterator[BaseStorage]:
    Interleavings.storage = open_storage(ledger_url)
    yield Interleavings.storage
    del Interleavings.storage


@pytest.mark.parametrize("ledger_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_any_interleaving_keeps_the_books_right(storage: BaseStorage) -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
