"""Broken study files, made by putting odd things into a good one: always a named mistake, never a traceback."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_helpers import FULL

from tunetrack.errors import SpecError
from tunetrack.spec import load_config, load_study, study_schema
from tunetrack.spec.loading import read_yaml

GOOD = read_yaml(FULL)
VALIDATOR = jsonschema.Draft202012Validator(study_schema())
WORDS = [
    "name",
    "lr",
    "low",
    "high",
    "step",
    "log",
    "choices",
    "one_of",
    "adam",
    "sgd",
    "cnn",
    "metric",
    "tpe",
    "x",
    "",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.sampled_from([0.0, 0.5, 1e400, -1e400, float("nan"), 10**400, -(10**400), 2**64]),
    st.sampled_from(WORDS),
)
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


PLACES = sorted(places(GOOD), key=str)


def replaced(path: tuple[Any, ...], value: Any, as_new_key: str) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    here: Any = document
    for key in path[:-1]:
        here = here[key]
    if as_new_key and isinstance(here, dict):
        here[as_new_key] = value
    else:
        here[path[-1]] = value
    return dict(document)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), ODD, st.sampled_from(["", "", *WORDS]))
def test_nothing_but_a_named_mistake(path: tuple[Any, ...], value: Any, as_new_key: str) -> None:
    document = replaced(path, value, as_new_key)

    check_words(mistake_of(load_config, document))
    mistake = mistake_of(load_study, document)
    check_words(mistake)
    if mistake is None:
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), ODD)
def test_overrides_too(path: tuple[Any, ...], value: Any) -> None:
    check_words(mistake_of(load_study, GOOD, {".".join(map(str, path)): value}))


def mistake_of(load: Callable[..., object], *arguments: Any) -> SpecError | None:
    try:
        load(*arguments)
    except SpecError as error:
        return error
    return None


def check_words(error: SpecError | None) -> None:
    if error is not None:
        assert error.problems
        assert len(set(error.problems)) == len(error.problems)
        for raw_wording in ("Input ", "Tuple ", "String ", "Value error", "object at 0x", "valid dictionary"):
            assert raw_wording not in str(error)
