"""What a ledger must do on any storage: asking, reporting, telling, giving back, reclaiming, resuming."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tunetrack.errors import LedgerError
from tunetrack.ledger import WAIT, Ledger, Reclaimed, Ticket, latest_name, list_studies, pareto_front
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing.toy import SPACES, drive, toy_loss, toy_spec

__all__ = ["LedgerContract"]

#: Takes a trial and ends without a word, as a killed process does.
_ABANDON = "import os, sys; from tunetrack.ledger import Ledger; Ledger.load(*sys.argv[1:]).ask(); os._exit(1)"


#: A worker of another host: takes a trial, waits for a word, and says what becomes of its result.
_ELSEWHERE = """
import socket, sys
socket.gethostname = lambda: "elsewhere"
from tunetrack.errors import LeaseLostError
from tunetrack.ledger import Ledger
from tunetrack.spec.records import TrialOutcome, TrialState
ledger = Ledger.load(*sys.argv[1:])
ticket = ledger.ask()
print(ticket.number, flush=True)
sys.stdin.readline()
for use in (ledger.report, ledger.tell):
    try:
        use(ticket, 1, 0.25) if use == ledger.report else use(ticket, TrialOutcome(TrialState.COMPLETE, (0.25,)))
        print("kept", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
"""


def _asked(ledger: Ledger) -> Ticket:
    ticket = ledger.ask()
    assert isinstance(ticket, Ticket)
    return ticket


def _complete(ledger: Ledger, ticket: Ticket, value: float, key: str | None = None) -> None:
    ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (value,)), key)


class LedgerContract:
    """Inherit, and give a fixture `url` with the URL of an empty storage that other processes can open."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, url: str) -> Ledger:
        return Ledger.create(url, toy_spec())

    def test_trial_goes_down_and_comes_back(self, ledger: Ledger, url: str) -> None:
        ticket = _asked(ledger)
        assert ticket.number == 0
        assert not ticket.retry
        ledger.report(ticket, 1, 0.75)
        assert ledger.trials()[0].state is TrialState.RUNNING
        _complete(ledger, ticket, 0.5)
        (record,) = Ledger.load(url, "toy").trials()
        assert (record.number, record.state, record.objectives) == (0, TrialState.COMPLETE, (0.5,))
        assert (record.values, record.config, record.intermediate) == (ticket.values, ticket.config, {1: 0.75})
        assert record.started is not None
        assert record.finished is not None
        assert record.finished >= record.started

    @pytest.mark.parametrize(
        ("state", "objectives"),
        [
            (TrialState.COMPLETE, (0.5,)),
            (TrialState.DUPLICATE, (0.5,)),
            (TrialState.PRUNED, None),
            (TrialState.INFEASIBLE, None),
            (TrialState.FAILED, None),
        ],
    )
    def test_state_and_reason_are_kept(self, ledger: Ledger, url: str, state: TrialState, objectives: Any) -> None:
        outcome = TrialOutcome(state, objectives, reason="because", duplicate_of=None)
        ledger.tell(_asked(ledger), outcome, "key")
        (record,) = Ledger.load(url, "toy").trials()
        assert (record.state, record.objectives, record.reason, record.config_key) == (
            state,
            objectives,
            "because",
            "key",
        )

    def test_best_is_by_direction_and_among_values_only(self, url: str) -> None:
        for direction, best in (("minimize", 1), ("maximize", 2)):
            name = f"toy-{direction}"
            spec = toy_spec(objective={"metric": "validation/loss", "direction": direction})
            ledger = Ledger.create(url, spec, name)
            assert ledger.best() is None
            for value in (0.5, 0.25, 0.75, 0.25):
                _complete(ledger, _asked(ledger), value)
            pruned = _asked(ledger)
            ledger.report(pruned, 1, -100.0 if direction == "minimize" else 100.0)
            ledger.tell(pruned, TrialOutcome(TrialState.PRUNED))
            record = ledger.best()
            assert record is not None
            assert record.number == best

    def test_several_objectives_have_a_front(self, url: str) -> None:
        objectives = [{"metric": "validation/accuracy"}, {"metric": "model/parameters"}]
        ledger = Ledger.create(url, toy_spec(objective=objectives))
        for values in ((0.9, 10.0), (0.8, 20.0), (0.95, 30.0)):
            ticket = _asked(ledger)
            assert not ledger.report(ticket, 1, 0.5)
            ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, values))
        ledger.tell(_asked(ledger), TrialOutcome(TrialState.INFEASIBLE, reason="too deep"))
        assert [record.number for record in pareto_front(ledger.trials(), ledger.spec.objectives)] == [0, 2]
        best = ledger.best(objective=1)
        assert best is not None
        assert best.number == 0
        assert drive_numbers(ledger, 12) == list(range(4, 16))

    def test_released_trial_is_taken_again_before_a_new_one(self, ledger: Ledger, url: str) -> None:
        first, second = _asked(ledger), _asked(ledger)
        ledger.report(first, 1, 0.9)
        ledger.release(first)
        assert ledger.trials()[0].state is TrialState.KILLED
        other = Ledger.load(url, "toy")
        again = _asked(other)
        assert (again.number, again.values, again.config, again.retry) == (0, first.values, first.config, True)
        assert _asked(other).number == 2
        other.report(again, 1, 0.8)
        _complete(other, again, 0.7)
        assert other.trials()[0].intermediate == {1: 0.8}
        _complete(ledger, second, 0.6)

    def test_lowest_number_is_taken_again_first(self, ledger: Ledger) -> None:
        tickets = [_asked(ledger) for _ in range(4)]
        for ticket in (tickets[2], tickets[0], tickets[3]):
            ledger.release(ticket)
        assert [_asked(ledger).number for _ in range(4)] == [0, 2, 3, 4]

    def test_limit_counts_trials_in_any_state(self, ledger: Ledger, url: str) -> None:
        first, second = _asked(ledger), _asked(ledger)
        other = Ledger.load(url, "toy")
        assert other.ask(limit=2) is WAIT
        _complete(ledger, first, 0.5)
        assert other.ask(limit=2) is WAIT
        ledger.release(second)
        again = other.ask(limit=2)
        assert isinstance(again, Ticket)
        assert again.number == 1
        assert ledger.ask(limit=2) is WAIT
        other.tell(again, TrialOutcome(TrialState.FAILED, reason="no memory"))
        assert ledger.ask(limit=2) is other.ask(limit=2) is None
        assert _asked(other).number == 2

    def test_many_workers_never_exceed_the_limit(self, url: str) -> None:
        limit, workers = 25, 5
        Ledger.create(url, toy_spec(sampler={"name": "random"}))

        def work(number: int) -> None:
            ledger = Ledger.load(url, "toy")
            with ledger.keeping():
                while (ticket := ledger.ask(limit)) is not None:
                    if not isinstance(ticket, Ticket):
                        time.sleep(0.01)
                    elif ticket.number % 5 == number and not ticket.retry:
                        ledger.release(ticket)
                    else:
                        _complete(ledger, ticket, 0.5)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
        trials = Ledger.load(url, "toy").trials()
        assert [(trial.number, trial.state) for trial in trials] == [(n, TrialState.COMPLETE) for n in range(limit)]

    def test_twin_in_flight_is_found(self, url: str) -> None:
        ledger = Ledger.create(url, toy_spec("finite", optimizer={"name": "adam"}, sampler={"name": "grid"}))
        first, second = _asked(ledger), _asked(ledger)  # the grid has two cells
        other = Ledger.load(url, "toy")
        assert other.twin(second) is None
        ledger.release(first)
        assert ledger.twin(second) is None
        again = _asked(ledger)
        assert again.key == first.key != second.key
        _complete(ledger, second, 0.5, second.key)
        assert ledger.ask() is WAIT
        assert ledger.twin(replace(again, number=9)) is TrialState.RUNNING
        ledger.release(again)
        assert ledger.twin(replace(again, number=9)) is TrialState.KILLED
        assert ledger.twin(replace(again, number=9, key="another")) is None

    def test_lag_holds_trials_back_until_those_before_have_ended(self, url: str) -> None:
        ledger = Ledger.create(url, toy_spec(sampler={"name": "tpe", "lag": 1}))
        other = Ledger.load(url, "toy")
        first, second = _asked(ledger), _asked(other)
        assert ledger.ask() is WAIT
        _complete(other, second, 0.25)
        assert other.ask() is WAIT
        ledger.release(first)
        again = _asked(other)
        assert again.number == 0
        assert ledger.ask() is WAIT
        _complete(other, again, 0.5)
        assert [_asked(ledger).number, _asked(other).number] == [2, 3]
        assert ledger.ask() is WAIT

    def test_killed_outcome_releases(self, ledger: Ledger) -> None:
        ledger.tell(_asked(ledger), TrialOutcome(TrialState.KILLED))
        assert _asked(ledger).number == 0

    def test_trial_of_a_dead_process_is_reclaimed(self, ledger: Ledger, url: str) -> None:
        command = [sys.executable, "-c", _ABANDON, url, "toy"]
        subprocess.run(command, check=False, timeout=60)  # noqa: S603  (our own words)
        mine = _asked(ledger)
        abandoned = ledger.trials()[0]
        assert (mine.number, abandoned.state) == (1, TrialState.RUNNING)
        assert [(worker.number, worker.alive) for worker in ledger.workers()] == [(0, False), (1, True)]
        assert ledger.reclaim() == Reclaimed(released=(0,))
        assert ledger.reclaim() == Reclaimed()
        again = _asked(ledger)
        assert (again.number, again.values, again.retry, again.deaths) == (0, abandoned.values, True, 1)
        _complete(ledger, again, 0.5)
        _complete(ledger, mine, 0.4)
        assert [record.state for record in ledger.trials()] == [TrialState.COMPLETE] * 2

    def test_trial_fails_when_its_retries_are_used_up(self, url: str) -> None:
        ledger = Ledger.create(url, toy_spec(budget={"trials": 9, "retries": 1}))
        for expected in (Reclaimed(released=(0,)), Reclaimed(failed=(0,))):
            command = [sys.executable, "-c", _ABANDON, url, "toy"]
            subprocess.run(command, check=False, timeout=60)  # noqa: S603  (our own words)
            assert ledger.reclaim("killed by signal 9 (SIGKILL)") == expected
        (record,) = ledger.trials()
        assert (record.state, record.deaths) == (TrialState.FAILED, 2)
        assert "its worker died 2 times (killed by signal 9 (SIGKILL), before an epoch was done)" in record.reason
        assert _asked(ledger).number == 1

    def test_worker_that_lost_its_trial_overwrites_nothing(self, ledger: Ledger, url: str) -> None:
        command = [sys.executable, "-c", _ELSEWHERE, url, "toy"]
        with subprocess.Popen(  # noqa: S603  (our own words)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "0\n"
            assert [(one.host, one.pid, one.alive) for one in ledger.workers()] == [("elsewhere", worker.pid, None)]
            assert ledger.reclaim() == Reclaimed()
            assert ledger.reclaim(other_hosts=True) == Reclaimed(released=(0,))
            successor = _asked(ledger)
            said, _ = worker.communicate("go on\n", timeout=60)
        assert said.count("trial 0 has been taken over") == 2
        ledger.report(successor, 1, 0.75)
        _complete(ledger, successor, 0.5)
        (record,) = ledger.trials()
        assert (record.objectives, record.intermediate) == ((0.5,), {1: 0.75})

    def test_living_worker_keeps_its_trial(self, ledger: Ledger, url: str) -> None:
        with ledger.keeping():
            ticket = _asked(ledger)
            assert Ledger.load(url, "toy").reclaim(other_hosts=True) == Reclaimed()
            _complete(ledger, ticket, 0.5)

    def test_accepted_change_is_recorded_and_the_study_goes_on(self, ledger: Ledger, url: str) -> None:
        drive(ledger, 12)
        trainer = {**SPACES["flat"]["trainer"], "epochs": 4}
        changed = toy_spec(sampler={"name": "tpe", "n_startup_trials": 3}, trainer=trainer)
        with pytest.raises(LedgerError, match="accept-changes"):
            Ledger.load(url, "toy", changed)
        going_on = Ledger.load(url, "toy", changed, accept_changes=True)
        drive(going_on, 4)
        assert len(going_on.trials()) == 16
        assert "trainer.epochs" in [change.path for change in Ledger.load(url, "toy").changes()]
        objective = {"metric": "validation/accuracy"}
        with pytest.raises(LedgerError, match="the objective was minimize validation/loss"):
            Ledger.load(url, "toy", toy_spec(objective=objective), accept_changes=True)

    def test_duplicate_is_found_by_its_key(self, ledger: Ledger, url: str) -> None:
        assert ledger.find_duplicate("a") is None
        ledger.tell(_asked(ledger), TrialOutcome(TrialState.FAILED, reason="no memory"), "a")
        assert ledger.find_duplicate("a") is None
        _complete(ledger, _asked(ledger), 0.5, "a")
        ledger.tell(_asked(ledger), TrialOutcome(TrialState.DUPLICATE, (0.5,), duplicate_of=1), "a")
        for reader in (ledger, Ledger.load(url, "toy")):
            found = reader.find_duplicate("a")
            assert found is not None
            assert (found.number, found.objectives) == (1, (0.5,))
        assert ledger.trials()[2].duplicate_of == 1

    def test_ticket_is_good_once(self, ledger: Ledger) -> None:
        ticket = _asked(ledger)
        _complete(ledger, ticket, 0.5)
        with pytest.raises(LedgerError, match="trial 0 is not open here"):
            _complete(ledger, ticket, 0.5)
        with pytest.raises(LedgerError, match="trial 0 is not open here"):
            ledger.report(ticket, 3, 0.5)

    @pytest.mark.parametrize("values", [None, (math.nan,), (0.5, 0.5)])
    def test_values_must_be_numbers_and_fit_the_objectives(self, ledger: Ledger, values: Any) -> None:
        ticket = _asked(ledger)
        with pytest.raises(LedgerError, match="Tell it as FAILED"):
            ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, values))
        ledger.tell(ticket, TrialOutcome(TrialState.FAILED, reason="NaN"))

    def test_pruner_stops_what_is_worse(self, url: str) -> None:
        ledger = Ledger.create(url, toy_spec(pruner={"name": "median", "n_startup_trials": 2}))
        decisions = []
        for value in (1.0, 1.0, 1.0, 9.0, 0.5):
            ticket = _asked(ledger)
            decisions.append(ledger.report(ticket, 1, value))
            ledger.tell(ticket, TrialOutcome(TrialState.PRUNED if decisions[-1] else TrialState.COMPLETE, (value,)))
        assert decisions == [False, False, False, True, False]

    def test_resume_allows_name_and_budget_only(self, ledger: Ledger, url: str) -> None:
        assert Ledger.load(url, "toy", toy_spec(name="other", budget={"trials": 3})).name == "toy"
        with pytest.raises(LedgerError, match=r'another study file: sampler: not set -> \{"name": "random"\}\. Undo'):
            Ledger.load(url, "toy", toy_spec(sampler={"name": "random"}))

    def test_document_comes_back(self, ledger: Ledger, url: str) -> None:
        assert Ledger.load(url, "toy").spec.fingerprint == ledger.spec.fingerprint

    def test_names(self, url: str) -> None:
        assert latest_name(url, "toy") is None
        for _ in range(3):
            Ledger.start(url, toy_spec())
        assert list_studies(url) == ("toy", "toy-2", "toy-3")
        assert latest_name(url, "toy") == "toy-3"
        Ledger.create(url, toy_spec(name="toy-7"))  # its own name, no seventh run of toy
        assert latest_name(url, "toy") == "toy-3"
        assert latest_name(url, "toy-7") == "toy-7"
        with pytest.raises(LedgerError, match="has a study 'toy'"):
            Ledger.create(url, toy_spec())
        with pytest.raises(LedgerError, match="has no study 'tyo'; it has: toy, toy-2"):
            Ledger.load(url, "tyo")

    def test_attributes(self, ledger: Ledger, url: str) -> None:
        ledger.set_attribute("mlflow_run", {"id": "abc"})
        ledger.set_attribute("mlflow_run", {"id": "abd"})
        assert Ledger.load(url, "toy").attributes() == {"mlflow_run": {"id": "abd"}}

    def test_finite_space_ends(self, url: str) -> None:
        ledger = Ledger.create(url, toy_spec("finite", sampler={"name": "brute_force"}))
        assert len(drive(ledger, 100)) == ledger.spec.space.size
        assert ledger.ask() is None
        assert Ledger.load(url, "toy").ask() is None

    def test_two_ledgers_share_a_study(self, ledger: Ledger, url: str) -> None:
        other = Ledger.load(url, "toy")
        for one in (ledger, other) * 8:
            ticket = _asked(one)
            _complete(one, ticket, toy_loss(ticket.config))
        assert [record.number for record in ledger.trials()] == list(range(16))
        assert ledger.trials() == other.trials()


def drive_numbers(ledger: Ledger, count: int) -> list[int]:
    """Completes so many trials with two made-up values each and returns their numbers."""
    numbers = []
    for _ in range(count):
        ticket = _asked(ledger)
        numbers.append(ticket.number)
        ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (0.5, toy_loss(ticket.config))))
    return numbers
