"""Every class of mistake in a study file: its exact path and the words that a user reads."""

from __future__ import annotations

from typing import Any

import pytest
from spec_helpers import lines, problems, study

from tunetrack.errors import SpecError
from tunetrack.spec import load_study
from tunetrack.spec.annotations import SYNONYMS
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.flatten import flatten
from tunetrack.spec.study import StudyHead

FORMS = "a searched value is {low, high[, step][, log]}, {choices: [...]} or {one_of: [...]}"
RATE = {"low": 0.001, "high": 0.1}
TWO = [{"metric": "validation/accuracy"}, {"metric": "model/parameters"}]
OPTUNA = "tpe, random, gp, cmaes, qmc, nsgaii, grid, brute_force"


def at(path: str, value: Any) -> dict[str, Any]:
    """Sections with one value at a dotted path."""
    head, _, rest = path.partition(".")
    section = at(rest, value) if rest else value
    return {head: {"name": "digits", **section} if head == "data" else section}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # unknown keys
        ("modle", {}, "unknown section; did you mean model?"),
        ("dataset", {}, "unknown section; did you mean data?"),
        ("model.filtres", 3, "unknown key; did you mean filters? (given: 3)"),
        ("model.FILTERS", {"low": 1, "high": 0}, 'unknown key; did you mean filters? (given: {"low": 1, "high": 0})'),
        ("budget.n_trials", 3, "unknown key; did you mean trials? (given: 3)"),
        (
            "trainer.early_stopping.wait",
            3,
            "unknown key; allowed: metric, min_delta, patience, restore_best (given: 3)",
        ),
        # wrong types
        ("trainer.epochs", "10", 'must be a whole number; remove the quotes (given: "10")'),
        ("trainer.epochs", 10.0, "must be a whole number; write 10 (given: 10.0)"),
        ("trainer.epochs", 1.5, "must be a whole number (given: 1.5)"),
        ("trainer.epochs", True, "must be a whole number (given: true)"),
        ("trainer.epochs", None, "must be a whole number (given: null)"),
        ("model.conv_dropout", "much", 'must be a number (given: "much")'),
        ("model.conv_dropout", float("nan"), "must be a finite number (given: NaN)"),
        ("trainer.compile", "yes", 'must be true or false; write true (given: "yes")'),
        ("trainer.compile", 1, "must be true or false (given: 1)"),
        ("model.head", 128, "must be a list, such as [128, 64] (given: 128)"),
        ("model.head", [128, "64"], None),
        ("description", 3, "must be text; put it in quotes (given: 3)"),
        ("model", None, "is empty; give it keys, or delete the line to have the defaults (given: null)"),
        (
            "sampler",
            "tpe",
            'must be a section with keys such as engine, name, seed; did you mean {name: tpe}? (given: "tpe")',
        ),
        # limits
        ("trainer.epochs", 0, "must be at least 1 (given: 0)"),
        ("model.conv_dropout", 1, "must be less than 1 (given: 1)"),
        ("model.filters", 5000, "must be at most 4096 (given: 5000)"),
        ("trainer.clip_grad_norm", 0, "must be greater than 0 (given: 0)"),
        ("trainer.seed", 2**32, "must be less than 4294967296 (given: 4294967296)"),
        ("trainer.repeat", 0, "must be at least 1 (given: 0)"),
        ("trainer.micro_batch", 0, "must be at least 1 (given: 0)"),
        ("trainer.steps_per_epoch", {"low": 0, "high": 9}, None),
        ("name", "my study", 'must be 1 to 100 letters, digits, _ . or -, a letter or digit first (given: "my study")'),
        # words
        ("data.name", "fashion-mnist", None),
        ("model.pooling", "maxx", 'must be one of max, average, none; did you mean max? (given: "maxx")'),
        ("model.name", "resnet_50", None),
        ("pruner.name", "hyperbnd", None),
        # ranges
        ("model.filters", {"low": 5, "high": 3}, 'low is greater than high; swap them (given: {"low": 5, "high": 3})'),
        ("model.filters", {"low": 5}, 'a range needs low and high; high is missing (given: {"low": 5})'),
        (
            "model.filters",
            {"min": 1, "max": 3},
            FORMS + '; did you mean low for min and high for max? (given: {"min": 1, "max": 3})',
        ),
        (
            "model.filters",
            {"low": 1, "hihg": 3},
            FORMS + '; did you mean high for hihg? (given: {"low": 1, "hihg": 3})',
        ),
        ("model.filters", {"values": [1]}, FORMS + '; did you mean choices for values? (given: {"values": [1]})'),
        ("model.filters", {}, FORMS + " (given: {})"),
        ("model.filters", {"low": 1, "high": 9, "sigma": 1}, FORMS + ' (given: {"low": 1, "high": 9, "sigma": 1})'),
        ("model.filters", {"low": "1", "high": 3}, 'low must be a finite number (given: {"low": "1", "high": 3})'),
        ("model.filters", {"low": True, "high": 3}, 'low must be a finite number (given: {"low": true, "high": 3})'),
        (
            "model.filters",
            {"low": 1, "high": 1e3},
            'high must be a whole number; write 1000 (given: {"low": 1, "high": 1000.0})',
        ),
        (
            "model.filters",
            {"low": 1, "high": 3, "step": 0.5},
            'step must be a whole number (given: {"low": 1, "high": 3, "step": 0.5})',
        ),
        (
            "model.filters",
            {"low": 1, "high": 3, "step": 0},
            'step must be greater than 0 (given: {"low": 1, "high": 3, "step": 0})',
        ),
        (
            "model.filters",
            {"low": 1, "high": 3, "log": "yes"},
            'log must be true or false (given: {"low": 1, "high": 3, "log": "yes"})',
        ),
        ("model.filters", {"low": 1, "high": 3, "step": 1, "log": True}, None),
        (
            "model.filters",
            {"low": 0, "high": 3, "log": True},
            'a log range needs low > 0 (given: {"low": 0, "high": 3, "log": true})',
        ),
        (
            "model.filters",
            {"low": 8, "high": 20, "step": 8},
            'step does not divide the range: use high: 16 or high: 24 (given: {"low": 8, "high": 20, "step": 8})',
        ),
        ("model.filters", {"low": 0, "high": 3}, "must be at least 1 (given: low: 0)"),
        ("model.conv_dropout", {"low": 0, "high": 1}, "must be less than 1 (given: high: 1.0)"),
        ("trainer.seed", {"low": 0, "high": 10**400}, None),
        (
            "data.channels",
            {"low": 1, "high": 3},
            'takes no range; list the values: choices: [1, 3] (given: {"low": 1, "high": 3})',
        ),
        (
            "trainer.compile",
            {"low": 0, "high": 1},
            'takes no range; list the values: choices: [...] (given: {"low": 0, "high": 1})',
        ),
        # choices and branches
        ("model.filters", {"choices": []}, "choices needs a list with at least one entry (given: [])"),
        ("model.filters", {"choices": 3}, "choices needs a list with at least one entry (given: 3)"),
        ("model.filters", {"choices": None}, "choices needs a list with at least one entry (given: null)"),
        ("model.filters", {"one_of": {}}, "one_of needs a list with at least one entry (given: {})"),
        ("model.filters", {"choices": [8, 16, 8]}, "choices holds the same entry twice: 8 (given: [8, 16, 8])"),
        ("model.conv_dropout", {"choices": [0, 0.0]}, "choices holds the same entry twice: 0.0 (given: [0, 0.0])"),
        ("model.filters", {"choices": [float("nan")]}, "choices holds .nan, which is no number (given: [NaN])"),
        ("model.filters", {"one_of": [1, float("nan")]}, "one_of holds .nan, which is no number (given: [1, NaN])"),
        ("model.filters", {"choices": [1, True]}, "must be a whole number (given: true)"),
        (
            "model.filters",
            {"choices": [8], "low": 3},
            'choices stands alone; drop: low (given: {"choices": [8], "low": 3})',
        ),
        ("optimizer", {"one_of": [{"name": "adam"}], "lr": 1}, None),
        ("model.filters", {"choices": [{"low": 1, "high": 2}]}, None),
        ("model.filters", {"choices": [8, 0]}, "must be at least 1 (given: 0)"),
        (
            "model.pooling",
            {"choices": ["max", "maxx"]},
            'must be one of max, average, none; did you mean max? (given: "maxx")',
        ),
        (
            "optimizer",
            {"oneof": [{"name": "adam"}]},
            FORMS + '; did you mean one_of for oneof? (given: {"oneof": [{"name": "adam"}]})',
        ),
        # unions
        (
            "optimizer",
            "adam",
            'must be a section with keys such as name, lr, weight_decay; did you mean {name: adam}? (given: "adam")',
        ),
        # budget
        ("budget", {}, "needs trials, seconds or device_seconds"),
        ("budget.trials", 0, "must be at least 1 (given: 0)"),
        ("budget.seconds", 0, "must be greater than 0 (given: 0)"),
        # objective
        ("objective", [], "needs a list with at least 1 entry (given: [])"),
        ("objective.metrik", "x", 'unknown key; did you mean metric? (given: "x")'),
        ("objective.direction", "max", None),
        # samplers
        ("sampler.name", "tpee", f'must be one of {OPTUNA} for optuna; did you mean tpe? (given: "tpee")'),
        (
            "sampler.name",
            "atpe",
            f'must be one of {OPTUNA} for optuna; atpe belongs to engine: hyperopt (given: "atpe")',
        ),
        ("sampler.engine", "optunna", 'must be one of optuna, hyperopt; did you mean optuna? (given: "optunna")'),
    ],
)
def test_one_mistake_is_one_line_with_its_path(path: str, value: Any, message: str | None) -> None:
    (problem,) = problems(**at(path, value))

    assert problem.path == (path if value != [128, "64"] else "model.head.1")
    if message is not None:
        assert str(problem) == f"{path}: {message}"
    for raw_wording in ("Input", "Tuple", "String", "Value error", "BROKEN", "object at"):
        assert raw_wording not in str(problem)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"optimizer": {"lr": 0.1}}, "optimizer.name: is missing; allowed: adam, adamw, sgd"),
        (
            {"optimizer": {"name": "adm", "lr": 0.1}},
            'optimizer.name: must be one of adam, adamw, sgd; did you mean adam? (given: "adm")',
        ),
        (
            {"optimizer": {"name": "adam", "momentum": 0.9}},
            "optimizer.momentum: unknown key; allowed: beta1, beta2, eps, lr, name, weight_decay (given: 0.9)",
        ),
        (
            {"optimizer": {"one_of": [{"name": "adam", "lr": 1}, {"name": "adam", "lr": 1}]}},
            'optimizer: one_of holds the same entry twice: {"name": "adam", "lr": 1}'
            ' (given: [{"name": "adam", "lr": 1}, {"name": "adam", "lr": 1}])',
        ),
        (
            {"optimizer": {"name": "sgd", "nesterov": True}},
            "optimizer: nesterov needs a momentum greater than 0",
        ),
        ({"data": {"name": "image_folder"}}, None),
        ({"data": {}}, None),
        ({"data": None}, "data: is empty; give it keys (given: null)"),
        (
            {"data": "digits"},
            "data: must be a section with keys such as name, dir, image_size; did you mean {name: digits}? "
            '(given: "digits")',
        ),
        (
            {"objective": {"metric": "validation/acuracy"}},
            "objective.metric: must be one of validation/accuracy, validation/loss, train/accuracy, train/loss, "
            "best/validation/accuracy, best/validation/loss, model/parameters, model/flops, "
            "model/memory_mb, model/latency_ms, train_seconds; "
            'did you mean validation/accuracy? (given: "validation/acuracy")',
        ),
        (
            {"objective": [{"metric": "train/loss"}, {"metric": "x"}]},
            None,
        ),
        (
            {"objective": "validation/loss"},
            "objective: must be a section with keys such as metric, direction; did you mean {metric: validation/loss}? "
            '(given: "validation/loss")',
        ),
        (
            {"model": {"head": [3, {"low": 0, "high": 3}]}},
            "model.head.1: must be at least 1 (given: low: 0)",
        ),
        (
            {"model": {"head": [3, {"min": 1, "high": 3}]}},
            "model.head.1: a searched value is {low, high[, step][, log]}, {choices: [...]} or {one_of: [...]}; "
            'did you mean low for min? (given: {"min": 1, "high": 3})',
        ),
        (
            {"model": {"head": [3, {"width": 1}]}},
            "model.head.1: a searched value is {low, high[, step][, log]}, {choices: [...]} or {one_of: [...]} "
            '(given: {"width": 1})',
        ),
        (
            {"model": {"head": {"choices": [[{"width": 1}]]}}},
            'model.head.0: must be a plain value here (given: {"width": 1})',
        ),
        # contradictions
        ({"pruner": {"control": 0.1}}, "pruner: control needs a pruner: name one, or take control away"),
        (
            {"objective": TWO, "pruner": {"name": "median"}},
            'pruner.name: pruning needs a single objective; use none (given: "median")',
        ),
        (
            {"objective": TWO, "sampler": {"engine": "hyperopt"}},
            'sampler.engine: hyperopt knows a single objective only; use optuna (given: "hyperopt")',
        ),
        (
            {"objective": TWO, "sampler": {"name": "cmaes"}},
            'sampler.name: cmaes knows a single objective only; use tpe, gp or nsgaii (given: "cmaes")',
        ),
        ({"objective": [TWO[0], TWO[0]]}, "objective: names the same metric twice: validation/accuracy"),
        (
            {"optimizer": {"name": "adam", "lr": RATE}, "sampler": {"name": "grid"}},
            "sampler.name: grid needs finite ranges: give optimizer.lr a step or choices, or use another sampler "
            '(given: "grid")',
        ),
        (
            {"optimizer": {"one_of": [{"name": "adam"}, {"name": "sgd"}]}, "sampler": {"name": "grid"}},
            'sampler.name: grid cannot walk one_of branches; brute_force can (given: "grid")',
        ),
    ],
)
def test_one_mistake_in_the_whole(sections: dict[str, Any], expected: str | None) -> None:
    found = lines(**sections)

    assert len(found) == 1
    if expected is not None:
        assert found == [expected]


