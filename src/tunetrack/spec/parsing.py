"""From the raw tree of a study file to a search space, with every mistake named by its dotted path."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from tunetrack.errors import Problem
from tunetrack.spec.annotations import child_annotations, is_float, models_in, narrowed
from tunetrack.spec.domains import STEP_TOLERANCE, CategoricalDomain, Domain, FloatDomain, IntDomain, label_of
from tunetrack.spec.space import Branch, Fixed, Group, Leaf, Node, OneOf, Parameter, SearchSpace

__all__ = ["parse_space"]

RANGE_KEYS = frozenset({"low", "high", "step", "log"})


def parse_space(raw: Mapping[str, Any], root: type[BaseModel]) -> tuple[SearchSpace, list[Problem]]:
    """Reads the searched sections of a study file.

    Args:
        raw: the sections as YAML gave them.
        root: the model that a resolved config must satisfy; its annotations tell floats from ints.

    Returns:
        The space and the mistakes found; a part with a mistake stands in the space as a fixed None.
    """
    parser = _Parser()
    node = parser.parse(raw, (), (), (root,))
    return SearchSpace(_renamed(node, _shared_names(node))), parser.problems


class _Parser:
    """Walks the raw tree; `where` is the path, `branches` the (path length, label) of each `one_of` on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def parse(self, raw: Any, where: tuple[str, ...], branches: tuple[tuple[int, Any], ...], kinds: Any) -> Node:
        if not isinstance(raw, Mapping):
            return Fixed(raw)
        keys = set(raw)
        if "choices" in keys or "one_of" in keys:
            kind = "choices" if "choices" in keys else "one_of"
            if keys != {kind}:
                others = ", ".join(sorted(map(str, keys - {kind})))
                return self._wrong(where, f"{kind} stands alone: move {others} out of here or into it")
            options = raw[kind]
            if not isinstance(options, list) or not options:
                return self._wrong(where, f"{kind} needs a list with at least one entry", options)
            if kind == "choices":
                return self._choices(options, where, branches)
            return self._one_of(options, where, branches, kinds)
        if keys & {"low", "high"} and keys <= RANGE_KEYS | {"min", "max"}:
            return self._range(raw, where, branches, is_float(kinds))
        models = narrowed(models_in(kinds), raw.get("name"))
        return Group(
            tuple(
                (str(key), self.parse(value, (*where, str(key)), branches, child_annotations(models, str(key))))
                for key, value in raw.items()
            )
        )

    def _wrong(self, where: tuple[str, ...], message: str, given: Any = None) -> Node:
        self.problems.append(Problem(".".join(where), message, None if given is None else str(given)))
        return Fixed(None)

    def _choices(self, options: list[Any], where: tuple[str, ...], branches: tuple[tuple[int, Any], ...]) -> Node:
        labels = [label_of(option) for option in options]
        if len(set(labels)) != len(labels):
            return self._wrong(where, "choices holds the same value twice", options)
        return Leaf(_parameter(where, branches, CategoricalDomain(tuple(options))))

    def _one_of(
        self, options: list[Any], where: tuple[str, ...], branches: tuple[tuple[int, Any], ...], kinds: Any
    ) -> Node:
        names = [option.get("name") if isinstance(option, Mapping) else None for option in options]
        by_name = all(isinstance(name, str) for name in names)
        if by_name and len(set(names)) == len(names):
            labels, here = names, (*where, "name")
        else:
            plain = [label_of(o) if not isinstance(o, Mapping) else f"option {n}" for n, o in enumerate(options, 1)]
            labels, here = plain, where
        if len(set(labels)) != len(labels):
            return self._wrong(where, "one_of holds the same value twice", options)
        parsed = tuple(
            Branch(label, self.parse(option, where, (*branches, (len(where), label)), kinds))
            for label, option in zip(labels, options, strict=True)
        )
        return OneOf(_parameter(here, branches, CategoricalDomain(tuple(labels))), parsed)

    def _range(
        self, raw: Mapping[str, Any], where: tuple[str, ...], branches: tuple[tuple[int, Any], ...], as_float: bool
    ) -> Node:
        wrong = _range_mistake(raw)
        if wrong:
            return self._wrong(where, wrong, dict(raw))
        low, high, step, log = raw["low"], raw["high"], raw.get("step"), bool(raw.get("log", False))
        domain: Domain
        if as_float or not all(isinstance(v, int) for v in (low, high, step) if v is not None):
            domain = FloatDomain(float(low), float(high), None if step is None else float(step), log)
        else:
            domain = IntDomain(low, high, 1 if step is None else step, log)
        return Leaf(_parameter(where, branches, domain))


def _range_mistake(raw: Mapping[str, Any]) -> str:
    """What is wrong with a range, in words; empty where nothing is."""
    for end in ("low", "high"):
        if end not in raw:
            return f"a range needs low and high; {end} is missing"
    unknown = set(raw) - RANGE_KEYS
    if unknown:
        return f"a range has low, high, step and log; unknown: {', '.join(sorted(unknown))}"
    for key in ("low", "high", "step"):
        value = raw.get(key)
        if key == "step" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"{key} must be a finite number"
    if not isinstance(raw.get("log", False), bool):
        return "log must be true or false"
    low, high, step = raw["low"], raw["high"], raw.get("step")
    if low > high:
        return "low is greater than high; swap them"
    if raw.get("log") and low <= 0:
        return "a log range needs low > 0"
    if step is None:
        return ""
    return _step_mistake(low, high, step, bool(raw.get("log")))


def _step_mistake(low: float, high: float, step: float, log: bool) -> str:
    if log:
        return "step and log cannot be combined; drop one, or list the values with choices"
    if step <= 0:
        return "step must be greater than 0"
    count = (high - low) / step
    if abs(count - round(count)) > STEP_TOLERANCE * max(1.0, count):
        below = low + math.floor(count) * step
        return f"step does not divide the range: use high: {below:g} or {below + step:g}"
    return ""


def _parameter(where: tuple[str, ...], branches: tuple[tuple[int, Any], ...], domain: Domain) -> Parameter:
    """A parameter under its full name, in which every branch on the way is spelled out."""
    parts = list(where)
    for length, label in branches:
        parts[length - 1] += f"[{label}]"
    return Parameter(".".join(parts), ".".join(where), domain)


def _shared_names(node: Node) -> dict[str, str]:
    """Full name -> plain path, wherever all parameters of that path have the same values."""
    by_path: dict[str, list[Parameter]] = defaultdict(list)
    for parameter in SearchSpace(node).parameters:
        by_path[parameter.path].append(parameter)
    return {
        parameter.name: path
        for path, group in by_path.items()
        if len({repr(parameter.domain) for parameter in group}) == 1
        for parameter in group
    }


def _renamed(node: Node, names: dict[str, str]) -> Node:
    match node:
        case Leaf(parameter):
            return Leaf(replace(parameter, name=names.get(parameter.name, parameter.name)))
        case Group(children):
            return Group(tuple((key, _renamed(child, names)) for key, child in children))
        case OneOf(parameter, branches):
            return OneOf(
                replace(parameter, name=names.get(parameter.name, parameter.name)),
                tuple(Branch(branch.label, _renamed(branch.node, names)) for branch in branches),
            )
        case Fixed():
            return node
