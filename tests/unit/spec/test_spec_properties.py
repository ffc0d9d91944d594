"""Properties that hold for every search space, over generated ones."""

from __future__ import annotations

import copy
import json
import random
import warnings
from typing import Any

import jsonschema
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tunetrack.spec import (
    Parameter,
    StudySpec,
    TrialConfig,
    config_key,
    flatten,
    load_study,
    study_schema,
    trial_params,
)
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain, label_of

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALIDATOR = jsonschema.Draft202012Validator(study_schema())

#: Documents are built from these places; each says what may stand there (kind, smallest, largest).
INTS = {"filters": (1, 64), "kernel_size": (1, 7), "num_layers": (1, 6), "convs_per_layer": (1, 3)}
FLOATS = {"conv_dropout": (0.0, 0.9), "head_dropout": (0.0, 0.9)}


@st.composite
def int_values(draw: st.DrawFn, low: int, high: int) -> Any:
    kind = draw(st.sampled_from(["value", "range", "step", "log", "choices", "one_of"]))
    if kind == "value":
        return draw(st.integers(low, high))
    if kind == "choices":
        return {"choices": draw(st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True))}
    if kind == "one_of":
        return {"one_of": [{"low": low, "high": draw(st.integers(low, high))}, {"choices": [high]}]}
    if kind == "step":
        step, count = draw(st.integers(1, 3)), draw(st.integers(0, (high - low) // 3))
        return {"low": low, "high": low + step * count, "step": step}
    first, last = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
    return {"low": first, "high": last} | ({"log": True} if kind == "log" else {})


@st.composite
def float_values(draw: st.DrawFn, low: float, high: float) -> Any:
    numbers = st.floats(low, high, allow_subnormal=False)
    kind = draw(st.sampled_from(["value", "range", "step", "log", "choices"]))
    if kind == "value":
        return draw(numbers)
    if kind == "choices":
        return {"choices": draw(st.lists(numbers, min_size=1, max_size=4, unique=True))}
    if kind == "step":
        return {"low": low, "high": high, "step": (high - low) / draw(st.integers(1, 9))}
    first, last = sorted(draw(st.tuples(numbers, numbers)))
    return {"low": first, "high": last} | ({"log": True} if kind == "log" and first > 0 else {})


def lists() -> st.SearchStrategy[list[Any]]:
    return st.lists(int_values(1, 64), min_size=1, max_size=3)


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    fields = {key: int_values(*ends) for key, ends in INTS.items()}
    fields |= {key: float_values(*ends) for key, ends in FLOATS.items()}
    fields["batch_norm"] = st.sampled_from([True, {"choices": [True, False]}])
    fields["head"] = st.one_of(
        st.sampled_from([[], [8], {"choices": [[], [8], [8, 4]]}]),
        lists(),
        st.lists(lists(), min_size=1, max_size=3, unique_by=json.dumps).map(_branches),
    )
    return draw(st.fixed_dictionaries({}, optional=fields))


@st.composite
def optimizers(draw: st.DrawFn) -> dict[str, Any]:
    def one(name: str) -> dict[str, Any]:
        fields = {"lr": float_values(1e-5, 1.0), "weight_decay": float_values(0.0, 0.5)}
        fields["momentum" if name == "sgd" else "beta1"] = float_values(0.0, 0.9)
        return {"name": name, **draw(st.fixed_dictionaries({}, optional=fields))}

    names = draw(st.lists(st.sampled_from(["adam", "adamw", "sgd"]), min_size=1, max_size=3, unique=True))
    return one(names[0]) if len(names) == 1 else {"one_of": [one(name) for name in names]}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    optional = {
        "model": st.one_of(models(), st.lists(models(), min_size=1, max_size=3, unique_by=json.dumps).map(_branches)),
        "optimizer": optimizers(),
        "trainer": st.fixed_dictionaries({"epochs": int_values(1, 9)}),
    }
    sections = draw(st.fixed_dictionaries({}, optional=optional))
    return {"name": "generated", "data": {"name": "digits"}, **sections}


def _branches(subtrees: list[dict[str, Any]]) -> dict[str, Any]:
    return {"one_of": subtrees}


def contains(parameter: Parameter, label: Any) -> bool:
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return any(label == own and type(label) is type(own) for own in domain.labels)
    if not domain.low <= label <= domain.high:
        return False
    if isinstance(domain, IntDomain):
        return type(label) is int and (label - domain.low) % domain.step == 0
    steps = (label - domain.low) / domain.step if domain.step else 0.0
    return type(label) is float and abs(steps - round(steps)) < 1e-6


def recorded(spec: StudySpec, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A random config, and the labels that it was made of."""
    rng, answers = random.Random(seed), {}

    def suggest(parameter: Parameter) -> Any:
        assert parameter.name not in answers, "asked twice"
        answers[parameter.name] = label_of(parameter.domain.sample(rng))
        return answers[parameter.name]

    return spec.space.resolve(suggest), answers


@SETTINGS
@given(documents(), st.integers(0, 2**32))
def test_samples_lie_in_their_domains_and_are_valid(document: dict[str, Any], seed: int) -> None:
    spec = load_study(document)
    resolved, answers = recorded(spec, seed)

    assert all(contains(p, answers[p.name]) for p in spec.space.parameters if p.name in answers)
    assert isinstance(spec.config(resolved), TrialConfig)
    assert spec.space.values(answers) == resolved
    assert spec.space.sample(random.Random(seed)) == resolved


@SETTINGS
@given(documents())
@example({"name": "generated", "data": {"name": "digits"}, "model": {"filters": 1, "head": {"one_of": [[1]]}}})
def test_corners_cover_each_end_of_each_parameter(document: dict[str, Any]) -> None:
    spec = load_study(document)
    ends_seen: dict[str, set[str]] = {}
    for parameter, resolved in spec.space.corners():
        here: Any = resolved
        for key in parameter.path.split("."):
            here = here[int(key)] if isinstance(here, list) else here[key]
        # A branch that is a list goes by its JSON text.
        ends_seen.setdefault(parameter.name, set()).add(json.dumps(label_of(here)))
        spec.config(resolved)

    for parameter in spec.space.parameters:
        if not is_plain(parameter):
            continue  # a branching at a place: the value there is that of the branch, not the label
        assert ends_seen[parameter.name] >= {json.dumps(label_of(end)) for end in parameter.domain.ends()}
    assert set(ends_seen) == {parameter.name for parameter in spec.space.parameters}


def is_plain(parameter: Parameter) -> bool:
    return not any(str(end).startswith("option ") for end in parameter.domain.ends())


@SETTINGS
@given(documents())
def test_a_document_loads_to_the_same_study_again(document: dict[str, Any]) -> None:
    given_document = copy.deepcopy(document)
    spec = load_study(document)
    again = load_study(json.loads(json.dumps(spec.document)))

    assert document == given_document
    assert again == spec
    assert again.fingerprint == spec.fingerprint
    assert again.space.parameters == spec.space.parameters
    assert again.space.size == spec.space.size


@SETTINGS
@given(documents())
def test_the_schema_accepts_what_loads(document: dict[str, Any]) -> None:
    load_study(document)

    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@SETTINGS
@given(documents())
def test_parameter_names_are_unique_and_a_finite_size_needs_finite_domains(document: dict[str, Any]) -> None:
    spec = load_study(document)
    names = [parameter.name for parameter in spec.space.parameters]

    assert len(set(names)) == len(names)
    assert (spec.space.size is None) == bool(spec.continuous_parameters())


def leaves(document: Any) -> int:
    return sum(map(leaves, document.values())) if isinstance(document, dict) else 1


@SETTINGS
@given(documents(), st.integers(0, 99))
def test_flatten_covers_every_leaf(document: dict[str, Any], seed: int) -> None:
    spec = load_study(document)
    config = spec.config(spec.sample(seed))
    flat = flatten(config.document())

    assert len(flat) == leaves(config.document())
    logged = {path: value for path, value in flat.items() if value is not None and not path.startswith("weights.")}
    assert trial_params(config) == logged
    for path, value in flat.items():
        here: Any = config.document()
        for key in path.split("."):
            here = here[key]
        assert value == label_of(here)


@SETTINGS
@given(documents(), st.integers(0, 99))
def test_searched_entries_of_lists_are_leaves_beside_the_list(document: dict[str, Any], seed: int) -> None:
    spec = load_study(document)
    resolved, answers = recorded(spec, seed)
    plain, flat = flatten(resolved), flatten(resolved, spec.searched_paths)
    added = {path: value for path, value in flat.items() if path not in plain}
    entries = {path: value for path, value in added.items() if path.rpartition(".")[2].isdecimal()}

    assert flat == plain | added
    for path in added.keys() - entries.keys():  # a choice among sections is told beside its parts
        assert added[path] == "nothing" or any(other.startswith(f"{path}.") for other in plain), path
    assert trial_params(spec.config(resolved), spec.searched_paths).items() >= entries.items()
    for parameter in spec.space.parameters:
        if parameter.name in answers and is_plain(parameter) and parameter.path in entries:
            assert entries[parameter.path] == answers[parameter.name]
    for path, value in entries.items():
        section, key, index = path.split(".")
        assert (section, key) == ("model", "head")
        assert resolved[section][key][int(index)] == value


@SETTINGS
@given(documents(), st.integers(0, 99))
def test_config_key_ignores_where_the_data_are_what_is_measured_and_nothing_else(
    document: dict[str, Any], seed: int
) -> None:
    spec = load_study(document)
    config = spec.config(spec.sample(seed))
    key = config_key(config)

    for path in flatten(config.document()):
        changed = with_another_value(config, path.split("."))
        with warnings.catch_warnings(action="ignore"):  # pydantic sees the odd value when it is written out
            ignored = path in ("data.dir", "data.cache_dir") or path.startswith("weights.")
            assert (config_key(changed) == key) is ignored, path
    assert config_key(TrialConfig.model_validate(config.document())) == key


def with_another_value(node: Any, keys: list[str]) -> Any:
    """A copy whose leaf has a value that no config has; copies are not validated, so any value will do."""
    if not keys:
        return "something else"
    return node.model_copy(update={keys[0]: with_another_value(getattr(node, keys[0]), keys[1:])})


@SETTINGS
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 50), st.integers(0, 2**32))
def test_float_domains(one: float, other: float, steps: int, seed: int) -> None:
    low, high = sorted((one, other))
    rng = random.Random(seed)
    for domain in (
        FloatDomain(low, high),
        FloatDomain(low, high, log=True),
        FloatDomain(low, high, (high - low) / steps or None),
    ):
        assert all(low <= domain.sample(rng) <= high for _ in range(20))


@SETTINGS
@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 2**32))
def test_int_domains(low: int, width: int, seed: int) -> None:
    rng = random.Random(seed)
    for log in (False, True):
        domain = IntDomain(low, low + width, log=log)
        drawn = [domain.sample(rng) for _ in range(20)]
        assert all(type(value) is int and low <= value <= low + width for value in drawn)
