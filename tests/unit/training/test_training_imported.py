"""A network of the user's own: found, called, looked at; every mistake in words; a study over its arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError, SpecError
from tunetrack.spec import TrialConfig, load_study
from tunetrack.spec.imports import check_imports, imported_models
from tunetrack.spec.models import ImportedConfig
from tunetrack.training import ResidentData, build_model, check_imported, summarise

SOURCE = """
import random

import torch
from torch import nn

from tunetrack.errors import InfeasibleConfigError


def build(input_shape, num_classes, *, width=8, dropout=0.0, options=None):
    if width > 64:
        raise InfeasibleConfigError("wider than anybody needs")
    rates = [rate.item() for rate in torch.linspace(0, dropout, 2)]  # values, which the meta device does not have
    first = nn.Conv2d(input_shape[0], width, 3, padding=1)
    layers = [first, nn.ReLU(), nn.Dropout(rates[1]), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


class Net(nn.Module):
    def __init__(self, input_shape, num_classes, needed):
        super().__init__()
        self.layer = nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], num_classes)
        self.register_buffer("scale", torch.full((1,), float(needed)), persistent=False)

    def forward(self, images):
        return self.layer(images.flatten(1)) * self.scale


def anything(**arguments):
    return build(arguments["input_shape"], arguments["num_classes"], width=arguments.get("wide", 4))


def no_module(input_shape, num_classes):
    return [input_shape, num_classes]


def wrong_output(input_shape, num_classes):
    return nn.Flatten()


def no_tensor(input_shape, num_classes):
    class Two(nn.Module):
        def forward(self, images):
            return images, images

    return Two()


def forgets(input_shape):
    return nn.Flatten()


def breaks(input_shape, num_classes):
    raise ValueError("an idea that did not work")


class tools:
    build = staticmethod(build)


number = 3
"""


@pytest.fixture(autouse=True)
def own_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_nets.py").write_text(SOURCE)
    (tmp_path / "broken_nets.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "raising_nets.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("own_nets", "broken_nets", "raising_nets"):
        sys.modules.pop(name, None)


def model(target: str, **keys: Any) -> ImportedConfig:
    return ImportedConfig.model_validate({"import": f"own_nets:{target}", **keys})


def trial(config: ImportedConfig) -> TrialConfig:
    return TrialConfig.model_validate({"data": {"name": "digits"}, "model": config})


def mistakes(document: dict[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        check_imports(load_study({"name": "a", "data": {"name": "digits"}, "model": document}))
    return [str(problem) for problem in caught.value.problems]


def test_it_is_built_with_its_arguments() -> None:
    assert isinstance(build_model(model("build", width=5), (3, 8, 8), 4), torch.nn.Sequential)
    counted = summarise(trial(model("build", width=5, dropout=0.5)), (3, 8, 8), 4)
    assert counted.parameters == (3 * 9 * 5 + 5) + (5 * 4 + 4)
    assert counted.flops == 2 * (64 * 27 * 5 + 5 * 4)
    assert summarise(trial(model("anything", wide=6)), (3, 8, 8), 4).parameters == (3 * 9 * 6 + 6) + (6 * 4 + 4)
    assert summarise(trial(model("tools.build")), (3, 8, 8), 4).layers[0][2] == (8, 8, 8)


def test_looking_at_it_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    summarise(trial(model("build")), (1, 8, 8), 4)
    assert torch.equal(before, torch.get_rng_state())


def test_it_trains_and_comes_back_with_what_no_state_dict_has(digits: ResidentData) -> None:
    config = TrialConfig.model_validate(
        {
            "data": {"name": "digits"},
            "model": model("Net", needed=2),
            "optimizer": {"name": "adam", "lr": 0.05},
            "trainer": {"epochs": 2, "device": "cpu", "precision": "fp32"},
        }
    )
    fit = training.fit(config, digits)
    records = list(fit)
    assert records[-1].validation_accuracy > 0.5
    again = training.evaluate(config, digits, fit.state_dict(), "validation")
    assert again == fit.evaluate("validation")
    assert isinstance(training.deployable(config, digits, fit.state_dict())(torch.rand(2, 1, 8, 8)), torch.Tensor)


def test_its_own_infeasible_is_infeasible_and_its_exceptions_are_its_own() -> None:
    with pytest.raises(InfeasibleConfigError, match="wider than anybody needs"):
        summarise(trial(model("build", width=65)), (1, 8, 8), 4)
    with pytest.raises(ValueError, match="an idea that did not work"):
        summarise(trial(model("breaks")), (1, 8, 8), 4)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"import": "own_nets:build", "widht": 3}, "model.widht: unknown to own_nets:build; did you mean width?"),
        (
            {"import": "own_nets:build", "zzz": {"low": 1, "high": 2}},
            "model.zzz: unknown to own_nets:build; it takes width, dropout, options",
        ),
        ({"import": "own_nets:no_module", "a": 1}, "model.a: unknown to own_nets:no_module; it takes no keys"),
        ({"import": "own_nets:Net"}, "model.needed: is missing; own_nets:Net needs it"),
        ({"import": "own_nets:build", "num_classes": 3}, "model.num_classes: comes from the data; delete the line"),
        ({"import": "own_nets:bild"}, "own_nets has no bild"),
        (
            {"import": "own_nets:number"},
            'model.import: number is of type int, not a function or class (given: "own_nets:nu',
        ),
        ({"import": "own_netz:build"}, "model.import: there is no module own_netz in the working directory or among"),
        ({"import": "own_nets.deep:build"}, "there is no module own_nets.deep"),
        ({"import": "broken_nets:build"}, "importing broken_nets failed with ModuleNotFoundError: No module named"),
        ({"import": "raising_nets:build"}, "importing raising_nets failed with ZeroDivisionError: division by zero"),
        (
            {"import": "own_nets:forgets"},
            "model.import: must take the keyword arguments input_shape and num_classes; num_classes missing",
        ),
    ],
)
def test_what_does_not_fit_is_found_before_anything_starts(document: dict[str, Any], expected: str) -> None:
    (message,) = mistakes(document)
    assert expected in message


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    assert "did you mean build?" in mistakes({"import": "own_nets:bild"})[0]


def test_every_callable_that_can_be_chosen_is_checked_once() -> None:
    branches = [
        {"name": "cnn"},
        {"name": "import", "import": {"choices": ["own_nets:build", "own_nets:anything"]}, "wide": 3},
    ]
    spec = load_study({"name": "a", "data": {"name": "digits"}, "model": {"one_of": branches}})
    assert [found.target for found in imported_models(spec)] == ["own_nets:build", "own_nets:anything"]
    assert mistakes({"one_of": branches}) == ["model.wide: unknown to own_nets:build; did you mean width?"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("no_module", "model.import: own_nets:no_module must return a torch.nn.Module, not list"),
        ("wrong_output", "whose output for 1 image is 1x4 (classes), not 1x64"),
        ("no_tensor", "must return a module whose output is a tensor, not tuple"),
    ],
)
def test_what_is_no_classifier_is_said(target: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_imported(model(target), (1, 8, 8), 4)
    assert expected in str(caught.value)


def test_an_exception_before_the_start_is_left_to_the_trials(caplog: pytest.LogCaptureFixture) -> None:
    check_imported(model("breaks"), (1, 8, 8), 4)
    assert "own_nets:breaks raised ValueError: an idea that did not work" in caplog.text
