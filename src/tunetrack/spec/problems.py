"""Pydantic's findings in a user's words: dotted path, what was given, what is allowed, "did you mean"."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from tunetrack.errors import Problem
from tunetrack.spec.annotations import child_annotations, did_you_mean, models_in, name_of

__all__ = ["problems_in"]


def problems_in(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Translates every finding of a failed validation against `root`."""
    return [_problem(dict(found), root) for found in error.errors(include_url=False)]


def _problem(found: dict[str, Any], root: type[BaseModel]) -> Problem:
    path, parents, models = _locate(found["loc"], root)
    kind, context, given = found["type"], found.get("ctx", {}), found.get("input")
    if kind == "extra_forbidden":
        allowed = sorted({key for model in parents for key in model.model_fields})
        hint = did_you_mean(path[-1], allowed)
        return Problem(".".join(path), f"unknown key{hint or '; allowed: ' + ', '.join(allowed)}", _shown(given))
    if kind == "missing":
        return Problem(".".join(path), "is missing")
    if kind == "union_tag_not_found":
        return Problem(".".join((*path, "name")), f"is missing; allowed: {_tags(models)}")
    if kind == "union_tag_invalid":
        names = [name for name in map(name_of, models) if name]
        hint = did_you_mean(context["tag"], names)
        return Problem(".".join((*path, "name")), f"must be one of {_tags(models)}{hint}", context["tag"])
    if kind == "literal_error":
        hint = did_you_mean(given, context["expected"].replace("'", "").replace(" or ", ", ").split(", "))
        return Problem(".".join(path), f"must be {context['expected']}{hint}", _shown(given))
    if kind == "value_error":
        return Problem(".".join(path), str(context["error"]))
    return Problem(".".join(path), found["msg"].replace("Input should be", "must be"), _shown(given))


def _tags(models: tuple[type[BaseModel], ...]) -> str:
    return ", ".join(name for name in map(name_of, models) if name)


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 80 else text[:77] + "..."


def _locate(
    loc: tuple[int | str, ...], root: type[BaseModel]
) -> tuple[tuple[str, ...], tuple[type[BaseModel], ...], tuple[type[BaseModel], ...]]:
    """The user's path (without pydantic's union tags), the models of its parent, and those of the place itself."""
    path: list[str] = []
    parents: tuple[type[BaseModel], ...] = ()
    models: tuple[type[BaseModel], ...] = (root,)
    for step in loc:
        tagged = tuple(model for model in models if name_of(model) == step)
        if len(models) > 1 and tagged:  # pydantic names the union's member here; the user wrote no such key
            models = tagged
            continue
        path.append(str(step))
        parents, models = models, models_in(child_annotations(models, str(step)))
    return tuple(path), parents, models
