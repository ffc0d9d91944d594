"""The union of models: told apart by name, found without one, searched, overridden; keys of an imported one."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tunetrack.errors import InfeasibleConfigError, SpecError
from tunetrack.spec import config_key, load_config, load_study, study_schema, trial_params
from tunetrack.spec.domains import FloatDomain, IntDomain
from tunetrack.spec.models import MODEL_CONFIGS

DATA = {"name": "digits"}
SCHEMA = jsonschema.Draft202012Validator(study_schema())


def document(model: Any) -> dict[str, Any]:
    return {"name": "a", "data": DATA, "model": model}


def mistakes(model: Any, **overrides: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_study(document(model), overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_every_model_can_be_named(name: str) -> None:
    config = load_config({"data": DATA, "model": {"name": name}})
    assert config.model == MODEL_CONFIGS[name]()
    assert trial_params(config)["model.name"] == name
    assert SCHEMA.is_valid(document({"name": name}))


def test_without_a_name_it_is_a_cnn() -> None:
    assert load_config({"data": DATA, "model": {"filters": 8}}).model.name == "cnn"
    assert load_config({"data": DATA}).model.name == "cnn"
    spec = load_study(document({"filters": {"low": 4, "high": 8}}))
    assert spec.space.parameters[0].domain == IntDomain(4, 8)
    assert spec.first_config().document()["model"]["name"] == "cnn"


def test_a_key_of_another_model_is_unknown_without_a_name() -> None:
    assert mistakes({"width": {"low": 4, "high": 8}})[0].startswith("model.width: unknown key")
    assert not SCHEMA.is_valid(document({"width": {"low": 4, "high": 8}}))


def test_the_name_can_be_searched() -> None:
    spec = load_study(document({"name": {"choices": ["baseline_cnn", "stabilized_cnn"]}, "filters": 8}))
    assert spec.searched_paths == ("model.name",)
    assert {spec.config(spec.sample(seed)).model.name for seed in range(20)} == {"baseline_cnn", "stabilized_cnn"}
    assert SCHEMA.is_valid(spec.document)


def test_a_key_must_belong_to_all_models_that_can_be_chosen() -> None:
    names = {"choices": ["resnet", "baseline_cnn"]}
    assert mistakes({"name": names, "width": {"low": 8, "high": 16}})[0].startswith("model.width: unknown key")
    assert not SCHEMA.is_valid(document({"name": names, "width": 8}))


def test_branches_of_several_models() -> None:
    branches = [{"name": "cnn", "filters": {"low": 4, "high": 8}}, {"name": "resnet", "width": {"low": 4, "high": 8}}]
    spec = load_study(document({"one_of": branches}))
    assert spec.searched_paths == ("model.name", "model.filters", "model.width")
    assert SCHEMA.is_valid(spec.document)
    kept = load_study(spec.document, {"model.name": "resnet"})
    assert kept.searched_paths == ("model.width",)
    assert load_study(spec.document, {"model.width": 5}).searched_paths == ("model.name", "model.filters")


def test_a_range_is_of_the_kind_that_the_named_model_says() -> None:
    spec = load_study(document({"name": "resnet", "dropout": {"low": 0, "high": 0.5}, "width": {"low": 4, "high": 8}}))
    assert [parameter.domain for parameter in spec.space.parameters] == [FloatDomain(0.0, 0.5), IntDomain(4, 8)]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"name": "resnt"}, "did you mean resnet?"),
        ({"name": "resnet", "widht": 3}, "model.widht: unknown key; did you mean width? (given: 3)"),
        ({"name": "simple_cnn", "filters": 0}, "model.filters: must be at least 1 (given: 0)"),
        ({"padding": "vald"}, 'model.padding: must be same or a number (given: "vald")'),
        ({"padding": -1}, "model.padding: must be at least 0 (given: -1)"),
        ({"padding": 1.5}, "model.padding: must be a whole number (given: 1.5)"),
        ({"padding": {"low": 0, "high": 99}}, "model.padding: must be at most 15 (given: high: 99)"),
        ({"name": "even_resnet", "size": 19}, "must be one of 18, 26, 34, 50, 68, 101"),
        ({"name": "compact_cnn", "early": []}, "model.early: needs a list with at least 1 entry (given: [])"),
        ({"import": "nets.build"}, "model.import: must be MODULE:CALLABLE, such as my_pkg.nets:build"),
        ({"import": 3}, "model.import: must be text; put it in quotes (given: 3)"),
        ({"name": "import"}, "model.import: is missing"),
        ({"name": "resnet", "import": "a:b"}, "model.import: unknown key"),
        ("resnet", "model: must be a section with keys such as"),
    ],
)
def test_one_mistake_one_message(model: Any, expected: str) -> None:
    (message,) = mistakes(model)
    assert expected in message


def test_padding_may_be_searched_over_words_and_numbers() -> None:
    spec = load_study(document({"padding": {"choices": ["same", 0, 1]}}))
    assert {spec.config(spec.sample(seed)).document()["model"]["padding"] for seed in range(30)} == {"same", 0, 1}
    assert SCHEMA.is_valid(spec.document)
    assert SCHEMA.is_valid(document({"padding": {"low": 0, "high": 2}}))
    assert not SCHEMA.is_valid(document({"padding": "valid"}))


def imported(**keys: Any) -> dict[str, Any]:
    return {"import": "my_pkg.nets:build", **keys}


def test_keys_of_an_imported_model_are_searched_by_what_their_numbers_are() -> None:
    keys = {
        "width": {"low": 16, "high": 128, "step": 16},
        "rate": {"low": 0, "high": 0.5},
        "scale": {"low": 1, "high": 100, "log": True},
        "act": {"choices": ["relu", "gelu"]},
        "sizes": [3, 5],
        "options": {"bias": True, "init": {"gain": {"low": 0.5, "high": 2.0}}},
    }
    spec = load_study(document(imported(**keys)))
    by_path = {parameter.path: parameter.domain for parameter in spec.space.parameters}
    assert by_path["model.width"] == IntDomain(16, 128, 16)
    assert by_path["model.rate"] == FloatDomain(0.0, 0.5)
    assert by_path["model.scale"] == IntDomain(1, 100, log=True)
    assert by_path["model.options.init.gain"] == FloatDomain(0.5, 2.0)
    config = spec.config(spec.sample(0))
    assert config.document()["model"]["name"] == "import"
    params = trial_params(config)
    assert params["model.import"] == "my_pkg.nets:build"
    assert params["model.sizes"] == "[3, 5]"
    assert params["model.options.bias"] is True
    assert isinstance(params["model.width"], int)
    assert SCHEMA.is_valid(document(imported(width={"low": 16, "high": 128})))


def test_a_wrong_range_of_an_imported_model_is_named() -> None:
    assert mistakes(imported(width={"low": 9, "high": 3})) == [
        'model.width: low is greater than high; swap them (given: {"low": 9, "high": 3})'
    ]
    assert "high is missing" in mistakes(imported(width={"low": 9}))[0]


def test_an_imported_model_is_part_of_what_a_configuration_is() -> None:
    first, second = (load_config({"data": DATA, "model": imported(width=width)}) for width in (3, 4))
    assert config_key(first) != config_key(second)
    again = load_config({"data": DATA, "model": first.document()["model"]})
    assert config_key(again) == config_key(first)


def test_keys_of_an_imported_model_may_have_any_name() -> None:
    config = load_config({"data": DATA, "model": imported(target=1, copy="x", model_config=None)})
    assert config.document()["model"] == {**imported(target=1, copy="x", model_config=None), "name": "import"}


def test_a_preset_and_its_family_are_different_configurations() -> None:
    spec = load_study(document({"name": {"choices": ["cnn", "simple_cnn"]}}))
    keys = {config_key(spec.config(spec.space.values({"model.name": name}))) for name in ("cnn", "simple_cnn")}
    assert len(keys) == 2
    with pytest.raises(InfeasibleConfigError):
        spec.config({"data": DATA, "model": {"name": "cnn", "filters": 0}})
