"""Knows every tag, metric and file name that tunetrack writes into MLflow, and how states map to MLflow's.

What other tools, our reports and the saved view rely on is spelled here and nowhere else.
"""

from __future__ import annotations

import enum
from typing import Final

from tunetrack.spec.records import TrialState

__all__ = [
    "FROM_TEST_IMAGES",
    "HEALTHY",
    "RUN_STATUS",
    "STUDY_STATUS",
    "File",
    "RunKind",
    "RunStatus",
    "StudyState",
    "Tag",
    "objective_metric",
]


class Tag:
    """Keys of the tags on study and trial runs."""

    KIND: Final = "tunetrack.kind"
    VERSION: Final = "tunetrack.version"
    MACHINE: Final = "tunetrack.machine"
    STUDY_KEY: Final = "study.key"
    STUDY_NAME: Final = "study.name"
    STUDY_STATE: Final = "study.state"
    STUDY_SEARCHED: Final = "study.searched"
    STUDY_OBJECTIVES: Final = "study.objectives"
    STUDY_IMPORTANT: Final = "study.important"
    STUDY_WEIGHTS: Final = "study.weight_statistics"
    STUDY_BEST_TRIAL: Final = "study.best_trial"
    STUDY_WINNER: Final = "study.winner"
    STUDY_CONFIRMS: Final = "study.confirms"
    STUDY_REPLICATES: Final = "study.replicates"
    STUDY_STOPPED: Final = "study.stopped"
    RACE_NAME: Final = "race.name"
    TRIAL_KEY: Final = "trial.key"
    TRIAL_NUMBER: Final = "trial.number"
    TRIAL_STATE: Final = "trial.state"
    TRIAL_REASON: Final = "trial.reason"
    TRIAL_WORKER: Final = "trial.worker"
    TRIAL_DUPLICATE_OF: Final = "trial.duplicate_of"
    TRIAL_WOULD_PRUNE_AT: Final = "trial.would_prune_at"
    TRIAL_CONFIRMS: Final = "trial.confirms"
    TRIAL_VIOLATES: Final = "trial.violates"
    LOST: Final = "tracking.lost"
    VALIDATION: Final = "data.validation_images"
    SEED_PREFIX: Final = "seed."
    USED_DEVICE: Final = "used.device"
    USED_PRECISION: Final = "used.precision"
    USED_THREADS: Final = "used.threads"
    USED_MICRO_BATCH: Final = "used.micro_batch"
    WEIGHT_HEALTH: Final = "weights.health"
    WEIGHT_HEALTH_PREFIX: Final = "weights.health."
    PARENT: Final = "mlflow.parentRunId"
    NOTE: Final = "mlflow.note.content"
    SOURCE_NAME: Final = "mlflow.source.name"


#: Value of `Tag.VALIDATION` where selection has seen images of the official test set; elsewhere the tag is not there.
FROM_TEST_IMAGES: Final = "from the official test set"

#: Value of `Tag.WEIGHT_HEALTH` where weight statistics were recorded and no rule has found anything.
HEALTHY: Final = "ok"


class File:
    """Names of the artifacts that tunetrack itself writes."""

    STUDY: Final = "study.yaml"
    REPORT: Final = "report.html"
    REVIEW: Final = "review.json"
    WINNER: Final = "winner.json"
    IMAGES: Final = "validation_images.png"
    IMAGES_LAYOUT: Final = "validation_images.json"
    CONFIG: Final = "config.yaml"
    MODEL: Final = "model.json"
    WEIGHTS: Final = "weights.pt"
    CURVES: Final = "curves.svg"
    CONFUSION_FIGURE: Final = "confusion_matrix.svg"
    CONFUSION_TABLE: Final = "confusion_matrix.csv"
    PREDICTIONS: Final = "predictions.parquet"
    WEIGHT_STATS: Final = "weight_stats.parquet"
    WEIGHT_HISTOGRAMS: Final = "weights_histograms.svg"
    WEIGHT_DEPTH: Final = "weights_depth.svg"
    WEIGHT_LAYERS: Final = "weights_layers.svg"


class RunKind(enum.StrEnum):
    """What a run stands for. The values are those of the tag ``tunetrack.kind``."""

    STUDY = "study"
    TRIAL = "trial"
    RACE = "race"


class StudyState(enum.StrEnum):
    """Where a study stands. The values are those of the tag ``study.state``."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    KILLED = "KILLED"


class RunStatus(enum.StrEnum):
    """MLflow's own run status, of which the UI knows no more than these."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


#: MLflow draws the same red cross for FAILED and KILLED, so a trial that was pruned, reused or not
#: buildable is FINISHED for MLflow; the tag ``trial.state`` tells them apart.
RUN_STATUS: Final = {
    TrialState.RUNNING: RunStatus.RUNNING,
    TrialState.COMPLETE: RunStatus.FINISHED,
    TrialState.PRUNED: RunStatus.FINISHED,
    TrialState.DUPLICATE: RunStatus.FINISHED,
    TrialState.INFEASIBLE: RunStatus.FINISHED,
    TrialState.FAILED: RunStatus.FAILED,
    TrialState.KILLED: RunStatus.KILLED,
}

STUDY_STATUS: Final = {
    StudyState.RUNNING: RunStatus.RUNNING,
    StudyState.COMPLETE: RunStatus.FINISHED,
    StudyState.FAILED: RunStatus.FAILED,
    StudyState.KILLED: RunStatus.KILLED,
}


def objective_metric(metric: str, count: int) -> str:
    """The name under which a trial's objective value is logged.

    Args:
        metric: what the study file optimises, such as ``validation/accuracy``.
        count: number of objectives of the study, at least 1.

    Returns:
        ``objective`` where it is the only one, else ``objective/<metric>``.
    """
    return "objective" if count == 1 else f"objective/{metric}"
