"""Points of the search space that a study file names: whether they can be proposed, and their values by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tunetrack.errors import Problem
from tunetrack.spec.annotations import did_you_mean, shown
from tunetrack.spec.domains import STEP_TOLERANCE, CategoricalDomain, Domain, IntDomain, label_of
from tunetrack.spec.space import Fixed, Group, Node, OneOf, Parameter, SearchSpace

__all__ = ["fitted", "nearest_point", "point_problems", "point_values"]

Point = Mapping[str, Any]


def point_values(space: SearchSpace, point: Point) -> dict[str, Any]:
    """What a sampler's trial is to be given, by parameter name; a label where a parameter has choices.

    Args:
        space: the search space.
        point: value by path, or by name where a path has several parameters. What is missing is left to the sampler.
    """
    given = {}
    for parameter in _reached(space, point):
        for value in _wanted(parameter, point):
            given[parameter.name] = value
    return given


def point_problems(space: SearchSpace, point: Point, where: str) -> list[Problem]:
    """What keeps a point from being proposed; `where` is its own dotted path."""
    reached = list(_reached(space, point))
    return [problem for key in point if (problem := _problem(space, reached, key, point[key], f"{where}.{key}"))]


def nearest_point(space: SearchSpace, full: Point) -> dict[str, Any]:
    """The values of a whole configuration at the paths that this space searches, in the branches that it takes.

    Args:
        space: the search space.
        full: value by path, of another study's trial for instance. What does not fit is among the result all the same;
            `point_problems` tells.
    """
    return {parameter.path: full[parameter.path] for parameter in _reached(space, full) if parameter.path in full}


def fitted(domain: Domain, value: Any) -> Iterator[Any]:
    """The value as the domain has it, a choice as its label; nothing where the domain does not have it."""
    if isinstance(domain, CategoricalDomain):
        wanted = label_of(value)
        same_kind = (own for own in domain.labels if isinstance(own, bool) == isinstance(wanted, bool))
        yield from (own for own in same_kind if own == wanted)
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not domain.low <= value <= domain.high:
        return
    steps = (value - domain.low) / domain.step if domain.step is not None else 0.0
    if abs(steps - round(steps)) <= STEP_TOLERANCE * max(1.0, steps):
        yield round(value) if isinstance(domain, IntDomain) else float(value)


def _reached(space: SearchSpace, point: Point) -> Iterator[Parameter]:
    """The parameters of the branches that a point takes; of all branches where it does not say which."""
    wanted = {parameter.name: list(_wanted(parameter, point)) for parameter in space.parameters}
    for route, parameter in space.routes():
        if all(not wanted[name] or _is_in(label, wanted[name]) for name, label in route.items()):
            yield parameter


def _is_in(label: Any, labels: list[Any]) -> bool:
    """Whether a label is among others; True, 1 and 1.0 are told apart."""
    return any(own == label and type(own) is type(label) for own in labels)


def _wanted(parameter: Parameter, point: Point) -> Iterator[Any]:
    for key in (parameter.name, parameter.path):
        if key in point:
            yield from fitted(parameter.domain, point[key])
            return


def _problem(space: SearchSpace, reached: Iterable[Parameter], key: str, value: Any, where: str) -> Problem | None:
    domains = [parameter.domain for parameter in reached if key in (parameter.name, parameter.path)]
    if any(True for domain in domains for _ in fitted(domain, value)):
        return None
    if domains:
        ranges = "; or ".join(dict.fromkeys(domain.describe() for domain in domains))
        return Problem(where, f"lies outside of what is searched: {ranges}", shown(value))
    known = list(dict.fromkeys(name for own in space.parameters for name in (own.path, own.name)))
    if key in known:
        return Problem(where, "belongs to a branch that this point does not take; delete it", shown(value))
    if _is_fixed(space.root, key.split(".")):
        return Problem(where, "is not searched in this study file, so it cannot be proposed; delete it", shown(value))
    hint = did_you_mean(key, known) or f"; searched are: {', '.join(known) or 'none'}"
    return Problem(where, f"is no searched value{hint}", shown(value))


def _is_fixed(node: Node, keys: list[str]) -> bool:
    if isinstance(node, Fixed):
        return True
    if not keys or not isinstance(node, Group | OneOf):
        return False
    if isinstance(node, OneOf):
        return any(_is_fixed(branch.node, keys) for branch in node.branches)
    return any(_is_fixed(child, keys[1:]) for name, child in node.children if name == keys[0])
