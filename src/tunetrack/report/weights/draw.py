"""Knows how the weight statistics of several trials are drawn beside or over one another, on the same axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tunetrack.report.style import GREY, INK, SERIES, dress, figure, log_ticks
from tunetrack.report.weights.kinds import NAMED, KindInfo
from tunetrack.report.weights.table import Floats
from tunetrack.report.weights.trials import ComparedTrial

__all__ = [
    "draw_depth",
    "draw_histograms",
    "draw_kinds",
    "draw_ratios",
    "edges_of",
    "head",
    "legend_of",
    "legend_rows",
    "log_axis",
    "look_of",
]

Trials = Sequence[ComparedTrial]

#: A bin that never held this share of the weights is not worth the room.
_SHOWN = 5e-4
_WIDTH = 9.2
#: So many parameters tell a trial apart in a figure; tables have them all.
_NAMES = 4


def draw_depth(trials: Trials) -> Figure:
    """Lines over depth, one a trial: update per weight, gradient, and dead units where there are any.

    Args:
        trials: at least one.
    """
    panels: list[tuple[str, list[tuple[list[int], list[float]]]]] = [
        (
            "median update per weight",
            [([r.depth for r in t.layers.rows], [r.update_mean for r in t.layers.rows]) for t in trials],
        ),
        (
            "median gradient (root mean square)",
            [([r.depth for r in t.layers.rows], [r.gradient_rms for r in t.layers.rows]) for t in trials],
        ),
    ]
    if any(row.share > 0 for trial in trials for row in trial.dead):
        panels.append(("dead units (share)", [([r.depth for r in t.dead], [r.share for r in t.dead]) for t in trials]))
    drawn = figure(_WIDTH, 3.6 + 0.2 * legend_rows(trials))
    row = np.atleast_1d(drawn.subplots(1, len(panels), sharex=True))
    last = max((depth for _, lines in panels for depths, _ in lines for depth in depths), default=1)
    for place, (axes, (title, lines)) in enumerate(zip(row, panels, strict=True)):
        dress(axes, "layers with kernels from the input", "", title)
        _depth_lines(axes, lines, trials, last)
        if place < 2:
            log_axis(axes, (value for _, values in lines for value in values))
        else:
            axes.set_ylim(-0.02, 1.05 * max(value for _, values in lines for value in values))
    legend_of(drawn, trials)
    return drawn


def _depth_lines(axes: Axes, lines: Sequence[tuple[Sequence[int], Sequence[float]]], trials: Trials, last: int) -> None:
    for place, ((depths, values), trial) in enumerate(zip(lines, trials, strict=True)):
        marker = "o" if last <= 40 else ""
        axes.plot(depths, values, marker=marker, markersize=3.2, linewidth=1.4, **look_of(place, trial))
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def draw_ratios(trials: Trials) -> Figure:
    """Update ratios as one heat map a trial: layers by depth down, epochs across, the same colours in all.

    Args:
        trials: at least one with update ratios.
    """
    shown = [trial for trial in trials if trial.layers.ratios.size]
    values = np.concatenate([trial.layers.ratios.ravel() for trial in shown])
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1e-3, 1.0)
    norm = LogNorm(low / 1.05, high * 1.05)
    last = max(row.depth for trial in shown for row in trial.layers.rows)
    drawn = figure(_WIDTH, min(6.5, 2.2 + 0.11 * last))
    row = np.atleast_1d(drawn.subplots(1, len(shown), sharey=True))
    mesh: Any = None
    end = max(float(trial.layers.times[-1]) for trial in shown)
    for place, (axes, trial) in enumerate(zip(row, shown, strict=True)):
        _bare(axes, "epoch", "layers with kernels from the input" if place == 0 else "", head(trial, len(shown)))
        grid = _by_depth(trial, last)
        mesh = axes.pcolormesh(
            edges_of(trial.layers.times), np.arange(last + 1) + 0.5, np.ma.masked_invalid(grid),
            norm=norm, cmap="viridis", rasterized=True,
        )  # fmt: skip
        axes.set_xlim(float(edges_of(trial.layers.times)[0]), end + 0.5)
        axes.set_ylim(last + 0.5, 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(_ticks(len(shown)), integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    _color_bar(drawn, mesh, row, "update ratio", (low, high))
    return drawn


def _by_depth(trial: ComparedTrial, last: int) -> Floats:
    """Ratios by depth from 1; the largest kernel stands for a depth that several have."""
    grid = np.full((last, trial.layers.ratios.shape[1]), np.nan)
    rows = sorted(zip(trial.layers.rows, trial.layers.ratios, strict=True), key=lambda pair: pair[0].size)
    for layer, ratios in rows:
        grid[layer.depth - 1] = np.where(ratios > 0, ratios, np.nan)
    return grid


def draw_histograms(trials: Trials) -> Figure:
    """Histograms over epochs as heat maps: a row a kind, a column a trial, the same axes and colours along a row.

    Args:
        trials: at least one with histograms.
    """
    kinds = _kinds_of(trials)
    drawn = figure(_WIDTH, 0.5 + 1.75 * len(kinds))
    grid = drawn.subplots(len(kinds), len(trials), sharex=True, squeeze=False)
    end = max(kind.times[-1] for trial in trials for kind in trial.kinds)
    for row, name in enumerate(kinds):
        found = [next((kind for kind in trial.kinds if kind.kind == name), None) for trial in trials]
        known = [kind for kind in found if kind is not None]
        low, high = _occupied(known)
        brightest = max(float(kind.histogram.shares[min(1, len(kind.times) - 1) :].max()) for kind in known)
        norm = PowerNorm(0.5, 0.0, brightest or 1.0)
        for column, (trial, kind) in enumerate(zip(trials, found, strict=True)):
            axes = grid[row][column]
            title = head(trial, len(trials)) if row == 0 else ""
            in_units = " (initial rms)" if known[0].histogram.in_units else ""
            _bare(
                axes, "epoch" if row == len(kinds) - 1 else "", f"{NAMED[name]}{in_units}" if not column else "", title
            )
            axes.set_xlim(-0.5, end + 0.5)
            axes.set_ylim(low, high)
            axes.xaxis.set_major_locator(MaxNLocator(_ticks(len(trials)), integer=True, min_n_ticks=1))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.tick_params(labelleft=column == 0)
            if kind is None:
                axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", fontsize=9, color=GREY)
                continue
            axes.pcolormesh(
                edges_of(kind.times), kind.histogram.edges, kind.histogram.shares.T,
                norm=norm, cmap="Blues", rasterized=True,
            )  # fmt: skip
            for place, width in ((0, 0.8), (1, 1.4), (2, 0.8)):
                axes.plot(
                    kind.times, kind.histogram.quantiles[:, place], color=INK, linewidth=width, solid_capstyle="butt"
                )
    return drawn


def draw_kinds(trials: Trials) -> Figure:
    """Lines over epochs, a column a kind: spread, change of a weight, share of weights whose change has turned.

    The change is that since the record before, as a root mean square.

    Args:
        trials: at least one with parameter tensors.
    """
    kinds = _kinds_of(trials)
    drawn = figure(_WIDTH, 5.6 + 0.2 * legend_rows(trials))
    grid = drawn.subplots(3, len(kinds), sharex=True, sharey="row", squeeze=False)
    titles = ("standard deviation", "change of a weight", "share turned")
    everything: tuple[list[float], ...] = ([], [], [])
    for column, name in enumerate(kinds):
        for row, title in enumerate(titles):
            dress(
                grid[row][column],
                "epoch" if row == 2 else "",
                title if not column else "",
                NAMED[name] if not row else "",
            )
        for place, trial in enumerate(trials):
            for kind in (kind for kind in trial.kinds if kind.kind == name):
                for row, values in enumerate((kind.std, kind.change, kind.turned)):
                    shown = np.where(values > 0, values, np.nan) if row < 2 else values
                    everything[row].extend(shown[np.isfinite(shown)])
                    marker = "o" if len(values) <= 30 else ""
                    grid[row][column].plot(
                        kind.times, shown, marker=marker, markersize=2.8, linewidth=1.3, **look_of(place, trial)
                    )
    for row in (0, 1):
        log_axis(grid[row][0], everything[row])
    for axes in grid[2]:
        axes.set_ylim(-0.03, 1.03)
        axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    legend_of(drawn, trials)
    return drawn


def look_of(place: int, trial: ComparedTrial) -> dict[str, Any]:
    """Colour by place; dashed where the network has no shortcuts and others have."""
    return {"color": SERIES[place % len(SERIES)], "linestyle": (0, (3.5, 1.5)) if trial.plain else "-"}


def legend_of(drawn: Figure, trials: Trials) -> None:
    """The trials above all axes."""
    handles = [
        Line2D([], [], linewidth=1.6, label=_entry(trial), **look_of(place, trial))
        for place, trial in enumerate(trials)
    ]
    drawn.legend(
        handles=handles, loc="outside upper left", ncols=_legend_columns(trials), fontsize=8.5, frameon=False,
        labelcolor=INK, handletextpad=0.5, columnspacing=1.6,
    )  # fmt: skip


def _entry(trial: ComparedTrial) -> str:
    return f"{trial.name}: {trial.differences(_NAMES)}" if trial.params else trial.name


def _legend_columns(trials: Trials) -> int:
    return max(1, min(4, 125 // (max(len(_entry(trial)) for trial in trials) + 9)))


def legend_rows(trials: Trials) -> int:
    """Lines of text that `legend_of` takes."""
    return -(-len(trials) // _legend_columns(trials))


def head(trial: ComparedTrial, columns: int) -> str:
    """A column's title, in lines that fit."""
    width = max(10, 96 // columns)
    lines = [trial.name]
    for piece in trial.differences(_NAMES).split(", "):
        if len(lines) > 1 and len(lines[-1]) + len(piece) + 2 <= width:
            lines[-1] += f", {piece}"
        elif piece:
            lines.append(piece if len(piece) <= width + 1 else f"{piece[:width]}…")
    return "\n".join(lines)


def log_axis(axes: Axes, values: Iterable[float]) -> None:
    """A logarithmic y axis around what is positive among the values; a note where nothing is."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    if not known:
        axes.set_yticks([])
        axes.text(0.5, 0.75, "nothing above zero", transform=axes.transAxes, ha="center", fontsize=9, color=GREY)
        return
    low, high = min(known) / 1.25, max(known) * 1.25
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)


def edges_of(times: Floats) -> Floats:
    """Where the cells of a heat map begin and end, so that each moment is in the middle of its cell."""
    if len(times) == 1:
        return np.array([times[0] - 0.5, times[0] + 0.5])
    middle = (times[1:] + times[:-1]) / 2
    return np.concatenate([[2 * times[0] - middle[0]], middle, [2 * times[-1] - middle[-1]]])


def _kinds_of(trials: Trials) -> list[str]:
    return [name for name in NAMED if any(kind.kind == name for trial in trials for kind in trial.kinds)]


def _occupied(kinds: Sequence[KindInfo]) -> tuple[float, float]:
    """The part of the histogram's range that any moment of any trial fills."""
    ends = []
    for kind in kinds:
        filled = np.flatnonzero(kind.histogram.shares.max(axis=0) > _SHOWN)
        edges = kind.histogram.edges
        ends.append((edges[filled[0]], edges[filled[-1] + 1]) if len(filled) else (edges[0], edges[-1]))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _ticks(columns: int) -> int:
    return 6 if columns <= 2 else 4 if columns <= 4 else 2


def _bare(axes: Axes, x_title: str, y_title: str, title: str) -> None:
    dress(axes, x_title, y_title)
    axes.grid(False)
    if title:
        axes.set_title(title, fontsize=8.5, color=INK, loc="left", pad=5)


def _color_bar(drawn: Figure, mesh: Any, row: Any, title: str, ends: tuple[float, float]) -> None:
    bar = drawn.colorbar(mesh, ax=list(row), pad=0.01, aspect=30)
    bar.outline.set_visible(False)
    bar.set_label(title, fontsize=9, color=GREY)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=GREY)
    log_ticks(bar.ax.yaxis, *ends)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
