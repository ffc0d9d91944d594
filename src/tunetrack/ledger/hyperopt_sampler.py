"""Hyperopt's algorithms as an Optuna sampler: the history becomes `Trials`, the point answers the questions by name.

The n-th integer drawn from the study seed's generator seeds trial n, as `fmin` does it. So a sequential study proposes
exactly what `fmin(space=hyperopt_space(space), rstate=numpy.random.default_rng(seed))` would, and so does one that is
continued in a new process. A pruned trial counts with the last value that it reported, a failed one as a failure, and
a running one (with several workers) as infinitely bad, so that nobody tries the same place at once.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hyperopt import JOB_STATE_DONE, JOB_STATE_RUNNING, STATUS_FAIL, STATUS_OK, anneal, atpe, rand, tpe
from hyperopt.base import Domain, trials_from_docs
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tunetrack.ledger.distributions import distributions_of
from tunetrack.ledger.hyperopt_space import decode, encode, flat_space, hyperopt_space, raw_space
from tunetrack.spec.space import SearchSpace

__all__ = ["ALGORITHMS", "HyperoptSampler"]

#: What proposes: called as suggest(new_ids, domain, trials, seed, **options).
ALGORITHMS: Mapping[str, Callable[..., Any]] = {
    "tpe": tpe.suggest,
    "random": rand.suggest,
    "anneal": anneal.suggest,
    "atpe": atpe.suggest,
}

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class HyperoptSampler(BaseSampler):
    """One of Hyperopt's algorithms, usable with any single-objective Optuna study.

    Args:
        algorithm: tpe, random, anneal or atpe.
        space: the search space; None for define-by-run use, where the parameters that all trials share are proposed
            together and any other one on its own.
        seed: seed of the study; None draws one.
        options: passed on to the algorithm's `suggest`, such as n_startup_jobs.
    """

    def __init__(
        self,
        algorithm: str = "tpe",
        space: SearchSpace | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._algorithm = algorithm
        self._suggest = ALGORITHMS[algorithm]
        self._options = dict(options or {})
        if algorithm == "tpe":
            self._options.setdefault("verbose", False)
        self._seeds = _SeedSequence(seed)
        self._intersection = IntersectionSearchSpace(include_pruned=True)
        self._distributions = distributions_of(space) if space is not None else None
        # atpe reads neither arithmetic nor a value without branches around it, so it gets Hyperopt's own numbers.
        expression = None if space is None else raw_space(space) if algorithm == "atpe" else hyperopt_space(space)
        self._whole = _History(expression, self._distributions) if self._distributions else None
        self._parts: dict[str, _History] = {}

    def reseed_rng(self) -> None:
        """Draws a new seed, as Optuna asks for in each of several threads."""
        self._seeds = _SeedSequence(None)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are proposed together: the whole space where it is known."""
        if self._distributions is not None:
            return self._distributions
        shared = self._intersection.calculate(study)
        return {name: distribution for name, distribution in shared.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """One point; of conditional parameters only those of the branches that it takes."""
        _refuse_several_objectives(study)
        if not search_space:
            return {}
        if self._whole is not None and search_space == self._distributions:
            history = self._whole
        else:
            history = self._part(search_space)
        return self._point(study, trial, history, self._seeds[trial.number])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One parameter on its own: where the space is not known, or an enqueued value led into another branch."""
        _refuse_several_objectives(study)
        history = self._part({param_name: param_distribution})
        seed = (self._seeds[trial.number] + zlib.crc32(param_name.encode())) % (2**31 - 1)
        return self._point(study, trial, history, seed)[param_name]

    def _part(self, distributions: dict[str, BaseDistribution]) -> _History:
        key = repr(sorted(distributions.items()))
        if key not in self._parts:
            self._parts[key] = _History(flat_space(distributions), distributions, complete=True)
        return self._parts[key]

    def _point(self, study: Study, trial: FrozenTrial, history: _History, seed: int) -> dict[str, Any]:
        docs = history.documents(study, trial.number, only_losses=self._algorithm == "atpe")
        with _around_atpe(seed) if self._algorithm == "atpe" else contextlib.nullcontext():
            trials = trials_from_docs(docs, validate=False)
            (proposal,) = self._suggest([trial.number], history.domain, trials, seed, **self._options)
        values = proposal["misc"]["vals"]
        return {
            name: decode(distribution, values[name][0])
            for name, distribution in history.distributions.items()
            if values.get(name)
        }


class _SeedSequence:
    """The integers that `fmin` draws from `numpy.random.default_rng(seed)`, one a trial, by trial number."""

    def __init__(self, seed: int | None) -> None:
        self._generator = np.random.default_rng(seed)
        self._drawn: list[int] = []

    def __getitem__(self, number: int) -> int:
        missing = number + 1 - len(self._drawn)
        if missing > 0:
            self._drawn += self._generator.integers(2**31 - 1, size=missing).tolist()
        return self._drawn[number]


class _History:
    """The trials of a study as Hyperopt's documents; those of finished trials are kept."""

    def __init__(self, expression: Any, distributions: Mapping[str, BaseDistribution], complete: bool = False) -> None:
        self.domain = Domain(None, expression)
        self.distributions = {name: d for name, d in distributions.items() if name in self.domain.params}
        self._complete = complete
        self._finished: dict[int, dict[str, Any]] = {}

    def documents(self, study: Study, number: int, only_losses: bool) -> list[dict[str, Any]]:
        """The documents of all trials but one, in the order of their numbers."""
        docs = []
        for trial in study.get_trials(deepcopy=False):
            if trial.number == number or trial.state == TrialState.WAITING or not self._fits(trial):
                continue
            doc = self._finished.get(trial.number)
            if doc is None:
                doc = self._document(trial, study.direction)
                if trial.state.is_finished():
                    self._finished[trial.number] = doc
            if not only_losses or "loss" in doc["result"]:
                docs.append(doc)
        return docs

    def _fits(self, trial: FrozenTrial) -> bool:
        """Whether a trial can be told: in define-by-run use it may lack a name, or have had another range for it."""
        return not self._complete or all(
            type(trial.distributions.get(name)) is type(distribution)
            and distribution._contains(distribution.to_internal_repr(trial.params[name]))
            for name, distribution in self.distributions.items()
        )

    def _document(self, trial: FrozenTrial, direction: StudyDirection) -> dict[str, Any]:
        values = {
            name: [encode(distribution, trial.params[name])] if name in trial.params else []
            for name, distribution in self.distributions.items()
        }
        misc = {
            "tid": trial.number,
            "cmd": self.domain.cmd,
            "workdir": None,
            "idxs": {name: [trial.number] if known else [] for name, known in values.items()},
            "vals": values,
        }
        return {
            "state": JOB_STATE_DONE if trial.state.is_finished() else JOB_STATE_RUNNING,
            "tid": trial.number,
            "spec": None,
            "result": _result(trial, direction),
            "misc": misc,
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": _EPOCH,
            "refresh_time": _EPOCH,
        }


def _result(trial: FrozenTrial, direction: StudyDirection) -> dict[str, Any]:
    """What `fmin` would have noted: a loss to be minimised, or that there is none."""
    if not trial.state.is_finished():
        return {"status": "new"}
    # Hyperopt knows no constraints: to it, a trial that breaks one has failed.
    broken = any(excess > 0 for excess in trial.constraints.values())
    if trial.state == TrialState.FAIL or trial.value is None or broken:
        return {"status": STATUS_FAIL}
    return {"status": STATUS_OK, "loss": -trial.value if direction == StudyDirection.MAXIMIZE else trial.value}


def _refuse_several_objectives(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError("Hyperopt knows a single objective only; use a sampler of Optuna for several")


@contextlib.contextmanager
def _around_atpe(seed: int) -> Iterator[None]:
    """For a call of atpe, which draws from the global generators whatever seed it is given, and warns of its zeros."""
    for name in ("lightgbm", "sklearn.preprocessing"):
        importlib.import_module(name)  # atpe loads them on its first call, and loading them draws numbers as well
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # correlations of parameters that never changed
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
