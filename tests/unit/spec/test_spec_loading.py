"""Files, YAML, mappings and overrides: how a document comes in."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spec_helpers import FULL, SMALL, document, lines, names, parameter, problems, study

from tunetrack.errors import SpecError
from tunetrack.spec import load_config, load_study, parse_override
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.loading import read_yaml
from tunetrack.spec.study import PrunerConfig

BRANCHES = {
    "one_of": [
        {"name": "adam", "lr": {"low": 0.1, "high": 0.2}},
        {"name": "sgd", "lr": {"low": 0.1, "high": 0.3}, "momentum": 0.5},
    ]
}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "study.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def message_for(source: Any) -> str:
    with pytest.raises(SpecError) as caught:
        load_study(source)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_file_and_the_same_mapping_give_the_same_study(tmp_path: Path) -> None:
    from_file, from_mapping = load_study(written(tmp_path, FULL)), load_study(read_yaml(FULL))

    assert from_file == from_mapping
    assert from_file.fingerprint == from_mapping.fingerprint
    assert load_study(str(tmp_path / "study.yaml")) == from_file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: a\ndata: {name: digits}\nname: b\n", 'a key stands twice at line 3, column 1: "name"'),
        ("name: a\nmodel:\n  filters: 1\n  filters: 2\n", 'a key stands twice at line 4, column 3: "filters"'),
        ("name: [a\n", "is not valid YAML at line 2, column 1: "),
        ("name: a\n---\nname: b\n", "is not valid YAML"),
        ("name: a\x00", "is not valid YAML: "),
        ("name: 2024-13-45", "is not valid YAML: "),
        ("- a\n- b\n", "a study file is a mapping with sections such as name, data, model"),
        ("", "a study file is a mapping with sections such as name, data, model; this one is empty"),
        (b"name: \xff\xfe", "is not UTF-8 text"),
        ("name: a\ndata: {name: digits}\nmodel: {filters: 2024-01-01}", "model.filters: is a date, not text, number"),
        ("name: a\ndata: {name: digits}\nmodel: {1: 2}", "model.1: a key must be text; put it in quotes"),
        ("name: a\ndata: &d {name: digits, dir: *d}", "data.dir: contains itself"),
    ],
)
def test_files_that_cannot_be_studies(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = written(tmp_path, content)

    assert message_for(path).startswith(f"{path}: {expected}")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert message_for(tmp_path / "no.yaml") == f"{tmp_path / 'no.yaml'}: cannot be read: No such file or directory"
    assert message_for(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "name: a\ndata: {name: digits}\nmodel: {filters: 0}\n")

    assert message_for(path) == f"{path}: model.filters: must be at least 1 (given: 0)"


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "1E-3"])
def test_exponents_are_numbers(text: str) -> None:
    assert read_yaml(text) == 0.001


def test_yaml_anchors_do_not_tie_two_places_together(tmp_path: Path) -> None:
    rate = "{low: 0.1, high: 0.2}"
    path = written(tmp_path, f"name: a\ndata: {{name: digits}}\noptimizer: {{name: adam, lr: &r {rate}, eps: *r}}\n")

    spec = load_study(path, {"optimizer.lr.high": 0.5})

    assert parameter(spec, "optimizer.lr").domain == FloatDomain(0.1, 0.5)
    assert parameter(spec, "optimizer.eps").domain == FloatDomain(0.1, 0.2)


def test_python_values_become_plain_data() -> None:
    spec = study(model={"conv_dropout": np.float64(0.5), "head": {"choices": ((), (128,))}})

    assert type(spec.document["model"]["conv_dropout"]) is float
    assert parameter(spec, "model.head").domain == CategoricalDomain(([], [128]))


@pytest.mark.parametrize("value", [np.int64(3), datetime.date(2024, 1, 1), {1, 2}, object(), Path("a")])
def test_values_that_are_no_plain_data(value: object) -> None:
    (line,) = lines(model={"filters": {"choices": [1, value]}})

    assert line.startswith(f"model.filters.choices.1: is a {type(value).__name__}, not text, number")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.filters=64", ("model.filters", 64)),
        (" trainer.compile = true", ("trainer.compile", True)),
        ("optimizer.lr={low: 1e-3, high: 1, log: true}", ("optimizer.lr", {"low": 0.001, "high": 1, "log": True})),
        ("model.head=[128, 64]", ("model.head", [128, 64])),
        ("description=a=b", ("description", "a=b")),
        ("trainer.threads=", ("trainer.threads", None)),
    ],
)
def test_parse_override(text: str, expected: tuple[str, Any]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["model.filters", "=3", " =3"])
def test_parse_override_mistakes(text: str) -> None:
    with pytest.raises(SpecError, match=r"an override is PATH=VALUE, such as trainer\.epochs=3"):
        parse_override(text)


def test_parse_override_names_the_option_with_bad_yaml() -> None:
    with pytest.raises(SpecError, match=r"^--set model.head: is not valid YAML at line 1"):
        parse_override("model.head=[1")


def test_overrides_replace_create_and_search() -> None:
    spec = study(
        {
            "trainer.epochs": 3,
            "schedule": {"name": "cosine"},
            "model.filters": {"low": 8, "high": 16},
            "sampler.seed": 5,
        },
        model={"filters": 3},
    )

    assert spec.document["trainer"] == {"epochs": 3}
    assert spec.document["schedule"] == {"name": "cosine"}
    assert spec.head.sampler.seed == 5
    assert parameter(spec, "model.filters").domain == IntDomain(8, 16)


def test_overrides_reach_every_branch_that_has_the_key() -> None:
    spec = study({"optimizer.lr": 0.5, "optimizer.momentum": {"low": 0, "high": 0.9}}, optimizer=BRANCHES)

    assert names(spec.space) == ["optimizer.name", "optimizer.momentum"]
    assert spec.space.values({"optimizer.name": "adam"})["optimizer"] == {"name": "adam", "lr": 0.5}


def test_overriding_the_name_takes_that_branch() -> None:
    spec = study({"optimizer.name": "sgd"}, optimizer=BRANCHES)

    assert names(spec.space) == ["optimizer.lr"]
    assert spec.document["optimizer"]["name"] == "sgd"


def test_an_entry_of_a_list_is_set_by_its_number() -> None:
    branches = {"one_of": [[], [8], [8, {"low": 1, "high": 3}]]}
    spec = study({"model.head.1": 64}, model={"head": [{"low": 8, "high": 16, "step": 8}, 4]})
    branched = study({"model.head.0": {"choices": [16, 32]}}, model={"head": branches})

    assert spec.document["model"]["head"] == [{"low": 8, "high": 16, "step": 8}, 64]
    assert branched.document["model"]["head"]["one_of"] == [
        [],
        [{"choices": [16, 32]}],
        [{"choices": [16, 32]}, {"low": 1, "high": 3}],
    ]


def test_overrides_do_not_change_their_source() -> None:
    source = document(optimizer=BRANCHES)
    load_study(source, {"optimizer.lr": 0.5, "optimizer.name": "sgd"})

    assert source == document(optimizer=BRANCHES)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name.first", 1, 'name.first: cannot be set: name is a plain value (given: "small")'),
        ("data.name.x", 1, 'data.name.x: cannot be set: data.name is a plain value (given: "digits")'),
        ("model.head.1", 1, "model.head.1: cannot be set: model.head is a list; its entries: 0 to 0 (given: [3])"),
        ("model.head.a", 1, "model.head.a: cannot be set: model.head is a list; its entries: 0 to 0 (given: [3])"),
        ("model.head.0.x", 1, "model.head.0.x: cannot be set: model.head.0 is a plain value (given: 3)"),
        (
            "trainer.steps.0",
            1,
            "trainer.steps.0: cannot be set: the study file has no list trainer.steps; "
            "set it whole: trainer.steps=[64]",
        ),
        (
            "optimizer.beta1",
            0.5,
            "optimizer.beta1: cannot be set: no branch of the one_of has beta1; write it into the study file",
        ),
        (
            "optimizer.name",
            "sdg",
            'optimizer.name: must be one of the branches adam, sgd; did you mean sgd? (given: "sdg")',
        ),
        ("model..filters", 3, "model..filters: is no path; it looks like trainer.epochs"),
        ("modle.filters", 3, "modle: unknown section; did you mean model?"),
        ("model.filtres", 3, "model.filtres: unknown key; did you mean filters? (given: 3)"),
        ("model.filters", {1}, "model.filters: is a set, not text, number, true, false, null, list or mapping"),
    ],
)
def test_override_mistakes(path: str, value: Any, expected: str) -> None:
    assert lines({path: value}, optimizer=BRANCHES, model={"head": [3]}) == [expected]


def test_override_mistakes_come_with_all_others() -> None:
    found = problems({"name.x": 1, "data.name.x": 1}, trainer={"epochs": 0})

    assert [problem.path for problem in found] == ["name.x", "data.name.x", "trainer.epochs"]


def test_load_config_takes_values_only() -> None:
    config = load_config(
        document(model={"filters": {"low": 1, "high": 8}}, sampler="not looked at"), {"model.filters": 5}
    )

    assert config.model.filters == 5
    with pytest.raises(SpecError) as caught:
        load_config(document(model={"filters": {"low": 1, "high": 8}}))
    assert str(caught.value) == (
        "model.filters: one configuration has values only; set this one with --set (given: int 1 to 8)"
    )


def test_load_config_reports_all_mistakes() -> None:
    with pytest.raises(SpecError) as caught:
        load_config({"modle": {}, "trainer": {"epochs": 0}, "model": {"filters": {"low": 2, "high": 1}}})

    assert {problem.path for problem in caught.value.problems} == {"modle", "data", "trainer.epochs", "model.filters"}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"name": "other"}, True),
        ({"description": "more"}, True),
        ({"budget": {"trials": 99}}, True),
        ({"data": {"name": "digits", "dir": "elsewhere"}}, True),
        ({"data": {"name": "digits", "seed": 1}}, False),
        ({"model": {"filters": {"low": 1, "high": 3}}}, False),
        ({"objective": {"metric": "train/loss"}}, False),
        ({"sampler": {"seed": 1}}, False),
        ({"pruner": {"name": "median"}}, False),
    ],
)
def test_fingerprint(changed: dict[str, Any], same: bool) -> None:
    assert (study(**changed).fingerprint == load_study(SMALL).fingerprint) is same


def test_objective_directions() -> None:
    spec = study(
        objective=[
            {"metric": "validation/accuracy"},
            {"metric": "train_seconds"},
            {"metric": "train/loss", "direction": "maximize"},
        ]
    )

    assert [objective.maximize for objective in spec.objectives] == [True, False, True]
    assert study().objectives[0].metric == "validation/accuracy"


def test_options_of_sampler_and_pruner_pass_through() -> None:
    spec = study(
        sampler={"name": "tpe", "n_startup_trials": 5}, pruner={"name": "patient", "wrapped": {"name": "median"}}
    )

    assert spec.head.sampler.options == {"n_startup_trials": 5}
    assert spec.head.pruner.options == {"wrapped": {"name": "median"}}


def test_the_control_sample_is_a_share_of_all_trials_and_the_same_everywhere() -> None:
    def drawn(share: float, seed: int = 0) -> set[int]:
        pruner = PrunerConfig(name="median", control=share)
        return {number for number in range(2000) if pruner.is_control(seed, number)}

    assert (len(drawn(0.0)), len(drawn(1.0))) == (0, 2000)
    assert 70 < len(drawn(0.05)) < 130
    assert drawn(0.05) < drawn(0.2)
    assert drawn(0.05) != drawn(0.05, seed=1)
    assert sorted(drawn(0.05))[:3] == [6, 34, 83]  # nobody may draw other trials in a study that is resumed
