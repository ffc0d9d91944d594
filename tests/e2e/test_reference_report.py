"""A study with a reference, from its file to the Markdown page: the page's numbers are those of the trials."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import command, tiny, write_study
from tunetrack.api.reports import write_markdown
from tunetrack.spec.certainty import binomial_error
from tunetrack.study.place import Place
from tunetrack.tracking import connect, read_history

BEST = "best/validation/accuracy"
RATES, WIDTHS = (0.01, 0.1), (8, 16)
ORIGINAL = {(0.01, 8): 0.5, (0.01, 16): 0.9, (0.1, 8): 0.2, (0.1, 16): 0.6}


def grid() -> dict[str, object]:
    return tiny(
        name="grid",
        data={"name": "digits", "train": 200, "validation": 100, "test": 100},
        model={"name": "cnn", "filters": 4, "num_layers": 1, "head": [{"choices": list(WIDTHS)}]},
        optimizer={"name": "adam", "lr": {"choices": list(RATES)}},
        objective={"metric": BEST},
        sampler={"name": "grid"},
        budget={"trials": 4},
        reference={
            "title": "a made-up original",
            "images": 50,
            "table": {"rows": "optimizer.lr", "columns": "model.head.0"},
            "rows": [
                {
                    "when": {"optimizer.lr": lr, "model.head.0": width},
                    "values": {BEST: value, "first/train/loss": 2.0, "convergence_epoch": 2.0},
                }
                for (lr, width), value in ORIGINAL.items()
            ],
        },
    )


def rows_under(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that follows a heading."""
    body = page.partition(heading)[2].lstrip("\n").partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]


@pytest.mark.slow
def test_the_page_holds_what_the_trials_measured(home: Path, tmp_path: Path) -> None:
    result = tunetrack.run_study(grid(), home=home)
    ours = {(t.params["optimizer.lr"], t.params["model.head.0"]): t for t in result.trials}
    target = tmp_path / "pages" / "grid.md"
    done = command("report", "grid", "--format", "markdown", "--out", target, "--home", home)
    assert done.returncode == 0, done.stderr
    page = target.read_text()

    assert set(ours) == set(ORIGINAL)
    assert str(tmp_path) not in page
    accuracy = page.partition(f"### {BEST}")[2].partition("###")[0]
    measured, differences = rows_under(accuracy, "\ngrid:\n"), rows_under(accuracy, "\ngrid, difference:\n")
    assert measured[0][1:] == ["8", "16"]
    for line, (rate, cells) in enumerate(zip(RATES, measured[2:], strict=True)):
        for column, width in enumerate(WIDTHS):
            value, original = ours[rate, width].value, ORIGINAL[rate, width]
            assert value is not None
            shown, error = map(float, cells[column + 1].split(" ± "))
            assert math.isclose(shown, value, abs_tol=0.0051)
            assert math.isclose(error, binomial_error(value, 100), rel_tol=0.06)
            combined = math.hypot(binomial_error(value, 100), binomial_error(original, 50))
            verdict = "agrees" if abs(value - original) <= 2 * combined else "**differs**"
            assert differences[2:][line][column + 1].endswith(verdict)
    loss = rows_under(page.partition("### first/train/loss")[2].partition("###")[0], "\ngrid:\n")
    with connect(result.tracking_uri) as store:
        first = read_history(store, [str(ours[0.1, 16].run_id)], ["train/loss"])["value"].iloc[0]
    assert math.isclose(float(loss[3][2]), first, rel_tol=1e-3)
    assert f"[Learning curves with the original's numbers beside them]({target.stem}-curves.svg)" in page
    ElementTree.parse(target.with_name("grid-curves.svg"))
    again = command("report", "grid", "--format", "markdown", "--out", tmp_path / "grid.md", "--home", home)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "grid.md").read_text() == page
    machine = MlflowClient(result.tracking_uri).get_run(result.run_id).data.tags["tunetrack.machine"]
    assert re.match(r"(cpu|cuda|mps) ", machine)
    refused = command("report", "grid", "--beside", "other", "--home", home)
    assert refused.returncode == 2
    assert "--beside needs --format markdown" in refused.stderr


def test_a_changed_reference_is_stored_by_a_resumed_study_without_a_new_trial(home: Path) -> None:
    first = tunetrack.run_study(grid(), home=home)
    document = grid()
    document["reference"] = {"title": "corrected", "rows": [{"values": {BEST: 0.5}}]}
    again = tunetrack.run_study(document, home=home, resume=True)
    place = Place(home)

    assert len(again.trials) == len(first.trials) == 4
    page = write_markdown("grid", place, home / "page.md").read_text()
    assert "## Beside the original: corrected" in page


def test_a_row_that_cannot_be_met_is_refused_by_validate(tmp_path: Path) -> None:
    document = grid()
    document["model"] = {"name": "cnn", "filters": 4, "num_layers": 1, "head": [{"choices": [8, 32]}]}
    refused = command("validate", write_study(tmp_path / "grid.yaml", document))

    assert refused.returncode == 2
    assert "reference.rows.1.when.model.head.0: no point of the search space has this value: one of 8, 32" in (
        refused.stderr
    )
    assert refused.stderr.count("reference.rows") == 2


@pytest.mark.slow
def test_several_objectives_from_the_run_to_its_words(home: Path) -> None:
    for name, sampler in (("by-nsga", {"name": "nsgaii", "population_size": 3}), ("by-tpe", {"name": "tpe"})):
        document = tiny(
            name=name,
            objective=[{"metric": "validation/accuracy"}, {"metric": "model/parameters"}],
            sampler=sampler,
            budget={"trials": 6},
        )
        result = tunetrack.run_study(document, home=home)
        front = [trial.number for trial in result.front]
        assert result.test is not None
        assert result.test.trial == front[0]
        note = MlflowClient(result.tracking_uri).get_run(result.run_id).data.tags["mlflow.note.content"]
        assert f"on the Pareto front of validation/accuracy and model/parameters: {', '.join(map(str, front))}." in note
        assert f"Test accuracy of trial {front[0]}, which is the best in validation/accuracy" in note
    shown = command("show", "by-tpe", "--home", home)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("◆") == 1 + len(front)
