"""What the reviewer says of experiments that other programs have logged; the table in docs/reviewer.md is held here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from foreign_support import EXPERIMENTS, log_run
from tunetrack.errors import TrackingError
from tunetrack.report.review.foreign import read_foreign
from tunetrack.report.review.guesses import finest_share, image_count, metric_names, parameter_count
from tunetrack.report.review.rules import RULES, reviewed_by
from tunetrack.spec.review import Review
from tunetrack.tracking import connect

DOCS = Path(__file__).parents[3] / "docs" / "reviewer.md"


def table_rows() -> list[tuple[str, str, tuple[str, ...]]]:
    """(mistake, rule, places) of every row of the table that names a rule."""
    section = DOCS.read_text().partition("## Five published experiments")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:2] == "| "
    ]
    found = []
    for _, mistake, finding, where in rows[1:]:
        if match := re.fullmatch(r"`(\w+)`", finding):
            places = re.findall(r"[a-z_]+\.yaml|(?:digits|fashion|compact|depth|voxel)-[a-z-]+", where.split(";")[0])
            found.append((mistake, match[1], tuple(places)))
        else:
            assert finding in ("not caught", "finding"), mistake
    return found


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Mapping[str, Review]:
    root = tmp_path_factory.mktemp("foreign")
    shutil.copy(database_template, root / "mlflow.db")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    client = MlflowClient(uri)
    for name in EXPERIMENTS:
        client.create_experiment(name, (root / "artifacts").as_uri())
        EXPERIMENTS[name](client, root)
    with connect(uri) as store:
        return {name: reviewed_by(read_foreign(store, name), datetime.now(UTC)) for name in EXPERIMENTS}


def evidence(review: Review, rule: str) -> str:
    return next(f"{finding.title}. {finding.evidence}" for finding in review.findings if finding.rule == rule)


def test_every_row_of_the_table_names_rules_and_places_that_exist() -> None:
    rows = table_rows()

    assert len(rows) > 35
    assert {rule for _, rule, _ in rows} <= RULES.keys()
    places = {place for _, _, found in rows for place in found}
    assert {place for place in places if not place.endswith(".yaml")} == EXPERIMENTS.keys()
    assert all(found for _, _, found in rows)


def test_the_documentation_lists_every_rule() -> None:
    assert re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE) == list(RULES)


@pytest.mark.parametrize(
    ("mistake", "rule", "place"),
    [(mistake, rule, place) for mistake, rule, places in table_rows() for place in places if place in EXPERIMENTS],
)
def test_the_mistake_is_found(reviews: Mapping[str, Review], mistake: str, rule: str, place: str) -> None:
    assert rule in {finding.rule for finding in reviews[place].findings}, mistake


def test_no_rule_fails_on_foreign_runs(reviews: Mapping[str, Review]) -> None:
    failed = [rule for review in reviews.values() for rule in review.checked if "failed" in (rule.skipped or "")]

    assert failed == []


def test_the_evidence_names_what_is_meant(reviews: Mapping[str, Review]) -> None:
    assert "kernel_size and num_layers never changed the model" in evidence(
        reviews["fashion-search"], "unused_parameter"
    )
    assert "filters 88 → 64 and epochs 3 → 20" in evidence(reviews["fashion-longer"], "confounded")
    assert "batchnorm" in evidence(reviews["fashion-optimizers"], "confounded")
    assert "lr is too large from about 0.1 on" in evidence(reviews["digits-grids"], "divergence")
    assert "0.95, 0.87" in evidence(reviews["digits-grids"], "repeats_disagree")
    assert "differ in weight_decay" in evidence(reviews["digits-grids"], "same_names")
    assert "subset_test" in evidence(reviews["digits-grids"], "test_selection")
    assert "on 30 images" in evidence(reviews["digits-seeds"], "noise")
    assert "0.6725" in evidence(reviews["depth-of-updates"], "jumps") or "0.5116" in evidence(
        reviews["depth-of-updates"], "jumps"
    )


def test_what_was_guessed_is_said(reviews: Mapping[str, Review]) -> None:
    said = " ".join(reviews["digits-seeds"].guessed)

    assert "Runs are compared by 'best_val_acc', high is good." in said
    assert "Accuracies are percentages." in said
    assert "30 held-out images: all accuracies are multiples of 1/30." in said


def test_without_runs_there_is_nothing_to_review(uri: str) -> None:
    client = MlflowClient(uri)
    client.create_experiment("empty")

    with connect(uri) as store:
        with pytest.raises(TrackingError, match=r"there is no experiment 'nowhere' in .*known: Default, empty"):
            read_foreign(store, "nowhere")
        with pytest.raises(TrackingError, match="the experiment 'empty' has no runs"):
            read_foreign(store, "empty")


def test_runs_without_known_metrics_are_reviewed_as_far_as_that_goes(uri: str) -> None:
    client = MlflowClient(uri)
    for place in range(2):
        log_run(client, "odd", f"run {place}", {"alpha": place}, {"reward": [1.0, 2.0]}, minute=place)

    with connect(uri) as store:
        review = reviewed_by(read_foreign(store, "odd"), datetime.now(UTC))

    assert "No metric is called accuracy or loss" in " ".join(review.guessed)
    assert {finding.rule for finding in review.findings} == {"seeds", "unlogged"}
    assert {rule.rule: rule.skipped for rule in review.checked}["noise"] == "0 finished runs; it takes 2"


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            ["loss", "accuracy", "val_loss", "val_accuracy"],
            {"train/loss": "loss", "validation/accuracy": "val_accuracy"},
        ),
        (
            ["Loss/train", "Loss/test", "metric/Accuracy"],
            {"test/accuracy": "metric/Accuracy", "train/loss": "Loss/train"},
        ),
        (
            ["trainLoss", "validAcc", "best_val_acc"],
            {"best/validation/accuracy": "best_val_acc", "train/loss": "trainLoss"},
        ),
        (["test_balanced_accuracy", "test_acc"], {"test/accuracy": "test_acc"}),
    ],
)
def test_metrics_are_known_by_their_words(metrics: list[str], expected: dict[str, str]) -> None:
    names = metric_names(metrics).names

    assert {ours: names.get(ours) for ours in expected} == expected


@pytest.mark.parametrize(
    ("values", "images"),
    [
        ([28 / 30, 29 / 30], 30),
        ([0.9333, 0.9667, 0.8667, 0.9], 30),
        ([5113 / 6400, 4931 / 6400, 0.5], 6400),
        ([0.97, 0.93, 0.9], None),  # two digits tell no more than that it may be 100
        ([0.9883, 0.9834, 0.9912], None),
        ([1.0, 0.0], None),
    ],
)
def test_held_out_images_are_counted_by_common_shares(values: list[float], images: int | None) -> None:
    assert finest_share(values) == images


def test_sizes_are_known_by_their_words() -> None:
    assert image_count({"lr": 0.1, "subset_test": 30, "n_val": 100}, "validation") == (100, "n_val")
    assert image_count({"test_size": 0.2}, "test") is None
    assert parameter_count({"layers": 4, "total_params": 7904}) == 7904
    assert parameter_count({"params_file": "x"}) is None
