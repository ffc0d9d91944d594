"""Knows what tells some trials apart: parameters, metrics and curves side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tunetrack.report.views.plain import finite, history_payload, param_value
from tunetrack.report.views.query import QueryError
from tunetrack.report.views.rows import chosen, row
from tunetrack.report.views.trials import metric_names
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["COMPARED_CURVES", "FEWEST_COMPARED", "MOST_COMPARED", "compare_payload", "compared_trials"]

FEWEST_COMPARED, MOST_COMPARED = 2, 50
#: Metrics by epoch that are laid over one another.
COMPARED_CURVES = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "lr")


def compared_trials(table: StudyTable, numbers: Sequence[int]) -> list[TrialRow]:
    """The trials of these numbers, in this order, each once.

    Raises:
        MissingTrialError: there is no such trial.
        QueryError: they are too few or too many.
    """
    wanted = list(dict.fromkeys(numbers))
    if not FEWEST_COMPARED <= len(wanted) <= MOST_COMPARED:
        raise QueryError(f"{FEWEST_COMPARED} to {MOST_COMPARED} different trials can be compared, not {len(wanted)}")
    return chosen(table, wanted)


def compare_payload(table: StudyTable, trials: Sequence[TrialRow], history: pd.DataFrame) -> dict[str, Any]:
    """Trials side by side. A parameter that one trial has and another has not differs; where it is missing is None.

    Args:
        table: the study.
        trials: as `compared_trials` gives them.
        history: their `COMPARED_CURVES`.
    """
    searched = [param.path for param in table.study.info.searched]
    others = sorted(set().union(*(trial.params for trial in trials)) - set(searched))
    differs, same = [], []
    for path in (*searched, *others):
        values = [param_value(trial.params.get(path)) for trial in trials]
        kinds = {(path in trial.params, repr(value)) for trial, value in zip(trials, values, strict=True)}
        if len(kinds) > 1:
            differs.append({"path": path, "values": values})
        elif path in trials[0].params:
            same.append({"path": path, "value": values[0]})
    return {
        "trials": [row(table, trial) for trial in trials],
        "differs": differs,
        "same": same,
        "metrics": [
            {"name": name, "values": [finite(trial.metrics.get(name)) for trial in trials]}
            for name in metric_names(trials)
        ],
        "curves": history_payload(table, history, COMPARED_CURVES),
    }
