"""Networks of the user's own, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from study_support import child_environment, command, tiny, write_study

NETS = """
from torch import nn

from tunetrack.errors import InfeasibleConfigError


def build(input_shape, num_classes, width=4):
    if width == 5:
        raise InfeasibleConfigError("five is right out")
    if width == 6:
        raise ValueError("no idea why")
    pixels = input_shape[0] * input_shape[1] * input_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, num_classes))


def images(input_shape, num_classes):
    return nn.Identity()
"""


def test_a_network_of_ones_own_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(NETS)
    shown = command("model", "my_nets:build", "--input", "1x8x8", "--set", "width=3", cwd=tmp_path)
    assert "parameters  235" in shown.stdout, shown.stderr
    script = tmp_path / "bin" / "tunetrack-script.py"  # where a script lies, python looks; where it is called, not
    script.parent.mkdir()
    script.write_text("from tunetrack.cli import main\nmain()\n")
    broken = subprocess.run(
        [sys.executable, script, "model", "my_nets:build", "--set", "width=6"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=child_environment(),
    )
    assert broken.returncode == 2
    assert broken.stderr == "Error: my_nets:build raised ValueError: no idea why\n"


def test_a_study_over_a_network_of_ones_own(tmp_path: Path, home: Path) -> None:
    (tmp_path / "my_nets.py").write_text(NETS)
    study = tiny(
        model={"import": "my_nets:build", "width": {"low": 3, "high": 6}},
        optimizer={"name": "adam", "lr": 0.01},
        objective=[{"metric": "validation/accuracy"}, {"metric": "model/flops"}, {"metric": "model/memory_mb"}],
        sampler={"name": "brute_force"},
        budget={"trials": 10},
    )
    path = write_study(tmp_path / "study.yaml", study)
    ran = command("run", path, "--home", home, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(command("show", "tiny", "--json", "--home", home, cwd=tmp_path).stdout)
    by_width = {trial["params"]["model.width"]: trial for trial in shown["trials"]}
    assert {width: trial["state"] for width, trial in by_width.items()} == {
        3: "COMPLETE",
        4: "COMPLETE",
        5: "INFEASIBLE",
        6: "FAILED",
    }
    assert by_width[5]["reason"] == "five is right out"
    assert by_width[6]["reason"] == "ValueError: no idea why"
    assert by_width[3]["values"][1:] == [2 * (64 * 3 + 30), 4 * (64 + 2 * (64 + 3 + 3 + 10) + 235) / 2**20]


@pytest.mark.parametrize(
    ("verb", "model", "expected"),
    [
        (
            "validate",
            {"import": "my_nets:build", "widht": 3},
            "model.widht: unknown to my_nets:build; did you mean width?",
        ),
        ("run", {"import": "my_nets:bild"}, "did you mean build?"),
        pytest.param(
            "run",
            {"import": "my_nets:images"},
            "whose output for 1 image is 1x10 (classes), not 1x1x8x8",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_nothing_is_written_where_the_network_does_not_fit(
    tmp_path: Path, home: Path, verb: str, model: dict[str, object], expected: str
) -> None:
    (tmp_path / "my_nets.py").write_text(NETS)
    path = write_study(tmp_path / "study.yaml", tiny(model=model))
    where = ["--home", home] if verb == "run" else []
    ran = command(verb, path, *where, cwd=tmp_path)
    assert ran.returncode == 2
    assert expected in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (home / "ledger.db").exists()
