"""A concrete config as one flat table: dotted path -> value, the form in which MLflow, tables and scripts see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tunetrack.spec.config import DATA_PLACES, TrialConfig
from tunetrack.spec.domains import Scalar, label_of

__all__ = ["config_key", "flatten", "trial_params"]


def flatten(document: Mapping[str, Any], searched: Iterable[str] = ()) -> dict[str, Scalar]:
    """Every leaf by its dotted path; a list is one leaf, as JSON text.

    Args:
        document: the config.
        searched: paths of searched parameters; one that leads into a list (``model.head.0``) is a leaf beside the list,
            one that leads to a section, as a `one_of` without names does, is a leaf beside its parts.
    """
    flat = _leaves(document, "")
    for path in searched:
        value: Any = document if path not in flat else None
        for key in path.split("."):
            value = _child(value, key)
        if value is not None:
            flat[path] = _in_words(value) if isinstance(value, Mapping) else label_of(value)
    return flat


def _in_words(section: Mapping[str, Any]) -> str:
    """What a section says, without what is off or zero."""
    said = [f"{path}={value}" for path, value in _leaves(section, "").items() if value]
    return " ".join(said) or "nothing"


def trial_params(config: TrialConfig, searched: Iterable[str] = ()) -> dict[str, Scalar]:
    """What is logged as the parameters of a trial's run: every leaf that has a value, defaults included.

    A null counts as a value where it is not the default, as in ``trainer.seed: null``. What is measured (`weights`) is
    no hyperparameter: of it only what the study file says is logged. Nor is the place of the data, which may be another
    one when a trial is run again, while a parameter in MLflow cannot change.

    Args:
        config: the trial's.
        searched: as in `flatten`.
    """
    searched = tuple(searched)
    said = flatten(config.model_dump(mode="json", exclude_defaults=True))
    leaves = flatten(config.document(), searched)
    places = {f"data.{key}" for key in DATA_PLACES} - {*searched}
    return {
        path: value
        for path, value in leaves.items()
        if path not in places
        and (path in said or path in searched or (value is not None and not path.startswith("weights.")))
    }


def config_key(config: TrialConfig) -> str:
    """Equal for two configs that would train alike; where the data files lie and what is measured does not matter.

    Returns:
        32 hexadecimal digits of SHA-256.
    """
    document = config.document()
    for place in DATA_PLACES:
        document["data"].pop(place, None)
    del document["weights"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def _leaves(document: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for key, value in document.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _leaves(value, f"{path}.")
        else:
            flat[path] = label_of(value)
    return flat


def _child(node: Any, key: str) -> Any:
    """What stands under a key or an index; None where nothing does."""
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, list | tuple) and key.isdecimal() and int(key) < len(node):
        return node[int(key)]
    return None
