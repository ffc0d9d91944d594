"""The report of a study that tracking itself has written into a real store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_checks import check

from tunetrack.errors import TrackingError
from tunetrack.report import build_report
from tunetrack.spec.records import EpochRecord, TrialOutcome, TrialState
from tunetrack.tracking.connect import connect
from tunetrack.tracking.datasets import DatasetInfo
from tunetrack.tracking.names import StudyState
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.study_info import Objective, SearchedParam, StudyInfo

INFO = StudyInfo(
    "digits-cnn",
    {"name": "digits-cnn", "data": {"name": "digits"}, "description": "<kept & safe>"},
    (SearchedParam("optimizer.lr", log=True, text="float 1e-05 to 0.1, log"),),
    (Objective("validation/accuracy", True),),
)


@pytest.fixture
def store(tmp_path: Path, database_template: Path) -> Iterator[TrackingStore]:
    shutil.copy(database_template, tmp_path / "mlflow.db")
    with connect(f"sqlite:///{tmp_path / 'mlflow.db'}") as opened:
        write_study(opened, tmp_path)
        yield opened


def write_study(store: TrackingStore, folder: Path) -> None:
    run = store.open_study(INFO, "images", folder / "artifacts")
    sizes = {"train": 1200, "validation": 400, "test": 100}
    run.log_dataset(DatasetInfo("digits", "d1", sizes, (1, 8, 8), tuple("0123456789"), "digits"))
    for number, top in enumerate((0.5, 0.9, 0.895)):
        trial = run.open_trial(number, {"optimizer.lr": 10.0 ** -(number + 1), "data.validation": None})
        for epoch in (1, 2, 3):
            trial.log_epoch(EpochRecord(epoch, 1.0, 0.5, 1.0, top * epoch / 3, 0.01, 2.0, 100.0))
        metrics = {"train_seconds": 6.0, "test/accuracy": 0.88} if number == 1 else {"train_seconds": 6.0}
        trial.finish(TrialOutcome(TrialState.COMPLETE, (top,), metrics=metrics))
    pruned = run.open_trial(3, {"optimizer.lr": 0.1})
    pruned.log_epoch(EpochRecord(1, 1.0, 0.5, 1.0, 0.2, 0.01, 2.0, 100.0))
    pruned.finish(TrialOutcome(TrialState.PRUNED, reason="pruned after epoch 1 of 3", metrics={"train_seconds": 2.0}))
    run.open_trial(4, {"optimizer.lr": 0.1}).finish(TrialOutcome(TrialState.FAILED, reason="out of memory"))
    run.finish(StudyState.COMPLETE, best_trial=1)
    run.flush()


def test_a_stored_study_is_reported(store: TrackingStore) -> None:
    page = check(build_report(store, "digits-cnn"))

    assert "5 trials searched 1 parameter" in page.words
    # 400 images, from the run's data set inputs
    assert "trial 1 is the best with 0.9 (95 % interval 0.867 to 0.926)" in page.words
    assert "By these images 1 of 2 other finished trials cannot be told apart from it" in page.words
    assert "0.8800 (95 % interval 0.802 to 0.930, 100 images)" in page.words
    assert "2 s of it (10%) on 1 pruned trial" in page.words
    assert "description: <kept & safe>" in page.words
    assert "out of memory" in page.words
    curves = next(alt for alt, _ in page.images if "by epoch" in alt)
    assert "trial 1 ends at 0.9" in curves


def test_a_study_whose_file_is_gone_is_still_reported(store: TrackingStore, tmp_path: Path) -> None:
    for file in (tmp_path / "artifacts").rglob("study.yaml"):
        file.unlink()

    page = check(build_report(store, "digits-cnn", "images"))

    assert "trial 1 is the best" in page.words
    assert "kept & safe" not in page.words


def test_an_unknown_study_is_named(store: TrackingStore) -> None:
    with pytest.raises(TrackingError, match="there is no study 'other'"):
        build_report(store, "other")
