"""Who holds a trial, who has lost it, and who is dead."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import psutil
import pytest

from ledger_support import asked, die, elsewhere, heard, say, sql
from tunetrack.errors import LeaseLostError
from tunetrack.ledger import Ledger, Reclaimed, claims, leases, open_storage, worker_label
from tunetrack.ledger.workers import is_alive, let_go, new_worker
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec

COMPLETE = TrialOutcome(TrialState.COMPLETE, (0.5,))

#: Takes a trial and keeps it until it is told to go on; then says what it can still do.
FROZEN = """
with ledger.keeping():
    ticket = ledger.ask()
    ledger.report(ticket, 1, 0.9)
    print("asked")
    sys.stdin.readline()
    for name, use in {
        "report": lambda: ledger.report(ticket, 2, 0.8),
        "tell": lambda: ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (0.1,))),
        "release": lambda: ledger.release(ticket),
    }.items():
        try:
            use()
            print(name, "was kept")
        except LeaseLostError as error:
            print(name, "lost:", error)
"""

#: Takes a trial and keeps it for as long as it is let.
STEADY = """
with ledger.keeping():
    ledger.ask()
    print("asked")
    sys.stdin.readline()
"""

#: Takes a trial and is killed over it.
KILLED = """
import os
ledger.ask()
print("asked")
os.kill(os.getpid(), 9)
"""


def test_frozen_worker_wakes_up_and_overwrites_nothing(url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, FROZEN) as worker:
        assert heard(worker) == "asked"
        worker.send_signal(signal.SIGSTOP)
        while not ledger.reclaim("silence").released:  # its last sign of life may be a moment ago
            time.sleep(0.2)
        successor = asked(ledger)
        assert (successor.number, successor.retry, successor.deaths) == (0, True, 1)
        worker.send_signal(signal.SIGCONT)
        say(worker, "go on")
        for use in ("report", "tell", "release"):
            assert heard(worker).startswith(f"{use} lost: trial 0 has been taken over: this worker was not heard of")
    ledger.report(successor, 1, 0.7)
    ledger.tell(successor, COMPLETE)
    (record,) = ledger.trials()
    assert (record.state, record.objectives, record.intermediate) == (TrialState.COMPLETE, (0.5,), {1: 0.7})


@pytest.mark.parametrize("hours", [1, -1])
def test_clock_that_jumps_robs_nobody(hours: int, url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, STEADY) as worker:
        assert heard(worker) == "asked"
        # The last sign of life as it looks when the database's clock has been set since.
        sql(url, f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '{-hours} hours')")
        (before,) = ledger.workers()
        assert before.silent_seconds is not None
        assert before.silent_seconds == (0.0 if hours < 0 else pytest.approx(3600, abs=10))
        assert ledger.reclaim() == Reclaimed()
        (after,) = ledger.workers()
        assert (after.number, after.host, after.pid, after.alive) == (0, "elsewhere", worker.pid, None)
        assert after.silent_seconds is not None
        assert after.silent_seconds < 10


@pytest.mark.parametrize("hours", [1, -1])
def test_dead_worker_elsewhere_is_found_whatever_the_clock_says(hours: int, url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, KILLED) as worker:
        assert heard(worker) == "asked"
        worker.wait(60)
    sql(url, f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '{-hours} hours')")
    assert ledger.reclaim() == Reclaimed(released=(0,))


def test_other_host_is_waited_for_unless_it_is_said_to_be_gone(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, KILLED) as worker:
        assert heard(worker) == "asked"
        worker.wait(60)
    began = time.monotonic()
    assert ledger.reclaim() == Reclaimed()
    assert time.monotonic() - began < leases.RENEW_SECONDS / 2  # nobody to look at twice
    assert ledger.reclaim(other_hosts=True) == Reclaimed(released=(0,))


def test_worker_elsewhere_that_is_known_to_be_gone_is_not_waited_for(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, KILLED) as worker:
        assert heard(worker) == "asked"
        worker.wait(60)
    (record,) = ledger.workers()
    assert ledger.reclaim("lost", named=["elsewhere:1", "node7:1"]) == Reclaimed()
    assert ledger.reclaim("lost", named=[worker_label(record.host, record.pid)]) == Reclaimed(released=(0,))
    assert ledger.trials()[0].deaths == 1


@pytest.mark.parametrize("lives", [True, False])
def test_second_look_may_be_another_call(lives: bool, url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    with elsewhere(url, STEADY if lives else KILLED) as worker:
        assert heard(worker) == "asked"
        if not lives:
            worker.wait(60)
        sql(url, "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hours')")
        began, looks = time.monotonic(), 0
        while time.monotonic() - began < 2 * leases.RENEW_SECONDS * claims._SECOND_LOOK:
            looks += 1
            reclaimed = ledger.reclaim("silence", wait=False)
            if reclaimed.released:
                break
            time.sleep(leases.RENEW_SECONDS / 4)
        took = time.monotonic() - began
        assert bool(reclaimed.released) is not lives
        assert looks > 2
        assert took >= leases.RENEW_SECONDS * claims._SECOND_LOOK


def test_living_process_of_this_host_is_never_robbed_by_the_clock(url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    ticket = asked(ledger)
    sql(url, "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-9 hours')")
    other = Ledger.load(url, "toy")
    assert other.reclaim(other_hosts=True) == Reclaimed()
    assert [worker.alive for worker in other.workers()] == [True]
    ledger.tell(ticket, COMPLETE)


def test_trial_without_a_claim_as_in_an_old_ledger(url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    ticket = asked(ledger)
    sql(url, "UPDATE trial_user_attributes SET value_json = 'null' WHERE key = 'tunetrack:worker'")
    sql(url, "DELETE FROM trial_heartbeats")
    assert ledger.workers() == ()
    assert ledger.reclaim(named=[""]) == Reclaimed()  # a worker that never had a place has no name
    sql(url, "UPDATE trials SET datetime_start = '2020-01-01 00:00:00'")
    assert ledger.reclaim() == Reclaimed(released=(0,))
    with pytest.raises(LeaseLostError):
        ledger.tell(ticket, COMPLETE)


def test_claim_is_told_from_a_later_one_of_the_same_ledger(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    first = asked(ledger)
    die(ledger, first)
    assert Ledger.load(url, "toy").reclaim() == Reclaimed(released=(0,))
    second = asked(ledger)
    assert (second.number, second.values) == (first.number, first.values)
    for use in (
        lambda: ledger.report(first, 1, 0.5),
        lambda: ledger.tell(first, COMPLETE),
        lambda: ledger.release(first),
    ):
        with pytest.raises(LeaseLostError, match="trial 0 has been taken over"):
            use()
    ledger.tell(second, COMPLETE)


def test_lost_trial_of_several_objectives_is_told_by_the_keeper(url: str, short_leases: None) -> None:
    """Nothing is written there before the end, so the thread is the first to know."""
    spec = toy_spec(objective=[{"metric": "validation/accuracy"}, {"metric": "model/parameters"}])
    ledger = Ledger.create(url, spec)
    with ledger.keeping():
        ticket = asked(ledger)
        assert not ledger.report(ticket, 1, 0.5)
        die(ledger, ticket)
        Ledger.load(url, "toy").reclaim()
        deadline = time.monotonic() + 30
        while ledger._claims.held and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(LeaseLostError):
            ledger.report(ticket, 2, 0.5)


def test_worker_that_is_frozen_while_it_proposes_takes_another_trial(url: str) -> None:
    taken = []

    class Slow(optuna.samplers.RandomSampler):
        def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            if not taken:  # meanwhile it counts as dead, and somebody takes the trial over
                let_go(trial.user_attrs["tunetrack:worker"])
                other.reclaim()
                taken.append(asked(other))

    ledger = Ledger.create(url, toy_spec(), sampler=Slow(seed=1))
    other = Ledger.load(url, "toy")
    ticket = asked(ledger)
    assert (taken[0].number, taken[0].retry, ticket.number, ticket.retry) == (0, True, 1, False)
    ledger.tell(ticket, COMPLETE)
    other.tell(taken[0], COMPLETE)
    assert [record.values for record in ledger.trials()] == [taken[0].values, ticket.values]


def test_leases_are_renewed_also_of_a_trial_that_is_just_proposed(url: str, short_leases: None) -> None:
    beats = []

    class Slow(optuna.samplers.RandomSampler):
        def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            time.sleep(2.5)
            beats.extend(sql(url, "SELECT trial_id FROM trial_heartbeats"))

    ledger = Ledger.create(url, toy_spec(), sampler=Slow(seed=1))
    with ledger.keeping():
        asked(ledger)
    assert beats == [(1,)]


def test_trouble_while_renewing_is_logged_once_and_renewing_goes_on(
    url: str, short_leases: None, caplog: pytest.LogCaptureFixture
) -> None:
    Ledger.create(url, toy_spec())
    ledger = Ledger.load(open_storage(url, busy_seconds=0.1), "toy")
    ticket = asked(ledger)
    lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    with caplog.at_level(logging.WARNING, "tunetrack"), ledger.keeping():
        lock.execute("BEGIN IMMEDIATE")
        time.sleep(2.5)
        lock.execute("ROLLBACK")
        sql(url, "UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'")
        time.sleep(2.5)
    lock.close()
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("leases cannot be renewed, which is tried again: the ledger sqlite:///")
    assert "is locked by another process" in first
    assert second == "leases are renewed again"
    assert sql(url, "SELECT heartbeat > '2026' FROM trial_heartbeats") == [(1,)]
    ledger.tell(ticket, COMPLETE)


def test_keeping_ends_within_a_second_also_while_the_ledger_is_locked(url: str, short_leases: None) -> None:
    ledger = Ledger.create(url, toy_spec())
    ticket = asked(ledger)
    lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        with ledger.keeping():
            lock.execute("BEGIN IMMEDIATE")
            time.sleep(1.5)  # the thread waits for the lock by now
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
    finally:
        lock.close()
    ledger.tell(ticket, COMPLETE)


def test_storage_in_memory_has_claims_too(short_leases: None) -> None:
    storage = optuna.storages.InMemoryStorage()
    ledger = Ledger.create(storage, toy_spec())
    with ledger.keeping():
        ticket = asked(ledger)
        time.sleep(0.7)
        die(ledger, ticket)
        assert Ledger.load(storage, "toy").reclaim() == Reclaimed(released=(0,))
        with pytest.raises(LeaseLostError):
            ledger.tell(ticket, COMPLETE)
        ledger.tell(asked(ledger), COMPLETE)
    assert [record.objectives for record in ledger.trials()] == [(0.5,)]


def test_killed_process_is_dead_before_its_parent_has_looked() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    worker = {**new_worker(), "pid": process.pid, "started": psutil.Process(process.pid).create_time()}
    assert is_alive(worker)
    assert is_alive({**worker, "started": worker["started"] - 5}) is False  # its number was another process's
    assert is_alive({**worker, "host": "elsewhere"}) is None
    assert is_alive({**worker, "system": "another kernel or container"}) is None
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_alive(worker) is False
    process.wait()
    assert is_alive(worker) is False


def test_waiting_trial_is_taken_once(tmp_path: Path, url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    ledger.release(asked(ledger))
    ledgers = [Ledger.load(url, "toy") for _ in range(4)]
    barrier, taken = threading.Barrier(4), []

    def take(one: Ledger) -> None:
        barrier.wait()
        taken.append(asked(one).number)

    threads = [threading.Thread(target=take, args=(one,)) for one in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [0, 1, 2, 3]
