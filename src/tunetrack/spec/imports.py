"""Finds the callable that ``model: {import: MODULE:CALLABLE}`` names, and compares its keys with its signature.

The module is the user's own and may import what it likes; nothing here does before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.models import ImportedConfig
from tunetrack.spec.study import StudySpec

__all__ = ["check_imports", "find_callable", "imported_models"]

#: What tunetrack itself hands over.
GIVEN = ("input_shape", "num_classes")


def imported_models(spec: StudySpec) -> list[ImportedConfig]:
    """One model for each callable, and set of keys for it, that a study can choose as its model."""
    corners = [corner for _, corner in spec.space.corners()] or [spec.space.values({})]
    distinct: dict[tuple[str, ...], ImportedConfig] = {}
    for model in (spec.config(corner).model for corner in corners):
        if isinstance(model, ImportedConfig):
            distinct.setdefault((model.target, *model.arguments), model)
    return list(distinct.values())


def check_imports(spec: StudySpec) -> None:
    """Imports every callable that a study can choose as its model, and looks whether the keys fit its parameters.

    Raises:
        SpecError: a module or callable is not there, a key is unknown to it, or a key that it needs is missing.
    """
    problems: list[Problem] = []
    for model in imported_models(spec):
        try:
            find_callable(model.target, model.arguments)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))


def find_callable(target: str, keys: Iterable[str]) -> Callable[..., Any]:
    """The callable behind ``MODULE:CALLABLE``, known to take these keys.

    Args:
        target: such as ``my_pkg.nets:build``; the working directory is looked in where the command line put it on
            python's path.
        keys: what it will get by name, beside `input_shape` and `num_classes`.

    Raises:
        SpecError: it is not there, or does not take what it will get.
    """
    module_name, _, attribute = target.partition(":")
    found: Any = _module(module_name, target)
    for part in attribute.split("."):
        if not hasattr(found, part):
            hint = did_you_mean(part, [name for name in dir(found) if not name.startswith("_")])
            where = f" ({file})" if (file := getattr(found, "__file__", None)) else ""
            raise _mistake("import", f"{module_name} has no {attribute}{where}{hint}", target)
        found = getattr(found, part)
    if not callable(found):
        raise _mistake("import", f"{attribute} is of type {type(found).__name__}, not a function or class", target)
    problems = _unfit_keys(found, target, list(keys))
    if problems:
        raise SpecError(problems)
    return found  # type: ignore[no-any-return]


def _module(name: str, target: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the user's own module does when it is imported
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            message = f"there is no module {error.name} in the working directory or among the installed packages"
        else:
            message = f"importing {name} failed with {type(error).__name__}: {error}"
        raise _mistake("import", message, target) from error


def _unfit_keys(found: Callable[..., Any], target: str, keys: list[str]) -> list[Problem]:
    try:
        parameters = inspect.signature(found).parameters
    except ValueError:  # written in C, without a signature: calling it will tell
        return []
    reserved = [Problem(f"model.{key}", "comes from the data; delete the line") for key in keys if key in GIVEN]
    by_name = {name: p for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    problems = [] if takes_all else [_not_taken(key, target, by_name) for key in keys if key not in (*by_name, *GIVEN)]
    if not takes_all:
        lacking = [name for name in GIVEN if name not in by_name]
        if lacking:
            message = f"must take the keyword arguments {' and '.join(GIVEN)}; {' and '.join(lacking)} missing"
            problems.append(Problem("model.import", message, target))
    missing = [name for name, p in by_name.items() if p.default is p.empty and name not in (*keys, *GIVEN)]
    problems += [Problem(f"model.{name}", f"is missing; {target} needs it") for name in missing]
    return reserved + problems


def _not_taken(key: str, target: str, parameters: Mapping[str, inspect.Parameter]) -> Problem:
    allowed = [name for name in parameters if name not in GIVEN]
    hint = did_you_mean(key, allowed) or (f"; it takes {', '.join(allowed)}" if allowed else "; it takes no keys")
    return Problem(f"model.{key}", f"unknown to {target}{hint}")


def _mistake(key: str, message: str, given: str) -> SpecError:
    return SpecError([Problem(f"model.{key}", message, f'"{given}"')])
