"""Points of a study file: what may be proposed, and the words for what may not."""

from __future__ import annotations

from typing import Any

import pytest
from spec_helpers import problems

from tunetrack.errors import SpecError
from tunetrack.spec import load_study
from tunetrack.spec.points import point_values
from tunetrack.testing import toy_spec

SPACE: dict[str, Any] = {
    "name": "toy",
    "data": {"name": "digits"},
    "model": {
        "filters": {"low": 16, "high": 64, "step": 16},
        "num_layers": 2,
        "head": {"choices": [[], [32]]},
        "batch_norm": {"choices": [True, False]},
        "head_dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
    },
    "optimizer": {
        "one_of": [
            {"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            {"name": "sgd", "lr": {"low": 1e-2, "high": 1.0, "log": True}, "momentum": {"low": 0.0, "high": 0.9}},
        ]
    },
}


def values(**point: Any) -> dict[str, Any]:
    """The values of one point; keys with __ for the dot."""
    given = {key.replace("__", "."): value for key, value in point.items()}
    return point_values(load_study({**SPACE, "points": [given]}).space, given)


def mistakes(point: dict[str, Any], **sections: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as raised:
        load_study({**SPACE, **sections, "points": [{}, point]})
    return [(problem.path, str(problem)) for problem in raised.value.problems]


def test_values_get_the_names_and_kinds_of_their_parameters() -> None:
    assert values(model__filters=32.0, model__head=[32], model__head_dropout=0.30000000000000004) == {
        "model.filters": 32,
        "model.head": "[32]",
        "model.head_dropout": 0.30000000000000004,
    }
    assert type(values(model__filters=32.0)["model.filters"]) is int
    assert values(optimizer__name="sgd", optimizer__lr=1) == {"optimizer.name": "sgd", "optimizer[sgd].lr": 1.0}
    assert values() == {}


def test_a_value_whose_branch_is_open_is_given_to_every_branch_that_has_it() -> None:
    assert values(optimizer__lr=0.05) == {"optimizer[adam].lr": 0.05, "optimizer[sgd].lr": 0.05}
    assert values(optimizer__lr=0.001) == {"optimizer[adam].lr": 0.001}
    assert point_values(load_study(SPACE).space, {"optimizer[sgd].lr": 0.05}) == {"optimizer[sgd].lr": 0.05}


@pytest.mark.parametrize(
    ("point", "path", "words"),
    [
        ({"model.filtres": 32}, "model.filtres", "is no searched value; did you mean model.filters?"),
        ({"model.filters": 24}, "model.filters", "lies outside of what is searched: int 16 to 64, step 16 (given: 24)"),
        ({"model.filters": True}, "model.filters", "lies outside of what is searched"),
        ({"model.filters": "32"}, "model.filters", "lies outside of what is searched"),
        ({"model.batch_norm": 1}, "model.batch_norm", "one of true, false (given: 1)"),
        ({"model.head": [16]}, "model.head", "one of [], [32] (given: [16])"),
        ({"model.num_layers": 2}, "model.num_layers", "is not searched in this study file"),
        ({"optimizer.name": "adamw"}, "optimizer.name", 'one of "adam", "sgd" (given: "adamw")'),
        ({"optimizer.lr": 2.0}, "optimizer.lr", "float 0.0001 to 0.1, log; or float 0.01 to 1, log"),
        ({"optimizer.name": "adam", "optimizer.lr": 0.5}, "optimizer.lr", "searched: float 0.0001 to 0.1, log"),
        ({"optimizer.name": "adam", "optimizer.momentum": 0.5}, "optimizer.momentum", "belongs to a branch"),
    ],
)
def test_what_cannot_be_proposed_is_said_at_once(point: dict[str, Any], path: str, words: str) -> None:
    ((where, said),) = mistakes(point)
    assert where == f"points.1.{path}"
    assert words in said


def test_a_point_that_breaks_a_rule_cannot_be_trained() -> None:
    sections = {
        "data": {"name": "digits", "train": {"choices": [200, 100]}},
        "trainer": {"steps_per_epoch": 1, "batch_size": {"choices": [32, 128]}},
        "model": {"name": "cnn"},
        "optimizer": {"name": "adam"},
    }
    ((where, said),) = mistakes({"data.train": 100, "trainer.batch_size": 128}, **sections)
    assert where == "points.1"
    assert "cannot be trained: trainer.steps_per_epoch takes whole batches only" in said


def test_grid_needs_whole_points() -> None:
    with pytest.raises(SpecError, match=r"points\.0: grid proposes whole cells, so a point needs all values"):
        toy_spec("grid", sampler={"name": "grid"}, points=[{"model.num_layers": 1}])
    toy_spec("grid", sampler={"name": "brute_force"}, points=[{"model.num_layers": 1}])


def test_points_are_a_list_of_sections() -> None:
    found = problems({**SPACE, "points": {"model.filters": 16}})
    assert [problem.path for problem in found] == ["points"]


def test_a_confirmation_must_be_able_to_tell_something() -> None:
    found = problems({**SPACE, "objective": {"metric": "validation/loss"}, "confirm": {"seeds": 1}})
    assert [problem.path for problem in found] == ["confirm.seeds"]
    found = problems({**SPACE, "objective": {"metric": "model/parameters"}, "confirm": {}})
    assert [problem.path for problem in found] == ["confirm"]
    assert load_study({**SPACE, "confirm": {"seeds": 1}}).head.confirm is not None
