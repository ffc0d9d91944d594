"""Knows which searched parameters mattered: Optuna's PED-ANOVA on an in-memory study rebuilt from stored runs.

Watanabe, Bansal, Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces",
https://arxiv.org/abs/2304.10255; for parameters that only some trials have, https://arxiv.org/abs/2601.20800.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tunetrack.report.values import finished, label, number
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["MIN_TRIALS", "ImportanceInfo", "ParamImportance", "importance_info"]

#: Below this many finished trials the best tenth is a single trial, and the numbers say nothing.
MIN_TRIALS = 10
#: How often the trials are drawn anew (with replacement) for the spread.
_RESAMPLES = 30
#: A resample of a larger study has this many of its trials, so that ten thousand take no longer than a thousand.
_RESAMPLED = 500
_SPREAD = (10.0, 90.0)
#: A number with no more values than this, unevenly spaced, was a choice among them.
_CHOICES = 10
_NAME = "report"

Value = float | int | str


@dataclass(frozen=True)
class ParamImportance:
    """One parameter's share.

    Attributes:
        path: dotted path.
        share: fraction in [0, 1] of the importance of all parameters.
        low, high: 10th and 90th percentile of the share over resampled trials, fractions in [0, 1].
    """

    path: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class ImportanceInfo:
    """The importances, or why there are none.

    Attributes:
        params: the most important first; None where nothing can be said.
        reason: why not, in words; empty where there are importances.
        trials: number of trials that the importances come from.
    """

    params: tuple[ParamImportance, ...] | None
    reason: str
    trials: int


@dataclass(frozen=True)
class _Column:
    path: str
    distribution: BaseDistribution
    values: Mapping[int, Value]  # by trial number


def importance_info(table: StudyTable) -> ImportanceInfo:
    """How much each searched parameter decided whether a trial was among the best tenth.

    Pruned trials are left out, since what they had reached after fewer epochs cannot be compared, and so are
    duplicates. With several objectives, being among the best means being near the Pareto front. A parameter counts
    within the range of its stored values; one with a single value cannot matter and gets 0.

    The spread comes from trials drawn with replacement: n of n, or m = 500 where there are more. The distances of the
    percentiles from the median are then multiplied by sqrt(m / n), since they shrink with the root of the number of
    trials (Politis, Romano & Wolf 1999, "Subsampling", ch. 2).

    Args:
        table: the study.
    """
    trials = [trial for trial in finished(table) if trial.state is TrialState.COMPLETE]
    if len(trials) < MIN_TRIALS:
        reason = f"{len(trials)} trial{'' if len(trials) == 1 else 's'} finished; at least {MIN_TRIALS} are needed"
        return ImportanceInfo(None, reason, len(trials))
    if len({trial.values for trial in trials}) == 1:
        return ImportanceInfo(None, "all finished trials have the same value", len(trials))
    columns = [found for param in table.study.info.searched if (found := _column(trials, param.path, param.log))]
    if not any(not column.distribution.single() for column in columns):
        return ImportanceInfo(None, "no searched parameter took more than one value", len(trials))
    study = _study([goal.maximize for goal in table.study.info.objectives])
    frozen = [_frozen(place, trial, columns) for place, trial in enumerate(trials)]
    shares = _shares(study, frozen, columns)
    if shares is None:
        return ImportanceInfo(None, "the best tenth of the trials does not differ from the others", len(trials))
    rng, drawn = np.random.default_rng(0), min(len(frozen), _RESAMPLED)
    samples = [[frozen[index] for index in rng.integers(len(frozen), size=drawn)] for _ in range(_RESAMPLES)]
    again = [one for sample in samples if (one := _shares(study, sample, columns)) is not None]
    shrink = math.sqrt(drawn / len(frozen))
    params = [
        ParamImportance(path, share, *_spread(share, [one[path] for one in again], shrink))
        for path, share in shares.items()
    ]
    return ImportanceInfo(tuple(sorted(params, key=lambda param: (-param.share, param.path))), "", len(trials))


def _column(trials: Sequence[TrialRow], path: str, log: bool) -> _Column | None:
    """The stored values of one parameter and the distribution that spans them; None where no trial has it."""
    known = {trial.number: trial.params[path] for trial in trials if path in trial.params}
    numbers = {key: number(value) for key, value in known.items()}
    values: dict[int, Value] = {key: value for key, value in numbers.items() if value is not None}
    if len(values) < len(known):  # some value is no number
        values = {key: label(value) for key, value in known.items()}
        return _Column(path, CategoricalDistribution(sorted({str(value) for value in values.values()})), values)
    if log:  # another branch of the study file may hold the parameter at 0
        values = {key: value for key, value in values.items() if float(value) > 0}
    if not values:
        return None
    span = sorted({float(value) for value in values.values()})
    if 2 < len(span) <= min(_CHOICES, len(values) // 5) and not _even(span):
        # As a range, the densities of few values would differ by their bandwidths alone, that is by the number of
        # trials that they come from, and the parameter would seem to matter.
        return _Column(path, CategoricalDistribution(span), {key: float(value) for key, value in values.items()})
    if all(isinstance(known[key], int) for key in values):
        low, high = round(span[0]), round(span[-1])
        step = 1 if log else math.gcd(*(round(value) - low for value in span)) or 1
        return _Column(path, IntDistribution(low, high, log=log, step=step), _whole(values))
    return _Column(path, FloatDistribution(span[0], span[-1], log=log), values)


def _even(span: Sequence[float]) -> bool:
    """Whether these numbers, in order, have equal distances."""
    return bool(np.allclose(np.diff(span), span[1] - span[0]))


def _whole(values: Mapping[int, Value]) -> dict[int, Value]:
    return {key: round(float(value)) for key, value in values.items()}


class _StoredStudy(optuna.Study):
    """An in-memory study whose trials are handed over as they are: `add_trials` copies each of them deeply, which
    takes longer than the importance itself.
    """

    stored: Sequence[FrozenTrial] = ()

    def get_trials(self, deepcopy: bool = True, states: Container[OptunaState] | None = None) -> list[FrozenTrial]:
        """The stored trials, all of which are complete."""
        return list(self.stored)


def _study(maximize: Sequence[bool]) -> _StoredStudy:
    storage = optuna.storages.InMemoryStorage()
    directions = [StudyDirection.MAXIMIZE if larger else StudyDirection.MINIMIZE for larger in maximize]
    log = logging.getLogger(type(storage).__module__)
    before = log.level
    log.setLevel(logging.WARNING)  # every new study is announced, and this one is no study of the user's
    try:
        storage.create_new_study(directions, _NAME)
    finally:
        log.setLevel(before)
    return _StoredStudy(_NAME, storage, sampler=optuna.samplers.RandomSampler(seed=0))


def _shares(study: _StoredStudy, trials: Sequence[FrozenTrial], columns: Sequence[_Column]) -> dict[str, float] | None:
    """Share by path; None where the evaluator finds no difference at all, which optuna would call equal shares."""
    study.stored = trials
    occurring = set().union(*(trial.params for trial in trials))
    present = [column.path for column in columns if column.path in occurring]
    with warnings.catch_warnings():
        # `normalize=False` is marked experimental, but only so can "no difference" be told from "equal shares".
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # A parameter of a rare branch: that its share is uncertain is what the spread shows.
        warnings.filterwarnings("ignore", "Some regimes for parameter", UserWarning)
        raw = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=present, normalize=False)
    total = sum(raw.values())
    if not math.isfinite(total) or total <= 0:
        return None
    return {column.path: float(raw.get(column.path, 0.0)) / total for column in columns}


def _frozen(place: int, trial: TrialRow, columns: Sequence[_Column]) -> FrozenTrial:
    own = [column for column in columns if trial.number in column.values]
    return FrozenTrial(
        number=place,
        trial_id=place,
        state=OptunaState.COMPLETE,
        value=None,
        values=list(trial.values or ()),
        datetime_start=trial.start,
        datetime_complete=trial.end,
        params={column.path: column.values[trial.number] for column in own},
        distributions={column.path: column.distribution for column in own},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _spread(share: float, values: Sequence[float], shrink: float) -> tuple[float, float]:
    """10th and 90th percentile; where `shrink` is below 1, as distances from the median, brought to `share`."""
    if not values:
        return math.nan, math.nan
    low, middle, high = (float(value) for value in np.percentile(values, (_SPREAD[0], 50.0, _SPREAD[1])))
    if shrink == 1.0:
        return low, high
    return max(0.0, share + shrink * (low - middle)), min(1.0, share + shrink * (high - middle))
