"""What the configuration models say about a place in the config tree: its models, its kind of number, its keys."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = [
    "child_annotations",
    "did_you_mean",
    "entry_annotations",
    "is_float",
    "is_free",
    "is_number",
    "keys_of",
    "literals",
    "models_in",
    "name_of",
    "narrowed",
    "shown",
]

#: What other programs call our keys, where the spelling is too far away to be guessed from.
SYNONYMS = {
    "learning_rate": "lr",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "n_trials": "trials",
    "max_trials": "trials",
    "timeout": "seconds",
    "dataset": "data",
}


def _members(annotations: Iterable[Any]) -> Iterator[Any]:
    """The plain types and literals inside unions, annotations and tuples."""
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            yield from _members(get_args(annotation)[:1])
        elif origin in (Union, types.UnionType):
            yield from _members(get_args(annotation))
        else:
            yield annotation


def models_in(annotations: Iterable[Any]) -> tuple[type[BaseModel], ...]:
    """Every pydantic model that a value with one of these annotations, or an entry of a list there, may be."""
    found: list[type[BaseModel]] = []
    for member in _members(annotations):
        if get_origin(member) is tuple:
            found.extend(models_in(get_args(member)[:1]))
        elif isinstance(member, type) and issubclass(member, BaseModel):
            found.append(member)
    return tuple(found)


def literals(annotations: Iterable[Any]) -> list[Any]:
    """The values of every Literal that a value with one of these annotations may be, each once."""
    found = [value for m in _members(annotations) if get_origin(m) is Literal for value in get_args(m)]
    return list(dict.fromkeys(found))


def name_of(model: type[BaseModel]) -> str | None:
    """The value of a model's `name` discriminator, such as "adam"; None where it has none."""
    field = model.model_fields.get("name")
    values = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return values[0] if len(values) == 1 else None


def narrowed(models: tuple[type[BaseModel], ...], raw: Mapping[str, Any]) -> tuple[type[BaseModel], ...]:
    """The models that a mapping's `name`, searched or not, allows; all of them where that decides nothing."""
    name = raw.get("name")
    if "name" not in raw:
        name = next((model.implied_name(raw) for model in models if hasattr(model, "implied_name")), None)
    searched = name.get("choices", name.get("one_of")) if isinstance(name, Mapping) else None
    names = searched if isinstance(searched, list) else [name]
    return tuple(model for model in models if name_of(model) in names) or models


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the keys that users write: a field's alias where it has one."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def child_annotations(models: tuple[type[BaseModel], ...], key: str) -> tuple[Any, ...]:
    """The annotations of a key in those of the models that have it; `Any` of a model that takes further keys."""
    known = [(model, keys_of(model)) for model in models]
    return tuple(
        fields[key].annotation if key in fields else Any
        for model, fields in known
        if key in fields or model.model_config.get("extra") == "allow"
    )


def entry_annotations(annotations: Iterable[Any]) -> tuple[Any, ...]:
    """The annotations of the entries of a list at this place; none where no list may stand."""
    lists = (member for member in _members(annotations) if get_origin(member) in (tuple, list))
    return tuple(entry for member in lists for entry in get_args(member) if entry is not Ellipsis)


def is_float(annotations: Iterable[Any]) -> bool:
    """Whether a number here is a float: then the range 0 to 1 has more than two values."""
    return any(member is float for member in _members(annotations))


def is_number(annotations: Iterable[Any]) -> bool:
    """Whether any number may stand here, so that a range makes sense (1 | 3 is a list of choices, no range)."""
    return any(member in (int, float, Any) for member in _members(annotations))


def is_free(annotations: Iterable[Any]) -> bool:
    """Whether anything may stand here, as at a key that tunetrack only hands on."""
    return any(member is Any for member in _members(annotations))


def did_you_mean(given: object, allowed: Iterable[str]) -> str:
    """'; did you mean ...?' where one of the allowed words is near, else an empty string."""
    words = {word.lower(): word for word in allowed}
    wanted = str(given).lower()
    if SYNONYMS.get(wanted) in words:
        return f"; did you mean {SYNONYMS[wanted]}?"
    close = difflib.get_close_matches(wanted, list(words), n=1, cutoff=0.6)
    return f"; did you mean {words[close[0]]}?" if close else ""


def shown(given: Any) -> str:
    """A value as a study file would have it, on one short line."""
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
