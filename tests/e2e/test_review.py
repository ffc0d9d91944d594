"""A study leaves its review on its run and on the screen; the faithful recipes show the mistakes of their originals."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

import tunetrack
from foreign_support import log_run
from study_support import tiny, write_study
from tunetrack.api.review import last_review, review_files, review_study
from tunetrack.cli.app import ENVIRONMENT, main
from tunetrack.report.review.rules import RULES
from tunetrack.spec.review import Review, Severity
from tunetrack.study.place import Place
from tunetrack.tracking import File, connect, read_study, write_artifact

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "search_spaces" / "experiments"

#: What makes each recipe small; what its mistakes are is left as it is.
SMALL: dict[str, dict[str, Any]] = {
    "mnist_seeds": {"trainer__epochs": 6},
    "mnist_augmentation": {"trainer__epochs": 8},
    "mnist_learning_rate_grid": {"trainer__epochs": 4, "trainer__batch_size": {"choices": [16, 128]}},
    "mnist_architectures": {"trainer__epochs": 3, "data__train": 600, "data__validation": 100},
    "compact_iterations": {"trainer__epochs": 3, "data__train": 1500},
    "fashion_longer_training": {
        "trainer__epochs": {"choices": [2, 8]},
        "trainer__steps_per_epoch": 20,
        "model__filters": {"choices": [16, 24]},
        "data__validation": 640,
    },
    "voxel_networks": {"trainer__epochs": 4, "data__train": 600, "data__validation": 200},
    "update_size_depth": {
        "data__name": {"choices": ["mnist", "fashion_mnist"]},
        "data__train": 600,
        "data__validation": 1000,
        "trainer__batch_size": 64,
        "trainer__epochs": 3,
        "trainer__threads": 1,
        "model__size": {"choices": [18, 50]},
    },
}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rules(review: Review, least: Severity = Severity.NOTE) -> set[str]:
    return {finding.rule for finding in review.at_least(least)}


def test_the_review_is_printed_kept_and_told_to_scripts(home: Path, tmp_path: Path) -> None:
    file = write_study(tmp_path / "tiny.yaml", tiny())

    ran = call("run", file, "--home", home, "--no-supervisor")

    assert ran.exit_code == 0, ran.output
    assert "! medium The winner was trained on one seed\n" in ran.output
    assert f"Says more    tunetrack review tiny --home {home}" in ran.output
    place = Place(home)
    run_id = tunetrack.load_study("tiny", home).run_id
    assert run_id is not None
    kept = last_review(run_id, place)
    assert kept is not None
    assert [rule.rule for rule in kept.checked] == list(RULES)
    assert "one_seed" in rules(kept)
    assert all(finding.evidence and finding.advice for finding in kept.findings)

    told = call("review", "tiny", "--home", home, "--json", "--fail-on", "medium")
    assert told.exit_code == 1
    again = Review.from_json(json.loads(told.output))
    assert again.findings == kept.findings
    assert call("review", "tiny", "--home", home, "--fail-on", "high").exit_code == ("high" in told.output)
    shown = call("review", "tiny", "--home", home)
    assert shown.exit_code == 0
    assert "not judged: pruning that was too eager: no trial was pruned" in shown.output
    assert "→ `tunetrack confirm tiny --top 5 --seeds 5`" in shown.output


def test_a_review_that_cannot_be_made_does_not_end_the_study(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    tunetrack.run_study(tiny(budget={"trials": 1}), home=home)
    place = Place(home)
    with connect(place.tracking) as store:
        run_id = read_study(store, "tiny").study.run_id
        write_artifact(store, run_id, File.WINNER, b"{}")

        (content,) = review_files(store, run_id).values()

    review = Review.from_json(json.loads(content))
    assert review.findings == ()
    assert all("winner.json is not what tunetrack writes" in (rule.skipped or "") for rule in review.checked)
    assert "cannot be reviewed" in caplog.text


def test_runs_of_others_are_reviewed_and_left_alone(home: Path) -> None:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    for place, accuracy in enumerate((0.9, 0.9333)):
        params = {"filters": 8 * (place + 1), "epochs": place + 1, "n_val": 30}
        log_run(client, "theirs", f"run {place}", params, {"val_acc": [0.5, accuracy]}, minute=place)
    before = [run.data.to_dictionary() for run in client.search_runs(["1"])]

    shown = call("review", "--experiment", "theirs", "--home", home)

    assert shown.exit_code == 0, shown.output
    assert "Guessed: 30 held-out images: the parameter 'n_val'." in shown.output
    assert "✗ high   The winner is named by noise" in shown.output
    assert "filters 8 → 16 and epochs 1 → 2" in " ".join(shown.output.split())
    assert [run.data.to_dictionary() for run in client.search_runs(["1"])] == before
    missing = call("review", "--experiment", "ours", "--home", home)
    assert missing.exit_code != 0
    assert "there is no experiment 'ours'" in missing.output + missing.stderr
    assert call("review", "--home", home).exit_code == 2
    assert call("review", "a", "--experiment", "b", "--home", home).exit_code == 2


@pytest.mark.slow
def test_a_clean_study_with_a_confirmed_winner_raises_nothing_of_weight(home: Path) -> None:
    study = tiny(
        data={"name": "digits", "train": 900, "validation": 500},
        optimizer={"name": "adam", "lr": {"low": 3e-4, "high": 1e-1, "log": True}},
        schedule={"name": "cosine"},
        trainer={"epochs": 8, "batch_size": 50, "deterministic": True, "threads": 1},
        sampler={"name": "tpe"},
        budget={"trials": 24},
        confirm={"top": 3, "seeds": 3},
    )

    result = tunetrack.run_study(study, home=home)

    assert result.winner is not None
    review = last_review(result.run_id or "", Place(home))
    assert review is not None
    assert review.at_least(Severity.HIGH) == ()
    assert "one_seed" not in rules(review)
    assert not [rule for rule in review.checked if "failed" in (rule.skipped or "")]
    # The confirmation is no study of its own for the reviewer.
    assert review_study("tiny-confirm", Place(home)).findings == ()


def expected(recipe: str) -> set[str]:
    """The rules that docs/reviewer.md promises for a recipe."""
    lines = (ROOT / "docs" / "reviewer.md").read_text().splitlines()
    return {match[1] for line in lines if f"{recipe}.yaml" in line and (match := re.search(r"\| `(\w+)` \|", line))}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SMALL)
def test_the_faithful_recipe_shows_the_mistakes_of_its_original(home: Path, data_dir: Path, recipe: str) -> None:
    result = tunetrack.run_study(RECIPES / f"{recipe}.yaml", home=home, data_dir=str(data_dir), **SMALL[recipe])

    review = last_review(result.run_id or "", Place(home))
    assert review is not None
    assert expected(recipe)
    assert expected(recipe) <= rules(review)


def test_every_recipe_that_the_table_names_is_run() -> None:
    assert set(re.findall(r"(\w+)\.yaml", (ROOT / "docs" / "reviewer.md").read_text())) == SMALL.keys()
