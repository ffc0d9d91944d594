"""A store with a real study of several trials, and the files that comparison pages read."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tracking_support import epoch, evaluation, study_info
from tunetrack.spec.records import ModelSummary, TrialConditions, TrialOutcome, TrialState, pruned_reason
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking import DatasetInfo, StudyRun, TrackingStore, TrialArtifacts
from weight_support import Walk, walked_trial

SPRITE = {"tile": [8, 8], "columns": 5, "count": 12, "digest": "abc"}
HOSTILE = "</script><b>=1+1 \u202e"


def predictions(labels: list[int], predicted: list[int], first: int = 0) -> bytes:
    """The file that a trial leaves about its answers."""
    table = pa.table(
        {
            "index": pa.array(range(first, first + len(labels)), pa.int32()),
            "label": pa.array(labels, pa.uint8()),
            "predicted": pa.array(predicted, pa.uint8()),
            "confidence": pa.array([0.5] * len(labels), pa.float32()),
        }
    )
    file = io.BytesIO()
    parquet.write_table(table.take(pa.array(np.random.default_rng(0).permutation(len(labels)))), file)
    return file.getvalue()


def small_study(store: TrackingStore, folder: Path) -> StudyRun:
    """Trials 0, 1 complete with all files; 2 pruned; 3 failed, of a hostile reason; 4 a duplicate; 5 running."""
    study = store.open_study(study_info(), "images", folder / "artifacts")
    study.log_dataset(
        DatasetInfo("digits", "d1", {"train": 100, "validation": 20, "test": 50}, (1, 8, 8), ("a", "b"), "here")
    )
    labels = [index % 3 for index in range(20)]
    for number in (0, 1):
        lr, extra = 10.0 ** (-2 - number), {"trainer.epochs": 3, "model.head": [64, 32]}
        params = {"optimizer.lr": lr, "model.filters": 32, "optimizer.name": "adam"} | extra
        trial = study.open_trial(number, params | ({"optimizer.momentum": 0.9} if number else {}))
        trial.log_conditions(
            TrialConditions({"init": 11, "order": 12, "augmentation": 13, "split": 0}, "cpu", "fp32", 1)
        )
        walked = walked_trial(Walk(epochs=3))
        for record in walked:
            trial.log_epoch(record)
        answers = [label if index % (4 + number) else (label + 1) % 3 for index, label in enumerate(labels)]
        outcome = TrialOutcome(
            TrialState.COMPLETE, (0.8 + number / 10,), metrics={"train_seconds": 3.0, "model/parameters": 690.0}
        )
        files = {"predictions.parquet": predictions(labels, answers)}
        found = (Finding("dead_units", 2, "a third of them"),) if number else ()
        config = {"data": {"name": "digits"}, "model": {"name": "cnn"}}
        layers = (("layers.conv1", "Conv2d", (8 - 2 * number, 6, 6), 690),)
        model = ModelSummary(690, 0, 1000, 2000, (1, 8, 8), layers)
        trial.finish(outcome, TrialArtifacts(config, None, evaluation(3), files=files, findings=found, model=model))
    pruned = study.open_trial(2, {"optimizer.lr": 0.1, "trainer.epochs": 10, "optimizer.name": "sgd"})
    pruned.log_epoch(epoch(1, 0.3))
    pruned.log_epoch(epoch(2, 0.4))
    pruned.finish(TrialOutcome(TrialState.PRUNED, None, pruned_reason(2, 10), {"train_seconds": 4.0}))
    failed = study.open_trial(3, {"optimizer.lr": 0.2, "optimizer.name": HOSTILE})
    failed.log_metrics({"train/loss": math.nan}, 1)
    failed.finish(TrialOutcome(TrialState.FAILED, None, f'{HOSTILE} says "no" and goes'))
    study.open_trial(4, {"optimizer.lr": 0.01}).finish(
        TrialOutcome(TrialState.DUPLICATE, (0.8,), "as 0", duplicate_of=0)
    )
    study.open_trial(5, {"optimizer.lr": 0.3}).log_epoch(epoch(1, 0.6))
    study.log_files({"validation_images.json": json.dumps(SPRITE).encode(), "validation_images.png": b"\x89PNG"})
    study.flush()
    return study
