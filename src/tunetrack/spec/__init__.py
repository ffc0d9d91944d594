"""Pure data: the study file's models, its search space, and the records that pass between the other folders.

Imports neither torch nor mlflow, optuna or hyperopt.
"""

from __future__ import annotations

from tunetrack.spec.config import TrialConfig
from tunetrack.spec.flatten import config_key, flatten, trial_params
from tunetrack.spec.loading import load_config, load_study, parse_override
from tunetrack.spec.records import (
    EpochRecord,
    Evaluation,
    ModelSummary,
    Predictions,
    TrialConditions,
    TrialOutcome,
    TrialState,
)
from tunetrack.spec.schema import study_schema
from tunetrack.spec.space import Parameter, SearchSpace
from tunetrack.spec.study import Objective, StudySpec
from tunetrack.spec.weight_records import Finding, WeightStats

__all__ = [
    "EpochRecord",
    "Evaluation",
    "Finding",
    "ModelSummary",
    "Objective",
    "Parameter",
    "Predictions",
    "SearchSpace",
    "StudySpec",
    "TrialConditions",
    "TrialConfig",
    "TrialOutcome",
    "TrialState",
    "WeightStats",
    "config_key",
    "flatten",
    "load_config",
    "load_study",
    "parse_override",
    "study_schema",
    "trial_params",
]
