"""Knows how effects are drawn for paper."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tunetrack.report.style import (
    GREY,
    INK,
    SERIES,
    dress,
    figure,
    log_ticks,
    plain_ticks,
    units,
    wrapped,
)
from tunetrack.report.understanding.effects import Effect
from tunetrack.report.values import unit

__all__ = ["draw_effects"]

_COLUMNS = 3
_BAND = "#cfe3f5"
#: Categories that are named level; letters of a name that stands slanted.
_LEVEL_NAMES, _SLANTED = 5, 16


def draw_effects(effects: Sequence[Effect], metric: str) -> Figure:
    """One panel a parameter, all with the same axis: a band with its middle along a range, bars at single values.

    Args:
        effects: at least one.
        metric: name of the objective.
    """
    columns = min(_COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    drawn = figure(9.2, 0.5 + (2.4 if columns > 1 else 3.0) * rows)
    panels = drawn.subplots(rows, columns, sharey=True, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place >= len(effects):
            axes.set_visible(False)
            continue
        one = effects[place]
        _effect(axes, one)
        notes = [
            "log scale" if one.feature.log else "",
            "" if one.trials == effects[0].trials else f"{one.trials} trials",
        ]
        dress(axes, ", ".join(filter(None, notes)), title=wrapped(one.feature.path, 34 if columns > 1 else 90))
    drawn.supylabel(f"mean {units(metric, unit(metric))}", fontsize=9, color=GREY)
    return drawn


def _effect(axes: Axes, effect: Effect) -> None:
    feature = effect.feature
    if feature.log:
        axes.set_xscale("log")
    if feature.few:
        _bars(axes, feature.grid, (effect.low, effect.middle, effect.high))
    else:
        axes.fill_between(feature.grid, effect.low, effect.high, color=_BAND, linewidth=0)
        axes.plot(feature.grid, effect.middle, color=SERIES[0], linewidth=1.8)
    if feature.categories is not None:
        _name_categories(axes, feature.categories)
        axes.set_xlim(-0.6, len(feature.grid) - 0.4)
    elif feature.log:
        log_ticks(axes.xaxis, feature.grid[0], feature.grid[-1])
    else:
        plain_ticks(axes, 5, whole=feature.whole)


def _name_categories(axes: Axes, names: Sequence[str]) -> None:
    """Below the axis where there is room for a few letters each; else slanted."""
    many = len(names) > _LEVEL_NAMES
    width = _SLANTED if many else max(6, 30 // len(names))
    lines = [textwrap.wrap(name, width, max_lines=1 if many else 3, placeholder="…") for name in names]
    axes.set_xticks(range(len(names)), ["\n".join(one) or '""' for one in lines])
    for tick in axes.get_xticklabels() if many else ():
        tick.set(rotation=50, ha="right", rotation_mode="anchor")


def _bars(axes: Axes, places: Sequence[float], lines: Sequence[Sequence[float]]) -> None:
    low, middle, high = lines
    axes.vlines(places, low, high, color=INK, linewidth=1.3)
    axes.plot(places, middle, color=SERIES[0], marker="o", markersize=6, linestyle="")
