"""What tracking is told of a study's branches: which trials search a parameter, and which only have a value for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study_support import tiny
from tunetrack.report import importance_info
from tunetrack.report.views import PageQuery, Views
from tunetrack.spec import StudySpec, TrialOutcome, TrialState, load_study, trial_params
from tunetrack.study.tracked import study_info
from tunetrack.tracking import StudyInfo, TrackingStore
from tunetrack.tracking.reader import StudyReader
from tunetrack.tracking.study_info import info_from_tags, info_tags
from tunetrack.tracking.trial_names import trial_name

RATE = {"low": 1e-4, "high": 0.1, "log": True}
DECAY = {"low": 1e-6, "high": 0.1, "log": True}
BY_NAME = {
    "one_of": [
        {"name": "adam", "lr": RATE},
        {"name": "adamw", "lr": RATE, "weight_decay": DECAY},
        {"name": "sgd", "lr": RATE, "momentum": {"low": 0.0, "high": 0.99}, "weight_decay": 0.05},
    ]
}
BY_VALUES = {
    "one_of": [
        {"name": "sgd", "lr": RATE, "nesterov": True, "momentum": {"low": 0.1, "high": 0.99}},
        {"name": "sgd", "lr": RATE, "nesterov": False, "momentum": 0.5},
    ]
}


def study_of(optimizer: Any) -> StudySpec:
    return load_study(tiny(optimizer=optimizer))


def params_of(spec: StudySpec, **chosen: Any) -> dict[str, Any]:
    first = {parameter.name: parameter.domain.ends()[0] for parameter in spec.space.parameters}
    return dict(trial_params(spec.config(spec.space.values(first | chosen)), spec.searched_paths))


def searched(info: StudyInfo, params: dict[str, Any]) -> set[str]:
    return {param.path for param in info.searched if param.is_searched(params)}


@pytest.mark.parametrize(
    ("optimizer", "chosen", "own"),
    [
        (BY_NAME, {"optimizer.name": "adam"}, {"optimizer.name", "optimizer.lr"}),
        (BY_NAME, {"optimizer.name": "adamw"}, {"optimizer.name", "optimizer.lr", "optimizer.weight_decay"}),
        (BY_NAME, {"optimizer.name": "sgd"}, {"optimizer.name", "optimizer.lr", "optimizer.momentum"}),
        (BY_VALUES, {"optimizer": "option 1"}, {"optimizer", "optimizer.lr", "optimizer.momentum"}),
        (BY_VALUES, {"optimizer": "option 2"}, {"optimizer", "optimizer.lr"}),
    ],
)  # fmt: skip
def test_a_default_of_another_branch_is_not_searched(optimizer: Any, chosen: dict[str, Any], own: set[str]) -> None:
    spec = study_of(optimizer)
    params, info = params_of(spec, **chosen), study_info(spec, "s", "k")

    assert searched(info, params) == own | {"model.filters", "model.num_layers"}
    assert searched(info_from_tags(info_tags(info), "run"), params) == searched(info, params)
    assert {param.path for param in info.searched if param.conditional} == {
        "optimizer.weight_decay" if optimizer is BY_NAME else "optimizer.momentum",
        "optimizer.momentum",
    }


def test_what_every_branch_searches_carries_no_conditions() -> None:
    info = study_info(study_of(BY_NAME), "s", "k")
    conditions = {param.path: param.where for param in info.searched}

    assert conditions["optimizer.lr"] == conditions["model.filters"] == conditions["optimizer.name"] == ()
    assert conditions["optimizer.weight_decay"] == ({"optimizer.name": "adamw"},)


def test_pages_names_and_importance_know_what_a_trial_does_not_search(store: TrackingStore, tmp_path: Path) -> None:
    spec = study_of(BY_NAME)
    info = study_info(spec, "branches", "k")
    study = store.open_study(info, "images", tmp_path)
    for number in range(12):
        kind = ("adam", "adamw", "sgd")[number % 3]
        params = params_of(spec, **{"optimizer.name": kind, "optimizer.weight_decay": 10.0 ** (-1 - number / 3)})
        trial = study.open_trial(number, params)
        trial.finish(TrialOutcome(TrialState.COMPLETE, (number / 20,)))
    study.flush()
    reader = StudyReader(store)
    views, now = Views(reader), reader.table(study.run_id)
    rows = now.table.trials

    assert "weight_decay" in rows[1].name
    assert "weight_decay" not in rows[0].name + rows[2].name
    assert store.client.get_run(rows[0].run_id).data.params["optimizer.weight_decay"] == "0.0"
    assert rows[2].trained_with["optimizer.weight_decay"] == 0.05
    assert "optimizer.weight_decay" not in rows[2].params
    column = views.study(now)["trials"]["params"]["optimizer.weight_decay"]
    assert [value is None for value in column] == [number % 3 != 1 for number in range(12)]
    unused = views.trials(now, PageQuery(filter="params.optimizer.weight_decay < 1"))
    assert unused["matched"] == 4
    page = views.trial(now, 2)["trial"]
    assert page["params"]["optimizer.weight_decay"] == 0.05
    assert page["unsearched"] == ["optimizer.weight_decay"]
    assert {param.path for param in importance_info(now.table).params or ()} >= {"optimizer.weight_decay"}
    reader.close()


def test_of_an_older_study_a_logarithmic_scale_says_what_was_not_searched() -> None:
    spec = study_of(BY_NAME)
    older = [replace(param, where=()) for param in study_info(spec, "older", "k").searched]
    adam = params_of(spec, **{"optimizer.name": "adam"})

    assert "optimizer.weight_decay" in adam
    assert "weight_decay" not in trial_name(0, adam, older)
