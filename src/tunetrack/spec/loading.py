"""From a study file (or a mapping) and overrides to a checked `StudySpec`, or one error that names every mistake."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.parsing import parse_space
from tunetrack.spec.problems import problems_in
from tunetrack.spec.study import SEARCHED_SECTIONS, StudyHead, StudySpec

__all__ = ["load_config", "load_study", "parse_override", "read_yaml"]

Source = str | Path | Mapping[str, Any]


def load_study(source: Source, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """Reads and checks a study.

    Args:
        source: path of a study file, or the same content as a mapping.
        overrides: dotted path -> value that replaces what the file says (a range is allowed as well).

    Raises:
        SpecError: every mistake found, each with its dotted path.
    """
    document, label = _document(source)
    for path, value in (overrides or {}).items():
        _override(document, path, value)
    problems = _unknown_sections(document)
    head = _head(document, problems)
    searched = {key: document[key] for key in SEARCHED_SECTIONS if key in document}
    if "data" not in searched:
        problems.append(Problem("data", "is missing; the shortest is data: {name: digits}"))
    space, mistakes = parse_space(searched, TrialConfig)
    problems += mistakes
    if problems:
        raise SpecError(problems, label)
    for _, resolved in space.corners():
        problems += _config_problems(resolved)
    if not space.parameters:
        problems += _config_problems(space.values({}))
    if problems or head is None:
        raise SpecError(list(dict.fromkeys(problems)), label)
    spec = StudySpec(head, space, document)
    problems = _contradictions(spec)
    if problems:
        raise SpecError(problems, label)
    return spec


def load_config(source: Source, overrides: Mapping[str, Any] | None = None) -> TrialConfig:
    """Reads one concrete configuration: a study file's searched sections without any range.

    Sections that belong to a study (name, objective, sampler, pruner, budget) are allowed and not looked at.

    Raises:
        SpecError: a value is wrong, or is a range.
    """
    document, label = _document(source)
    for path, value in (overrides or {}).items():
        _override(document, path, value)
    problems = _unknown_sections(document)
    searched = {key: document[key] for key in SEARCHED_SECTIONS if key in document}
    space, mistakes = parse_space(searched, TrialConfig)
    problems += mistakes
    problems += [
        Problem(p.path, "one configuration has values only; set this one with --set", p.domain.describe())
        for p in space.parameters
    ]
    if not problems:
        problems = _config_problems(space.values({}))
    if problems:
        raise SpecError(problems, label)
    return TrialConfig.model_validate(space.values({}))


def read_yaml(text: str, label: str = "") -> Any:
    """Plain data from YAML 1.2 text (1e-3 is a number, a key may stand once).

    Raises:
        SpecError: the text is no YAML, with line and column.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SpecError(f"a key stands twice{where}: {str(error.problem).split(' with value')[0]}", label) from error
    except YAMLError as error:
        raise SpecError(f"is not valid YAML: {' '.join(str(error).split())}", label) from error


def parse_override(text: str) -> tuple[str, Any]:
    """Splits ``model.filters=64`` into path and value; the value is YAML, so ranges and lists are possible.

    Raises:
        SpecError: there is no "=" or no path.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SpecError(f"an override is PATH=VALUE, such as trainer.epochs=3; given: {text!r}")
    return path.strip(), read_yaml(value, f"--set {path.strip()}")


def _document(source: Source) -> tuple[dict[str, Any], str]:
    if isinstance(source, Mapping):
        return copy.deepcopy(dict(source)), ""
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not UTF-8 text", str(path)) from error
    data = read_yaml(text, str(path))
    if not isinstance(data, dict):
        raise SpecError("a study file is a mapping with sections such as name, data, model", str(path))
    return data, str(path)


def _override(document: dict[str, Any], path: str, value: Any) -> None:
    keys = path.split(".")
    if not _set(document, keys, value):
        raise SpecError([Problem(path, "cannot be set: a part of this path is a plain value")])


def _set(node: Any, keys: list[str], value: Any) -> bool:
    """Sets a value in place; on the way through a `one_of`, in every branch that has the key."""
    if not isinstance(node, dict):
        return False
    key, rest = keys[0], keys[1:]
    if "one_of" in node and isinstance(node["one_of"], list) and key != "one_of":
        branches = [branch for branch in node["one_of"] if isinstance(branch, dict) and key in branch]
        done = [_set(branch, keys, value) for branch in branches]  # a list: every branch is set, even after a failure
        return bool(done) and all(done)
    if not rest:
        node[key] = value
        return True
    if node.get(key) is None:
        node[key] = {}
    return _set(node[key], rest, value)


def _unknown_sections(document: dict[str, Any]) -> list[Problem]:
    allowed = (*StudyHead.model_fields, *SEARCHED_SECTIONS)
    return [
        Problem(str(key), f"unknown section{did_you_mean(key, allowed) or '; allowed: ' + ', '.join(allowed)}")
        for key in document
        if key not in allowed
    ]


def _head(document: dict[str, Any], problems: list[Problem]) -> StudyHead | None:
    try:
        return StudyHead.model_validate({k: v for k, v in document.items() if k in StudyHead.model_fields})
    except ValidationError as error:
        found = problems_in(error, StudyHead)
        if not isinstance(document.get("objective"), list):  # a single objective is validated as a list of one
            found = [replace(problem, path=problem.path.replace("objective.0", "objective")) for problem in found]
        problems += found
        return None


def _config_problems(resolved: dict[str, Any], model: type[BaseModel] = TrialConfig) -> list[Problem]:
    try:
        model.model_validate(resolved)
    except ValidationError as error:
        return problems_in(error, model)
    return []


def _contradictions(spec: StudySpec) -> list[Problem]:
    """Sections that are right each on its own and cannot work together."""
    problems = []
    sampler, pruner, several = spec.head.sampler, spec.head.pruner, len(spec.objectives) > 1
    if several and pruner.name != "none":
        problems.append(Problem("pruner.name", "pruning needs a single objective; use none", pruner.name))
    if several and sampler.engine == "hyperopt":
        problems.append(Problem("sampler.engine", "hyperopt knows a single objective only; use optuna", "hyperopt"))
    if several and sampler.name == "cmaes":
        problems.append(Problem("sampler.name", "cmaes knows a single objective only; use tpe, gp or nsgaii", "cmaes"))
    endless = spec.continuous_parameters()
    if sampler.engine == "optuna" and sampler.name in ("grid", "brute_force") and endless:
        hint = "give a step, choices, or use another sampler"
        problems.append(Problem("sampler.name", f"{sampler.name} needs finite ranges: {', '.join(endless)}; {hint}"))
    if sampler.engine == "optuna" and sampler.name == "grid" and spec.has_branches:
        problems.append(Problem("sampler.name", "grid cannot walk one_of branches; brute_force can", "grid"))
    return problems
