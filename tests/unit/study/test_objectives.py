"""The numbers that a trial is judged by."""

from __future__ import annotations

import pytest

from tunetrack.spec import EpochRecord, Objective
from tunetrack.study.objectives import final_metrics, running_value


def record(epoch: int, loss: float, accuracy: float) -> EpochRecord:
    return EpochRecord(epoch, 2 * loss, accuracy / 2, loss, accuracy, 0.1, 1.5, 100.0)


MODEL = {"model/parameters": 42.0, "model/flops": 7.0, "model/memory_mb": 0.5}
RECORDS = [record(1, 0.9, 0.5), record(2, 0.4, 0.8), record(3, 0.3, 0.8), record(4, 0.6, 0.7)]


def test_best_and_final_are_kept_apart() -> None:
    metrics = final_metrics(RECORDS, MODEL)
    assert metrics["best/epoch"] == 2  # the first of two equal epochs
    assert metrics["best/validation/accuracy"] == 0.8
    assert metrics["best/validation/loss"] == 0.3
    assert metrics["final/validation/accuracy"] == 0.7
    assert metrics["final/train/loss"] == 1.2
    assert metrics["model/parameters"] == 42
    assert metrics["model/flops"] == 7
    assert metrics["train_seconds"] == 6.0


def test_a_trial_without_an_epoch_has_no_best() -> None:
    assert final_metrics([], MODEL) == {**MODEL, "train_seconds": 0}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("validation/accuracy", 0.7),
        ("validation/loss", 0.6),
        ("train/accuracy", 0.35),
        ("train/loss", 1.2),
        ("best/validation/accuracy", 0.8),
        ("best/validation/loss", 0.3),
        ("model/parameters", 42.0),
        ("model/flops", 7.0),
        ("model/memory_mb", 0.5),
        ("train_seconds", 6.0),
    ],
)
def test_every_objective_has_its_value(metric: str, value: float) -> None:
    assert running_value(Objective(metric=metric), RECORDS, MODEL) == value


def test_direction_follows_from_the_metric_or_is_given() -> None:
    assert Objective(metric="best/validation/accuracy").maximize
    assert not Objective(metric="validation/loss").maximize
    assert not Objective(metric="validation/accuracy", direction="minimize").maximize
