"""Knows how a study's trials compare with the numbers that an original experiment reports."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import pandas as pd

from tunetrack.report.derived import EpochValues, by_epoch, trial_metric
from tunetrack.report.values import label, number, short_name
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.records import TrialState
from tunetrack.spec.reference import Reference, ReferenceRow, row_matches
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = [
    "Compared",
    "Comparison",
    "Measured",
    "ReferenceCell",
    "ReferenceInfo",
    "ReferenceLine",
    "Verdict",
    "is_share",
    "reference_info",
    "row_label",
]

#: Differences up to so many combined standard errors count as agreement (about 95 %).
_WITHIN = 2.0
#: Metrics without any scatter: equal or not.
_EXACT = ("model/parameters",)


class Verdict(enum.StrEnum):
    """Whether two numbers can be told apart."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "scatter unknown"
    NO_TRIAL = "–"


@dataclass(frozen=True)
class Compared:
    """A study that is put beside the reference.

    Attributes:
        table: its trials.
        history: metrics by epoch, as `read_history` gives them; may be empty.
        images: number of images by data context (``validation``, ``test``), where trials do not say it themselves.
        document: its study file; empty where it is not stored.
    """

    table: StudyTable
    history: pd.DataFrame
    images: Mapping[str, int] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.table.study.info.name


@dataclass(frozen=True)
class Measured:
    """What a study's trials of one row measured.

    Attributes:
        trials: their numbers; at least one.
        mean: over the trials.
        error: binomial standard error of an accuracy of this size on one validation set; None for other metrics. The
            trials share their images, so it does not shrink with their number.
        spread: standard deviation over the trials; None for fewer than two.
    """

    trials: tuple[int, ...]
    mean: float
    error: float | None
    spread: float | None


@dataclass(frozen=True)
class Comparison:
    """One study's measurement against the original's number.

    Attributes:
        ours: None where no trial of the row was completed.
        difference: ours minus the original's; None without `ours`.
        error: combined standard error of the difference; None where no scatter is known.
        verdict: whether they agree within two of them.
    """

    ours: Measured | None
    difference: float | None
    error: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ReferenceCell:
    """One metric of one row.

    Attributes:
        metric: its name.
        original: what the original reports.
        error: its binomial standard error; None where it is no accuracy, or the number of images is not known.
        comparisons: one a study, in their order.
    """

    metric: str
    original: float
    error: float | None
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class ReferenceLine:
    """One row: its label, its condition and its metrics."""

    label: str
    row: ReferenceRow
    cells: tuple[ReferenceCell, ...]

    def cell(self, metric: str) -> ReferenceCell | None:
        """The cell of a metric; None where the original does not report it for this row."""
        return next((cell for cell in self.cells if cell.metric == metric), None)


@dataclass(frozen=True)
class ReferenceInfo:
    """The whole comparison.

    Attributes:
        reference: what the study file says.
        studies: names of the studies, in the order of each cell's comparisons.
        lines: one a row of the reference.
    """

    reference: Reference
    studies: tuple[str, ...]
    lines: tuple[ReferenceLine, ...]

    def count(self, verdict: Verdict, study: int = 0, metric: str | None = None) -> int:
        """How many cells of a study, of one metric or of all, have a verdict."""
        cells = (cell for line in self.lines for cell in line.cells if metric in (None, cell.metric))
        return sum(cell.comparisons[study].verdict is verdict for cell in cells)


def reference_info(reference: Reference, studies: Sequence[Compared]) -> ReferenceInfo:
    """Every number of the reference beside the mean of the COMPLETE trials that match its row.

    The error of a difference combines the binomial errors of both accuracies with the trials' own spread, which stands
    for the unknown spread of the original's runs, too: sqrt(e1^2 + e2^2 + s^2 (1 + 1/n)).

    Args:
        reference: the original's table.
        studies: the study that holds the reference first, then others that are compared with the same numbers.
    """
    epochs = [by_epoch(study.history) for study in studies]
    lines = []
    for row in reference.rows:
        matching = [_matching(study.table, row) for study in studies]
        cells = []
        for metric, original in row.values.items():
            error = binomial_error(original, reference.images) if reference.images and is_share(metric) else None
            measured = [
                _measured(trials, metric, known, study.images)
                for study, known, trials in zip(studies, epochs, matching, strict=True)
            ]
            comparisons = tuple(_compare(original, error, ours, metric) for ours in measured)
            cells.append(ReferenceCell(metric, original, error, comparisons))
        lines.append(ReferenceLine(row_label(row), row, tuple(cells)))
    return ReferenceInfo(reference, tuple(study.name for study in studies), tuple(lines))


def is_share(metric: str) -> bool:
    """Whether a metric is a share of right answers among held-out images."""
    return metric.endswith(("validation/accuracy", "test/accuracy"))


def row_label(row: ReferenceRow) -> str:
    """The row's own words, or its values under the last part of their paths (of ``optimizer.name``, the first)."""
    if row.label:
        return row.label
    return ", ".join(f"{short_name(path)} {value_text(value)}" for path, value in row.when.items()) or "all trials"


def value_text(value: Any) -> str:
    """A value of a row's condition, as a study file would have it, floats short."""
    return label(value)


def _matching(table: StudyTable, row: ReferenceRow) -> tuple[TrialRow, ...]:
    complete = (trial for trial in table.trials if trial.state is TrialState.COMPLETE)
    return tuple(trial for trial in complete if row_matches(row.when, trial.trained_with))


def _measured(
    trials: Sequence[TrialRow], metric: str, epochs: EpochValues, images: Mapping[str, int]
) -> Measured | None:
    known = [(trial, value) for trial in trials if (value := trial_metric(trial, metric, epochs)) is not None]
    if not known:
        return None
    values = [value for _, value in known]
    middle = mean(values)
    count = _images(known[0][0], metric, images)
    error = binomial_error(middle, count) if count and is_share(metric) and 0.0 <= middle <= 1.0 else None
    numbers = tuple(trial.number for trial, _ in known)
    return Measured(numbers, middle, error, stdev(values) if len(values) > 1 else None)


def _images(trial: TrialRow, metric: str, images: Mapping[str, int]) -> int | None:
    """How many images an accuracy of this trial was measured on."""
    part = "test" if metric.startswith("test/") else "validation"
    own = number(trial.trained_with.get(f"data.{part}"))
    return round(own) if own else images.get(part)


def _compare(original: float, error: float | None, ours: Measured | None, metric: str) -> Comparison:
    if ours is None:
        return Comparison(None, None, None, Verdict.NO_TRIAL)
    difference = ours.mean - original
    combined = 0.0 if metric in _EXACT else _combined(error, ours)
    if combined is None:
        return Comparison(ours, difference, None, Verdict.UNKNOWN)
    within = abs(difference) <= _WITHIN * combined or math.isclose(ours.mean, original, rel_tol=1e-12)
    return Comparison(ours, difference, combined, Verdict.AGREES if within else Verdict.DIFFERS)


def _combined(error: float | None, ours: Measured) -> float | None:
    """Standard error of the difference; None where nothing is known of the scatter.

    Repeats without any spread are one deterministic run, which says nothing of the scatter between runs.
    """
    spread = ours.spread or None
    if error is None and ours.error is None and spread is None:
        return None
    between = 0.0 if spread is None else spread**2 * (1.0 + 1.0 / len(ours.trials))
    return math.sqrt((error or 0.0) ** 2 + (ours.error or 0.0) ** 2 + between)
