"""From the raw tree of a study file to a search space, with every mistake named by its dotted path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from tunetrack.errors import Problem
from tunetrack.spec.annotations import (
    child_annotations,
    entry_annotations,
    is_float,
    is_free,
    is_number,
    keys_of,
    literals,
    models_in,
    narrowed,
    shown,
)
from tunetrack.spec.domains import CategoricalDomain, Domain, FloatDomain, IntDomain, Scalar, label_of
from tunetrack.spec.mistakes import RANGE_KEYS, SEARCH_KEYS, holds_search, meant_list, misspelt, range_mistake
from tunetrack.spec.space import BROKEN, Branch, Fixed, Group, Items, Leaf, Node, OneOf, Parameter, SearchSpace

__all__ = ["parse_space"]


def parse_space(raw: Mapping[str, Any], root: type[BaseModel]) -> tuple[SearchSpace, list[Problem]]:
    """Reads the searched sections of a study file.

    Args:
        raw: the sections as plain data.
        root: the model that a resolved config must satisfy; its annotations tell floats from ints.

    Returns:
        The space and the mistakes found; a part with a mistake stands in the space as a fixed `BROKEN`.
    """
    parser = _Parser()
    node = parser.parse(raw, _Place((), (), (root,)))
    return SearchSpace(_renamed(node, _shared_names(node))), parser.problems


@dataclass(frozen=True)
class _Place:
    """Where the parser stands.

    Attributes:
        path: the keys from the root.
        branches: the (path length, label) of each `one_of` branch on the way.
        kinds: the annotations of the place; none under an unknown key.
    """

    path: tuple[str, ...]
    branches: tuple[tuple[int, Scalar], ...]
    kinds: tuple[Any, ...]

    def parameter(self, domain: Domain, key: str | None = None) -> Parameter:
        """A parameter under its full name, in which every branch on the way is spelled out."""
        path = self.path if key is None else (*self.path, key)
        parts = list(path)
        for length, label in self.branches:
            parts[length - 1] += f"[{label}]"
        return Parameter(".".join(parts), ".".join(path), domain)


class _Parser:
    """Walks the raw tree and collects the mistakes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def parse(self, raw: Any, place: _Place) -> Node:
        if isinstance(raw, list):
            return self._items(raw, place)
        if not isinstance(raw, Mapping) or not place.kinds:  # an unknown key is reported by the models, as it stands
            return Fixed(raw)
        if "choices" in raw:
            return self._choices(raw, place)
        if "one_of" in raw:
            return self._one_of(raw, place)
        models = narrowed(models_in(place.kinds), raw)
        handed_on = not models and is_free(place.kinds) and set(RANGE_KEYS).isdisjoint(raw)
        if not models and not handed_on:
            return self._range(raw, place)
        if meant_list(raw, {key for model in models for key in keys_of(model)}):
            return self._wrong(place, misspelt(raw), raw)

        def kinds(key: str) -> tuple[Any, ...]:
            return place.kinds if handed_on else child_annotations(models, key)

        return Group(
            tuple(
                (key, self.parse(value, _Place((*place.path, key), place.branches, kinds(key))))
                for key, value in raw.items()
            )
        )

    def _items(self, raw: list[Any], place: _Place) -> Node:
        """A list; one of plain values is a single value."""
        kinds = entry_annotations(place.kinds)
        if not kinds or not _holds_mapping(raw):
            return Fixed(raw)
        return Items(
            tuple(
                self.parse(entry, _Place((*place.path, str(n)), place.branches, kinds)) for n, entry in enumerate(raw)
            )
        )

    def _wrong(self, place: _Place, message: str, given: Any) -> Node:
        self.problems.append(Problem(".".join(place.path), message, shown(given)))
        return Fixed(BROKEN)

    def _choices(self, raw: Mapping[str, Any], place: _Place) -> Node:
        options = raw["choices"]
        wrong = _list_mistake(raw, "choices")
        if not wrong and holds_search(options):
            wrong = "choices holds plain values; for ranges or branches inside, use one_of"
        if wrong:
            return self._wrong(place, wrong, options if len(raw) == 1 else raw)
        return Leaf(place.parameter(CategoricalDomain(tuple(options))))

    def _one_of(self, raw: Mapping[str, Any], place: _Place) -> Node:
        options = raw["one_of"]
        wrong = _list_mistake(raw, "one_of")
        if wrong:
            return self._wrong(place, wrong, options if len(raw) == 1 else raw)
        names = [option.get("name") if isinstance(option, Mapping) else None for option in options]
        by_name = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
        labels = names if by_name else [_branch_label(option, n) for n, option in enumerate(options, 1)]
        length = len(place.path)
        parsed = tuple(
            Branch(label, self.parse(option, replace(place, branches=(*place.branches, (length, label)))))
            for label, option in zip(labels, options, strict=True)
        )
        return OneOf(place.parameter(CategoricalDomain(tuple(labels)), "name" if by_name else None), parsed)

    def _range(self, raw: Mapping[str, Any], place: _Place) -> Node:
        if "low" not in raw and "high" not in raw:
            return self._wrong(place, misspelt(raw), raw)
        if not is_number(place.kinds):
            allowed = literals(place.kinds)
            example = shown(allowed) if allowed else "[...]"
            return self._wrong(place, f"takes no range; list the values: choices: {example}", raw)
        as_float = is_float(place.kinds)
        if is_free(place.kinds):  # nobody says what number this is, so the numbers themselves do
            as_float = any(isinstance(raw.get(key), float) for key in RANGE_KEYS)
        wrong = range_mistake(raw, as_float)
        if wrong:
            return self._wrong(place, wrong, raw)
        low, high, step, log = raw["low"], raw["high"], raw.get("step"), raw.get("log", False)
        if as_float:
            return Leaf(
                place.parameter(FloatDomain(float(low), float(high), None if step is None else float(step), log))
            )
        return Leaf(place.parameter(IntDomain(low, high, 1 if step is None else step, log)))