def test_missing_sections() -> None:
    with pytest.raises(SpecError) as caught:
        load_study({})

    assert str(caught.value) == (
        "2 problems\n  - name: is missing\n  - data: is missing; the shortest is data: {name: digits}"
    )


def test_all_mistakes_are_reported_in_one_go() -> None:
    found = problems(
        colour="red",
        name="a b",
        model={"filters": {"low": 5, "high": 3}, "filtres": 1, "num_layers": 0},
        optimizer={
            "one_of": [{"name": "adam", "lr": {"low": 0, "high": 1, "log": True}}, {"name": "sgd", "momentum": 1}]
        },
        trainer={"epochs": {"choices": []}, "batch_size": "64"},
        sampler={"name": "tpee"},
        budget={"trials": 0},
    )

    assert sorted(problem.path for problem in found) == [
        "budget.trials",
        "colour",
        "model.filters",
        "model.filtres",
        "model.num_layers",
        "name",
        "optimizer.lr",
        "optimizer.momentum",
        "sampler.name",
        "trainer.batch_size",
        "trainer.epochs",
    ]


def test_contradictions_are_reported_with_the_other_mistakes() -> None:
    found = problems(objective=TWO, pruner={"name": "median"}, trainer={"epochs": 0})

    assert {problem.path for problem in found} == {"pruner.name", "trainer.epochs"}


def test_a_mistake_in_a_later_branch_is_found() -> None:
    (problem,) = problems(
        optimizer={"one_of": [{"name": "adam"}, {"name": "sgd", "lr": {"one_of": [0.1, {"low": 0.0, "high": 0.1}]}}]}
    )

    assert str(problem) == "optimizer.lr: must be greater than 0 (given: low: 0.0)"


def test_brute_force_walks_branches() -> None:
    assert study(
        optimizer={"one_of": [{"name": "adam"}, {"name": "sgd"}]}, sampler={"name": "brute_force"}
    ).has_branches


def test_synonyms_lead_to_keys_that_exist() -> None:
    trial = {path.rpartition(".")[2] for path in flatten(TrialConfig(data={"name": "digits"}).document())}
    known = trial | set(StudyHead.model_fields) | set(TrialConfig.model_fields) | {"trials", "seconds"}

    assert set(SYNONYMS.values()) <= known
