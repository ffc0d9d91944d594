"""Values set from outside (``--set model.filters=64``): how they find their place in a study file's tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.annotations import did_you_mean, shown
from tunetrack.spec.reading import plain_data, read_yaml

__all__ = ["apply_overrides", "parse_override"]


def parse_override(text: str) -> tuple[str, Any]:
    """Splits ``model.filters=64`` into path and value; the value is YAML, so ranges and lists are possible.

    Raises:
        SpecError: there is no "=" or no path, or the value is no YAML.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SpecError(f"an override is PATH=VALUE, such as trainer.epochs=3; given: {text!r}")
    return path.strip(), read_yaml(value, f"--set {path.strip()}")


def apply_overrides(document: dict[str, Any], overrides: Mapping[str, Any]) -> list[Problem]:
    """Sets every value in place, the later ones over the earlier ones.

    A path may lead through a list, whose entries are counted from 0 (``model.head.0``), and through a `one_of`: then
    every branch that has the key is set. Setting the `name` of a `one_of`
    whose branches are told apart by name keeps that branch alone.

    Returns:
        The mistakes found: paths that lead nowhere.
    """
    problems: list[Problem] = []
    for path, value in overrides.items():
        keys = path.split(".")
        if not all(keys):
            problems.append(Problem(path, "is no path; it looks like trainer.epochs"))
            continue
        copied, wrong = plain_data(value, path)
        problems += wrong or _set(document, keys, copied, path)
    return problems


def _set(node: Any, keys: list[str], value: Any, path: str) -> list[Problem]:
    key, rest = keys[0], keys[1:]
    if isinstance(node, list):
        return _set_entry(node, keys, value, path)
    if not isinstance(node, dict):
        return [Problem(path, f"cannot be set: {_above(path, keys)} is a plain value", shown(node))]
    if key != "one_of" and isinstance(node.get("one_of"), list):
        branches = [branch for branch in node["one_of"] if _has(branch, key)]
        if not branches:
            return [Problem(path, f"cannot be set: no branch of the one_of has {key}; write it into the study file")]
        return [problem for branch in branches for problem in _set(branch, keys, value, path)]
    if not rest:
        node[key] = value
        return []
    if rest == ["name"] and (names := _branch_names(node.get(key))):
        if value in names:
            node[key] = node[key]["one_of"][names.index(value)]
            return []
        hint = did_you_mean(value, names)
        return [Problem(path, f"must be one of the branches {', '.join(names)}{hint}", shown(value))]
    if node.get(key) is None:
        if rest[0].isdecimal():
            where = _above(path, rest)
            return [Problem(path, f"cannot be set: the study file has no list {where}; set it whole: {where}=[64]")]
        node[key] = {}
    return _set(node[key], rest, value, path)


def _set_entry(entries: list[Any], keys: list[str], value: Any, path: str) -> list[Problem]:
    key, rest = keys[0], keys[1:]
    if not _has(entries, key):
        count = f"0 to {len(entries) - 1}" if entries else "none, it is empty"
        return [Problem(path, f"cannot be set: {_above(path, keys)} is a list; its entries: {count}", shown(entries))]
    if not rest:
        entries[int(key)] = value
        return []
    return _set(entries[int(key)], rest, value, path)


def _has(node: Any, key: str) -> bool:
    """Whether a mapping has the key, or a list the index."""
    if isinstance(node, list):
        return key.isdecimal() and int(key) < len(node)
    return isinstance(node, dict) and key in node


def _above(path: str, keys: list[str]) -> str:
    """The path without the last keys."""
    return path[: len(path) - len(".".join(keys)) - 1]


def _branch_names(node: Any) -> list[str]:
    """The names that tell a one_of's branches apart; an empty list where something else does."""
    branches = node.get("one_of") if isinstance(node, dict) else None
    if not isinstance(branches, list):
        return []
    names = [branch.get("name") if isinstance(branch, dict) else None for branch in branches]
    texts = [name for name in names if isinstance(name, str)]
    return texts if len(set(texts)) == len(branches) else []
