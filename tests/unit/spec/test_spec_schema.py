"""The editor's schema: valid, as strict as `load_study` wherever it can know, and explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from spec_helpers import FULL, document

from tunetrack.errors import SpecError
from tunetrack.spec import load_study, study_schema
from tunetrack.spec.loading import read_yaml
from tunetrack.spec.study import HYPEROPT_SAMPLERS, OPTUNA_SAMPLERS, SEARCHED_SECTIONS, StudyHead

SHIPPED = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(study_schema())
ADAM = {"name": "adam", "lr": {"low": 1e-5, "high": 0.1, "log": True}}
SGD = {"name": "sgd", "momentum": {"low": 0, "high": 0.9}}

GOOD: list[dict[str, Any]] = [
    {},
    {"model": {"filters": {"low": 1, "high": 9, "step": 4}, "kernel_size": {"choices": [3, 5]}}},
    {"model": {"filters": {"one_of": [{"low": 1, "high": 3}, {"choices": [7, 9]}, 20]}}},
    {"model": {"head": {"choices": [[], [128], [128, 64]]}, "batch_norm": {"choices": [True, False]}}},
    {"model": {"head": [1, {"low": 1, "high": 3}, {"choices": [8, 16]}, {"one_of": [3, {"low": 5, "high": 6}]}]}},
    {"model": {"head": {"one_of": [[], [{"low": 1, "high": 3}]]}}},
    {"model": {"one_of": [{"filters": {"low": 1, "high": 3}}, {"name": "cnn", "kernel_size": 5}]}},
    {"model": {"choices": [{"filters": 3}, {"filters": 5, "head": [8]}]}},
    {"optimizer": ADAM},
    {"optimizer": {"one_of": [ADAM, SGD]}},
    {"optimizer": {"one_of": [{"one_of": [ADAM, SGD]}, {"name": "adamw"}]}},
    {"optimizer": {"choices": [{"name": "adam"}, {"name": "sgd", "momentum": 0.5}]}},
    {"optimizer": {"name": {"choices": ["adam", "adamw"]}, "lr": {"low": 0.1, "high": 1}, "beta1": 0.5}},
    {"optimizer": {"name": {"one_of": ["adam", "sgd"]}, "lr": 0.1}},
    {"schedule": {"name": "cosine", "warmup_epochs": {"low": 0, "high": 2}}},
    {"trainer": {"early_stopping": {"one_of": [None, {"patience": {"low": 1, "high": 3}}]}, "clip_grad_norm": None}},
    {"trainer": {"clip_grad_norm": {"choices": [None, 1.0]}, "epochs": {"low": 1, "high": 8, "step": None}}},
    {"data": {"name": {"choices": ["mnist", "digits"]}, "channels": {"choices": [1, 3]}, "augment": {"rotation": 5}}},
    {"objective": {"metric": "train/loss"}},
    {"objective": [{"metric": "train/loss"}, {"metric": "train_seconds", "direction": "minimize"}]},
    {"sampler": {"name": "random", "seed": 3, "an_option": {"deep": [1]}}, "pruner": {"name": "median", "n": 3}},
    {"sampler": {"engine": "hyperopt", "name": "atpe"}},
    {"budget": {"seconds": 0.5}},
]
BAD: list[dict[str, Any]] = [
    {"name": "a b"},
    {"name": 3},
    {"colour": 1},
    {"model": None},
    {"model": {"filtres": 1}},
    {"model": {"filters": "16"}},
    {"model": {"filters": True}},
    {"model": {"filters": 0}},
    {"model": {"filters": {"low": 0, "high": 3}}},
    {"model": {"filters": {"low": 1, "high": 5000}}},
    {"model": {"filters": {"low": 1.5, "high": 3}}},
    {"model": {"filters": {"low": 1}}},
    {"model": {"filters": {"low": 1, "high": 3, "sigma": 1}}},
    {"model": {"filters": {"min": 1, "max": 3}}},
    {"model": {"filters": {"low": 1, "high": 4, "step": 1, "log": True}}},
    {"model": {"filters": {"low": 1, "high": 4, "step": 0}}},
    {"model": {"filters": {"low": 1, "high": 4, "log": "yes"}}},
    {"model": {"conv_dropout": {"low": 0, "high": 1}}},
    {"model": {"conv_dropout": {"low": 0, "high": 0.5, "log": True}}},
    {"model": {"filters": {"choices": []}}},
    {"model": {"filters": {"choices": [8, 8]}}},
    {"model": {"filters": {"choices": [8], "low": 3}}},
    {"model": {"filters": {"choices": [{"low": 1, "high": 3}]}}},
    {"model": {"filters": {"one_of": 3}}},
    {"model": {"pooling": "maxx"}},
    {"model": {"pooling": {"low": 1, "high": 3}}},
    {"model": {"batch_norm": {"low": 0, "high": 1}}},
    {"model": {"head": [1, {"low": 0, "high": 3}]}},
    {"model": {"head": [1, {"lowest": 1, "high": 3}]}},
    {"model": {"head": [[1]]}},
    {"data": {"name": "digits", "channels": {"low": 1, "high": 3}}},
    {"data": {}},
    {"optimizer": "adam"},
    {"optimizer": {}},
    {"optimizer": {"lr": 0.1}},
    {"optimizer": {"name": "adm"}},
    {"optimizer": {"name": "adam", "momentum": 0.5}},
    {"optimizer": {"one_of": [ADAM, {"name": "sgd", "beta1": 0.5}]}},
    {"optimizer": {"one_of": [ADAM, SGD], "lr": 1}},
    {"optimizer": {"choices": [ADAM]}},
    {"optimizer": {"choices": [{"lr": 0.1}]}},
    {"optimizer": {"name": {"choices": ["adam", "sgd"]}, "beta1": 0.5}},
    {"optimizer": {"name": {"choices": ["adam", "sdg"]}}},
    {"optimizer": {"name": {"choices": ["adam", "adamw"]}, "momentum": 0.5}},
    {"trainer": {"early_stopping": {"patience": 0}}},
    {"trainer": {"compile": "yes"}},
    {"objective": []},
    {"objective": {"metric": "accuracy"}},
    {"objective": "train/loss"},
    {"objective": {"metric": "train/loss", "goal": "min"}},
    {"sampler": {"name": "anneal"}},
    {"sampler": {"engine": "hyperopt", "name": "gp"}},
    {"sampler": {"engine": "ray"}},
    {"sampler": {"seed": -1}},
    {"pruner": {"name": "hyperbnd"}},
    {"budget": {"trials": 0}},
    {"budget": {"epochs": 3}},
]
#: Rules that tie two values together: an editor cannot know them.
BEYOND: list[dict[str, Any]] = [
    {"model": {"filters": {"low": 3, "high": 1}}},
    {"model": {"filters": {"low": 1, "high": 4, "step": 2}}},
    {"optimizer": {"name": "sgd", "nesterov": True}},
    {"data": {"name": "image_folder"}},
    {"budget": {}},
    {"sampler": {"name": "grid"}, "optimizer": {"one_of": [ADAM, SGD]}},
]


def loads(content: dict[str, Any]) -> bool:
    try:
        load_study(content)
    except SpecError:
        return False
    return True


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(study_schema())


@pytest.mark.parametrize("sections", GOOD, ids=str)
def test_both_accept(sections: dict[str, Any]) -> None:
    content = document(**sections)

    assert [error.message for error in VALIDATOR.iter_errors(content)] == []
    assert load_study(content).document == content


@pytest.mark.parametrize("sections", BAD, ids=str)
def test_both_reject(sections: dict[str, Any]) -> None:
    content = document(**sections)

    assert not VALIDATOR.is_valid(content)
    assert not loads(content)


@pytest.mark.parametrize("sections", BEYOND, ids=str)
def test_rules_beyond_a_schema_are_left_to_loading(sections: dict[str, Any]) -> None:
    content = document(**sections)

    assert VALIDATOR.is_valid(content)
    assert not loads(content)


def test_missing_sections_are_rejected() -> None:
    assert not VALIDATOR.is_valid({"name": "a"})
    assert not VALIDATOR.is_valid({"data": {"name": "digits"}})


def test_the_first_page_is_accepted() -> None:
    assert VALIDATOR.is_valid(read_yaml(FULL))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_search_spaces_are_accepted(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(read_yaml(path.read_text(encoding="utf-8")))] == []
    load_study(path)


@pytest.mark.parametrize(("engine", "samplers"), [("optuna", OPTUNA_SAMPLERS), ("hyperopt", HYPEROPT_SAMPLERS)])
def test_sampler_names_follow_the_engine(engine: str, samplers: tuple[str, ...]) -> None:
    for name in {*OPTUNA_SAMPLERS, *HYPEROPT_SAMPLERS}:
        content = document(sampler={"engine": engine, "name": name})
        assert VALIDATOR.is_valid(content) is (name in samplers)


def test_every_field_can_be_hovered() -> None:
    schema = study_schema()

    assert set(schema["properties"]) == {*StudyHead.model_fields, *SEARCHED_SECTIONS}
    models = {"": schema} | {name: model for name, model in schema["$defs"].items() if "properties" in model}
    unexplained = [
        f"{name}.{key}"
        for name, model in models.items()
        for key, field in model["properties"].items()
        if "description" not in field
    ]
    assert unexplained == []


def test_defaults_are_those_of_the_models() -> None:
    model = study_schema()["$defs"]["CnnConfig.searched"]["properties"]

    assert model["filters"]["default"] == 32
    assert model["filters"]["description"] == "channels of the first layer's convolutions"


def test_callers_may_change_what_they_get() -> None:
    study_schema()["$defs"].clear()

    assert study_schema()["$defs"]
