"""A study file that was changed since its study began: what differs, what is refused, and what goes on."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest

from ledger_support import asked, die
from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, open_storage
from tunetrack.ledger.changes import differences, in_words
from tunetrack.ledger.distributions import distributions_of
from tunetrack.spec.loading import load_study
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.study import StudySpec
from tunetrack.testing import drive, toy_loss

BASE: dict[str, Any] = {
    "name": "toy",
    "objective": {"metric": "validation/loss"},
    "budget": {"trials": 1000},
    "sampler": {"name": "tpe", "n_startup_trials": 4, "seed": 2},
    "data": {"name": "digits"},
    "model": {
        "filters": {"low": 16, "high": 64, "step": 16},
        "num_layers": 2,
        "batch_norm": {"choices": [True, False]},
    },
    "optimizer": {"name": "adam", "lr": {"low": 1e-4, "high": 1e-2, "log": True}},
    "trainer": {"epochs": 10, "batch_size": {"choices": [32, 64]}},
}


def study(**values: Any) -> StudySpec:
    """The base study with some values replaced: ``model__filters={...}``, or whole sections."""
    document = copy.deepcopy(BASE)
    for path, value in values.items():
        *above, key = path.split("__")
        section = document
        for name in above:
            section = section.setdefault(name, {})
        section[key] = value
    return load_study(document)


def begun(url: str, count: int = 6, most_filters: int = 64, **values: Any) -> Ledger:
    """A study of some trials; those with more filters have failed."""
    ledger = Ledger.create(url, study(**values))
    for _ in range(count):
        ticket = asked(ledger)
        complete = TrialOutcome(TrialState.COMPLETE, (toy_loss(ticket.config),))
        fits = ticket.config["model"]["filters"] <= most_filters
        ledger.tell(ticket, complete if fits else TrialOutcome(TrialState.FAILED, reason="no memory"))
    return ledger


def accepted(url: str, **values: Any) -> Ledger:
    return Ledger.load(url, "toy", study(**values), accept_changes=True)


WIDER = {"low": 16, "high": 128, "step": 16}


def test_refusal_says_what_differs_and_the_ways_out(url: str) -> None:
    begun(url, 1)
    with pytest.raises(LedgerError) as caught:
        Ledger.load(url, "toy", study(trainer__epochs=20, model__filters=WIDER, optimizer__weight_decay=0.1))
    said = str(caught.value)
    assert "the study 'toy' in the ledger sqlite:///" in said
    assert "trainer.epochs: 10 -> 20" in said
    assert "model.filters.high: 64 -> 128" in said
    assert "optimizer.weight_decay: not set -> 0.1" in said
    assert "Undo the change, start a new study, or go on and have the change recorded: --accept-changes" in said


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"trainer": {"epochs": 10}}, {"trainer": {"epochs": 20}}, "trainer.epochs: 10 -> 20"),
        (
            {"model": {"filters": 8}},
            {"model": {"filters": {"low": 8, "high": 9}}},
            'model.filters: 8 -> {"low": 8, "high": 9}',
        ),
        ({"model": {"head": [32]}}, {"model": {"head": [32, 16]}}, "model.head: [32] -> [32, 16]"),
        ({"pruner": {"name": "median"}}, {}, 'pruner: {"name": "median"} -> not set'),
        (
            {"optimizer": {"one_of": [{"name": "adam", "lr": 0.1}, {"name": "sgd", "lr": 0.5}]}},
            {"optimizer": {"one_of": [{"name": "adam", "lr": 0.1}, {"name": "sgd", "lr": 0.25}]}},
            "optimizer.one_of.1.lr: 0.5 -> 0.25",
        ),
        (
            {"name": "a", "budget": {"trials": 1}, "description": "x", "data": {"dir": "here", "name": "digits"}},
            {"name": "b", "budget": {"trials": 2}, "reference": {}, "data": {"dir": "there", "name": "digits"}},
            "",
        ),
        ({"model": {f"a{n}": 1 for n in range(11)}}, {"model": {f"a{n}": 2 for n in range(11)}}, None),
    ],
)
def test_differences_are_told_leaf_by_leaf(before: dict[str, Any], after: dict[str, Any], words: str | None) -> None:
    said = in_words(differences(before, after))
    if words is None:
        words = "; ".join(f"model.a{n}: 1 -> 2" for n in range(8)) + "; and 3 more"
    assert said == words


def test_accepted_change_is_recorded_and_kept(url: str) -> None:
    begun(url)
    ledger = accepted(url, model__filters=WIDER, trainer__epochs=20)
    for reader in (ledger, Ledger.load(url, "toy")):
        changes = reader.changes()
        assert [(change.path, change.before, change.after) for change in changes] == [
            ("model.filters.high", 64, 128),
            ("trainer.epochs", 10, 20),
        ]
        assert all(datetime.fromisoformat(change.when).utcoffset() == timedelta(0) for change in changes)
        assert reader.spec.document["trainer"]["epochs"] == 20
    Ledger.load(url, "toy", study(model__filters=WIDER, trainer__epochs=20))
    with pytest.raises(LedgerError, match=r"trainer\.epochs: 20 -> 10"):
        Ledger.load(url, "toy", study(model__filters=WIDER))
    again = accepted(url, model__filters=WIDER)
    assert [change.path for change in again.changes()] == ["model.filters.high", "trainer.epochs", "trainer.epochs"]


def test_what_may_change_is_kept_without_a_word(url: str) -> None:
    begun(url, 1)
    Ledger.load(url, "toy", study(name="other", budget={"trials": 7, "retries": 5}, data__dir="elsewhere"))
    ledger = Ledger.load(url, "toy")
    assert (ledger.spec.name, ledger.spec.head.budget.trials, ledger.spec.head.budget.retries) == ("toy", 7, 5)
    assert ledger.spec.document["data"]["dir"] == "elsewhere"
    assert ledger.changes() == ()


@pytest.mark.parametrize(
    "objective",
    [
        {"metric": "validation/accuracy"},
        {"metric": "validation/loss", "direction": "maximize"},
        [{"metric": "validation/loss"}, {"metric": "model/parameters"}],
    ],
)
def test_another_objective_is_refused(objective: Any, url: str) -> None:
    begun(url, 1)
    with pytest.raises(LedgerError, match="the objective was minimize validation/loss and is m"):
        accepted(url, objective=objective)
    assert Ledger.load(url, "toy").changes() == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"model__filters": {"low": 256, "high": 512}},
            r"since its model\.filters is \d+, and it is int 256 to 512 now",
        ),
        (
            {"trainer__batch_size": {"choices": [128, 256]}},
            r"its trainer\.batch_size is \d+, and it is one of 128, 256 now",
        ),
        ({"trainer__batch_size": 16}, r"its trainer\.batch_size is \d+, and it is 16 now"),
        ({"model__num_layers": {"low": 3, "high": 4}}, r"its model\.num_layers is 2, and it is int 3 to 4 now"),
        ({"model__kernel_size": {"low": 4, "high": 5}}, r"its model\.kernel_size is 3, and it is int 4 to 5 now"),
        ({"model__head": [{"low": 8, "high": 9}]}, r"it has no model\.head\.0, which is searched now"),
    ],
)
def test_change_that_leaves_a_result_without_a_place_is_refused(values: Any, words: str, url: str) -> None:
    ledger = begun(url)
    before = ledger.trials()
    with pytest.raises(
        LedgerError, match=rf"refused: trial \d would no longer be one of its trials.*{words}.*start a new"
    ):
        accepted(url, **values)
    after = Ledger.load(url, "toy")
    assert (after.trials(), after.changes()) == (before, ())


def test_what_was_fixed_may_be_searched_and_the_other_way_round(url: str) -> None:
    begun(url, model__filters=32)
    ledger = accepted(url, model__filters=WIDER, model__num_layers={"low": 1, "high": 5})
    assert {record.values["model.filters"] for record in ledger.trials()} == {32}
    assert {record.values["model.num_layers"] for record in ledger.trials()} == {2}
    fixed = accepted(url, model__filters=32, model__num_layers=2)
    assert all("model.filters" not in record.values for record in fixed.trials())
    assert {record.config["model"]["filters"] for record in fixed.trials() if record.config} == {32}
    by_default = accepted(url, model__filters=32, model__num_layers=2, model__kernel_size={"low": 2, "high": 5})
    assert {record.values["model.kernel_size"] for record in by_default.trials()} == {3}
    again = accepted(url, model__filters=32, model__num_layers=2)
    drive(again, 3)


def test_interrupted_trial_that_fits_no_longer_has_failed(url: str) -> None:
    ledger = Ledger.create(url, study(model__filters={"choices": [16, 32, 64]}))
    interrupted, failed, waiting = asked(ledger), asked(ledger), asked(ledger)
    ledger.release(interrupted)
    ledger.tell(failed, TrialOutcome(TrialState.FAILED, reason="no memory"))
    ledger.release(waiting)
    kept = [n for n in (16, 32, 64) if n not in {ticket.values["model.filters"] for ticket in (interrupted, failed)}]
    assert waiting.values["model.filters"] in kept
    changed = accepted(url, model__filters={"choices": kept})
    one, two, three = changed.trials()
    assert (one.state, one.values) == (TrialState.FAILED, interrupted.values)
    assert one.reason.startswith("the study file was changed while it waited: its model.filters is ")
    assert (two.state, two.values, two.reason) == (TrialState.FAILED, failed.values, "no memory")
    assert three.state is TrialState.KILLED
    again = asked(changed)
    assert (again.number, again.values) == (2, waiting.values)


def test_study_that_is_worked_on_is_not_changed(url: str) -> None:
    ledger = begun(url, 2)
    ticket = asked(ledger)
    with pytest.raises(LedgerError, match=r"trial 2 is being run by process \d+ on .*; stop that worker first"):
        accepted(url, trainer__epochs=20)
    die(ledger, ticket)
    accepted(url, trainer__epochs=20)


def test_storage_in_memory_is_not_changed() -> None:
    storage = optuna.storages.InMemoryStorage()
    Ledger.create(storage, study())
    with pytest.raises(LedgerError, match="only one in a database can be changed"):
        Ledger.load(storage, "toy", study(trainer__epochs=20), accept_changes=True)


SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 4},
    "hyperopt": {"engine": "hyperopt", "n_startup_jobs": 4},
    "anneal": {"engine": "hyperopt", "name": "anneal"},
    "gp": {"name": "gp", "n_startup_trials": 4},
    "random": {"name": "random"},
    "qmc": {"name": "qmc"},
    "nsgaii": {"name": "nsgaii", "population_size": 4},
    "cmaes": {"name": "cmaes"},
    "brute_force": {"name": "brute_force"},
    "grid": {"name": "grid"},
}
STEPPED = {"low": 0.001, "high": 0.005, "step": 0.001}
NEW_RANGES: list[dict[str, Any]] = [
    {"model__filters": {"low": 16, "high": 256, "step": 16}, "trainer__batch_size": {"choices": [128, 64, 32]}},
    {"model__filters": {"low": 16, "high": 32, "step": 16}, "trainer__epochs": 20},
]


@pytest.mark.parametrize("values", NEW_RANGES, ids=["widened", "narrowed"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_go_on_in_the_changed_space(sampler: str, values: dict[str, Any], url: str) -> None:
    common: dict[str, Any] = {"sampler": {**SAMPLERS[sampler], "seed": 2}}
    if sampler in ("grid", "brute_force"):
        common["optimizer__lr"] = STEPPED
    before = begun(url, 6, values["model__filters"]["high"], **common, pruner={"name": "hyperband"}).trials()
    assert len({record.state for record in before}) == (1 if values["model__filters"]["high"] > 64 else 2)
    ledger = accepted(url, **common, **values, pruner={"name": "hyperband"})
    drive(ledger, 8)
    records = ledger.trials()
    assert [(record.values, record.objectives) for record in records[:6]] == [(r.values, r.objectives) for r in before]
    assert [record.number for record in records] == list(range(14))
    for record in records[6:]:
        assert record.config is not None
        ledger.spec.config(record.config)
        for name, distribution in distributions_of(ledger.spec.space).items():
            assert distribution._contains(distribution.to_internal_repr(record.values[name]))


@pytest.mark.parametrize("sampler", ["tpe", "hyperopt", "gp"])
def test_samplers_learn_from_the_earlier_trials_as_if_they_were_of_the_new_space(
    sampler: str, url: str, tmp_path: Path
) -> None:
    """Without being written again, a parameter whose range has changed would be drawn on its own, or at random."""
    common: dict[str, Any] = {"sampler": {**SAMPLERS[sampler], "seed": 2}}
    earlier = begun(url, 8, **common).trials()
    changed = accepted(url, **common, **NEW_RANGES[0])
    storage = open_storage(f"sqlite:///{tmp_path}/new.db")
    new = Ledger.create(storage, study(**common, **NEW_RANGES[0]))
    for record in earlier:
        trial = optuna.trial.create_trial(
            params=dict(record.values), distributions=distributions_of(new.spec.space), values=record.objectives
        )
        storage.create_new_trial(storage.get_study_id_from_name("toy"), trial)
    for _ in range(3):
        ticket, expected = asked(changed), asked(new)
        assert (ticket.number, ticket.values) == (expected.number, expected.values)
        for ledger, one in ((changed, ticket), (new, expected)):
            ledger.tell(one, TrialOutcome(TrialState.COMPLETE, (toy_loss(one.config),)))
