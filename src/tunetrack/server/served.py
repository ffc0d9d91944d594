"""Knows the store that the MLflow server of this process was started on: its database, and where its artifacts are."""

from __future__ import annotations

from typing import Any

from mlflow import MlflowClient
from mlflow.server import handlers
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import append_to_uri_path, validate_path_is_safe

from tunetrack.errors import TrackingError
from tunetrack.tracking.queries import TrackingStore

__all__ = ["served_store", "stored_at"]


def served_store() -> TrackingStore:
    """The database behind MLflow's handlers, for reading without HTTP.

    Raises:
        TrackingError: the server was started on something else.
    """
    uri = getattr(handlers._get_tracking_store(), "db_uri", None)
    if not isinstance(uri, str):
        raise TrackingError("tunetrack's pages need a database behind MLflow's server: --backend-store-uri sqlite:///…")
    return TrackingStore(lambda: MlflowClient(tracking_uri=uri), uri)


def stored_at(location: str) -> Any:
    """MLflow's repository of the artifacts of one run.

    Args:
        location: the run's artifact URI. ``mlflow-artifacts:/…`` means a folder of this very server, which MLflow's
            own class would ask for by HTTP.

    Raises:
        MlflowException: the location leads out of the server's folder.
    """
    if handlers._is_servable_proxied_run_artifact_root(location):  # type: ignore[no-untyped-call]
        path = handlers._get_proxied_run_artifact_destination_path(location)  # type: ignore[no-untyped-call]
        safe = validate_path_is_safe(path)  # type: ignore[no-untyped-call]
        root = handlers._get_artifact_repo_mlflow_artifacts()  # type: ignore[no-untyped-call]
        return get_artifact_repository(append_to_uri_path(root.artifact_uri, safe))  # type: ignore[no-untyped-call]
    return handlers._get_artifact_repository_for_uri(location)
