"""A concrete config as one flat table: dotted path -> value, the form in which MLflow, tables and scripts see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tunetrack.spec.config import DATA_PLACES, TrialConfig
from tunetrack.spec.domains import Scalar, label_of

__all__ = ["config_key", "flatten", "trial_params"]


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Every leaf by its dotted path; a list is one leaf, as JSON text."""
    flat: dict[str, Scalar] = {}
    for key, value in document.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = label_of(value)
    return flat


def trial_params(config: TrialConfig) -> dict[str, Scalar]:
    """What is logged as the parameters of a trial's run: every leaf that has a value, defaults included.

    A null counts as a value where it is not the default, as in ``trainer.seed: null``.
    """
    said = flatten(config.model_dump(mode="json", exclude_defaults=True))
    return {path: value for path, value in flatten(config.document()).items() if value is not None or path in said}


def config_key(config: TrialConfig) -> str:
    """Equal for two configs that would train alike; where the data files lie does not matter.

    Returns:
        32 hexadecimal digits of SHA-256.
    """
    document = config.document()
    for place in DATA_PLACES:
        document["data"].pop(place, None)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
