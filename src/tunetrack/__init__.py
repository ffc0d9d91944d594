"""Hyperparameter optimisation for image classifiers, tracked in MLflow.

Importing this package loads none of torch, mlflow, optuna and hyperopt; the first use of a function does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tunetrack._version import __version__

if TYPE_CHECKING:
    from tunetrack.api.confirm import confirm_study
    from tunetrack.api.crews import Workers
    from tunetrack.api.listing import list_studies
    from tunetrack.api.objectives import hyperopt_objective, optuna_objective
    from tunetrack.api.promote import promote_study
    from tunetrack.api.race import race_samplers
    from tunetrack.api.reading import StudyResult, load_study
    from tunetrack.api.studies import resume_study, run_study, train

__all__ = [
    "StudyResult",
    "Workers",
    "__version__",
    "confirm_study",
    "hyperopt_objective",
    "list_studies",
    "load_study",
    "optuna_objective",
    "promote_study",
    "race_samplers",
    "resume_study",
    "run_study",
    "train",
]

#: Where each name is found when it is first used.
_MODULES = {
    "StudyResult": "tunetrack.api.reading",
    "Workers": "tunetrack.api.crews",
    "confirm_study": "tunetrack.api.confirm",
    "hyperopt_objective": "tunetrack.api.objectives",
    "list_studies": "tunetrack.api.listing",
    "load_study": "tunetrack.api.reading",
    "optuna_objective": "tunetrack.api.objectives",
    "promote_study": "tunetrack.api.promote",
    "race_samplers": "tunetrack.api.race",
    "resume_study": "tunetrack.api.studies",
    "run_study": "tunetrack.api.studies",
    "train": "tunetrack.api.studies",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tunetrack' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
