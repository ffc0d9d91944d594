"""How a parameter of the search space is asked for in Optuna: the one mapping from our domains to distributions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.space import Parameter, SearchSpace

__all__ = ["distribution_of", "distributions_of", "suggest_config"]


def distribution_of(parameter: Parameter) -> BaseDistribution:
    """The Optuna distribution of one parameter; the choices of a categorical one are its labels."""
    match parameter.domain:
        case FloatDomain(low, high, step, log):
            if low == high:
                # BruteForceSampler refuses a float without step, even where there is only one value.
                return FloatDistribution(low, high, step=1.0)
            if step is not None:
                high = _divisible_high(low, step, parameter.domain.size or 1)
            return FloatDistribution(low, high, step=step, log=log)
        case IntDomain(low, high, step, log):
            return IntDistribution(low, high, step=step, log=log)
        case CategoricalDomain():
            return CategoricalDistribution(parameter.domain.labels)


def distributions_of(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The distributions of all parameters by name, those of all branches included."""
    return {parameter.name: distribution_of(parameter) for parameter in space.parameters}


def suggest_config(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
    """Asks an Optuna trial for every parameter on the way and returns the concrete config.

    For people who drive `study.optimize` themselves: the space, the names and the conditional branches are those of
    the study file.

    Args:
        trial: a trial of any study, as `study.optimize` hands it to an objective.
        space: the search space of a loaded study.

    Returns:
        The resolved config, with choices in place of their labels.
    """

    def suggest(parameter: Parameter) -> Any:
        match distribution_of(parameter):
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_float(parameter.name, low, high, step=step, log=log)
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(parameter.name, low, high, step=step, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(parameter.name, choices)
            case other:
                raise TypeError(f"no way to suggest a {type(other).__name__}")

    return space.resolve(suggest)


def _divisible_high(low: float, step: float, size: int) -> float:
    """The last value of a stepped range in decimal arithmetic, where Optuna looks for it; 0.1 + 0.2 is 0.3 there."""
    return float(Decimal(str(low)) + (size - 1) * Decimal(str(step)))
