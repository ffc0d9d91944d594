"""Knows which trials' learning curves stand for a study, and the numbers that are drawn beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tunetrack.report.certainty import certainty_info
from tunetrack.report.curves import curve_metric
from tunetrack.report.derived import EpochValues, by_epoch
from tunetrack.report.reference import Compared, ReferenceInfo, ReferenceLine, is_share
from tunetrack.report.values import ranked
from tunetrack.spec.certainty import SHARES, binomial_error
from tunetrack.spec.records import TrialState

__all__ = ["ComparedCurves", "ComparedRow", "compared_curves", "shown_metrics"]

#: More curves than this cannot be told apart, more rows cannot be read.
CURVES, ROWS = 8, 24

_PER_EPOCH = ("validation/accuracy", "validation/loss", "train/accuracy", "train/loss")


@dataclass(frozen=True)
class ComparedRow:
    """One configuration.

    Attributes:
        label: in words.
        curve: its first trial's values, from epoch 1; None where it is not drawn.
        ours: value and standard error; the error is None where it is not known.
        original: the same as the original reports it; None where there is no original.
    """

    label: str
    curve: tuple[float, ...] | None
    ours: tuple[float, float | None] | None
    original: tuple[float, float | None] | None


@dataclass(frozen=True)
class ComparedCurves:
    """The figure's content.

    Attributes:
        curve_metric: what the curves show.
        point_metric: what the points beside them show.
        rows: the configurations, in the reference's order, or the best trial first; a diverged curve ends early.
    """

    curve_metric: str
    point_metric: str
    rows: tuple[ComparedRow, ...]


def shown_metrics(study: Compared, info: ReferenceInfo | None) -> tuple[str, str]:
    """What the curves show, and what the points beside them show."""
    if info is None:
        return curve_metric(study.table), study.table.study.info.objectives[0].metric
    metrics = info.reference.metrics
    point = next(filter(is_share, metrics), metrics[0])
    bare = point.removeprefix("best/").removeprefix("final/").removeprefix("first/")
    return (bare if bare in _PER_EPOCH else curve_metric(study.table)), point


def compared_curves(study: Compared, info: ReferenceInfo | None) -> ComparedCurves:
    """The rows of the reference with their trials, or the best trials where there is no reference.

    Of more than `CURVES` rows with a trial, the ones drawn as curves are spread evenly from best to worst.

    Args:
        study: with the history of the curves' metric.
        info: the comparison whose first study it is; None for a study without reference.
    """
    curve, point = shown_metrics(study, info)
    epochs = by_epoch(study.history)
    rows = _best(study, curve, epochs) if info is None else _lines(study, info, (curve, point), epochs)
    return ComparedCurves(curve, point, rows)


def _best(study: Compared, metric: str, epochs: EpochValues) -> tuple[ComparedRow, ...]:
    goal = study.table.study.info.objectives[0].metric
    images = certainty_info(study.table, study.images.get("validation")).images or study.images.get("validation")
    rows = []
    for trial in [trial for trial in ranked(study.table) if trial.state is TrialState.COMPLETE][:CURVES]:
        value = (trial.values or (0.0,))[0]
        share = goal in SHARES and images and 0.0 <= value <= 1.0
        error = binomial_error(value, images) if share and images else None
        rows.append(ComparedRow(f"trial {trial.number}", _curve(trial.run_id, metric, epochs), (value, error), None))
    return tuple(rows)


def _lines(
    study: Compared, info: ReferenceInfo, metrics: tuple[str, str], epochs: EpochValues
) -> tuple[ComparedRow, ...]:
    runs = {trial.number: trial.run_id for trial in study.table.trials}
    drawn = _chosen(info, metrics[1])
    rows = []
    for index, line in enumerate(info.lines):
        cell = line.cell(metrics[1])
        if cell is None:
            continue
        ours = cell.comparisons[0].ours
        curve = _curve(runs[ours.trials[0]], metrics[0], epochs) if ours is not None and index in drawn else None
        point = None if ours is None else (ours.mean, ours.error if ours.error is not None else ours.spread)
        rows.append(ComparedRow(line.label, curve, point, (cell.original, cell.error)))
    return tuple(rows if len(rows) <= ROWS else [row for row in rows if row.curve is not None])


def _chosen(info: ReferenceInfo, metric: str) -> set[int]:
    """Indices of the lines whose curves are drawn."""
    known = [(value, index) for index, line in enumerate(info.lines) if (value := _ours(line, metric)) is not None]
    order = [index for _, index in sorted(known)]
    if len(order) <= CURVES:
        return set(order)
    return {order[round(place * (len(order) - 1) / (CURVES - 1))] for place in range(CURVES)}


def _ours(line: ReferenceLine, metric: str) -> float | None:
    cell = line.cell(metric)
    ours = None if cell is None else cell.comparisons[0].ours
    return None if ours is None else ours.mean


def _curve(run_id: str, metric: str, epochs: EpochValues) -> tuple[float, ...] | None:
    """The values up to the first one that is not finite; None where there is none."""
    finite: list[float] = []
    for value in epochs.get((run_id, metric), ()):
        if not math.isfinite(value):
            break
        finite.append(value)
    return tuple(finite) or None
