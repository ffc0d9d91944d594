"""The search space: a config tree in which a range, a list of choices or a list of branches may stand for a value.

A parameter's name is its path (``optimizer.lr``). Where two branches of a `one_of` search the same path over the same
values, it is one parameter; where the values differ, the branch is part of the name (``optimizer[sgd].lr``). The
branch taken is a parameter itself: ``optimizer.name`` where each branch has a name of its own, else the path.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tunetrack.spec.domains import CategoricalDomain, Domain, Scalar, label_of

__all__ = ["BROKEN", "Branch", "Fixed", "Group", "Items", "Leaf", "Node", "OneOf", "Parameter", "SearchSpace"]


#: Stands as a fixed value where a part of the study file was wrong and has been reported; never in a finished study.
BROKEN = object()


@dataclass(frozen=True)
class Parameter:
    """One searched hyperparameter.

    Attributes:
        name: unique in its space; the key under which engines and ledger keep its values.
        path: dotted place of the value in the trial's config.
        domain: the values that it may take.
    """

    name: str
    path: str
    domain: Domain


@dataclass(frozen=True)
class Fixed:
    """A value that is not searched."""

    value: Any


@dataclass(frozen=True)
class Leaf:
    """A value that a parameter supplies."""

    parameter: Parameter


@dataclass(frozen=True)
class Group:
    """A mapping whose values are nodes."""

    children: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Items:
    """A list whose entries are nodes; its length is fixed."""

    entries: tuple[Node, ...]


@dataclass(frozen=True)
class Branch:
    """One alternative of a `OneOf`: the label that selects it and the subtree that it stands for."""

    label: str | int | float | bool | None
    node: Node


@dataclass(frozen=True)
class OneOf:
    """A choice among subtrees; the parameters of a subtree exist only where it is chosen."""

    parameter: Parameter
    branches: tuple[Branch, ...]

    def chosen(self, label: Any) -> Node:
        """The subtree behind a label; True, 1 and 1.0 are told apart.

        Raises:
            KeyError: no branch has this label.
        """
        for branch in self.branches:
            if branch.label == label and type(branch.label) is type(label):
                return branch.node
        raise KeyError(label)


Node = Fixed | Leaf | Group | Items | OneOf

#: Supplies a value (a label, for categories) for a parameter that the walk has reached.
Suggest = Callable[[Parameter], Any]

#: What a branch adds to what is known of a place within it.
Marks = Callable[[OneOf, Branch], dict[str, Any]]


@dataclass(frozen=True)
class SearchSpace:
    """The tree of a study file's searched sections (data, model, optimizer, schedule, trainer)."""

    root: Node

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter once, in the order of the file, those of all branches included."""
        searched = (node.parameter for node in self.nodes() if isinstance(node, Leaf | OneOf))
        return tuple({parameter.name: parameter for parameter in searched}.values())

    def nodes(self) -> Iterator[Node]:
        """Every node of the tree, parents before children."""
        yield from _nodes(self.root)

    def resolve(self, suggest: Suggest) -> dict[str, Any]:
        """The concrete config that comes out when `suggest` answers for every parameter on the way.

        `suggest` is called in file order and only for parameters of branches that were taken; for a categorical
        parameter it returns the label (see `CategoricalDomain.labels`). A parameter is asked for once.
        """
        asked: dict[str, Any] = {}

        def ask(parameter: Parameter) -> Any:
            if parameter.name not in asked:
                asked[parameter.name] = suggest(parameter)
            return asked[parameter.name]

        resolved = _resolve(self.root, ask)
        if not isinstance(resolved, dict):
            raise TypeError(f"the root of a search space is a mapping, not {type(resolved).__name__}")
        return resolved

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The concrete config for values by parameter name; values of branches not taken are passed over.

        Raises:
            KeyError: a parameter of a branch that was taken has no value.
        """
        return self.resolve(lambda parameter: given[parameter.name])

    def sample(self, rng: random.Random) -> dict[str, Any]:
        """One concrete config, drawn at random."""
        return self.resolve(lambda parameter: label_of(parameter.domain.sample(rng)))

    @cached_property
    def size(self) -> int | None:
        """Number of different configs, or None where some range is continuous."""
        return _size(self.root)

    def places(self) -> Iterator[tuple[Parameter, dict[str, Scalar]]]:
        """Every place where a parameter is searched, with the fixed values by which configs of its branches are known.

        Those are the branch's name, where each branch has one of its own, else all plain values that it fixes; where it
        fixes none, nothing tells its configs from those of other branches.
        """
        for known, parameter in _walk(self.root, {}, _signs):
            yield parameter, known

    def routes(self) -> Iterator[tuple[dict[str, Any], Parameter]]:
        """Every place where a parameter is searched, with the labels of the branches that lead there, by name."""
        yield from _walk(self.root, {}, _label)

    def corners(self) -> Iterator[tuple[Parameter, dict[str, Any]]]:
        """For every parameter and each of its extreme values, a config that has it.

        All other parameters stand at their first value, and branches are chosen so that the parameter exists. Every
        reading of a path that occurs in several branches is visited.
        """
        for route, parameter in self.routes():
            for end in parameter.domain.ends():
                yield parameter, self.resolve(_first_values_but({**route, parameter.name: label_of(end)}))


