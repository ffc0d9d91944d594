"""What the configuration models say about a place in the config tree: its models, its kind of number, its keys."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

__all__ = ["child_annotations", "did_you_mean", "is_float", "models_in", "name_of"]


def models_in(annotations: Iterable[Any]) -> tuple[type[BaseModel], ...]:
    """Every pydantic model that a value with one of these annotations may be."""
    found: list[type[BaseModel]] = []
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            found.extend(models_in(get_args(annotation)[:1]))
        elif origin in (Union, types.UnionType):
            found.extend(models_in(get_args(annotation)))
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
    return tuple(found)


def name_of(model: type[BaseModel]) -> str | None:
    """The value of a model's `name` discriminator, such as "adam"; None where it has none."""
    field = model.model_fields.get("name")
    values = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return values[0] if len(values) == 1 else None


def narrowed(models: tuple[type[BaseModel], ...], name: Any) -> tuple[type[BaseModel], ...]:
    """The models whose `name` is the given one; all of them where that decides nothing."""
    return tuple(model for model in models if name_of(model) == name) or models


def child_annotations(models: tuple[type[BaseModel], ...], key: str) -> tuple[Any, ...]:
    """The annotations of a key in those of the models that have it."""
    return tuple(model.model_fields[key].annotation for model in models if key in model.model_fields)


def is_float(annotations: Iterable[Any]) -> bool:
    """Whether a number here is a float: then the range 0 to 1 has more than two values."""
    for annotation in annotations:
        if annotation is float:
            return True
        if get_origin(annotation) is Annotated and is_float(get_args(annotation)[:1]):
            return True
        if get_origin(annotation) in (Union, types.UnionType) and is_float(get_args(annotation)):
            return True
    return False


def did_you_mean(given: object, allowed: Iterable[str]) -> str:
    """'; did you mean ...?' where one of the allowed words is near, else an empty string."""
    close = difflib.get_close_matches(str(given), list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
