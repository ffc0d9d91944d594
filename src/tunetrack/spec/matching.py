"""Whether the rows of a study's reference can be met by the search space at all, looked at before anything runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from tunetrack.errors import Problem
from tunetrack.spec.annotations import did_you_mean, shown
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.domains import CategoricalDomain, Domain
from tunetrack.spec.flatten import flatten
from tunetrack.spec.points import fitted
from tunetrack.spec.reference import Reference, row_matches
from tunetrack.spec.space import Fixed, Group, Items, Leaf, Node, OneOf
from tunetrack.spec.study import StudySpec

__all__ = ["reference_problems"]

#: Combinations of branches that are tried before a row is called impossible.
_TRIED = 5000


def reference_problems(spec: StudySpec) -> list[Problem]:
    """The conditions of the study's reference that no trial can meet, and why; none where there is no reference."""
    problems = []
    for where, when in _conditions(spec.head.reference) if spec.head.reference else ():
        if _reachable(spec, when):
            continue
        alone = [_mistake(spec, path, value, where) for path, value in when.items()]
        found = [problem for problem in alone if problem is not None]
        together = Problem(where, "no point of the search space has all these values together", shown(when))
        problems += found or [together]
    return problems


def _conditions(reference: Reference) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every condition with its dotted path."""
    for number, row in enumerate(reference.rows):
        yield f"reference.rows.{number}.when", row.when
    for number, claim in enumerate(reference.weights):
        yield from ((f"reference.weights.{number}.when.{place}", when) for place, when in enumerate(claim.when))


def _mistake(spec: StudySpec, path: str, value: Any, where: str) -> Problem | None:
    """What is wrong with one value of a row taken alone; None where nothing is."""
    if _reachable(spec, {path: value}):
        return None
    known = {name: stored for config in _configs(spec, {}) for name, stored in flatten(config.document()).items()}
    domains = [parameter.domain.describe() for parameter in spec.space.parameters if parameter.path == path]
    if not domains and path not in known:
        message = f"is no value of this study's configurations{did_you_mean(path, known)}"
        return Problem(f"{where}.{path}", message)
    allowed = "; or ".join(domains) or f"it is always {shown(known[path])}"
    return Problem(f"{where}.{path}", f"no point of the search space has this value: {allowed}", shown(value))


def _reachable(spec: StudySpec, when: Mapping[str, Any]) -> bool:
    absent = {path for path, value in when.items() if value is None}  # a misspelt path must not pass for a null
    flat = (flatten(config.document(), when) for config in _configs(spec, when))
    return any(row_matches(when, params) and absent <= params.keys() for params in flat)


def _configs(spec: StudySpec, when: Mapping[str, Any]) -> Iterator[TrialConfig]:
    """Valid configurations that have the wanted values wherever the study file itself names their paths."""
    for resolved in itertools.islice(_candidates(spec.space.root, "", when), _TRIED):
        try:
            yield TrialConfig.model_validate(resolved)
        except ValidationError:  # this combination breaks a rule that ties two values together; the next may not
            continue


def _candidates(node: Node, path: str, when: Mapping[str, Any]) -> Iterator[Any]:
    """Resolved values of a subtree: all branches, and of each parameter the wanted value or its first one."""
    match node:
        case Fixed(value):
            if path not in when or isinstance(value, Mapping) or row_matches({path: when[path]}, {path: value}):
                yield value
        case Leaf(parameter):
            yield from _values(parameter.domain, path, when)
        case OneOf(_, branches):
            for branch in branches:
                yield from _candidates(branch.node, path, when)
        case Items(entries):
            wanted = when.get(path)
            if isinstance(wanted, list) and len(wanted) == len(entries):
                when = {**when, **{f"{path}.{n}": value for n, value in enumerate(wanted)}}
            inside = [_candidates(entry, f"{path}.{n}", when) for n, entry in enumerate(entries)]
            yield from map(list, itertools.product(*inside))
        case Group(children):
            keys = [key for key, _ in children]
            below = [_candidates(child, f"{path}.{key}" if path else key, when) for key, child in children]
            yield from (dict(zip(keys, values, strict=True)) for values in itertools.product(*below))


def _values(domain: Domain, path: str, when: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(domain, CategoricalDomain):
        around = any(wanted.startswith(f"{path}.") for wanted in when)
        chosen = domain.choices if around or path in when else domain.choices[:1]
        yield from (choice for choice in chosen if around or path not in when or _is(when[path], choice, path))
        return
    if path not in when:
        yield domain.ends()[0]
        return
    yield from fitted(domain, when[path])


def _is(wanted: Any, value: Any, path: str) -> bool:
    return row_matches({path: wanted}, {path: value})