def _first_values_but(wanted: dict[str, Any]) -> Suggest:
    def suggest(parameter: Parameter) -> Any:
        if parameter.name in wanted:
            return wanted[parameter.name]
        return label_of(parameter.domain.ends()[0])

    return suggest


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Group(children):
            for _, child in children:
                yield from _nodes(child)
        case Items(entries):
            for entry in entries:
                yield from _nodes(entry)
        case OneOf(_, branches):
            for branch in branches:
                yield from _nodes(branch.node)


def _walk(node: Node, known: dict[str, Any], marks: Marks) -> Iterator[tuple[dict[str, Any], Parameter]]:
    """Every place where a parameter is searched, in file order, with what the branches on the way to it say."""
    match node:
        case Leaf(parameter):
            yield known, parameter
        case Group(children):
            for _, child in children:
                yield from _walk(child, known, marks)
        case Items(entries):
            for entry in entries:
                yield from _walk(entry, known, marks)
        case OneOf(parameter, branches):
            yield known, parameter
            for branch in branches:
                yield from _walk(branch.node, known | marks(node, branch), marks)


def _label(one: OneOf, branch: Branch) -> dict[str, Any]:
    """The choice that leads into a branch, by the parameter's name."""
    return {one.parameter.name: branch.label}


def _signs(one: OneOf, branch: Branch) -> dict[str, Any]:
    """The fixed values by which configs of a branch are known."""
    path = one.parameter.path
    named = all(isinstance(b.node, Group) and ("name", Fixed(b.label)) in b.node.children for b in one.branches)
    return {path: branch.label} if named else dict(_fixed(branch.node, path))


def _fixed(node: Node, path: str) -> Iterator[tuple[str, Scalar]]:
    """The plain values below a path that are neither searched nor null, which would be logged only at times."""
    match node:
        case Fixed(bool() | int() | float() | str() as value):
            yield path, value
        case Group(children):
            for key, child in children:
                yield from _fixed(child, f"{path}.{key}")


def _resolve(node: Node, suggest: Suggest) -> Any:
    match node:
        case Fixed(value):
            return value
        case Leaf(parameter):
            answer = suggest(parameter)
            domain = parameter.domain
            return domain.from_label(answer) if isinstance(domain, CategoricalDomain) else answer
        case Group(children):
            return {key: _resolve(child, suggest) for key, child in children}
        case Items(entries):
            return [_resolve(entry, suggest) for entry in entries]
        case OneOf(parameter, _):
            return _resolve(node.chosen(suggest(parameter)), suggest)


def _size(node: Node) -> int | None:
    match node:
        case Fixed():
            return 1
        case Leaf(parameter):
            return parameter.domain.size
        case Group(children):
            return _product(child for _, child in children)
        case Items(entries):
            return _product(entries)
        case OneOf(_, branches):
            sizes = [_size(branch.node) for branch in branches]
            return None if None in sizes else sum(size for size in sizes if size is not None)


def _product(nodes: Iterable[Node]) -> int | None:
    sizes = [_size(node) for node in nodes]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)
