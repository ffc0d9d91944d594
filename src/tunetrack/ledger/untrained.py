"""Untrained trials, which break a constraint, as a sampler sees them that learns of completed ones only.

The Gaussian processes of Optuna's `gp` are fitted to completed trials. Where a limit on the size of a network is broken
there are none, so it would go on proposing there (docs/choosing.md has the numbers). It sees these trials with the
median of what the completed ones have reached, and with the limit that they break.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, TrialState

from tunetrack.ledger.records import OUTCOME
from tunetrack.spec.records import TrialState as OurState
from tunetrack.spec.study import StudySpec

__all__ = ["Seen", "seen_by"]

#: What a sampler sees of the trials so far.
Seen = Callable[[list[FrozenTrial]], list[FrozenTrial]]


def seen_by(spec: StudySpec) -> Seen | None:
    """How the study's sampler sees the trials; None: as they are."""
    sampler, limits = spec.head.sampler, [str(constraint) for constraint in spec.constraints]
    if (sampler.engine, sampler.name) != ("optuna", "gp") or not limits:
        return None
    return lambda trials: _with_untrained(trials, limits)


def _with_untrained(trials: list[FrozenTrial], limits: Sequence[str]) -> list[FrozenTrial]:
    completed = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not completed or any(limit not in trial.constraints for trial in completed for limit in limits):
        return trials
    values = [statistics.median(column) for column in zip(*(trial.values for trial in completed), strict=True)]
    usual = {limit: statistics.median(trial.constraints[limit] for trial in completed) for limit in limits}
    return [_completed(trial, values, usual) if _is_untrained(trial) else trial for trial in trials]


def _is_untrained(trial: FrozenTrial) -> bool:
    infeasible = trial.user_attrs.get(OUTCOME, {}).get("state") == OurState.INFEASIBLE
    return trial.state is TrialState.PRUNED and infeasible and bool(trial.constraints)


def _completed(trial: FrozenTrial, values: list[float], usual: dict[str, float]) -> FrozenTrial:
    """The trial with these values; limits that were not judged are broken as far as usual."""
    made = copy.copy(trial)
    made.system_attrs = {}
    for limit, excess in {**usual, **trial.constraints}.items():
        made.set_constraint(limit, excess)
    made.state, made.values = TrialState.COMPLETE, values
    return made
