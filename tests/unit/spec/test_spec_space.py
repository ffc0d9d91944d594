"""Names, resolving, corners, sizes and samples of a search space."""

from __future__ import annotations

import random

import pytest
from spec_helpers import FULL, SMALL, names, parameter, study

from tunetrack.spec import Parameter, load_study, trial_params
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.loading import read_yaml

TWO_RATES = [
    {"name": "adam", "lr": {"low": 0.1, "high": 0.2}},
    {"name": "sgd", "lr": {"low": 0.1, "high": 0.3}, "momentum": {"low": 0, "high": 0.9}},
]


def test_names_of_the_first_page() -> None:
    assert names(load_study(read_yaml(FULL)).space) == [
        "model.filters",
        "model.kernel_size",
        "model.num_layers",
        "optimizer.name",
        "optimizer[adam].lr",
        "optimizer[adamw].lr",
        "optimizer.weight_decay",
        "optimizer[sgd].lr",
        "optimizer.momentum",
        "trainer.batch_size",
    ]


def test_branches_with_the_same_range_share_a_parameter() -> None:
    rate = {"low": 0.1, "high": 0.2}
    spec = study(optimizer={"one_of": [{"name": "adam", "lr": rate}, {"name": "sgd", "lr": dict(rate)}]})

    assert names(spec.space) == ["optimizer.name", "optimizer.lr"]


def test_branches_with_different_ranges_are_told_apart_and_keep_the_path() -> None:
    spec = study(optimizer={"one_of": TWO_RATES})

    assert names(spec.space) == ["optimizer.name", "optimizer[adam].lr", "optimizer[sgd].lr", "optimizer.momentum"]
    assert parameter(spec, "optimizer[sgd].lr").path == "optimizer.lr"


def test_branches_without_names_of_their_own_are_numbered() -> None:
    spec = study(trainer={"early_stopping": {"one_of": [None, {"patience": {"low": 1, "high": 3}}]}})

    assert names(spec.space) == ["trainer.early_stopping", "trainer.early_stopping.patience"]
    assert parameter(spec, "trainer.early_stopping").domain == CategoricalDomain((None, "option 2"))
    assert spec.space.values({"trainer.early_stopping": None})["trainer"] == {"early_stopping": None}


def test_a_choice_directly_in_a_branch_is_not_merged_with_the_branching() -> None:
    def pair(a: str, b: str) -> dict[str, object]:
        return {"one_of": [{"name": a, "lr": 0.1}, {"name": a, "lr": 0.2}, {"name": b}]}

    spec = study(optimizer={"one_of": [pair("adam", "sgd"), pair("adamw", "sgd"), {"name": "sgd"}]})

    assert names(spec.space) == ["optimizer", "optimizer[option 1]", "optimizer[option 2]"]
    assert spec.space.size == 7


def test_a_leaf_with_branches() -> None:
    spec = study(model={"filters": {"one_of": [{"low": 1, "high": 3}, {"choices": [7, 9]}, 20]}})

    assert names(spec.space) == ["model.filters", "model.filters[option 1]", "model.filters[option 2]"]
    assert spec.space.size == 6
    assert spec.space.values({"model.filters": 20})["model"] == {"filters": 20}


def test_resolve_asks_once_in_file_order_and_only_on_branches_taken() -> None:
    spec = study(optimizer={"one_of": TWO_RATES}, model={"filters": {"low": 1, "high": 2}})
    asked: list[str] = []

    def suggest(asked_for: Parameter) -> object:
        asked.append(asked_for.name)
        return {"optimizer.name": "sgd"}.get(asked_for.name, asked_for.domain.ends()[0])

    resolved = spec.space.resolve(suggest)

    assert asked == ["model.filters", "optimizer.name", "optimizer[sgd].lr", "optimizer.momentum"]
    assert resolved["optimizer"] == {"name": "sgd", "lr": 0.1, "momentum": 0.0}


def test_values_passes_over_branches_not_taken_and_wants_the_others() -> None:
    space = study(optimizer={"one_of": TWO_RATES}).space

    resolved = space.values({"optimizer.name": "adam", "optimizer[adam].lr": 0.15, "optimizer.momentum": 0.5})

    assert resolved["optimizer"] == {"name": "adam", "lr": 0.15}
    with pytest.raises(KeyError):
        space.values({"optimizer.name": "sgd"})
    with pytest.raises(KeyError):
        space.values({"optimizer.name": "rmsprop"})


