"""Which sampler a study file names, and how it is built afresh for one trial, seeded from (study seed, number).

A sampler that is built anew for each trial and sees the history in the ledger has no state to lose: a study that is
run in pieces proposes what it would have proposed in one go.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from hyperopt import anneal
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from tunetrack.errors import Problem, SpecError
from tunetrack.ledger.distributions import distribution_of
from tunetrack.ledger.hyperopt_sampler import ALGORITHMS, HyperoptSampler
from tunetrack.ledger.options import building, check
from tunetrack.spec.domains import CategoricalDomain
from tunetrack.spec.space import Parameter
from tunetrack.spec.study import StudySpec

__all__ = ["SamplerFactory", "sampler_factory", "sampler_problems"]

#: Makes the sampler for the trial of a number.
SamplerFactory = Callable[[int], BaseSampler]

_CLASSES: Mapping[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "qmc": optuna.samplers.QMCSampler,
    "nsgaii": optuna.samplers.NSGAIISampler,
    "grid": optuna.samplers.GridSampler,
    "brute_force": optuna.samplers.BruteForceSampler,
}

_OWNED = {
    "seed": "it follows from sampler.seed and the trial's number",
    "search_space": "it is what the study file searches",
    "independent_sampler": "it is a random sampler seeded by the trial's number",
    "warn_independent_sampling": "conditional parameters are meant",
    "warn_asynchronous_seeding": "every worker has the same seed",
    "self": "it is no option",
    "new_ids": "the ledger numbers the trials",
    "domain": "it is what the study file searches",
    "trials": "they come from the ledger",
    "verbose": "the ledger keeps the samplers quiet",
}


def sampler_factory(spec: StudySpec) -> SamplerFactory:
    """How the samplers of a study are made, its options checked.

    Raises:
        SpecError: an option is unknown, of a wrong type or refused by the sampler, or an extra is not installed.
    """
    problems = sampler_problems(spec)
    if problems:
        raise SpecError(problems)
    config = spec.head.sampler
    if config.engine == "hyperopt":
        # Seeded by the trial's number inside, so one object serves all trials and keeps its documents.
        sampler = HyperoptSampler(config.name, spec.space, config.seed, config.options)
        return lambda number: sampler
    with building("sampler"):
        _build(spec, 0)
    return lambda number: _build(spec, number)


def sampler_problems(spec: StudySpec) -> list[Problem]:
    """What is wrong with the sampler's options, as far as the signature tells."""
    config = spec.head.sampler
    if config.engine == "optuna":
        return check("sampler", _CLASSES[config.name], config.options, _OWNED)
    problems = check("sampler", _hyperopt_signature(config.name), config.options, _OWNED)
    if config.name == "atpe" and importlib.util.find_spec("lightgbm") is None:
        problems.append(
            Problem("sampler.name", "atpe needs lightgbm; install it with: pip install 'tunetrack[atpe]'", "atpe")
        )
    return problems


def _hyperopt_signature(name: str) -> Callable[..., Any]:
    """anneal.suggest takes *args; what it passes them to says what they are."""
    return anneal.AnnealingAlgo if name == "anneal" else ALGORITHMS[name]


def _seed(study_seed: int, number: int) -> int:
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def _build(spec: StudySpec, number: int) -> BaseSampler:
    config = spec.head.sampler
    options = config.options
    seed = _seed(config.seed, number)
    match config.name:
        case "grid":
            # The seed shuffles the grid, of which trial n takes the n-th cell: so it is the same for all trials.
            options |= {"search_space": _grid(spec), "seed": config.seed}
        case "qmc":
            # The seed scrambles the sequence, of which every trial takes a point: so it is the same for all trials.
            options |= {"seed": config.seed, "independent_sampler": optuna.samplers.RandomSampler(seed=seed)}
            if config.lag is not None:
                with building("sampler"):
                    return _NumberedQMC(number, **options)
        case _:
            options["seed"] = seed
    with building("sampler"):
        return _CLASSES[config.name](**options)


class _NumberedQMC(optuna.samplers.QMCSampler):
    """Trial n takes the n-th point. Optuna counts points as they are asked for, in whichever order that is."""

    def __init__(self, number: int, **options: Any) -> None:
        super().__init__(**options)
        self._number = number

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number


def _grid(spec: StudySpec) -> dict[str, list[Any]]:
    return {parameter.name: _cells(parameter) for parameter in spec.space.parameters}


def _cells(parameter: Parameter) -> list[Any]:
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return list(domain.labels)
    if domain.size is None:
        raise ValueError(f"grid needs finite ranges; {parameter.name} has no step")
    distribution = distribution_of(parameter)
    step = domain.step or 1
    values = [min(domain.low + step * index, domain.high) for index in range(domain.size)]
    return [distribution.to_external_repr(value) for value in values]
