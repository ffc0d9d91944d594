"""Knows how steps of residual blocks are drawn: by depth, and over the optimiser steps with a line a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tunetrack.report.style import GREY, INK, dress, figure
from tunetrack.report.weights.blocks import BlocksInfo
from tunetrack.report.weights.draw import head, legend_of, legend_rows, log_axis, look_of
from tunetrack.report.weights.table import thinned
from tunetrack.report.weights.trials import ComparedTrial

__all__ = ["draw_block_depth", "draw_block_series"]

#: Points of one line.
_POINTS = 300
_WIDTH = 9.2


def draw_block_depth(trials: Sequence[ComparedTrial]) -> Figure:
    """Median distance of each block to the step before and to the initial weights, by the block's number.

    Args:
        trials: at least one with distances of blocks.
    """
    trials = [trial for trial in trials if trial.blocks is not None]
    drawn = figure(_WIDTH, 3.6 + 0.2 * legend_rows(trials))
    panels = drawn.subplots(1, 2, sharex=True)
    named = [(place, trial, trial.blocks) for place, trial in enumerate(trials) if trial.blocks is not None]
    last = max(row.depth for _, _, blocks in named for row in blocks.rows)
    for axes, number, title in (
        (panels[0], "step", "median distance to the weights one step earlier"),
        (panels[1], "initial", "median distance to the initial weights"),
    ):
        dress(axes, "block from the input", "", title)
        for place, trial, blocks in named:
            values = [getattr(row, number) for row in blocks.rows]
            depths = [row.depth for row in blocks.rows]
            axes.plot(depths, values, marker="o", markersize=3.2, linewidth=1.4, **look_of(place, trial))
        log_axis(axes, (getattr(row, number) for _, _, blocks in named for row in blocks.rows))
        axes.set_xlim(0.5, last + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    legend_of(drawn, trials)
    return drawn


def draw_block_series(trials: Sequence[ComparedTrial]) -> Figure:
    """Distances over the optimiser steps, a column a trial, a line a block: blue near the input, red near the output.

    Above the distance to the initial weights, below that to the weights one step earlier (logarithmic), limits shared.

    Args:
        trials: at least one with distances of blocks.
    """
    named = [(trial, trial.blocks) for trial in trials if trial.blocks is not None]
    last = max(row.depth for _, blocks in named for row in blocks.rows)
    drawn = figure(_WIDTH, 4.9)
    grid = drawn.subplots(2, len(named), sharex=True, sharey="row", squeeze=False)
    norm = Normalize(1, max(last, 2))
    for column, (trial, blocks) in enumerate(named):
        dress(grid[0][column], "", "" if column else "to the initial weights")
        dress(grid[1][column], "optimiser step", "" if column else "to one step earlier")
        grid[0][column].set_title(head(trial, len(named)), fontsize=8.5, color=INK, loc="left", pad=5)
        grid[1][column].xaxis.set_major_locator(MaxNLocator(6 if len(named) <= 3 else 3, integer=True, min_n_ticks=1))
        kept = thinned(len(blocks.steps), _POINTS)
        for place, row in enumerate(blocks.rows):
            color = colormaps["coolwarm"](norm(row.depth))
            for axes, values in ((grid[0][column], blocks.initial), (grid[1][column], blocks.previous)):
                shown = np.where(values[kept, place] > 0, values[kept, place], np.nan)
                axes.plot(blocks.steps[kept], shown, color=color, linewidth=0.8, rasterized=True)
    log_axis(grid[1][0], _all_steps([blocks for _, blocks in named]))
    grid[0][0].set_ylim(bottom=0.0)
    bar = drawn.colorbar(ScalarMappable(norm, "coolwarm"), ax=grid.ravel().tolist(), pad=0.01, aspect=40)
    bar.outline.set_visible(False)
    bar.set_label("block from the input", fontsize=9, color=GREY)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=GREY)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    return drawn


def _all_steps(known: Sequence[BlocksInfo]) -> list[float]:
    return [float(value) for blocks in known for value in blocks.previous.ravel()]
