"""Knows all that a study's completed trials teach, in one record."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tunetrack.report.understanding.effects import EffectsInfo, effects_info
from tunetrack.report.understanding.path import PathInfo, path_info
from tunetrack.report.understanding.pruning import PruningInfo, pruning_info
from tunetrack.tracking.queries import StudyTable

__all__ = ["Understanding", "understanding"]


@dataclass(frozen=True)
class Understanding:
    """What the completed trials teach.

    Attributes:
        effects: how each parameter acts.
        path: which changes made the best trial better than an ordinary one.
        pruning: whether early values foretell final ones, and what pruning has cost.
    """

    effects: EffectsInfo
    path: PathInfo
    pruning: PruningInfo


def understanding(table: StudyTable, history: pd.DataFrame) -> Understanding:
    """All of it.

    Args:
        table: the study.
        history: columns run_id, metric, step, value: the curves of `audited_trials`; may hold more, or nothing.
    """
    effects = effects_info(table)
    path = path_info(table, effects.surrogate, effects.reason)
    return Understanding(effects, path, pruning_info(table, history))
