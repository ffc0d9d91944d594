"""Where a study file's content comes from: YAML text or a mapping, brought into plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tunetrack.errors import Problem, SpecError

__all__ = ["Source", "plain_data", "read_document", "read_yaml"]

Source = str | Path | Mapping[str, Any]

NO_MAPPING = "a study file is a mapping with sections such as name, data, model"


def read_document(source: Source) -> tuple[dict[str, Any], str]:
    """Reads a study file, or copies a mapping.

    Returns:
        The content as plain data of its own, and a label for messages (the path; empty for a mapping).

    Raises:
        SpecError: the file cannot be read, is no YAML, no mapping, or holds something that JSON does not know.
    """
    if isinstance(source, Mapping):
        return _checked(source, ""), ""
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not UTF-8 text", str(path)) from error
    data = read_yaml(text, str(path))
    if not isinstance(data, dict):
        raise SpecError(NO_MAPPING + ("; this one is empty" if data is None else ""), str(path))
    return _checked(data, str(path)), str(path)


def read_yaml(text: str, label: str = "") -> Any:
    """Data from YAML 1.2 text (1e-3 is a number, a key may stand once).

    Raises:
        SpecError: the text is no YAML, with line and column.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        what = str(error.problem).split(" with value")[0].removeprefix("found duplicate key ")
        raise SpecError(f"a key stands twice{_place(error)}: {what}", label) from error
    except MarkedYAMLError as error:
        raise SpecError(f"is not valid YAML{_place(error)}: {error.problem}", label) from error
    except YAMLError as error:
        raise SpecError(f"is not valid YAML: {' '.join(str(error).split())}", label) from error
    except (ValueError, RecursionError) as error:  # such as the date 2024-13-45, or ten thousand brackets
        raise SpecError(f"is not valid YAML: {error}", label) from error


def _place(error: MarkedYAMLError) -> str:
    mark = error.problem_mark
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def plain_data(value: Any, where: str = "") -> tuple[Any, list[Problem]]:
    """A deep copy in which no two places share an object (YAML aliases do), made of JSON's types only.

    Returns:
        The copy, and a problem for each thing that is no plain data.
    """
    problems: list[Problem] = []
    return _plain(value, where, (), problems), problems


def _checked(data: Mapping[str, Any], label: str) -> dict[str, Any]:
    copied, problems = plain_data(data)
    if problems:
        raise SpecError(problems, label)
    return dict(copied)


def _plain(value: Any, where: str, around: tuple[int, ...], problems: list[Problem]) -> Any:
    """`around` holds the ids of the containers that this value stands in: a YAML alias may close a circle."""
    if id(value) in around:
        problems.append(Problem(where, "contains itself; a YAML alias may not point to a place around it"))
        return None
    inside = (*around, id(value))
    if isinstance(value, Mapping):
        copied = {}
        for key, item in value.items():
            path = f"{where}.{key}" if where else str(key)
            if not isinstance(key, str):
                problems.append(Problem(path, "a key must be text; put it in quotes"))
            else:
                copied[str(key)] = _plain(item, path, inside, problems)
        return copied
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}.{n}" if where else str(n), inside, problems) for n, item in enumerate(value)]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)  # numpy's float64 and an enum's str become the plain type
    if value is not None:
        kind_name = type(value).__name__
        hint = "; put it in quotes to make it text" if kind_name in ("date", "datetime") else ""
        problems.append(Problem(where, f"is a {kind_name}, not text, number, true, false, null, list or mapping{hint}"))
    return None
