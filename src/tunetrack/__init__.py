"""Hyperparameter optimisation for image classifiers, tracked in MLflow.

Importing this package loads none of torch, mlflow, optuna and hyperopt; the first use of a function does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunetrack._version import __version__

if TYPE_CHECKING:
    from tunetrack.api import (
        StudyResult,
        hyperopt_objective,
        list_studies,
        load_study,
        optuna_objective,
        run_study,
        train,
    )

__all__ = [
    "StudyResult",
    "__version__",
    "hyperopt_objective",
    "list_studies",
    "load_study",
    "optuna_objective",
    "run_study",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tunetrack' has no attribute {name!r}")
    from tunetrack import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
