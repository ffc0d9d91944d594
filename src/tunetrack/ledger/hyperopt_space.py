"""How a search space looks to Hyperopt: one `hp` node a parameter, and what its numbers mean in real values.

Hyperopt's own kinds of whole numbers do not fit: `hp.quniform(low, high, 1)` gives both ends half the probability of
the others, and TPE reads `hp.randint` as categories without order. So an int range is drawn as the index of its value,
quantised from -0.5 to n - 0.5, and a logarithmic one from log(low - 0.5) to log(high + 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hyperopt.pyll import as_apply, scope
from hyperopt.pyll.base import Apply, Literal
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tunetrack.ledger.distributions import distribution_of
from tunetrack.spec.domains import CategoricalDomain
from tunetrack.spec.space import Fixed, Group, Items, Leaf, Node, OneOf, Parameter, SearchSpace

__all__ = ["decode", "encode", "flat_space", "hyperopt_space", "raw_space"]


def hyperopt_space(space: SearchSpace) -> Apply:
    """The search space as a Hyperopt expression: what `hyperopt.fmin(space=...)` takes.

    The objective receives the resolved config (a dict of real values; ints are ints, branches are resolved), and
    `hyperopt.space_eval` gives the same. A parameter that occurs in several branches under one name is one node. A
    parameter with a single value is a constant. Hyperopt's own atpe reads no expression with arithmetic, so it works
    through the ledger only.

    Args:
        space: the search space of a loaded study.

    Returns:
        A pyll expression.
    """
    return _Builder(decoded=True).build(space.root)


def raw_space(space: SearchSpace) -> Apply:
    """The same tree with Hyperopt's own numbers at its leaves: all that a proposal needs, and all that atpe reads."""
    return _Builder(decoded=False).build(space.root)


def flat_space(distributions: Mapping[str, BaseDistribution]) -> Apply:
    """An expression for parameters without conditions, from their distributions by name."""
    return as_apply({name: _param(name, distribution) for name, distribution in distributions.items()})


def encode(distribution: BaseDistribution, value: Any) -> float | int:
    """A real value as the number that Hyperopt keeps for it."""
    match distribution:
        case CategoricalDistribution():
            return int(distribution.to_internal_repr(value))
        case FloatDistribution(step=None) | IntDistribution(log=True):
            return float(value)
        case FloatDistribution(low=low, step=float(step)) | IntDistribution(low=low, step=int(step)):
            return float(round((value - low) / step))
        case other:
            raise TypeError(f"Hyperopt has no {type(other).__name__}")


def decode(distribution: BaseDistribution, number: Any) -> Any:
    """The real value that a number of Hyperopt's stands for, held within the bounds; an int range gives an int."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[int(number)]
        case FloatDistribution(low=low, high=high, step=None):
            return min(max(float(number), low), high)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return min(max(low + step * round(float(number)), low), high)
        case IntDistribution(low=low, high=high, log=True):
            return min(max(round(float(number)), low), high)
        case IntDistribution(low=low, high=high, step=step):
            return min(max(low + step * round(float(number)), low), high)
        case other:
            raise TypeError(f"Hyperopt has no {type(other).__name__}")


@scope.define  # type: ignore[untyped-decorator]
def tunetrack_value(number: Any, distribution: BaseDistribution) -> Any:
    """`decode` as a node of Hyperopt's expressions."""
    return decode(distribution, number)


@scope.define  # type: ignore[untyped-decorator]
def tunetrack_list(*entries: Any) -> list[Any]:
    """A list as a node of Hyperopt's expressions, whose own kind evaluates to a tuple."""
    return list(entries)


def _param(name: str, distribution: BaseDistribution) -> Apply:
    """One `hp` node, written out because `hp.choice` and `hp.quniform` cannot share a node between branches."""
    return scope.hyperopt_param(name, _draw(distribution))


def _draw(distribution: BaseDistribution) -> Apply:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return scope.randint(len(choices))
        case IntDistribution(low=low, high=high, log=True):
            return scope.qloguniform(math.log(low - 0.5), math.log(high + 0.5), 1)
        case FloatDistribution(low=low, high=high, log=True):
            return scope.loguniform(math.log(low), math.log(high))
        case FloatDistribution(low=low, high=high, step=None):
            return scope.uniform(low, high)
        case (
            FloatDistribution(low=low, high=high, step=float(step))
            | IntDistribution(low=low, high=high, step=int(step))
        ):
            return scope.quniform(-0.5, round((high - low) / step) + 0.5, 1)
        case other:
            raise TypeError(f"Hyperopt has no {type(other).__name__}")


class _Builder:
    """Walks the tree and keeps one node a parameter name."""

    def __init__(self, decoded: bool) -> None:
        self._decoded = decoded
        self._nodes: dict[str, Apply] = {}

    def build(self, node: Node) -> Apply:
        """The expression of a subtree."""
        match node:
            case Fixed(value):
                return Literal(value)
            case Leaf(parameter):
                return self._leaf(parameter)
            case Group(children):
                return as_apply({key: self.build(child) for key, child in children})
            case Items(entries):
                return scope.tunetrack_list(*map(self.build, entries))
            case OneOf(parameter, branches):
                options = [self.build(branch.node) for branch in branches]
                return options[0] if len(options) == 1 else scope.switch(self._node(parameter), *options)

    def _leaf(self, parameter: Parameter) -> Apply:
        domain = parameter.domain
        if domain.size == 1:
            return Literal(domain.ends()[0])
        if isinstance(domain, CategoricalDomain):
            return scope.switch(self._node(parameter), *map(Literal, domain.choices))
        node = self._node(parameter)
        return scope.tunetrack_value(node, Literal(distribution_of(parameter))) if self._decoded else node

    def _node(self, parameter: Parameter) -> Apply:
        if parameter.name not in self._nodes:
            self._nodes[parameter.name] = _param(parameter.name, distribution_of(parameter))
        return self._nodes[parameter.name]
