"""Writes studies and trials into MLflow, and reads them back. The only folder, with `server`, that imports mlflow."""

from __future__ import annotations

from tunetrack.tracking.artifacts import TrialArtifacts
from tunetrack.tracking.connect import connect
from tunetrack.tracking.datasets import DatasetInfo
from tunetrack.tracking.models import ModelRequest
from tunetrack.tracking.names import File, RunKind, StudyState, Tag
from tunetrack.tracking.runs import StudyRun, TrialRun
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.study_info import Objective, SearchedParam, StudyInfo
from tunetrack.tracking.writer import WriterLimits, WriterStatus

__all__ = [
    "DatasetInfo",
    "File",
    "ModelRequest",
    "Objective",
    "RunKind",
    "SearchedParam",
    "StudyInfo",
    "StudyRun",
    "StudyState",
    "Tag",
    "TrackingStore",
    "TrialArtifacts",
    "TrialRun",
    "WriterLimits",
    "WriterStatus",
    "connect",
]