def test_corners_visit_each_end_in_each_branch() -> None:
    space = study(optimizer={"one_of": TWO_RATES}, model={"filters": {"low": 1, "high": 2}}).space

    seen = [(p.name, resolved["optimizer"], resolved["model"]["filters"]) for p, resolved in space.corners()]

    adam, sgd = {"name": "adam", "lr": 0.1}, {"name": "sgd", "lr": 0.1, "momentum": 0.0}
    assert seen == [
        ("model.filters", adam, 1),
        ("model.filters", adam, 2),
        ("optimizer.name", adam, 1),
        ("optimizer.name", sgd, 1),
        ("optimizer[adam].lr", adam, 1),
        ("optimizer[adam].lr", {**adam, "lr": 0.2}, 1),
        ("optimizer[sgd].lr", sgd, 1),
        ("optimizer[sgd].lr", {**sgd, "lr": 0.3}, 1),
        ("optimizer.momentum", sgd, 1),
        ("optimizer.momentum", {**sgd, "momentum": 0.9}, 1),
    ]


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ({}, 1),
        ({"filters": {"low": 16, "high": 128, "step": 8}}, 15),
        ({"filters": {"low": 3, "high": 3}}, 1),
        ({"filters": {"choices": [1, 2]}, "kernel_size": {"low": 1, "high": 5}}, 10),
        ({"conv_dropout": {"low": 0.0, "high": 0.5, "step": 0.1}}, 6),
        ({"conv_dropout": {"low": 0.5, "high": 0.5}}, 1),
        ({"conv_dropout": {"low": 0.0, "high": 0.5}}, None),
        ({"one_of": [{"filters": {"low": 1, "high": 3}}, {"kernel_size": {"low": 2, "high": 5}}]}, 7),
        ({"one_of": [{"filters": 3}, {"conv_dropout": {"low": 0, "high": 0.1}}]}, None),
    ],
)
def test_size(model: dict[str, object], size: int | None) -> None:
    assert study(model=model).space.size == size


def test_samples_are_the_same_for_the_same_seed_only() -> None:
    spec = load_study(read_yaml(FULL))

    assert spec.sample(3) == spec.sample(3)
    assert len({str(spec.sample(seed)) for seed in range(20)}) == 20


def test_ints_stay_ints_and_keep_their_step() -> None:
    spec = study(
        model={"filters": {"low": 16, "high": 128, "step": 8}, "num_layers": {"low": 1, "high": 8, "log": True}}
    )

    for seed in range(200):
        model = spec.sample(seed)["model"]
        assert type(model["filters"]) is int
        assert model["filters"] in range(16, 129, 8)
        assert type(model["num_layers"]) is int
        assert 1 <= model["num_layers"] <= 8


def test_a_range_written_with_ints_on_a_float_is_continuous() -> None:
    spec = study(
        model={"conv_dropout": {"choices": [0]}},
        data={"name": "digits", "augment": {"rotation": {"low": 0, "high": 1}}},
    )

    assert parameter(spec, "data.augment.rotation").domain == FloatDomain(0.0, 1.0)
    assert len({spec.sample(seed)["data"]["augment"]["rotation"] for seed in range(50)}) == 50
    assert spec.config(spec.sample(0)).model.conv_dropout == 0.0


def test_step_ends_exactly_on_high() -> None:
    domain = FloatDomain(0.0, 0.3, 0.1)

    assert max(domain.sample(random.Random(seed)) for seed in range(50)) == 0.3


@pytest.mark.parametrize(
    ("choices", "labels"),
    [
        ([[], [128], [128, 64]], ("[]", "[128]", "[128, 64]")),
        ([None, 0.5], (None, 0.5)),
        ([True, False], (True, False)),
        ([{"b": 1, "a": 2}], ('{"a": 2, "b": 1}',)),
    ],
)
def test_labels_are_scalars(choices: list[object], labels: tuple[object, ...]) -> None:
    domain = CategoricalDomain(tuple(choices))

    assert domain.labels == labels
    assert [domain.from_label(label) for label in domain.labels] == choices


def test_list_choices_come_back_as_lists() -> None:
    spec = study(model={"head": {"choices": [[], [128, 64]]}})

    assert spec.space.values({"model.head": "[128, 64]"})["model"]["head"] == [128, 64]
    assert spec.config(spec.space.values({"model.head": "[128, 64]"})).model.head == (128, 64)


def test_true_and_one_are_told_apart() -> None:
    domain = CategoricalDomain((1, True, 0.5))

    assert domain.from_label(True) is True
    assert type(domain.from_label(1)) is int
    with pytest.raises(KeyError):
        domain.from_label(1.0)
    with pytest.raises(KeyError):
        domain.from_label("1")


def test_domains_in_words() -> None:
    assert FloatDomain(1e-5, 0.1, log=True).describe() == "float 1e-05 to 0.1, log"
    assert IntDomain(16, 128, 8).describe() == "int 16 to 128, step 8"
    assert CategoricalDomain(("a", None, [1])).describe() == 'one of "a", null, [1]'


def test_name_as_choices_searches_the_kind_of_optimizer() -> None:
    spec = study(optimizer={"name": {"choices": ["adam", "adamw"]}, "lr": {"low": 0.1, "high": 0.2}})

    assert names(spec.space) == ["optimizer.name", "optimizer.lr"]
    assert not spec.has_branches
    assert spec.categorical_parameters() == ("optimizer.name",)
    assert spec.continuous_parameters() == ("optimizer.lr",)


def test_the_spec_does_not_share_data_with_its_source() -> None:
    source = {**SMALL, "model": {"filters": 3}}
    spec = load_study(source)
    source["model"]["filters"] = 5

    assert spec.document["model"] == {"filters": 3}


def test_a_choice_among_sections_without_names_is_told_by_what_they_say() -> None:
    branches = [{"rotation": 0.0}, {"rotation": 30.0, "validation": True}]
    spec = load_study({"name": "x", "data": {"name": "digits", "augment": {"one_of": branches}}})
    params = [trial_params(spec.config(corner), spec.searched_paths) for _, corner in spec.space.corners()]
    assert [one["data.augment"] for one in params] == ["nothing", "rotation=30.0 validation=True"]
    assert [one["data.augment.rotation"] for one in params] == [0.0, 30.0]
