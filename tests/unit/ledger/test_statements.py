"""What is asked of the database: trials as Optuna reads them, and by nothing that goes through all of a study."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from tunetrack.ledger import Ledger, open_storage
from tunetrack.ledger.rows import KeptTrials
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


@pytest.mark.parametrize("count", [1, 200, 501])
def test_trials_are_read_as_optuna_reads_them(count: int, url: str) -> None:
    storage = optuna.storages.RDBStorage(url)
    study = storage.create_new_study(["minimize", "maximize"], "two")
    kinds: dict[str, optuna.distributions.BaseDistribution] = {
        "z": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
        "a": optuna.distributions.CategoricalDistribution(("adam", None, True)),
    }
    for number in range(count):
        values = {"z": 10.0 ** -(1 + number % 4), "a": ("adam", None, True)[number % 3]}
        reports = {12: float("inf"), 2: float("-inf"), 1: 0.1 * number}
        ended = [float("inf"), number / 3] if number % 2 == 0 else None
        trial = create_trial(
            state=OptunaState.FAIL if ended is None else OptunaState.COMPLETE,
            values=ended,
            params=values,
            distributions=kinds,
            intermediate_values=reports,
            user_attrs={"ü": [1, {"b": None}]},
            system_attrs={"constraints": (number, 0.5)},
        )
        storage.create_new_trial(study, trial)
    own, theirs = open_storage(url).get_all_trials(study), storage.get_all_trials(study)
    assert len(own) == count
    assert own == theirs
    assert [list(trial.params) for trial in own] == [list(trial.params) for trial in theirs]


def test_trials_stay_in_order_however_they_end(url: str) -> None:
    storage, other = open_storage(url), optuna.storages.RDBStorage(url)
    assert isinstance(storage, KeptTrials)
    study = other.create_new_study([StudyDirection.MINIMIZE], "one")
    ids = [other.create_new_trial(study) for _ in range(7)]
    assert [trial.number for trial in storage.get_all_trials(study)] == [*range(7)]
    lr = optuna.distributions.FloatDistribution(0.0, 1.0)
    for index in (5, 0, 6, 2, 4, 1, 3):
        if index % 3:
            other.set_trial_param(ids[index], "lr", 0.5, lr)
        other.set_trial_state_values(ids[index], OptunaState.FAIL if index % 2 else OptunaState.COMPLETE, [0.1 * index])
        ids.append(other.create_new_trial(study))
        theirs = other.get_all_trials(study)
        assert storage.get_all_trials(study) == theirs
        kept = [trial for trial in theirs if trial.state is not OptunaState.FAIL or trial.params]
        assert storage.with_values(study) == kept
    assert {trial.number for trial in theirs} - {trial.number for trial in kept} == {3}
    other.delete_study(study)


def test_a_proposal_goes_through_no_trials_that_its_sampler_does_not_want(url: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, KeptTrials)
    ledger = Ledger.create(storage, toy_spec(sampler={"name": "random"}, budget={"trials": 60}))
    drive(ledger, 50)
    touched: list[str] = []

    class Watched(FrozenTrial):
        def __getattribute__(self, name: str) -> Any:
            touched.append(name)
            return super().__getattribute__(name)

    study = storage.get_study_id_from_name(ledger.name)
    for trial in storage.get_all_trials(study, deepcopy=False):
        trial.__class__ = Watched
    ticket = ledger.ask()
    assert ticket is not None
    seen = ledger._open[ticket.number].storage.get_all_trials(study, deepcopy=False)
    assert len(seen) == 51
    assert len(touched) < 25  # to find the place of the new one
    assert len([trial for trial in seen if trial.params]) == 51
    assert len(touched) >= 50
