"""Which pruner a study file names, with its options checked and the defaults that keep a resumed study the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner
from pydantic import ValidationError

from tunetrack.errors import Problem, SpecError
from tunetrack.ledger.options import building, check
from tunetrack.spec.config import TrainerConfig
from tunetrack.spec.problems import problems_in
from tunetrack.spec.study import PrunerConfig, StudySpec

__all__ = ["pruner_of", "pruner_problems"]

_CLASSES: Mapping[str, type[BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "patient": optuna.pruners.PatientPruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
}

_OWNED = {"wrapped_pruner": "give the pruner to wrap as wrapped: {name: ...}"}


def pruner_of(spec: StudySpec) -> BasePruner:
    """The pruner of a study.

    Where the study file does not say them, `max_resource` of hyperband is the (largest) number of epochs, and
    `min_resource` of successive_halving a hundredth of it. Optuna's "auto" looks at the first finished trials
    instead, and would thus decide otherwise in a study that is resumed.

    Raises:
        SpecError: an option is missing, unknown, of a wrong type or refused by the pruner.
    """
    problems = pruner_problems(spec)
    if problems:
        raise SpecError(problems)
    return _build("pruner", spec.head.pruner, _epochs(spec))


def pruner_problems(spec: StudySpec) -> list[Problem]:
    """What is wrong with the pruner's options, as far as the signature tells."""
    return _problems("pruner", spec.head.pruner)


def _problems(where: str, config: PrunerConfig) -> list[Problem]:
    options = config.options
    if config.name == "patient":
        problems = check(where, _CLASSES[config.name], _without_wrapped(options), _OWNED)
        wrapped, mistakes = _wrapped(where, options)
        return problems + mistakes + (_problems(f"{where}.wrapped", wrapped) if wrapped else [])
    problems = check(where, _CLASSES[config.name], options, _OWNED)
    if config.name == "threshold" and not problems and "lower" not in options and "upper" not in options:
        problems.append(Problem(where, "threshold needs lower, upper or both"))
    return problems


def _wrapped(where: str, options: Mapping[str, Any]) -> tuple[PrunerConfig | None, list[Problem]]:
    """The pruner inside a patient one; None where there is none: then patience alone decides."""
    given = options.get("wrapped")
    if given is None:
        return None, []
    if not isinstance(given, Mapping):
        return None, [Problem(f"{where}.wrapped", "must be a mapping with a name, such as {name: median}", repr(given))]
    try:
        config = PrunerConfig.model_validate(dict(given))
    except ValidationError as error:
        mistakes = problems_in(error, PrunerConfig)
        return None, [Problem(f"{where}.wrapped.{p.path}", p.message, p.given) for p in mistakes]
    if config.control:
        message = "belongs to the pruner itself, outside of wrapped"
        return None, [Problem(f"{where}.wrapped.control", message, str(config.control))]
    return (None, []) if config.name == "none" else (config, [])


def _without_wrapped(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "wrapped"}


def _build(where: str, config: PrunerConfig, epochs: int) -> BasePruner:
    options = config.options
    match config.name:
        case "hyperband":
            options.setdefault("max_resource", epochs)
        case "successive_halving":
            options.setdefault("min_resource", max(epochs // 100, 1))
        case "patient":
            inner, _ = _wrapped(where, options)
            options = _without_wrapped(options)
            options["wrapped_pruner"] = None if inner is None else _build(f"{where}.wrapped", inner, epochs)
    with building(where):
        return _CLASSES[config.name](**options)


def _epochs(spec: StudySpec) -> int:
    """The number of epochs, the largest where it is searched."""
    default = TrainerConfig.model_fields["epochs"].default
    resolved = [config for _, config in spec.space.corners()] or [spec.space.values({})]
    return max(int(config.get("trainer", {}).get("epochs", default)) for config in resolved)