def _list_mistake(raw: Mapping[str, Any], kind: str) -> str:
    """What is wrong with the list of a `choices` or `one_of`; empty where nothing is."""
    others = [key for key in raw if key != kind]
    if others:
        where = "drop" if set(others) <= set(SEARCH_KEYS) else "move into its entries or drop"
        return f"{kind} stands alone; {where}: {', '.join(others)}"
    options = raw[kind]
    if not isinstance(options, list) or not options:
        return f"{kind} needs a list with at least one entry"
    if any(option != option for option in options):  # NaN is the one value that is not itself: it has no label
        return f"{kind} holds .nan, which is no number"
    # 1 and 1.0 are the same value, true and 1 are not; what cannot be told apart by its label is the same as well.
    labels = [(isinstance(option, bool), label_of(option)) for option in options]
    twice = [option for n, option in enumerate(options) if labels[n] in labels[:n]]
    return f"{kind} holds the same entry twice: {shown(twice[0])}" if twice else ""


def _branch_label(option: Any, number: int) -> Scalar:
    return f"option {number}" if _holds_mapping(option) else label_of(option)


def _holds_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_holds_mapping, value)))


def _shared_names(node: Node) -> dict[str, str]:
    """Full name -> plain path, wherever all parameters of that path have the same values.

    A choice made directly in a branch, at the path of the branching itself, keeps its full name (``optimizer[a]``): it
    is taken in the same trial as the branching, so the two must not become one.
    """
    by_path: dict[str, list[Parameter]] = defaultdict(list)
    for parameter in SearchSpace(node).parameters:
        if not parameter.name.endswith("]"):
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
        case Items(entries):
            return Items(tuple(_renamed(entry, names) for entry in entries))
        case OneOf(parameter, branches):
            return OneOf(
                replace(parameter, name=names.get(parameter.name, parameter.name)),
                tuple(Branch(branch.label, _renamed(branch.node, names)) for branch in branches),
            )
        case Fixed():
            return node
