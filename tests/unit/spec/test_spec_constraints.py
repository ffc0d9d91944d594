"""Limits on a trial's numbers as a study file writes them, and rules by which a study ends early."""

from __future__ import annotations

from typing import Any

import pytest

from tunetrack.errors import SpecError
from tunetrack.spec import load_study
from tunetrack.spec.constraints import Constraint, parse_constraint, violations

BASE: dict[str, Any] = {"name": "x", "data": {"name": "digits"}, "model": {"filters": {"low": 4, "high": 12}}}


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("model/parameters <= 8000", Constraint("model/parameters", "<=", 8000.0)),
        ("model/parameters<=8_000", Constraint("model/parameters", "<=", 8000.0)),
        ("  validation/accuracy  >=  .9 ", Constraint("validation/accuracy", ">=", 0.9)),
        ("model/latency_ms <= 2.5e0", Constraint("model/latency_ms", "<=", 2.5)),
    ],
)
def test_a_limit_is_read(text: str, constraint: Constraint) -> None:
    assert parse_constraint(text) == constraint
    assert parse_constraint(str(constraint)) == constraint
    assert constraint.known_before == (constraint.metric == "model/parameters")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency_ms <= 2", "did you mean model/latency_ms?"),
        ("parameters <= 2", "did you mean model/parameters?"),
        ("mode", "must be METRIC <= NUMBER"),
        ("model/flops < 3", "must be METRIC <= NUMBER"),
        ("model/flops == 3", "must be METRIC <= NUMBER"),
        ("model/flops <= many", "many is no finite number"),
        ("model/flops <= nan", "nan is no finite number"),
        ("model/flops <= inf", "inf is no finite number"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        load_study({**BASE, "constraints": ["model/flops <= 3", text]})
    (problem,) = error.value.problems
    assert problem.path == "constraints.1"
    assert said in problem.message
    assert problem.given is not None
    assert text in problem.given


def test_excess_is_positive_where_a_limit_is_broken() -> None:
    at_most, at_least = parse_constraint("model/flops <= 10"), parse_constraint("validation/accuracy >= 0.9")
    assert (at_most.excess(12.0), at_most.excess(10.0), at_most.excess(7.0)) == (2.0, 0.0, -3.0)
    assert at_least.excess(0.75) == pytest.approx(0.15)
    found = {str(at_most): 2.0, str(at_least): -0.05}
    assert violations((at_most, at_least), found) == ("model/flops <= 10 (12)",)
    assert violations((at_least,), {str(at_least): 0.15}) == ("validation/accuracy >= 0.9 (0.75)",)
    assert violations((at_most, at_least), {}) == ()


def test_a_single_limit_needs_no_list() -> None:
    assert load_study({**BASE, "constraints": "model/flops <= 3"}).constraints == (
        parse_constraint("model/flops <= 3"),
    )


TWO = [{"metric": "validation/accuracy"}, {"metric": "model/parameters"}]


@pytest.mark.parametrize(
    ("sections", "path"),
    [
        ({"constraints": ["model/flops <= 3", "model/flops<=3.0"]}, "constraints"),
        ({"constraints": ["train_seconds <= 3"], "sampler": {"name": "cmaes"}}, "sampler.name"),
        ({"objective": {"metric": "model/latency_ms"}, "pruner": {"name": "median"}}, "pruner.name"),
        ({"objective": TWO, "stop": {"target": 0.9}}, "stop.target"),
        ({"objective": TWO, "stop": {"terminator": True}}, "stop.terminator"),
        ({"objective": {"metric": "validation/loss"}, "stop": {"terminator": True}}, "stop.terminator"),
        (
            {"data": {"name": "digits", "train": {"low": 100, "high": 200}}, "stop": {"terminator": True}},
            "stop.terminator",
        ),
        ({"stop": {"no_improvement": 0}}, "stop.no_improvement"),
        ({"budget": {"device_seconds": 0.0}}, "budget.device_seconds"),
    ],
)
def test_what_cannot_work_together_is_refused(sections: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as error:
        load_study(BASE | sections)
    assert [problem.path for problem in error.value.problems] == [path]


def test_cmaes_takes_limits_that_are_known_before_training() -> None:
    load_study({**BASE, "constraints": ["model/flops <= 3e6"], "sampler": {"name": "cmaes"}})


def test_a_resumed_study_may_change_when_it_stops_and_not_what_it_is_limited_by() -> None:
    first = load_study({**BASE, "constraints": ["model/flops <= 3"]})
    assert load_study({**first.document, "stop": {"target": 0.9}}).fingerprint == first.fingerprint
    assert load_study({**first.document, "constraints": ["model/flops <= 4"]}).fingerprint != first.fingerprint
