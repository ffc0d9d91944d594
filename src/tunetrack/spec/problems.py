"""Pydantic's findings in a user's words: dotted path, what was given, what is allowed, "did you mean"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from tunetrack.errors import Problem
from tunetrack.spec.annotations import (
    child_annotations,
    did_you_mean,
    is_number,
    keys_of,
    literals,
    models_in,
    name_of,
    shown,
)
from tunetrack.spec.space import BROKEN

__all__ = ["problems_in"]

#: Pydantic's kinds of error that need nothing but their own limits; {} is the limit.
WORDS = {
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {}",
    "greater_than_equal": "must be at least {}",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {}",
    "less_than_equal": "must be at most {}",
    "list_type": "must be a list",
    "string_type": "must be text",
    "too_short": "needs a list with at least {} entry",
    "tuple_type": "must be a list, such as [128, 64]",
}
LIMITS = ("gt", "ge", "lt", "le", "min_length")
SECTION_KINDS = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
UNQUOTED = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def problems_in(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Translates every finding of a failed validation against `root`; what was reported before is left out."""
    return [_problem(dict(found), root) for found in error.errors(include_url=False) if not _is_reported(dict(found))]


def _is_reported(found: dict[str, Any]) -> bool:
    given = found.get("input")
    if found["type"] == "too_short" and given:  # pydantic does not count the entries that are wrong themselves
        return True
    if found["type"].startswith("union_tag") and isinstance(given, Mapping):
        given = given.get("name")
    return given is BROKEN


def _problem(found: dict[str, Any], root: type[BaseModel]) -> Problem:
    path, parents, annotations = _locate(found["loc"], root)
    kind, context, given = found["type"], found.get("ctx", {}), found.get("input")
    models = models_in(annotations)
    dotted = ".".join(path)
    if kind == "missing":
        return Problem(dotted, "is missing" + _allowed(literals(annotations)))
    if kind == "union_tag_not_found":
        return Problem(f"{dotted}.name", "is missing" + _allowed(list(filter(None, map(name_of, models)))))
    if kind == "union_tag_invalid":
        name = given.get("name") if isinstance(given, Mapping) else context["tag"]
        return Problem(f"{dotted}.name", _must_be(name, list(filter(None, map(name_of, models)))), shown(name))
    if kind == "value_error":
        return Problem(dotted, str(context["error"]), None if isinstance(given, Mapping) else shown(given))
    if kind == "extra_forbidden":
        allowed = sorted({key for model in parents for key in keys_of(model)})
        message = "unknown key" + (did_you_mean(path[-1], allowed) or _allowed(allowed))
    elif kind == "literal_error":
        message = _must_be(given, literals(annotations)) + (" or a number" if is_number(annotations) else "")
    elif kind == "string_pattern_mismatch":
        message = f"must be {_description(parents, path[-1])}"
    elif kind in SECTION_KINDS:
        required = any(fields[path[-1]].is_required() for fields in map(keys_of, parents) if path[-1] in fields)
        message = _no_section(given, models, required)
    elif isinstance(given, Mapping) and not models:
        message = "must be a plain value here"
    else:
        limit = next((context[key] for key in LIMITS if key in context), "")
        message = WORDS.get(kind, found["msg"].replace("Input should be", "must be")).format(_number(limit))
        message += _how_to_write(kind, given)
    return Problem(dotted, message, shown(given))


def _must_be(given: Any, allowed: list[Any]) -> str:
    words = [word if isinstance(word, str) else shown(word) for word in allowed]
    start = "must be " if len(words) == 1 else "must be one of "
    return start + ", ".join(words) + did_you_mean(given, words)


def _allowed(words: list[Any]) -> str:
    return f"; allowed: {', '.join(map(str, words))}" if words else ""


def _no_section(given: Any, models: tuple[type[BaseModel], ...], required: bool) -> str:
    """A section was expected. Who wrote ``optimizer: adam`` meant ``optimizer: {name: adam}``."""
    if given is None:
        return "is empty; give it keys" + ("" if required else ", or delete the line to have the defaults")
    fields = next((list(keys_of(model)) for model in models), [])
    key = "name" if "name" in fields else next(iter(fields), "")
    hint = f"; did you mean {{{key}: {given}}}?" if isinstance(given, str) and key else ""
    return f"must be a section with keys such as {', '.join(fields[:3])}{hint}"


def _how_to_write(kind: str, given: Any) -> str:
    """How to mend a value of the right meaning and the wrong type."""
    if kind == "string_type" and not isinstance(given, list | dict):
        return "; put it in quotes"
    if kind == "bool_type" and str(given).lower() in UNQUOTED:
        return f"; write {UNQUOTED[str(given).lower()]}"
    if kind in ("int_type", "int_from_float") and isinstance(given, float) and given.is_integer():
        return f"; write {int(given)}"
    if kind in ("int_type", "float_type") and isinstance(given, str) and given.replace(".", "", 1).isdigit():
        return "; remove the quotes"
    return ""


def _number(limit: Any) -> str:
    return str(int(limit)) if isinstance(limit, float) and limit.is_integer() else str(limit)


def _description(parents: tuple[type[BaseModel], ...], key: str) -> str:
    fields = [keys_of(model)[key] for model in parents if key in keys_of(model)]
    return next((field.description for field in fields if field.description), "of another form")


def _locate(
    loc: tuple[int | str, ...], root: type[BaseModel]
) -> tuple[tuple[str, ...], tuple[type[BaseModel], ...], tuple[Any, ...]]:
    """The user's path (without pydantic's union tags), the models of its parent, and the annotations of the place."""
    path: list[str] = []
    parents: tuple[type[BaseModel], ...] = ()
    annotations: tuple[Any, ...] = (root,)
    for step in loc:
        models = models_in(annotations)
        tagged = tuple(model for model in models if name_of(model) == step)
        if len(models) > 1 and tagged:  # pydantic names the union's member here; the user wrote no such key
            annotations = tagged
            continue
        if path and not models and isinstance(step, str):  # the member of a union of plain values
            continue
        path.append(str(step))
        if isinstance(step, int):  # an entry of a list: its models are those of the list
            continue
        parents, annotations = models, child_annotations(models, step)
    return tuple(path), parents, annotations
