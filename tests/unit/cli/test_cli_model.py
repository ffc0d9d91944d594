"""`tunetrack model`: the list, one network in three forms, mistakes in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tunetrack.cli import main
from tunetrack.cli.app import ENVIRONMENT
from tunetrack.spec.models import MODEL_CONFIGS

Command = Callable[..., Result]


@pytest.fixture
def tunetrack(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, which keeps its path and environment."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_the_list_has_every_model(tunetrack: Command) -> None:
    ran = tunetrack("model", "--json")
    assert ran.exit_code == 0, ran.stderr
    listed = {entry["name"]: entry for entry in json.loads(ran.stdout)}
    assert list(listed) == list(MODEL_CONFIGS)
    assert listed["compact_cnn_11k"]["parameters"] == 10_790
    assert listed["compact_cnn_11k"]["memory_mb"] == 0.45
    table = tunetrack("model").stdout
    assert all(name in table for name in MODEL_CONFIGS)
    assert "206,922" in table


def test_one_model_in_three_forms(tunetrack: Command) -> None:
    arguments = ("model", "baseline_cnn", "--input", "3x32x32", "--classes", "100", "--set", "filters=8")
    parameters = (27 * 8 + 8) + (72 * 16 + 16) + (16 * 64 * 128 + 128) + (12_900)
    table = tunetrack(*arguments).stdout
    assert f"parameters  {parameters:,}" in table
    assert "layer2.pool" in table
    markdown = tunetrack(*arguments, "--format", "markdown").stdout
    assert markdown.startswith("# baseline_cnn\n")
    assert "| layer1.conv1 | Conv2d | 8x32x32 | 224 |" in markdown
    document = json.loads(tunetrack(*arguments, "--json").stdout)
    assert document["parameters"] == parameters
    assert document["settings"]["filters"] == 8
    assert document["layers"][-1] == {"layer": "output", "kind": "Linear", "output": [100], "parameters": 12_900}


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["baseline"], 2, "did you mean baseline_cnn?"),
        (["cnn", "--set", "filtres=3"], 2, "model.filtres: unknown key; did you mean filters? (given: 3)"),
        (["cnn", "--set", "filters={low: 1, high: 2}"], 2, "one configuration has values only"),
        (["cnn", "--set", "num_layers=9"], 4, "layer 5 of 9: pooling by 2 needs at least 2 pixels a side"),
        (["cnn", "--input", "28x28"], 2, "'28x28' is no shape; write CHANNELSxHEIGHTxWIDTH, such as 1x28x28"),
        (["nowhere:build"], 2, "there is no module nowhere in the working directory"),
    ],
)
def test_mistakes_in_words(tunetrack: Command, arguments: list[str], code: int, expected: str) -> None:
    ran = tunetrack("model", *arguments)
    assert ran.exit_code == code
    assert expected in ran.stderr
    assert "Traceback" not in ran.stderr
