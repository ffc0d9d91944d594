"""Whether the trials of a study are points of a changed search space, and how they are written there.

Samplers compare trials by their distributions: Optuna's leave a parameter out of what they learn jointly when its range
was another one before, and categories are stored by their index. So the trials that a changed study keeps are written
again as if they had been proposed in the new space; their values stay what they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from tunetrack.errors import InfeasibleConfigError, LedgerError
from tunetrack.ledger.distributions import distribution_of
from tunetrack.ledger.records import OUTCOME, VALUES, WORKER
from tunetrack.ledger.workers import is_alive
from tunetrack.spec.flatten import flatten
from tunetrack.spec.space import Parameter
from tunetrack.spec.study import StudySpec

__all__ = ["translate"]

_Point = dict[str, tuple[float, BaseDistribution]]


@dataclass(frozen=True)
class _Translation:
    """A trial and its place in the new space: internal value and distribution by name, or why it has none."""

    trial: FrozenTrial
    point: _Point | None
    misfit: str = ""


class _MisfitError(Exception):
    """A trial is no point of the new space."""


def translate(
    backend: RDBStorage, study_id: int, old: StudySpec, new: StudySpec, attributes: Mapping[str, Any]
) -> None:
    """Writes a study's trials as points of another space and, in the same transaction, attributes of the study.

    A failed trial that fits no longer keeps its values as an attribute, where no sampler sees them; one that waits to
    be run again and fits no longer has failed.

    Raises:
        LedgerError: the objectives differ, somebody works on the study, or a trial with a result does not fit.
    """
    _refuse_other_objectives(old, new)
    trials = backend.get_all_trials(study_id, deepcopy=False)
    _refuse_while_running(trials)
    translations = [_translated(trial, old, new) for trial in trials if trial.params or trial.state.is_finished()]
    for one in translations:
        if one.misfit and one.trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            raise LedgerError(
                f"the changed study file is refused: trial {one.trial.number} would no longer be one of its trials, "
                f"since {one.misfit}. Let the study file keep that value, or start a new study"
            )
    with _create_scoped_session(backend.scoped_session) as session, session.no_autoflush:
        for one in translations:
            _write(backend, session, one)
        for key, value in attributes.items():
            _set_study_attribute(session, study_id, key, value)


def _refuse_other_objectives(old: StudySpec, new: StudySpec) -> None:
    before, after = (
        ", ".join(f"{'maximize' if goal.maximize else 'minimize'} {goal.metric}" for goal in spec.objectives)
        for spec in (old, new)
    )
    if before != after:
        raise LedgerError(
            f"the changed study file is refused: the objective was {before} and is {after} now; trials that were "
            "judged by one cannot be compared by the other. Start a new study"
        )
    limits, now = (", ".join(map(str, spec.constraints)) or "none" for spec in (old, new))
    if limits != now:
        raise LedgerError(
            f"the changed study file is refused: the constraints were {limits} and are {now} now, and trials were "
            "judged by the old ones. Start a new study"
        )


def _refuse_while_running(trials: list[FrozenTrial]) -> None:
    for trial in trials:
        worker = trial.user_attrs.get(WORKER)
        if trial.state is TrialState.RUNNING and worker and is_alive(worker) is not False:
            raise LedgerError(
                f"trial {trial.number} is being run by process {worker['pid']} on {worker['host']}, so the study file "
                "cannot be changed now; stop that worker first (where it is gone, resume once without the change)"
            )


def _translated(trial: FrozenTrial, old: StudySpec, new: StudySpec) -> _Translation:
    try:
        return _Translation(trial, _point(trial.params, old, new))
    except _MisfitError as misfit:
        return _Translation(trial, None, str(misfit))


def _point(values: Mapping[str, Any], old: StudySpec, new: StudySpec) -> _Point:
    """A trial's place in the new space; what was fixed and is searched now has the value that it had.

    Raises:
        _MisfitError: a value is out of its range, or what was searched is another fixed value now.
    """
    paths = (*old.searched_paths, *new.searched_paths)
    try:
        before = flatten(_complete(old, old.space.values(values)), paths)
    except KeyError as error:  # its worker died while it was proposed
        raise _MisfitError("it has no values") from error
    point: _Point = {}

    def suggest(parameter: Parameter) -> Any:
        if parameter.name not in values and parameter.path not in before:
            raise _MisfitError(f"it has no {parameter.path}, which is searched now")
        value = values.get(parameter.name, before.get(parameter.path))
        distribution = distribution_of(parameter)
        try:
            internal = distribution.to_internal_repr(value)
            fits = distribution._contains(internal)
        except (TypeError, ValueError):  # no such category, or no number at all
            fits = False
        if not fits:
            raise _MisfitError(f"its {parameter.path} is {value}, and it is {parameter.domain.describe()} now")
        point[parameter.name] = internal, distribution
        return value

    after = flatten(_complete(new, new.space.resolve(suggest)), paths)
    asked = {parameter.name: parameter.path for parameter in old.space.parameters if parameter.name in values}
    for name, path in asked.items():
        if name not in point and before.get(path) != after.get(path):
            raise _MisfitError(f"its {path} is {before.get(path)}, and it is {after.get(path, 'not there')} now")
    return point


def _complete(spec: StudySpec, resolved: dict[str, Any]) -> dict[str, Any]:
    """The config with its defaults, which are what was fixed as well; one that cannot be built has none."""
    try:
        return spec.config(resolved).document()
    except InfeasibleConfigError:
        return resolved


def _write(backend: RDBStorage, session: Session, one: _Translation) -> None:
    parameters, trial_id = models.TrialParamModel, one.trial._trial_id
    session.execute(sqlalchemy.delete(parameters).where(parameters.trial_id == trial_id))
    for name, (internal, distribution) in (one.point or {}).items():
        session.add(
            parameters(
                trial_id=trial_id,
                param_name=name,
                param_value=internal,
                distribution_json=distribution_to_json(distribution),
            )
        )
    if one.point is not None:
        return
    attributes = models.TrialUserAttributeModel
    if one.trial.params:
        session.add(attributes(trial_id=trial_id, key=VALUES, value_json=json.dumps(one.trial.params)))
    if not one.trial.state.is_finished():
        outcome = {"reason": f"the study file was changed while it waited: {one.misfit}"}
        backend._set_trial_attr_without_commit(session, attributes, trial_id, OUTCOME, outcome)
        trial = models.TrialModel.find_or_raise_by_id(trial_id, session)
        trial.state, trial.datetime_complete = TrialState.FAIL, datetime.now()


def _set_study_attribute(session: Session, study_id: int, key: str, value: Any) -> None:
    model = models.StudyUserAttributeModel
    session.execute(sqlalchemy.delete(model).where(model.study_id == study_id, model.key == key))
    session.add(model(study_id=study_id, key=key, value_json=json.dumps(value)))
