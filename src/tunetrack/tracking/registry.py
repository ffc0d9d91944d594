"""Knows how a logged model becomes a version in MLflow's model registry, with what is known of it as tags."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from tunetrack.tracking.failures import translated
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.values import quote_filter_value

__all__ = ["register_model"]


def register_model(
    store: TrackingStore, uri: str, run_id: str, name: str, alias: str | None, evidence: Mapping[str, str]
) -> int:
    """Registers a model; one that is registered under this name already keeps its version, and gets these tags.

    Args:
        store: where the model is.
        uri: the model's, ``models:/m-…``.
        run_id: the run that has trained it.
        name: of the registered model, which is made where it is missing.
        alias: moved to this version; None: none is.
        evidence: tags of the version; ``description`` becomes its description.

    Returns:
        The number of the version.

    Raises:
        TrackingError: the store failed, or it refuses the name or the alias.
    """
    client, tags = store.client, {key: value for key, value in evidence.items() if key != "description"}
    with translated(f"register the model of run {run_id} as {name!r}", store.uri):
        try:
            client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            client.create_registered_model(name)
        known = client.search_model_versions(f"name = {quote_filter_value(name)}")
        version = next((one.version for one in known if one.run_id == run_id), None)  # a run has one model
        if version is None:
            model_id = uri.removeprefix("models:/")
            # In a database MLflow looks models:/ up in the tracking store of the whole process, which is another one.
            source = uri if store.is_server else client.get_logged_model(model_id).artifact_location
            version = client.create_model_version(name, source, run_id, model_id=model_id).version
        for key, value in tags.items():
            client.set_model_version_tag(name, str(version), key, value)
        client.update_model_version(name, str(version), evidence.get("description", ""))
        if alias is not None:
            client.set_registered_model_alias(name, alias, str(version))
    return int(version)
