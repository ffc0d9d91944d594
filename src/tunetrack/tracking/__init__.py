"""Writes studies and trials into MLflow, and reads them back. The only folder, with `server`, that imports mlflow."""

from __future__ import annotations

from tunetrack.tracking.artifacts import TrialArtifacts, read_predictions
from tunetrack.tracking.audit import TrialRunRow, delete_run, study_status, study_trials
from tunetrack.tracking.connect import connect
from tunetrack.tracking.datasets import DatasetInfo
from tunetrack.tracking.lookups import (
    has_artifact,
    log_run_metrics,
    read_artifact,
    tag_run,
    trial_runs,
    write_artifact,
)
from tunetrack.tracking.models import ModelRequest, NeuralNetwork, link_model, ready_model
from tunetrack.tracking.names import RUN_STATUS, File, RunKind, RunStatus, StudyState, Tag, objective_metric
from tunetrack.tracking.queries import (
    StudyRow,
    StudyTable,
    TrialRow,
    experiment_names,
    list_studies,
    read_history,
    read_study,
    read_weight_stats,
)
from tunetrack.tracking.runs import Ending, StudyRun, TrialRun
from tunetrack.tracking.sending.writer import WriterLimits, WriterStatus
from tunetrack.tracking.store import SCRATCH, TrackingStore
from tunetrack.tracking.study_info import Objective, SearchedParam, StudyInfo
from tunetrack.tracking.values import as_stored
from tunetrack.tracking.views import SavedView, view_id, view_url, write_view

__all__ = [
    "RUN_STATUS",
    "SCRATCH",
    "DatasetInfo",
    "Ending",
    "File",
    "ModelRequest",
    "NeuralNetwork",
    "Objective",
    "RunKind",
    "RunStatus",
    "SavedView",
    "SearchedParam",
    "StudyInfo",
    "StudyRow",
    "StudyRun",
    "StudyState",
    "StudyTable",
    "Tag",
    "TrackingStore",
    "TrialArtifacts",
    "TrialRow",
    "TrialRun",
    "TrialRunRow",
    "WriterLimits",
    "WriterStatus",
    "as_stored",
    "connect",
    "delete_run",
    "experiment_names",
    "has_artifact",
    "link_model",
    "list_studies",
    "log_run_metrics",
    "objective_metric",
    "read_artifact",
    "read_history",
    "read_predictions",
    "read_study",
    "read_weight_stats",
    "ready_model",
    "study_status",
    "study_trials",
    "tag_run",
    "trial_runs",
    "view_id",
    "view_url",
    "write_artifact",
    "write_view",
]
