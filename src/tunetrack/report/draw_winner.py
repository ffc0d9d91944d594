"""Knows how a confirmation is drawn: means and intervals of configurations, their seeds, what the search had said."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from tunetrack.report.style import GREY, INK, MARKS, dress, figure, plain_ticks, units
from tunetrack.report.values import unit
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Winner

__all__ = ["draw_winner"]

_BLUE = MARKS[TrialState.COMPLETE].color
#: Rows up from the mean at which the seeds stand, and down at which the values of the search do.
_SEEDS, _SEARCH = 0.22, 0.24


def draw_winner(winner: Winner) -> Figure:
    """One row a configuration, best mean first; the shaded rows cannot be told apart from the best one."""
    rows = winner.configurations
    drawn = figure(9.2, 1.25 + 0.46 * len(rows))
    axes = drawn.add_subplot()
    dress(axes, units(winner.metric, unit(winner.metric)))
    axes.grid(False, axis="y")
    for place, one in enumerate(rows):
        color = _BLUE if one.group == 1 else GREY
        if one.group == 1:
            axes.axhspan(place - 0.5, place + 0.5, color="#e8f1fa", linewidth=0, zorder=0)
        axes.scatter(
            one.values, [place - _SEEDS] * len(one.values), s=16, color=color, alpha=0.65, linewidths=0, zorder=3
        )
        axes.plot([one.low, one.high], [place, place], color=color, linewidth=2.2, solid_capstyle="butt", zorder=3)
        axes.scatter([one.mean], [place], s=52, color=color, edgecolors="white", linewidths=0.8, zorder=4)
        marks = [(one.raw, "o"), *([] if one.shrunken is None else [(one.shrunken, "D")])]
        for value, shape in marks:
            axes.scatter(
                [value], [place + _SEARCH], s=24, marker=shape, facecolors="none", edgecolors=GREY, linewidths=1.1,
                zorder=3,
            )  # fmt: skip
    names = [f"trial {one.trial}" + ("  ★" if one.trial == winner.chosen else "") for one in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    plain_ticks(axes, 8)
    _sizes(drawn, winner)
    _legend(drawn, winner)
    return drawn


def _sizes(drawn: Figure, winner: Winner) -> None:
    """Each model's parameters at the right, since they decide among equals."""
    axes = drawn.axes[0]
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    for place, one in enumerate(winner.configurations):
        if one.parameters is not None:
            axes.text(
                1.015, place, f"{one.parameters:,} parameters", transform=beside, va="center", fontsize=8.5, color=GREY
            )


def _legend(drawn: Figure, winner: Winner) -> None:
    mean = Line2D([], [], color=_BLUE, marker="o", markersize=7, linewidth=2.2, markeredgecolor="white")
    mean.set_label(f"mean of {len(winner.seeds)} seeds, {100 * winner.level:g} % interval")
    seed = Line2D([], [], color=_BLUE, marker="o", markersize=3.5, linestyle="", label="one seed")
    look = {"color": GREY, "linestyle": "", "markerfacecolor": "none", "markersize": 5}
    handles = [mean, seed, Line2D([], [], marker="o", label="in the search", **look)]  # type: ignore[arg-type]
    if any(one.shrunken is not None for one in winner.configurations):
        handles.append(Line2D([], [], marker="D", label="the same, shrunken", **look))  # type: ignore[arg-type]
    drawn.legend(
        handles=handles, loc="outside upper left", ncols=4, fontsize=8.5, frameon=False, labelcolor=INK,
        handletextpad=0.4, columnspacing=1.6,
    )  # fmt: skip
