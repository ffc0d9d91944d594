"""Objectives for people who drive Optuna's or Hyperopt's own loop: same trainer, same tracking."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tunetrack.api.study_files import load_study_file, override_paths
from tunetrack.errors import SpecError
from tunetrack.ledger import hyperopt_result, hyperopt_space, optuna_result, suggest_config
from tunetrack.spec import StudySpec
from tunetrack.spec.loading import Source
from tunetrack.study.driven import DrivenStudy
from tunetrack.study.place import Place

__all__ = ["HyperoptObjective", "OptunaObjective", "hyperopt_objective", "optuna_objective"]


class _Objective:
    """What both have in common: the trials are tracked below one MLflow run, which `close` ends."""

    def __init__(self, spec: StudySpec, place: Place) -> None:
        self.spec = spec
        self._driven = DrivenStudy(spec, place)

    def close(self) -> None:
        """Writes what is queued and ends the study's MLflow run.

        Raises:
            TrackingError: something could not be written.
        """
        self._driven.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driven.__exit__(kind, error, trace)


class OptunaObjective(_Objective):
    """For `study.optimize`. A pruned or infeasible trial raises `TrialPruned`, a failed one returns NaN (Optuna: FAIL).

    Attributes:
        spec: the study.
        direction: of the first objective, for `optuna.create_study`.
        directions: of all objectives.
    """

    @property
    def direction(self) -> str:
        """ "maximize" or "minimize", for a single objective."""
        return self.directions[0]

    @property
    def directions(self) -> list[str]:
        """One direction an objective."""
        return ["maximize" if objective.maximize else "minimize" for objective in self.spec.objectives]

    def __call__(self, trial: Any) -> float | tuple[float, ...]:
        """Trains what the trial suggests.

        Raises:
            optuna.TrialPruned: the study's pruner stopped it, or the configuration cannot be built.
            DataError: the data set is missing or too small.
            TrackingError: the tracking store cannot be reached or written.
        """
        config = suggest_config(trial, self.spec.space)
        several = len(self.spec.objectives) > 1

        def report(step: int, value: float) -> bool:
            if several:  # Optuna prunes for a single objective only
                return False
            trial.report(value, step)
            return bool(trial.should_prune())

        outcome = self._driven.run(config, report)
        for constraint, excess in outcome.constraints.items():
            trial.set_constraint(constraint, excess)
        return optuna_result(outcome, len(self.spec.objectives))


class HyperoptObjective(_Objective):
    """For `fmin(objective, objective.space, ...)`; returns Hyperopt's result dict with a loss to minimise."""

    @property
    def space(self) -> Any:
        """The search space as a hyperopt expression."""
        return hyperopt_space(self.spec.space)

    def __call__(self, point: dict[str, Any]) -> dict[str, Any]:
        """Trains a point of the space.

        Raises:
            DataError: the data set is missing or too small.
            TrackingError: the tracking store cannot be reached or written.
        """
        return hyperopt_result(self._driven.run(point), self.spec.objectives[0])


def optuna_objective(
    study: Source | StudySpec, *, home: str | Path = "mlruns", tracking_uri: str | None = None, **overrides: Any
) -> OptunaObjective:
    """An objective for `optuna.Study.optimize`.

    Args:
        study: path of a study file, its content as a mapping, or a checked spec; its sampler, pruner and budget are
            yours to choose in Optuna.
        home: folder that holds everything that is written.
        tracking_uri: where the runs go; default: a database in `home`.
        **overrides: as in `run_study`.

    Raises:
        SpecError: the study file or an override is wrong.
    """
    return OptunaObjective(load_study_file(study, override_paths(overrides)), Place(Path(home), tracking_uri))


def hyperopt_objective(
    study: Source | StudySpec, *, home: str | Path = "mlruns", tracking_uri: str | None = None, **overrides: Any
) -> HyperoptObjective:
    """An objective and its space for `hyperopt.fmin`.

    Args:
        study: as in `optuna_objective`; a single objective.
        home: folder that holds everything that is written.
        tracking_uri: where the runs go; default: a database in `home`.
        **overrides: as in `run_study`.

    Raises:
        SpecError: the study file or an override is wrong, or there are several objectives.
    """
    spec = load_study_file(study, override_paths(overrides))
    if len(spec.objectives) > 1:
        raise SpecError("hyperopt minimises a single loss; give one objective")
    return HyperoptObjective(spec, Place(Path(home), tracking_uri))
