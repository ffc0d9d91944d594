"""`tunetrack weights`: the table, the words, the page on disk and in MLflow, mistakes in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tracking_support import study_info
from tunetrack.cli import main
from tunetrack.cli.app import ENVIRONMENT
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.weight_records import SUMMARY_METRICS, Finding
from tunetrack.tracking import StudyState, TrialArtifacts, connect, read_artifact, read_study
from weight_support import Walk, walked_trial

Command = Callable[..., Result]
FINDING = Finding("dead_units", 3, "half of block2.activation is dead", ("block2.activation",))


@pytest.fixture
def stored(home: Path) -> Path:
    """A home whose MLflow has a study of three trained trials, a failed one and a duplicate."""
    with connect(f"sqlite:///{home / 'mlflow.db'}") as store:
        run = store.open_study(study_info("nets"), "nets", home / "artifacts")
        for number, lr in enumerate((0.1, 0.01, 0.001)):
            trial = run.open_trial(number, {"optimizer.lr": lr, "model.filters": 32, "optimizer.name": "adam"})
            walk = Walk(epochs=3, speed={"stem": lr / 10}, dead=((0, 5),) if number == 1 else ((0, 0),), seed=number)
            for record in walked_trial(walk):
                trial.log_epoch(record)
            findings = (FINDING,) if number == 1 else ()
            trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9 + number / 100,)), TrialArtifacts(findings=findings))
        run.open_trial(3, {"optimizer.lr": 1.0}).finish(TrialOutcome(TrialState.FAILED, reason="no memory"))
        duplicate = TrialOutcome(TrialState.DUPLICATE, (0.9,), duplicate_of=0)
        run.open_trial(4, {"optimizer.lr": 0.1}).finish(duplicate)
        run.finish(StudyState.COMPLETE, best_trial=2)
    return home


@pytest.fixture
def tunetrack(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, which keeps its path and environment."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_table_words_and_page(tunetrack: Command, stored: Path) -> None:
    ran = tunetrack("weights", "nets", "--home", stored)
    assert ran.exit_code == 0, ran.output
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert lines[0] == ["trial", "lr", *(name.removeprefix("weights/") for name in SUMMARY_METRICS), "found"]
    assert [line[:2] for line in lines[1:4]] == [["2", "0.001"], ["1", "0.01"], ["0", "0.1"]]  # best first
    assert [line[-1] for line in lines[1:4]] == ["ok", "dead_units", "ok"]
    assert "trial 1: lr 0.01\n  dead_units: half of block2.activation is dead.\n" in ran.stdout
    assert "25.0% of the 20 units are dead, most in block2.activation (50% of 10)." in ran.stdout
    page = stored / "nets-weights.html"
    assert f"Page: {page}" in ran.stdout
    with connect(f"sqlite:///{stored / 'mlflow.db'}") as store:
        kept = read_artifact(store, read_study(store, "nets").study.run_id, "weights.html")
    assert kept == page.read_bytes()


def test_chosen_trials_as_json_and_markdown(tunetrack: Command, stored: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.md"
    arguments = ("weights", "nets", "--home", stored, "--trials", "0, 2", "--json", "--format", "markdown")
    ran = tunetrack(*arguments, "--out", page)
    assert ran.exit_code == 0, ran.output
    document: dict[str, Any] = json.loads(ran.stdout, parse_constant=pytest.fail)
    assert (document["study"], document["page"]) == ("nets", str(page))
    first, second = document["trials"]
    assert (first["number"], second["number"], first["params"]) == (0, 2, {"optimizer.lr": 0.1})
    assert set(first["metrics"]) == set(SUMMARY_METRICS)
    assert (first["epochs"], first["records"], first["health"], first["blocks"]) == (3, 3, {}, None)
    assert [row["layer"] for row in first["layers"]] == ["stem.conv", "block1.conv1", "block2.conv1", "output"]
    assert first["kinds"]["gamma"]["turned"][:2] == [None, None]
    assert first["found"][0] == "No rule of health has found anything."
    figures = sorted(path.name for path in page.parent.glob("*.svg"))
    assert figures == ["page-depth.svg", "page-histograms.svg", "page-kinds.svg", "page-layers.svg"]
    text = page.read_text()
    assert all(f"]({figure})" in text for figure in figures)
    assert str(stored) not in text
    everything = json.loads(tunetrack("weights", "nets", "--home", stored, "--trials", "all", "--json").stdout)
    assert [trial["number"] for trial in everything["trials"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (
            ["nets", "--trials", "3;4"],
            2,
            "'3;4' is no list of trial numbers; write them with commas, such as 3,7, or all",
        ),
        (["nets", "--trials", "0,9"], 1, "--trials: nets has no trial 9; with weight statistics: 0-2"),
        (["nets", "--trials", "4"], 1, "it repeats the configuration of trial 0, which was trained instead"),
        (["nets", "--trials", "3"], 1, "trial 3 of nets has no weight statistics: it is FAILED and was not trained"),
        (["nest"], 7, "there is no study 'nest'"),
    ],
)
def test_mistakes_in_words(tunetrack: Command, stored: Path, arguments: list[str], code: int, expected: str) -> None:
    ran = tunetrack("weights", *arguments, "--home", stored)
    assert expected in ran.stderr
    assert ran.exit_code == code
    assert "Traceback" not in ran.stderr
    assert not list(stored.glob("*.html"))
