"""When a study has had enough, by its ended trials alone: device time, a target, no progress, nothing left to gain.

Every rule is judged after each trial in the order of their numbers, and the first trial after which one holds ends the
study. So all workers find the same end, and a study that is resumed finds it again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.study import StudyDirection
from optuna.terminator.improvement.evaluator import RegretBoundEvaluator
from optuna.trial import FrozenTrial, TrialState

from tunetrack.ledger.records import OUTCOME
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.records import TrialState as OurState
from tunetrack.spec.study import StudySpec
from tunetrack.spec.words import duration

__all__ = ["StopRules", "Stopped"]

#: The terminator looks from so many completed trials on, and then after so many further ones: each look fits a
#: Gaussian process, which takes about a second.
TERMINATOR_TRIALS, TERMINATOR_STEP = 20, 5


@dataclass(frozen=True)
class Stopped:
    """What ended a study.

    Attributes:
        after: number of the trial after which it was clear.
        reason: in words, without a full stop.
    """

    after: int
    reason: str


@dataclass
class _Seen:
    """The trials so far, in the order of their numbers.

    Attributes:
        used: device seconds.
        completed: those with values that break no constraint.
        front: costs (smaller is better) of those of them that no other one beats.
        best: number of the last one that was better than all before it.
        since: trials since then that had their chance.
    """

    used: float
    completed: list[FrozenTrial]
    front: list[tuple[float, ...]]
    best: int
    since: int


class StopRules:
    """The rules of one study.

    Args:
        spec: the study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._stop = spec.head.stop
        self._limit = spec.head.budget.device_seconds
        self._goals = spec.objectives
        self._seed = spec.head.sampler.seed
        self._given_images = spec.first_config().data.validation
        self._regrets: dict[tuple[int, ...], float] = {}

    @property
    def any(self) -> bool:
        """Whether there is a rule at all."""
        stop = self._stop
        return bool(self._limit or stop.no_improvement or stop.target is not None or stop.terminator)

    def first(self, trials: Sequence[FrozenTrial], images: int | None = None) -> Stopped | None:
        """What ended the study first; None where it goes on.

        Args:
            trials: in the order of their numbers; those that have not ended are passed over.
            images: how many validation images there are; default: as the study file says. The terminator needs it.
        """
        if not self.any:
            return None
        images = images or self._given_images
        for seen, trial in self._walk(trials):
            if reason := self._reason(seen, trial, images):
                return Stopped(trial.number, reason)
        return None

    def _walk(self, trials: Sequence[FrozenTrial]) -> Iterator[tuple[_Seen, FrozenTrial]]:
        """What is known after each trial that has ended."""
        seen = _Seen(0.0, [], [], -1, 0)
        for trial in trials:
            if not trial.state.is_finished():
                continue
            outcome = trial.user_attrs.get(OUTCOME, {})
            seen.used += outcome.get("device_seconds") or 0.0
            if trial.state is TrialState.COMPLETE and not outcome.get("violates"):
                seen.completed.append(trial)
                costs = tuple(
                    -value if goal.maximize else value for goal, value in zip(self._goals, trial.values, strict=True)
                )
                if not any(_at_least_as_good(other, costs) for other in seen.front):
                    seen.front = [other for other in seen.front if not _at_least_as_good(costs, other)] + [costs]
                    seen.best, seen.since = trial.number, -1
            if trial.state is not TrialState.FAIL and outcome.get("state") != OurState.INFEASIBLE:
                seen.since += 1
            yield seen, trial

    def _reason(self, seen: _Seen, trial: FrozenTrial, images: int | None) -> str:
        stop, several = self._stop, len(self._goals) > 1
        if self._limit is not None and seen.used >= self._limit:
            return f"its trials took {duration(seen.used)} on their devices (budget.device_seconds: {self._limit:.12g})"
        if not seen.front:
            return ""
        goal = self._goals[0]
        best = -seen.front[0][0] if goal.maximize else seen.front[0][0]
        if stop.target is not None and not several and (best >= stop.target if goal.maximize else best <= stop.target):
            return f"trial {seen.best} reached {goal.metric} {best:.6g} (stop.target: {stop.target:.12g})"
        if stop.no_improvement is not None and seen.since >= stop.no_improvement:
            better = "new one on the Pareto front" if several else "better one"
            return f"no {better} in {seen.since} trials since trial {seen.best} (stop.no_improvement)"
        if stop.terminator and images and seen.completed[-1] is trial:
            return self._nothing_left(seen, best, images)
        return ""

    def _nothing_left(self, seen: _Seen, best: float, images: int) -> str:
        """Whether the regret of the best trial is probably smaller than the standard error of its accuracy.

        The bound of Makarova et al. 2022 (https://proceedings.mlr.press/v188/makarova22a.html), as Optuna computes it,
        with the binomial error of the accuracy in place of that of a cross-validation.
        """
        count = len(seen.completed)
        if count < TERMINATOR_TRIALS or (count - TERMINATOR_TRIALS) % TERMINATOR_STEP or not seen.completed[0].params:
            return ""
        key = tuple(trial.number for trial in seen.completed)
        if key not in self._regrets:
            self._regrets[key] = _regret(seen.completed, self._goals[0].maximize, self._seed)
        regret, error = self._regrets[key], binomial_error(best, images)
        if regret >= error:
            return ""
        return (
            f"after {count} completed trials at most {regret:.2g} is probably left to be gained, less than the "
            f"standard error {error:.2g} of the best from {images:,} images (stop.terminator)"
        )


def _at_least_as_good(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _regret(trials: list[FrozenTrial], maximize: bool, seed: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls the evaluator experimental
        evaluator = RegretBoundEvaluator(seed=seed)
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        return float(evaluator.evaluate(trials, direction))
