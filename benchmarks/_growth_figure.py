"""Knows how it is drawn what a trial costs as its study grows, as `throughput.py --growth` has measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from tunetrack.report.style import GREY, INK, SERIES, dress, figure, to_svg

LABELS = {
    "paced/random": "Optuna random",
    "paced/tpe": "Optuna TPE",
    "paced/hyperopt_random": "Hyperopt random",
    "paced/hyperopt_tpe": "Hyperopt TPE",
}
#: Milliseconds of the worker's own time that a trial is to stay below.
GOAL = 10


def drawn(result: Mapping[str, Any]) -> str:
    """The figure as SVG, by the trials that a study has: the worker's own part, and the sampler's beside it."""
    made = figure(9.6, 3.2)
    own, sampler = made.subplots(1, 2)
    dress(own, "trials of the study", "ms a trial", "The worker's own part, processor time")
    own.axhline(GOAL, color=GREY, linewidth=0.8, linestyle="--")
    _lines(own, result["arms"], "own_cpu_ms")
    own.set_ylim(0, 1.6 * GOAL)
    own.legend(fontsize=8, frameon=False, labelcolor=INK, loc="upper left", ncols=2)
    dress(sampler, "trials of the study", "ms a trial", "The sampler's part, processor time")
    _lines(sampler, result["arms"], "sampler_cpu_ms")
    sampler.set_yscale("log")
    sampler.minorticks_off()
    sampler.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return to_svg(made)


def _lines(axes: Axes, arms: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    """Medians, with bars from the smallest to the largest of the rounds."""
    for (arm, label), color in zip(LABELS.items(), SERIES, strict=False):
        sizes, found = [int(size) for size in arms[arm]], [one[kind] for one in arms[arm].values()]
        middle = [one["median"] for one in found]
        bars = [[one["median"] - one["min"] for one in found], [one["max"] - one["median"] for one in found]]
        axes.errorbar(
            sizes, middle, bars, fmt="o-", color=color, linewidth=1.4, elinewidth=0.7, markersize=3.5, label=label
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
