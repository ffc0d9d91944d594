"""The reference section: its limits, which trials match a row, and rows that no trial can match."""

from __future__ import annotations

from typing import Any

import pytest
from spec_helpers import lines, study

from tunetrack.api.study_files import load_study_file
from tunetrack.errors import SpecError
from tunetrack.spec.matching import reference_problems
from tunetrack.spec.reference import row_matches

ROW = {"values": {"best/validation/accuracy": 0.92}}
SPACE: dict[str, Any] = {
    "model": {"filters": {"low": 8, "high": 32, "step": 8}, "head": [{"low": 16, "high": 64}, 32]},
    "optimizer": {
        "one_of": [
            {"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            {"name": "adamw", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            {"name": "sgd", "lr": {"low": 0.1, "high": 0.3, "step": 0.1}, "momentum": 0.9},
        ]
    },
    "trainer": {"epochs": 3, "batch_size": {"choices": [8, 16]}},
}


def mistakes(*whens: dict[str, Any], **sections: Any) -> list[str]:
    rows = [{"when": when, **ROW} for when in whens]
    return [str(problem) for problem in reference_problems(study(**{**SPACE, **sections}, reference={"rows": rows}))]


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"optimizer.lr": 0.01, "trainer.batch_size": 16},
        {"optimizer.name": "sgd", "optimizer.lr": 0.3, "model.filters": 24},
        {"optimizer.name": "sgd", "optimizer.momentum": 0.9},
        {"optimizer.weight_decay": 0.01},  # only adamw has that default
        {"model.head": [40, 32]},
        {"model.head.0": 16, "model.head.1": 32},
        {"data.augment": None, "trainer.epochs": 3, "model.batch_norm": False},
        {"trainer.label_smoothing": 0},  # a whole number where fractions may stand
    ],
)
def test_rows_that_a_trial_can_match(when: dict[str, Any]) -> None:
    assert mistakes(when) == []


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (
            {"optimizer.lrr": 0.1},
            "reference.rows.0.when.optimizer.lrr: is no value of this study's configurations; did",
        ),
        (
            {"trainer.epoch": None},
            "reference.rows.0.when.trainer.epoch: is no value of this study's configurations; did",
        ),
        (
            {"trainer.batch_size": 32},
            "reference.rows.0.when.trainer.batch_size: no point of the search space has this value: one of 8, 16 "
            "(given: 32)",
        ),
        (
            {"trainer.epochs": 20},
            "reference.rows.0.when.trainer.epochs: no point of the search space has this value: it is always 3 "
            "(given: 20)",
        ),
        (
            {"model.filters": 20},
            "reference.rows.0.when.model.filters: no point of the search space has this value: int 8 to 32, step 8 "
            "(given: 20)",
        ),
        ({"model.filters": True}, "reference.rows.0.when.model.filters: no point of the search space has this value"),
        ({"model.head": [40, 33]}, "reference.rows.0.when.model.head: no point of the search space has this value"),
        (
            {"optimizer.name": "sgd", "optimizer.lr": 0.001},
            "reference.rows.0.when: no point of the search space has all these values together",
        ),
    ],
)
def test_rows_that_no_trial_can_match(when: dict[str, Any], expected: str) -> None:
    found = mistakes(when)

    assert len(found) == 1
    assert found[0].startswith(expected)


def test_what_the_original_found_in_its_weights_must_be_about_trials_that_there_can_be() -> None:
    claims = [
        {"text": "all of them"},
        {"text": "two", "when": [{"trainer.batch_size": 8}, {"trainer.batch_size": 32}]},
        {"text": "none", "when": [{"optimizer.lrr": 1}], "about": "gamma", "trend": "grows"},
    ]
    found = reference_problems(study(**SPACE, reference={"rows": [ROW], "weights": claims}))
    assert [problem.path for problem in found] == [
        "reference.weights.1.when.1.trainer.batch_size",
        "reference.weights.2.when.0.optimizer.lrr",
    ]


