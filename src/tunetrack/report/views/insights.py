"""Knows what a study's parameters mean for its result, and computes that anew only when it may have changed.

Importance, interactions and effects take most of the time that a page of 10,000 trials takes, and a few more trials
hardly move them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from tunetrack.report.importance import ImportanceInfo, importance_info
from tunetrack.report.interactions import InteractionsInfo, interactions_info
from tunetrack.report.understanding.info import Understanding, understanding
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyState, StudyTable
from tunetrack.tracking.reader import Versioned

__all__ = ["Insights", "KnownInsights", "insights"]

#: While a study runs: share by which its completed trials must have grown before they are looked at again.
_GROWTH = 0.02
#: Studies of which something is kept.
_STUDIES = 32


@dataclass(frozen=True)
class Insights:
    """What the completed trials say of the parameters.

    Attributes:
        importance: of each parameter.
        interactions: of pairs.
        understanding: how each parameter acts, what made the best trial better, whether pruning is fair.
        trials: completed trials that all were computed from.
    """

    importance: ImportanceInfo
    interactions: InteractionsInfo
    understanding: Understanding
    trials: int


def no_curves(table: StudyTable) -> pd.DataFrame:
    """In place of curves, where there is no store to read them from."""
    return pd.DataFrame(columns=["run_id", "metric", "step", "value"])


def insights(table: StudyTable, curves: Callable[[StudyTable], pd.DataFrame] = no_curves) -> Insights:
    """All, from all completed trials of a study.

    Args:
        table: the study.
        curves: gives those of `tunetrack.report.understanding.pruning.audited_trials`.
    """
    known = understanding(table, curves(table))
    return Insights(importance_info(table), interactions_info(table), known, _completed(table))


class KnownInsights:
    """The insights of the studies that were looked at last. Methods may be called by several threads.

    Args:
        curves: as `insights` takes it.
    """

    def __init__(self, curves: Callable[[StudyTable], pd.DataFrame] = no_curves) -> None:
        self._curves = curves
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, Insights]] = OrderedDict()

    def of(self, now: Versioned) -> Insights:
        """What is known of a study: of one that runs, from `_GROWTH` fewer trials at most; else from all trials."""
        run_id = now.table.study.run_id
        with self._lock:
            version, kept = self._known.get(run_id, ("", None))
        if kept is None or not (version == now.version or _still_good(kept, now.table)):
            version, kept = now.version, insights(now.table, self._curves)
        with self._lock:
            self._known[run_id] = (version, kept)
            self._known.move_to_end(run_id)
            while len(self._known) > _STUDIES:
                self._known.popitem(last=False)
        return kept


def _still_good(kept: Insights, table: StudyTable) -> bool:
    completed = _completed(table)
    return table.study.state is StudyState.RUNNING and kept.trials <= completed < kept.trials * (1 + _GROWTH)


def _completed(table: StudyTable) -> int:
    return sum(trial.state is TrialState.COMPLETE for trial in table.trials)
