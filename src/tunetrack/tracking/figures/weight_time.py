"""Knows how the records of a trial's weight statistics lie over time: by epoch, or by step where an epoch has several.

However many records there are, a picture has at most `COLUMNS` columns, so that figures stay small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import WeightRecord
from tunetrack.tracking.figures import svg

__all__ = ["COLUMNS", "Timeline", "timeline"]

COLUMNS = 200


@dataclass(frozen=True)
class Timeline:
    """Where records stand on a horizontal axis, and in which column of a picture.

    Attributes:
        label: what the axis counts, ``epoch`` or ``optimiser steps``.
        times: (records,), in that unit.
        column: (records,), of each record, from 0.
        columns: how many there are.
        low, high: outer edges of the first and of the last column.
    """

    label: str
    times: NDArray[np.int64] = field(repr=False)
    column: NDArray[np.int64] = field(repr=False)
    columns: int
    low: float
    high: float

    def centers(self) -> NDArray[np.float64]:
        """(columns,), the middle of each."""
        half = (self.high - self.low) / self.columns / 2
        return np.linspace(self.low + half, self.high - half, self.columns)

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of each column's records; of a column without any, that of the column before.

        Args:
            values: (records, n); what is not finite is left out.

        Returns:
            (columns, n), NaN where no record has a finite value.
        """
        known = np.isfinite(values)
        sums, counts = np.zeros((2, self.columns, values.shape[1]))
        np.add.at(sums, self.column, np.where(known, values, 0.0))
        np.add.at(counts, self.column, known)
        filled = np.zeros(self.columns, np.int64)
        filled[self.column] = self.column
        means: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return means[np.maximum.accumulate(filled)]

    def axis(self, start: float, end: float) -> svg.Axis:
        """The axis between two pixels."""
        return svg.Axis(self.low, self.high, start, end)

    def marks(self, axis: svg.Axis, bottom: float) -> list[str]:
        """Ticks with their numbers, all whole, and the axis's name under them."""
        first, last = int(self.times[0]), int(self.times[-1])
        parts = []
        for time in sorted({round(tick) for tick in svg.ticks(first, max(last, first + 1), 8)}):
            if first <= time <= last:
                parts.append(svg.line(axis(time), bottom, axis(time), bottom + 4, svg.GREY))
                parts.append(svg.text(axis(time), bottom + 17, f"{time:,}", 11, svg.GREY, "text-anchor='middle'"))
        middle = (axis.start + axis.end) / 2
        return [*parts, svg.text(middle, bottom + 34, self.label, 12, svg.GREY, "text-anchor='middle'")]


def timeline(records: Sequence[WeightRecord]) -> Timeline:
    """Lay out records, of which there is at least one, in the order of their steps."""
    epochs = [record.epoch for record in records]
    by_epoch = len(set(epochs)) == len(epochs)
    times = np.array(epochs if by_epoch else [record.step for record in records], np.int64)
    first, last = int(times[0]), int(times[-1])
    columns = min(COLUMNS, len(records)) if last > first else 1
    half = (last - first) / max(columns - 1, 1) / 2 or 0.5
    column = np.round((times - first) / (2 * half)).astype(np.int64)
    return Timeline("epoch" if by_epoch else "optimiser steps", times, column, columns, first - half, last + half)
