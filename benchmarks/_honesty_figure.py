"""Knows how the result of `honesty.py` is drawn."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from tunetrack.report.style import GREY, INK, SERIES, dress, figure, to_svg

IMAGES = (200, 1000, 10_000)
RULES = {
    "best epoch": "best trial by its best epoch",
    "last epoch": "best trial by its last epoch",
    "confirmed 3 x 3": "3 best, 3 seeds each",
    "confirmed 5 x 3": "5 best, 3 seeds each",
    "confirmed 5 x 5": "5 best, 5 seeds each",
    "confirmed 10 x 3": "10 best, 3 seeds each",
    "smallest near the best, 5 x 5": "5 x 5, smallest near the best",
    "smallest of the tie, 5 x 5": "5 x 5, smallest of the tie",
}


def drawn(result: dict[str, Any]) -> str:
    """The figure as SVG: coverage of the intervals, false winners by rule, and what reported values flatter by."""
    made = figure(9.6, 3.4)
    coverage, winners, bias = made.subplots(1, 3, width_ratios=(1.15, 1.0, 0.85))
    _coverage(coverage, result)
    rules = result["rules, 10000 images"]["rules"]
    _winners(winners, rules)
    _bias(bias, rules)
    return to_svg(made)


def _coverage(axes: Axes, result: dict[str, Any]) -> None:
    dress(axes, "seeds", "per cent", "The truth lies in the 95 % interval")
    axes.axhspan(93, 97, color="#e3f1ea", zorder=0)
    axes.axhline(95, color=GREY, linewidth=0.8, zorder=1)
    for images, color in zip(IMAGES, SERIES, strict=False):
        rows = result[f"{images} images"]["coverage"]
        places = range(len(rows))
        axes.plot(places, [row["mean"] for row in rows], "o-", color=color, markersize=4, label=f"{images:,} images")
        axes.plot(places, [row["difference"] for row in rows], "s--", color=color, markersize=3.5, linewidth=1)
    axes.set_xticks(list(places), [str(row["seeds"]) for row in rows])
    axes.set_ylim(60, 100)
    axes.plot([], [], "s--", color=GREY, markersize=3.5, linewidth=1, label="difference of two")
    axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="lower right")


def _winners(axes: Axes, rules: dict[str, Any]) -> None:
    dress(axes, "per cent of searches", "", "False winners, same budget")
    for place, name in enumerate(RULES):
        small, large = rules[name]["worse_by_0.1_points"], rules[name]["worse_by_0.5_points"]
        axes.barh(place, small, height=0.62, color="#c3d9ec")
        axes.barh(place, large, height=0.62, color=SERIES[0])
        axes.text(small + 1.5, place, f"{small:.0f}, {large:.0f}", fontsize=8, va="center", color=INK)
    axes.set_yticks(range(len(RULES)), list(RULES.values()))
    axes.set_ylim(len(RULES) + 1.2, -0.6)  # room for the legend
    axes.set_xlim(0, 100)
    axes.barh([0], [0], color="#c3d9ec", label="truly worse by 0.1 points")
    axes.barh([0], [0], color=SERIES[0], label="by 0.5 points")
    axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="lower right")


def _bias(axes: Axes, rules: dict[str, Any]) -> None:
    dress(axes, "percentage points", "", "Reported less true")
    confirmed = rules["confirmed 5 x 5"]
    shown = {
        "best epoch": rules["best epoch"]["reported_minus_true_points"],
        "last epoch": rules["last epoch"]["reported_minus_true_points"],
        "shrunken by us": confirmed["shrunken_minus_true_points"],
        "5 best, 5 seeds": confirmed["reported_minus_true_points"],
    }
    for place, (name, value) in enumerate(shown.items()):
        axes.barh(place, value, height=0.62, color=SERIES[1] if name.endswith("epoch") else SERIES[2])
        axes.text(max(value, 0) + 0.03, place, f"{value:.2f}", fontsize=8, va="center", color=INK)
    axes.set_yticks(range(len(shown)), list(shown))
    axes.invert_yaxis()
    axes.set_xlim(min(0, *shown.values()) * 1.3, max(shown.values()) * 1.25)
