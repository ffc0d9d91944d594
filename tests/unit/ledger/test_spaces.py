"""Any search space, seen by both engines: unique names, values within the domains, numbers that come back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hyperopt
import numpy as np
import optuna
import pytest
from hyperopt.base import Domain
from hyperopt.pyll.stochastic import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from tunetrack.ledger import distribution_of, hyperopt_space, suggest_config
from tunetrack.ledger.hyperopt_space import decode, encode
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.space import Branch, Fixed, Group, Leaf, Node, OneOf, Parameter, SearchSpace
from tunetrack.testing import toy_spec


@st.composite
def _ints(draw: Any) -> IntDomain:
    low, count = draw(st.integers(-50, 50)), draw(st.integers(0, 20))
    if low > 0 and draw(st.booleans()):
        return IntDomain(low, low + count, log=True)
    step = draw(st.integers(1, 7))
    return IntDomain(low, low + step * count, step)


@st.composite
def _floats(draw: Any) -> FloatDomain:
    low, width = draw(st.floats(-10, 10)), draw(st.floats(1e-3, 100))
    kind = draw(st.sampled_from(["plain", "log", "step", "single"]))
    if kind == "log":
        low = draw(st.floats(1e-6, 10))
        return FloatDomain(low, low + width, log=True)
    if kind == "step":
        step, count = draw(st.sampled_from([0.1, 0.25, 0.5])), draw(st.integers(1, 20))
        low = draw(st.integers(-5, 5)) / 10
        return FloatDomain(low, low + step * count, step)
    return FloatDomain(low, low if kind == "single" else low + width)


_scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3))
_choices = st.lists(st.one_of(_scalars, st.lists(st.integers(0, 3), max_size=2)), min_size=1, max_size=4)


@st.composite
def _categories(draw: Any) -> CategoricalDomain:
    unique: list[Any] = []
    for choice in draw(_choices):
        labels = CategoricalDomain((*unique, choice)).labels
        if len(set(labels)) == len(labels):
            unique.append(choice)
    return CategoricalDomain(tuple(unique))


_domains = st.one_of(_ints(), _floats(), _categories())


@st.composite
def _nodes(draw: Any, path: str = "", depth: int = 2) -> Node:
    kind = draw(st.sampled_from(["leaf", "fixed", "group", "one_of"] if depth else ["leaf", "fixed"]))
    if kind == "fixed":
        return Fixed(draw(_scalars))
    if kind == "group":
        keys = draw(st.lists(st.sampled_from("abcd"), unique=True, min_size=1, max_size=3))
        return Group(tuple((key, draw(_nodes(f"{path}.{key}", depth - 1))) for key in keys))
    if kind == "one_of":
        count = draw(st.integers(1, 3))
        labels = tuple(f"option {n}" for n in range(count))
        branches = tuple(Branch(label, draw(_nodes(f"{path}[{label}]", depth - 1))) for label in labels)
        return OneOf(Parameter(f"{path}?", path, CategoricalDomain(labels)), branches)
    return Leaf(Parameter(path or "x", path or "x", draw(_domains)))


@st.composite
def _spaces(draw: Any) -> SearchSpace:
    keys = draw(st.lists(st.sampled_from("pqrs"), unique=True, min_size=1, max_size=3))
    return SearchSpace(Group(tuple((key, draw(_nodes(key))) for key in keys)))


def _within(domain: Any, value: Any) -> bool:
    match domain:
        case IntDomain(low, high, step):
            return type(value) is int and low <= value <= high and (value - low) % step == 0
        case FloatDomain(low, high, step):
            on_step = step is None or abs((value - low) / step - round((value - low) / step)) < 1e-6
            return type(value) is float and low <= value <= high + 1e-9 and on_step
        case _:
            return any(value == choice and type(value) is type(choice) for choice in domain.choices)


def _assert_config_of(space: SearchSpace, config: dict[str, Any]) -> None:
    """Every leaf of the config is in its domain, and its tree is that of the branches taken."""

    def walk(node: Node, value: Any) -> bool:
        match node:
            case Fixed(fixed):
                return bool(value == fixed)
            case Leaf(parameter):
                return _within(parameter.domain, value)
            case Group(children):
                return list(value) == [k for k, _ in sorted(children, key=lambda c: list(value).index(c[0]))] and all(
                    walk(child, value[key]) for key, child in children
                )
            case OneOf(_, branches):
                return any(_try(walk, branch.node, value) for branch in branches)

    assert walk(space.root, config)


def _try(walk: Any, node: Node, value: Any) -> bool:
    try:
        return bool(walk(node, value))
    except (TypeError, ValueError, KeyError):  # the value has the shape of another branch
        return False


@given(_spaces(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_hyperopt_sample_is_a_config_of_the_space(space: SearchSpace, seed: int) -> None:
    expression = hyperopt_space(space)
    labels = set(Domain(None, expression).params)  # raises where a label stands twice
    assert labels <= {parameter.name for parameter in space.parameters}
    for _ in range(3):
        _assert_config_of(space, sample(expression, np.random.default_rng(seed)))


@given(_spaces(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_optuna_sample_is_a_config_of_the_space(space: SearchSpace, seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    _assert_config_of(space, suggest_config(study.ask(), space))


@given(_domains, st.integers(0, 2**31))
@settings(max_examples=200, deadline=None)
def test_values_come_back_from_both_engines_numbers(domain: Any, seed: int) -> None:
    distribution = distribution_of(Parameter("x", "x", domain))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    value = study.ask({"x": distribution}).params["x"]
    inside = distribution.to_external_repr(distribution.to_internal_repr(value))
    assert (inside, type(inside)) == (value, type(value))
    back = decode(distribution, encode(distribution, value))
    assert type(back) is type(value)
    assert back == pytest.approx(value, abs=1e-9) if isinstance(domain, FloatDomain) else back == value
    assert distribution._contains(distribution.to_internal_repr(back))


def test_every_int_is_equally_probable_to_hyperopt() -> None:
    domain = IntDomain(4, 12, 4)
    space = SearchSpace(Group((("a", Leaf(Parameter("a", "a", domain))),)))
    generator = np.random.default_rng(0)
    counts = Counter(sample(hyperopt_space(space), generator)["a"] for _ in range(3000))
    assert sorted(counts) == [4, 8, 12]
    assert min(counts.values()) > 900


def test_space_eval_gives_the_resolved_config() -> None:
    spec = toy_spec("nested")
    expression = hyperopt_space(spec.space)
    names = {p.name: p for p in spec.space.parameters}
    values = {"data.augment": None, "model.filters": 31, "model.head": "option 3", "model.batch_norm": True}
    values |= {"model.head.0": 48, "optimizer.name": "sgd", "optimizer[sgd].lr": 0.01, "optimizer.momentum": 0.5}
    numbers = {name: encode(distribution_of(names[name]), value) for name, value in values.items()}
    config = hyperopt.space_eval(expression, numbers)
    assert config == spec.space.values(values)
    spec.config(config)


def test_one_name_in_several_branches_is_one_node() -> None:
    rate = {"low": 0.0, "high": 0.5}
    sgd, adam = {"name": "sgd", "weight_decay": rate}, {"name": "adam", "weight_decay": rate}
    space = toy_spec(optimizer={"one_of": [sgd, adam]}).space
    assert "optimizer.weight_decay" in Domain(None, hyperopt_space(space)).params
