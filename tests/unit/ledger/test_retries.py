"""How often a trial is run again whose worker died, and what becomes of it then."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import optuna
import pytest

from ledger_support import asked, die, sql
from tunetrack.ledger import Ledger, Reclaimed
from tunetrack.ledger.records import DEATHS
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import drive, toy_spec

COMPLETE = TrialOutcome(TrialState.COMPLETE, (0.5,))


def killed_over(ledger: Ledger, epochs: int, cause: str = "") -> Reclaimed:
    ticket = asked(ledger)
    for epoch in range(1, epochs + 1):
        ledger.report(ticket, epoch, 0.5)
    die(ledger, ticket)
    return ledger.reclaim(cause)


def test_trial_that_kills_its_worker_every_time_has_failed_and_the_study_goes_on(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    assert killed_over(ledger, 4, "killed by signal 9 (SIGKILL)") == Reclaimed(released=(0,))
    assert killed_over(ledger, 2) == Reclaimed(released=(0,))
    assert ledger.trials()[0].deaths == 2
    assert killed_over(ledger, 0, "killed by signal 9 (SIGKILL)") == Reclaimed(failed=(0,))
    (record,) = ledger.trials()
    assert (record.state, record.deaths, record.objectives) == (TrialState.FAILED, 3, None)
    assert record.reason == (
        "its worker died 3 times (killed by signal 9 (SIGKILL), last after epoch 4); retries are used up "
        "(budget.retries: 2). A trial that kills its worker most often needs more memory than there is"
    )
    assert record.seconds is not None
    following = asked(ledger)
    assert (following.number, following.retry, following.deaths) == (1, False, 0)
    assert ledger.reclaim() == Reclaimed()


def test_each_death_is_kept_with_its_time_cause_and_epoch(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    killed_over(ledger, 3, "killed by signal 9 (SIGKILL)")
    killed_over(ledger, 0)
    deaths = ledger._storage.get_all_trials(1)[0].user_attrs[DEATHS]
    assert [(death["cause"], death["epoch"]) for death in deaths] == [("killed by signal 9 (SIGKILL)", 3), ("", 3)]
    assert all(datetime.fromisoformat(death["when"]).utcoffset() == timedelta(0) for death in deaths)


@pytest.mark.parametrize(
    ("retries", "epochs", "words"),
    [
        (0, 0, "its worker died once (before an epoch was done); "),
        (1, 1, "its worker died 2 times (last after epoch 1)"),
    ],
)
def test_retries_are_as_many_as_the_study_file_says(retries: int, epochs: int, words: str, url: str) -> None:
    ledger = Ledger.create(url, toy_spec(budget={"trials": 5, "retries": retries}))
    for _ in range(retries):
        assert killed_over(ledger, epochs) == Reclaimed(released=(0,))
    assert killed_over(ledger, epochs) == Reclaimed(failed=(0,))
    assert ledger.trials()[0].reason.startswith(words)


def test_signal_is_no_death(url: str) -> None:
    ledger = Ledger.create(url, toy_spec(budget={"trials": 5, "retries": 0}))
    for _ in range(3):
        ledger.release(asked(ledger))
    ticket = asked(ledger)
    assert (ticket.number, ticket.retry, ticket.deaths) == (0, True, 0)
    ledger.tell(ticket, COMPLETE)
    assert ledger.trials()[0].deaths == 0


def test_ticket_and_record_of_a_retried_trial_count_its_deaths(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    killed_over(ledger, 1)
    ticket = asked(ledger)
    assert (ticket.number, ticket.retry, ticket.deaths) == (0, True, 1)
    ledger.tell(ticket, COMPLETE)
    (record,) = Ledger.load(url, "toy").trials()
    assert (record.state, record.deaths) == (TrialState.COMPLETE, 1)


def test_pruned_trial_counts_with_the_last_report_of_its_last_attempt(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    killed_over(ledger, 5)
    ticket = asked(ledger)
    ledger.report(ticket, 1, 0.75)
    ledger.tell(ticket, TrialOutcome(TrialState.PRUNED))
    assert ledger._storage.get_all_trials(1)[0].value == 0.75
    assert ledger.trials()[0].intermediate == {1: 0.75}


def test_several_that_reclaim_at_once_count_a_death_once(url: str) -> None:
    ledger = Ledger.create(url, toy_spec())
    tickets = [asked(ledger) for _ in range(6)]
    for ticket in tickets:
        die(ledger, ticket)
    others = [Ledger.load(url, "toy") for _ in range(4)]
    barrier, found = threading.Barrier(len(others)), []

    def reclaim(other: Ledger) -> None:
        barrier.wait()
        found.append(other.reclaim())

    threads = [threading.Thread(target=reclaim, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for one in found for number in one.released) == list(range(6))
    assert [record.deaths for record in ledger.trials()] == [1] * 6
    again = [asked(other) for other in (*others, *others)]
    assert sorted(ticket.number for ticket in again) == list(range(8))


@pytest.mark.parametrize(
    "sampler",
    [{"name": "tpe", "n_startup_trials": 3}, {"engine": "hyperopt", "n_startup_jobs": 3}, {"name": "brute_force"}],
)
def test_samplers_go_on_after_a_trial_that_died_without_values(sampler: dict[str, object], url: str) -> None:
    spec = toy_spec("finite", sampler=sampler, budget={"trials": 30, "retries": 0})
    ledger = Ledger.create(url, spec)
    drive(ledger, 4)
    die(ledger, asked(ledger))
    sql(url, "DELETE FROM trial_params WHERE trial_id = 5")
    assert ledger.reclaim() == Reclaimed(failed=(4,))
    drive(Ledger.load(url, "toy"), 4)
    assert [record.number for record in ledger.trials()] == list(range(9))
    assert ledger.trials()[4].config is None


def test_storage_in_memory_counts_deaths_too() -> None:
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), toy_spec(budget={"trials": 5, "retries": 1}))
    assert killed_over(ledger, 2) == Reclaimed(released=(0,))
    assert killed_over(ledger, 2) == Reclaimed(failed=(0,))
    assert ledger.trials()[0].deaths == 2
