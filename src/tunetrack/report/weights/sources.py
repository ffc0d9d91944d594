"""Knows where the weight statistics of a study's trials are stored, and puts those that are compared together."""

from __future__ import annotations

from collections.abc import Sequence

from tunetrack.report.sources import stored_document, stored_reference
from tunetrack.report.weights.page import WeightsSource
from tunetrack.report.weights.trials import chosen_trials, compared_trial, differing
from tunetrack.tracking.queries import TrackingStore, read_study, read_weight_stats

__all__ = ["read_weights"]


def read_weights(
    store: TrackingStore, study: str, trials: Sequence[int] | None = None, every: bool = False
) -> WeightsSource:
    """Read what is to be compared from the stored runs.

    Args:
        store: where the study's runs are; nothing is written to it.
        study: its name, or its run's id.
        trials: numbers of the trials, in the order in which they are to stand; None: the best of every network.
        every: all trials that have weight statistics, instead.

    Raises:
        TunetrackError: there is no such trial, or it has no weight statistics.
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    table = read_study(store, study)
    found = tuple(
        compared_trial(trial, read_weight_stats(store, trial.run_id)) for trial in chosen_trials(table, trials, every)
    )
    reference = stored_reference(stored_document(store, table), study)
    searched = [param.path for param in table.study.info.searched]
    return WeightsSource(table.study.info.name, table.study.run_id, differing(found, searched), reference)
