"""Knows how far residual blocks move from step to step, and how that changes with depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tunetrack.report.weights.layers import Trend, trend
from tunetrack.report.weights.table import Floats, median
from tunetrack.spec.weight_records import Item

__all__ = ["BlockRow", "BlocksInfo", "blocks_info"]


@dataclass(frozen=True)
class BlockRow:
    """One block; medians over all steps.

    Attributes:
        depth: its number from the input, from 1.
        name: of the block.
        size: how many weights its distances are summed over.
        step: median distance to the weights one step earlier, summed over its tensors.
        initial: median distance to the initial weights.
    """

    depth: int
    name: str
    size: int
    step: float
    initial: float


@dataclass(frozen=True)
class BlocksInfo:
    """The blocks of one trial.

    Attributes:
        rows: from the input on.
        trend: of `BlockRow.step` with depth, without block 1, whose size differs from the others'; None for too few.
        steps: int (steps,), optimiser steps done.
        initial: (steps, blocks), distance to the initial weights.
        previous: (steps, blocks), distance to the weights one step earlier.
    """

    rows: tuple[BlockRow, ...]
    trend: Trend | None
    steps: NDArray[np.int64]
    initial: Floats
    previous: Floats


def blocks_info(frame: pd.DataFrame) -> BlocksInfo | None:
    """The blocks of a trial's table; None where their distances were not recorded (``weights.block_steps``)."""
    rows = frame[frame["item"] == Item.BLOCK]
    if rows.empty:
        return None
    about = rows.drop_duplicates("depth").sort_values("depth")
    initial, previous = (
        rows.pivot(index="step", columns="depth", values=name).replace([np.inf, -np.inf], np.nan)
        for name in ("initial_minkowski", "previous_minkowski")
    )
    far, near = initial.to_numpy(np.float64), previous.to_numpy(np.float64)
    numbers = zip(about["depth"], about["name"], about["size"], median(near), median(far), strict=True)
    found = tuple(BlockRow(int(d), str(name), int(size), float(s), float(i)) for d, name, size, s, i in numbers)
    deeper = [row for row in found if row.depth >= 2]
    way = trend([row.depth for row in deeper], [row.step for row in deeper])
    return BlocksInfo(found, way, initial.index.to_numpy(np.int64), far, near)
