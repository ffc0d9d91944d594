"""What people call from Python, and what the command line is made of."""

from __future__ import annotations

from tunetrack.api.diagnosis import Finding, diagnose
from tunetrack.api.objectives import hyperopt_objective, optuna_objective
from tunetrack.api.reports import write_report
from tunetrack.api.serving import serve
from tunetrack.api.studies import launch_study, list_studies, load_study, run_study, train
from tunetrack.api.study_files import describe_study_file, load_single, load_study_file
from tunetrack.spec.schema import study_schema
from tunetrack.study import Launch, Place, Progress, StudyResult

__all__ = [
    "Finding",
    "Launch",
    "Place",
    "Progress",
    "StudyResult",
    "describe_study_file",
    "diagnose",
    "hyperopt_objective",
    "launch_study",
    "list_studies",
    "load_single",
    "load_study",
    "load_study_file",
    "optuna_objective",
    "run_study",
    "serve",
    "study_schema",
    "train",
    "write_report",
]
