"""Knows how trials are drawn as a whole: history, Pareto scatter, learning curves, certainty, states and cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tunetrack.report.certainty import CertaintyInfo
from tunetrack.report.curves import Curve, CurvesInfo
from tunetrack.report.history import HistoryInfo
from tunetrack.report.leaderboard import LeaderboardInfo
from tunetrack.report.states import StatesInfo
from tunetrack.report.style import (
    ACCENT,
    GREY,
    INK,
    MANY,
    MARKS,
    dress,
    figure,
    legend,
    log_ticks,
    plain_text,
    plain_ticks,
    scatter,
    spread,
    units,
)
from tunetrack.report.values import pareto_front, unit, window
from tunetrack.spec.records import TrialState

__all__ = ["draw_certainty", "draw_curves", "draw_history", "draw_pareto", "draw_states"]

#: From this ratio of the largest to the smallest loss on, a linear axis shows nothing but the worst.
_LOG_FROM = 30.0
#: Blues from dark to light: the best trial is the darkest.
_RANKS = ("#0b3c68", "#1f6fb2", "#4c94cc", "#7fb3dc", "#a9cde9")
_LABELS = 12


def draw_history(info: HistoryInfo) -> Figure:
    """The objective by trial number; trials without a value are marked along the lower edge."""
    drawn = figure(9.2, 3.9)
    axes = drawn.add_subplot()
    dress(axes, "trial", units(info.metric, unit(info.metric)))
    many = len(info.points) > MANY
    known = [point.value for point in info.points if point.value is not None]
    beyond = _value_axis(axes, known, info.maximize, floor=len(known) < len(info.points)) if known else 0
    low, high = axes.get_ylim()
    for state in TrialState:
        own = [point for point in info.points if point.state is state]
        placed = [(point.number, min(max(point.value, low), high)) for point in own if point.value is not None]
        scatter(axes, [x for x, _ in placed], [y for _, y in placed], state, many)
        # Where there is nothing to place by value, the mark says at least that there was a trial.
        missing = [point.number for point in own if point.value is None]
        scatter(axes, missing, [0.03 if known else 0.5] * len(missing), state, many, by_height=True)
    lines = []
    if info.best_so_far:
        lines = [_best_line(axes, info)]
    if not known:
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        axes.text(0.5, 0.72, "no trial has a value", transform=axes.transAxes, ha="center", fontsize=10, color=GREY)
    last = max((point.number for point in info.points), default=0)
    pad = max(0.5, 0.015 * last)
    axes.set_xlim(-pad, last + pad)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    legend(axes, _counts(point.state for point in info.points), lines)
    _note_beyond(axes, beyond)
    return drawn


def draw_pareto(
    values: Sequence[tuple[int, float, float]], metrics: tuple[str, str], maximize: tuple[bool, bool]
) -> Figure:
    """Two objectives against each other, the trials that no other one beats joined by a line.

    Args:
        values: (trial number, first objective, second objective); may be empty.
        metrics: their names.
        maximize: for each, whether larger is better.
    """
    drawn = figure(9.2, 4.6)
    axes = drawn.add_subplot()
    titles = [
        units(name, ", ".join(filter(None, (unit(name), "larger is better" if up else "smaller is better"))))
        for name, up in zip(metrics, maximize, strict=True)
    ]
    dress(axes, titles[1], titles[0])
    scatter(axes, [v[2] for v in values], [v[1] for v in values], TrialState.COMPLETE, len(values) > MANY)
    front = sorted((values[i] for i in pareto_front([v[1:] for v in values], maximize)), key=lambda v: (v[2], v[1]))
    if front:
        axes.plot([v[2] for v in front], [v[1] for v in front], color=ACCENT, linewidth=1.2, drawstyle="default")
        axes.scatter(
            [v[2] for v in front], [v[1] for v in front], s=70, facecolors="none", edgecolors=ACCENT, linewidths=1.4
        )
    seconds = [v[2] for v in values]
    if seconds and min(seconds) > 0 and max(seconds) / min(seconds) > _LOG_FROM:
        axes.set_xscale("log")
        log_ticks(axes.xaxis, min(seconds), max(seconds))
    elif values:
        plain_ticks(axes, 7)
    axes.margins(0.06, 0.1)
    _front_labels(drawn, axes, front, maximize[0])
    ring = Line2D([], [], marker="o", markersize=8, markerfacecolor="none", color=ACCENT, linewidth=1.2)
    ring.set_label(f"Pareto front {len(front)}")
    legend(axes, [(TrialState.COMPLETE, len(values))], [ring])
    return drawn


def draw_curves(info: CurvesInfo) -> Figure:
    """The validation metric by epoch: the best trials named at their ends, pruned ones thin with a mark at theirs."""
    drawn = figure(9.2, 3.9)
    axes = drawn.add_subplot()
    dress(axes, "epoch", units(info.metric, unit(info.metric)))
    best = [curve for curve in info.curves if curve.rank is not None]
    stopped = [curve for curve in info.curves if curve.rank is None]
    mark = MARKS[TrialState.PRUNED]
    for curve in stopped:
        axes.plot(curve.epochs, curve.values, color=mark.color, linewidth=0.8, alpha=0.5)
        axes.scatter(
            curve.epochs[-1:], curve.values[-1:], s=20, facecolors="white", edgecolors=mark.color, marker=mark.shape,
            linewidths=1.0, zorder=3, clip_on=True,
        )  # fmt: skip
    for curve in reversed(best):
        color = _RANKS[((curve.rank or 1) - 1) % len(_RANKS)]
        width = 2.4 if curve.rank == 1 else 1.6
        axes.plot(curve.epochs, curve.values, color=color, linewidth=width, marker="o", markersize=3.2, zorder=4)
    values = [value for curve in info.curves for value in curve.values]
    _value_axis(axes, values, info.maximize)
    last = max(curve.epochs[-1] for curve in info.curves)
    axes.set_xlim(0.8 if last > 1 else 0.5, last + 0.02 * last if last > 1 else 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    _end_labels(drawn, axes, best, last)
    words = f"best {len(best)} trials" if len(best) > 1 else "best trial"
    lines = [Line2D([], [], color=_RANKS[1], linewidth=2, marker="o", markersize=3.2, label=words)] if best else []
    if stopped:
        shown = "" if len(stopped) == info.pruned else f", {len(stopped)} of them shown"
        label = f"pruned {info.pruned:,}{shown}"
        lines.append(
            Line2D([], [], color=mark.color, linewidth=0.8, marker=mark.shape, markerfacecolor="white", label=label)
        )
    legend(axes, [], lines)
    return drawn


def draw_certainty(board: LeaderboardInfo, info: CertaintyInfo, metric: str) -> Figure:
    """The best trials with their values, and the interval of the best one as a band; filled: not told apart."""
    rows = board.rows
    drawn = figure(9.2, 1.1 + 0.27 * len(rows))
    axes = drawn.add_subplot()
    dress(axes, units(metric, unit(metric)))
    axes.grid(False, axis="y")
    places = list(range(len(rows)))
    near = {info.best, *info.near}
    band = [] if info.interval is None else [info.interval.low, info.interval.high]
    if band:
        axes.axvspan(*band, color="#dbe9f6", linewidth=0, zorder=0)
        axes.text(
            sum(band) / 2, 1.02, "95 % interval of the best, one seed", transform=axes.get_xaxis_transform(),
            ha="center", va="bottom", fontsize=8.5, color=GREY,
        )  # fmt: skip
    for place, row in zip(places, rows, strict=True):
        same = row.number in near
        axes.scatter(
            [row.values[0]], [place], s=42 if same else 30, marker="o", zorder=3,
            facecolors=MARKS[TrialState.COMPLETE].color if same else "white",
            edgecolors=MARKS[TrialState.COMPLETE].color if same else GREY,
        )  # fmt: skip
    axes.set_yticks(places, [f"trial {row.number}" for row in rows])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    spans = [*(row.values[0] for row in rows), *band]
    pad = 0.06 * (max(spans) - min(spans)) or max(0.01 * abs(spans[0]), 1e-6)
    axes.set_xlim(min(spans) - pad, max(spans) + pad)
    plain_ticks(axes, 8)
    return drawn


def draw_states(info: StatesInfo) -> Figure:
    """Number of trials and seconds spent, by state."""
    drawn = figure(9.2, 0.9 + 0.33 * max(len(info.rows), 1))
    left, right = drawn.subplots(1, 2, sharey=True)
    places = np.arange(len(info.rows))
    columns = (
        (left, [float(row.count) for row in info.rows], info.trials, "trials"),
        (right, [row.seconds for row in info.rows], info.seconds, "seconds"),
    )
    for axes, sizes, total, title in columns:
        dress(axes, title)
        axes.grid(False, axis="y")
        axes.barh(places, sizes, height=0.55, color=[MARKS[row.state].color for row in info.rows])
        axes.set_xlim(0, max([*sizes, 1e-9]) * 1.28)
        plain_ticks(axes, 5, whole=title == "trials")
        for place, size in zip(places, sizes, strict=True):
            share = f"  ({size / total:.0%})" if total else ""
            words = (f"{size:,.0f}" if title == "trials" or size >= 100 else f"{size:,.1f}") + share
            axes.annotate(words, (size, float(place)), (5, 0), textcoords="offset points", va="center", fontsize=8.5)
    left.set_yticks(places, [row.state.value.lower() for row in info.rows])
    left.tick_params(axis="y", labelcolor=INK, labelsize=9)
    left.set_ylim(len(info.rows) - 0.4, -0.6)
    return drawn


def _value_axis(axes: Axes, values: Sequence[float], maximize: bool, floor: bool = False) -> int:
    """Set the y axis to the window of the values, with room below where asked; how many values lie beyond it."""
    low, high = window(values, maximize)
    beyond = sum(not low <= value <= high for value in values)
    if low > 0 and high / low > _LOG_FROM:
        low, high = low / (2.6 if floor else 1.9), high * 1.25
        axes.set_yscale("log")
        log_ticks(axes.yaxis, low, high)
        axes.set_ylim(low, high)
        return beyond
    pad = 0.06 * (high - low) or max(0.02 * abs(high), 1e-3)
    below = (2.2 if maximize else 3.6) if floor else 1.0  # the best one's label stands on the good side
    axes.set_ylim(low - pad * below, high + (2.6 if maximize else 1.2) * pad)
    return beyond


def _best_line(axes: Axes, info: HistoryInfo) -> Line2D:
    last = max(point.number for point in info.points)
    numbers = [number for number, _ in info.best_so_far]
    values = [value for _, value in info.best_so_far]
    low, high = axes.get_ylim()
    shown = [min(max(value, low), high) for value in values]
    (line,) = axes.plot(
        [*numbers, last], [*shown, shown[-1]], color=ACCENT, linewidth=1.4, drawstyle="steps-post", label="best so far"
    )
    axes.scatter(numbers[-1:], shown[-1:], s=95, facecolors="none", edgecolors=ACCENT, linewidths=1.5, zorder=4)
    right = numbers[-1] > 0.6 * last and last > 0
    axes.annotate(
        f"trial {numbers[-1]}: {values[-1]:.5g}", (numbers[-1], shown[-1]),
        (-8 if right else 8, 9 if info.maximize else -9), textcoords="offset points",
        ha="right" if right else "left", va="bottom" if info.maximize else "top",
        fontsize=9, color=INK, fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    return line


def _note_beyond(axes: Axes, beyond: int) -> None:
    if beyond:
        words = (
            f"{beyond} trial{'s lie' if beyond > 1 else ' lies'} beyond the axis and {'are' if beyond > 1 else 'is'}"
        )
        axes.text(
            1.0, 1.015, f"{words} drawn at its edge", transform=axes.transAxes, ha="right", fontsize=8, color=GREY
        )


def _end_labels(drawn: Figure, axes: Axes, curves: Sequence[Curve], last: int) -> None:
    """The trials' numbers right of the axes, moved apart where ends lie close together, with a line to each end."""
    if not curves:
        return
    plain_text(drawn)
    drawn.draw_without_rendering()
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((curve.epochs[-1], curve.values[-1])) for curve in curves]
    places = spread([float(end[1]) for end in ends], 0.062)
    too_high = max(0.0, max(places) - 1.0)
    places = [place - too_high for place in places]
    for curve, end, place in zip(curves, ends, places, strict=True):
        color = _RANKS[((curve.rank or 1) - 1) % len(_RANKS)]
        axes.annotate(
            f"trial {curve.number}  {curve.values[-1]:.4g}", (float(end[0]), float(end[1])), (1.035, place),
            xycoords="axes fraction", textcoords="axes fraction", va="center", fontsize=8.5,
            color=INK, fontweight="bold" if curve.rank == 1 else "normal", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 2,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def _front_labels(drawn: Figure, axes: Axes, front: Sequence[tuple[int, float, float]], maximize: bool) -> None:
    """Trial numbers on the front, as many as have room: the ends first."""
    plain_text(drawn)
    drawn.draw_without_rendering()
    pixels = axes.transData.transform([(v[2], v[1]) for v in front]) if front else np.empty((0, 2))
    taken: list[tuple[float, float]] = []
    order = dict.fromkeys([0, len(front) - 1, *range(len(front))] if front else [])
    for index in order:
        x, y = float(pixels[index][0]), float(pixels[index][1])
        if len(taken) < _LABELS and all(abs(x - u) > 62 or abs(y - v) > 18 for u, v in taken):
            taken.append((x, y))
            axes.annotate(
                f"trial {front[index][0]}", (front[index][2], front[index][1]), (0, 9 if maximize else -9),
                textcoords="offset points", ha="center", va="bottom" if maximize else "top", fontsize=8.5, color=INK,
            )  # fmt: skip


def _counts(states: Iterable[TrialState]) -> list[tuple[TrialState, int]]:
    counts = Counter(states)
    return [(state, counts[state]) for state in TrialState if state in counts]