def test_a_study_file_with_an_impossible_row_is_refused_unless_its_space_was_narrowed() -> None:
    document = {
        "name": "small",
        "data": {"name": "digits"},
        "trainer": {"batch_size": {"choices": [8, 16]}},
        "reference": {"rows": [{"when": {"trainer.batch_size": 16}, **ROW}]},
    }

    with pytest.raises(SpecError, match="batch_size: no point"):
        load_study_file({**document, "trainer": {"batch_size": 8}})
    spec = load_study_file(document, {"trainer.batch_size": 8, "data.dir": "data"})
    assert load_study_file(spec).document == spec.document
    with pytest.raises(SpecError, match="batch_size: no point"):
        load_study_file({**document, "trainer": {"batch_size": 8}}, {"data.dir": "data", "budget.trials": 1})


@pytest.mark.parametrize(
    ("when", "params", "expected"),
    [
        ({}, {}, True),
        ({"a": 0.1}, {"a": 0.1 + 1e-17}, True),
        ({"a": 0.3}, {"a": 0.1 + 0.2}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": True}, True),
        ({"a": "x"}, {"a": "x"}, True),
        ({"a": "x"}, {"a": 1}, False),
        ({"a": 0.1}, {"a": 0.2}, False),
        ({"a": 0.1, "b": 2}, {"a": 0.1, "b": 3}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {"a.rotation": 5}, False),
        ({"a": None}, {"a": 0}, False),
        ({"a": 1}, {}, False),
        ({"a": [8, 4]}, {"a": "[8, 4]"}, True),
        ({"a": [8, 4]}, {"a": (8, 4)}, True),
        ({"a": [8, 4]}, {"a": "[8]"}, False),
        ({"a": [8, 4]}, {"a": "8, 4"}, False),
        ({"a.1": 4}, {"a": "[8, 4]"}, True),
        ({"a.1": 4}, {"a": "[8]"}, False),
        ({"a.0": 4}, {"a.0": 4, "a": "[8]"}, True),
    ],
)
def test_which_params_match(when: dict[str, Any], params: dict[str, Any], expected: bool) -> None:
    assert row_matches(when, params) is expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({}, "reference.rows: is missing"),
        ({"rows": []}, "reference.rows: needs a list with at least 1 entry (given: [])"),
        ({"rows": [{}]}, "reference.rows.0.values: is missing"),
        ({"rows": [{**ROW, "wehn": {}}]}, "reference.rows.0.wehn: unknown key; did you mean when? (given: {})"),
        (
            {"rows": [{"values": {"best/validation/acuracy": 0.9}}]},
            "reference.rows.0: values: best/validation/acuracy is no metric; did you mean best/validation/accuracy?",
        ),
        (
            {"rows": [{"values": {"best/validation/accuracy": 92.0}}]},
            "reference.rows.0: values: best/validation/accuracy is a fraction from 0 to 1, so 97 % is 0.97; given: 92",
        ),
        (
            {"rows": [ROW], "weights": [{"text": "x", "trend": "up"}]},
            'reference.weights.0.trend: must be one of grows, shrinks (given: "up")',
        ),
        ({"images": 0, "rows": [ROW]}, "reference.images: must be at least 1 (given: 0)"),
        (
            {
                "table": {"rows": "optimizer.lr", "columns": "trainer.epochs"},
                "rows": [{"when": {"optimizer.lr": 1}, **ROW}],
            },
            "reference: table: trainer.epochs must stand in the `when` of every row; missing in 0",
        ),
    ],
)
def test_mistakes_of_form(reference: dict[str, Any], expected: str) -> None:
    assert lines(reference=reference) == [expected]


def test_the_reference_changes_no_trial() -> None:
    plain, compared = study(**SPACE), study(**SPACE, reference={"rows": [ROW]})

    assert compared.fingerprint == plain.fingerprint
    assert compared.space == plain.space
    assert compared.head.reference is not None
    assert compared.head.reference.metrics == ("best/validation/accuracy",)
