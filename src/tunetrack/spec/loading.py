"""From a study file (or a mapping) and overrides to a checked `StudySpec`, or one error that names every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.annotations import did_you_mean, shown
from tunetrack.spec.certainty import SHARES
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.constraints import parse_constraint
from tunetrack.spec.domains import CategoricalDomain
from tunetrack.spec.overrides import apply_overrides, parse_override
from tunetrack.spec.parsing import parse_space
from tunetrack.spec.points import point_problems, point_values
from tunetrack.spec.problems import problems_in
from tunetrack.spec.reading import Source, read_document, read_yaml
from tunetrack.spec.records import LATENCY
from tunetrack.spec.space import BROKEN, OneOf, SearchSpace
from tunetrack.spec.study import SEARCHED_SECTIONS, StudyHead, StudySpec

__all__ = ["Source", "load_config", "load_study", "parse_override", "read_yaml"]


def load_study(source: Source, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """Reads and checks a study.

    Args:
        source: path of a study file, or the same content as a mapping.
        overrides: dotted path -> value that replaces what the file says (a range is allowed as well).

    Raises:
        SpecError: every mistake found, each with its dotted path.
    """
    document, label = read_document(source)
    problems = apply_overrides(document, overrides or {})
    problems += _unknown_sections(document)
    head, wrong = _head(document)
    problems += wrong
    space, wrong = _space(document)
    problems += wrong
    if head is not None:
        problems += _contradictions(head, space)
    if head is not None and not problems:
        problems += _wrong_points(head, space)
    if problems or head is None:
        raise SpecError(list(dict.fromkeys(problems)), label)
    return StudySpec(head, space, document)


def load_config(source: Source, overrides: Mapping[str, Any] | None = None) -> TrialConfig:
    """Reads one concrete configuration: a study file's searched sections without any range.

    Sections that belong to a study (name, objective, sampler, pruner, budget) are allowed and not looked at.

    Raises:
        SpecError: a value is wrong, or is a range.
    """
    document, label = read_document(source)
    problems = apply_overrides(document, overrides or {})
    problems += _unknown_sections(document)
    space, wrong = _space(document)
    problems += wrong
    problems += [
        Problem(p.path, "one configuration has values only; set this one with --set", p.domain.describe())
        for p in space.parameters
    ]
    if problems:
        raise SpecError(list(dict.fromkeys(problems)), label)
    return TrialConfig.model_validate(space.values({}))


def _unknown_sections(document: dict[str, Any]) -> list[Problem]:
    allowed = (*StudyHead.model_fields, *SEARCHED_SECTIONS)
    return [
        Problem(key, f"unknown section{did_you_mean(key, allowed) or '; allowed: ' + ', '.join(allowed)}")
        for key in document
        if key not in allowed
    ]


def _head(document: dict[str, Any]) -> tuple[StudyHead | None, list[Problem]]:
    """The sections that are not searched, and what is wrong with them."""
    try:
        return StudyHead.model_validate({k: v for k, v in document.items() if k in StudyHead.model_fields}), []
    except ValidationError as error:
        found = problems_in(error, StudyHead)
    if not isinstance(document.get("objective"), list):  # a single objective is validated as a list of one
        found = [replace(problem, path=problem.path.replace("objective.0", "objective", 1)) for problem in found]
    return None, found


def _space(document: dict[str, Any]) -> tuple[SearchSpace, list[Problem]]:
    """The search space of the other sections, and what is wrong with them."""
    searched = {key: document[key] for key in SEARCHED_SECTIONS if key in document}
    problems = []
    if "data" not in searched:
        problems.append(Problem("data", "is missing; the shortest is data: {name: digits}"))
        searched["data"] = BROKEN
    space, mistakes = parse_space(searched, TrialConfig)
    return space, problems + mistakes + _unfit_values(space)


def _unfit_values(space: SearchSpace) -> list[Problem]:
    """What the configuration models say against the values that the space can produce, each finding once."""
    # A user who wrote `high: 1` looks for "high", so the ends of ranges are shown under the names that they have.
    ends = {
        (parameter.path, shown(getattr(parameter.domain, end))): f"{end}: {shown(getattr(parameter.domain, end))}"
        for parameter in space.parameters
        if not isinstance(parameter.domain, CategoricalDomain)
        for end in ("high", "low")
    }
    found: dict[Problem, None] = {}
    candidates = [resolved for _, resolved in space.corners()] or [space.values({})]
    for resolved in candidates:
        try:
            TrialConfig.model_validate(resolved)
        except ValidationError as error:
            found |= dict.fromkeys(problems_in(error, TrialConfig))
    return [replace(p, given=ends.get((p.path, p.given or ""), p.given)) for p in found]


def _wrong_points(head: StudyHead, space: SearchSpace) -> list[Problem]:
    """Points that cannot be proposed, of a study that is right otherwise."""
    found = []
    for number, point in enumerate(head.points):
        where = f"points.{number}"
        wrong = point_problems(space, point, where)
        given = point_values(space, point)
        try:
            TrialConfig.model_validate(space.values(given))
        except KeyError as missing:
            if not wrong and (head.sampler.engine, head.sampler.name) == ("optuna", "grid"):
                message = "grid proposes whole cells, so a point needs all values; this one lacks"
                wrong = [Problem(where, f"{message} {missing.args[0]}", shown(point))]
        except ValidationError as error:
            reasons = "; ".join(dict.fromkeys(problem.message for problem in problems_in(error, TrialConfig)))
            wrong = wrong or [Problem(where, f"cannot be trained: {reasons}", shown(point))]
        found += wrong
    return found


def _contradictions(head: StudyHead, space: SearchSpace) -> list[Problem]:
    """Sections that are right each on its own and cannot work together."""
    problems = []
    sampler, pruner, several = head.sampler, head.pruner, len(head.objective) > 1
    metrics = [str(objective.metric) for objective in head.objective]
    if head.confirm is not None and metrics[0].startswith("model/"):
        message = f"training again does not change {metrics[0]}, so there is nothing to confirm; delete it"
        problems.append(Problem("confirm", message))
    if head.confirm is not None and head.confirm.seeds == 1 and metrics[0] != "validation/accuracy":
        message = f"one seed says nothing about the next: {metrics[0]} has no answers to compare image by image; take 2"
        problems.append(Problem("confirm.seeds", message, "1"))
    twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
    if twice:
        problems.append(Problem("objective", f"names the same metric twice: {', '.join(twice)}"))
    problems += _constraint_problems(head) + _stop_problems(head, space)
    if several and pruner.name != "none":
        problems.append(Problem("pruner.name", "pruning needs a single objective; use none", shown(pruner.name)))
    if several and sampler.engine == "hyperopt":
        message = "hyperopt knows a single objective only; use optuna"
        problems.append(Problem("sampler.engine", message, shown(sampler.engine)))
    if sampler.engine != "optuna":
        return problems
    if several and sampler.name == "cmaes":
        message = "cmaes knows a single objective only; use tpe, gp or nsgaii"
        problems.append(Problem("sampler.name", message, shown(sampler.name)))
    endless = [parameter.name for parameter in space.parameters if parameter.domain.size is None]
    if sampler.name in ("grid", "brute_force") and endless:
        message = f"{sampler.name} needs finite ranges: give {', '.join(endless)} a step or choices"
        problems.append(Problem("sampler.name", f"{message}, or use another sampler", shown(sampler.name)))
    if sampler.name == "grid" and any(isinstance(node, OneOf) for node in space.nodes()):
        message = "grid cannot walk one_of branches; brute_force can"
        problems.append(Problem("sampler.name", message, shown(sampler.name)))
    return problems


def _constraint_problems(head: StudyHead) -> list[Problem]:
    texts = [str(parse_constraint(text)) for text in head.constraints]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    problems = [Problem("constraints", f"says the same twice: {', '.join(twice)}")] if twice else []
    late = [text for text in head.constraints if not parse_constraint(text).known_before]
    if late and head.sampler.engine == "optuna" and head.sampler.name == "cmaes":
        message = f"cmaes knows no limit on what a trial has at its end ({', '.join(late)}); use tpe, gp or nsgaii"
        problems.append(Problem("sampler.name", message, shown(head.sampler.name)))
    if head.objective[0].metric == LATENCY and head.pruner.name != "none":
        message = f"pruning needs an objective that is known while a trial runs, and {LATENCY} is measured at its end"
        problems.append(Problem("pruner.name", f"{message}; use none", shown(head.pruner.name)))
    return problems


def _stop_problems(head: StudyHead, space: SearchSpace) -> list[Problem]:
    stop, several, metric = head.stop, len(head.objective) > 1, str(head.objective[0].metric)
    problems = []
    if stop.target is not None and several:
        message = "needs a single objective; make a limit of the others under constraints, or use no_improvement"
        problems.append(Problem("stop.target", message, shown(stop.target)))
    if stop.terminator and (several or metric not in SHARES):
        message = (
            f"compares with the standard error of an accuracy, so it needs one of {', '.join(SHARES)} as the only "
            "objective; use no_improvement"
        )
        problems.append(Problem("stop.terminator", message, "true"))
    moving = [parameter.path for parameter in space.parameters if parameter.path.startswith("data.")]
    if stop.terminator and moving:
        message = f"needs the same validation images for all trials, but {', '.join(moving)} is searched"
        problems.append(Problem("stop.terminator", f"{message}; use no_improvement", "true"))
    return problems
