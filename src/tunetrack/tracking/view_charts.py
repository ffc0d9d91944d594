"""Knows the chart cards of MLflow's runs page, as its UI reads them from a saved view.

The format is not documented; it was read off the UI of MLflow 3.17 and is held by a test in a real browser.
"""

from __future__ import annotations

from typing import Any

from tunetrack.spec.weight_records import SUMMARY_METRICS
from tunetrack.tracking.study_info import SearchedParam, StudyInfo
from tunetrack.tracking.values import LOG10_PREFIX

__all__ = ["CURVES_SECTION", "SEARCH_SECTION", "TRIALS_SECTION", "WEIGHTS_SECTION", "charts", "sections"]

TRIALS_SECTION, SEARCH_SECTION = "tunetrack-trials", "tunetrack-search"
CURVES_SECTION, WEIGHTS_SECTION = "tunetrack-curves", "tunetrack-weights"
#: Key, title, cards beside each other, and their height in pixels. MLflow's own three columns leave no room for the
#: names of the axes, and parallel axes need the whole width for theirs.
_SECTIONS = (
    (TRIALS_SECTION, "all trials", 1, 360),
    (SEARCH_SECTION, "what was searched", 2, 380),
    (CURVES_SECTION, "learning curves", 2, 380),
    (WEIGHTS_SECTION, "weights", 2, 380),
)
#: More axes than this cannot be read on a card.
_PARALLEL_AXES = 8
_SCATTERS = 6
_RUNS = 500
_CURVES = ("validation/accuracy", "validation/loss", "train/accuracy", "train/loss")

Card = dict[str, Any]


def sections(info: StudyInfo) -> list[dict[str, Any]]:
    """The groups of charts, in their order; a group without a card is left out."""
    used = {card["metricSectionId"] for card in charts(info)}
    return [
        {
            "uuid": key,
            "name": f"{info.name}: {title}",
            "display": True,
            "isReordered": True,
            "deleted": False,
            "isGenerated": False,
            "columns": columns,
            "cardHeight": height,
        }
        for key, title, columns, height in _SECTIONS
        if key in used
    ]


def charts(info: StudyInfo, scatters: int = _SCATTERS) -> list[Card]:
    """All cards of a study, in reading order.

    The most important parameters come first: on the parallel axes, among the scatter plots, and the two most important
    ones that are numbers as the axes of the contour. Those searched on a log scale appear by their decimal logarithm,
    since these charts have linear axes only. Parameters that only some trials have are left out where MLflow would drop
    every trial that lacks them.

    Args:
        info: the study.
        scatters: plots of the objective over one parameter, at the most.
    """
    everywhere = [param for param in info.by_importance if not param.conditional]
    numeric = [param for param in everywhere if param.numeric]
    cards: list[Card] = []
    for metric in info.objective_metrics:
        if everywhere:
            cards.append(_parallel([axis(param) for param in everywhere[:_PARALLEL_AXES]], metric))
        cards.append(_bar(metric))
    metric = info.objective_metrics[0]
    if len(numeric) >= 2:
        cards.append(_contour(axis(numeric[0]), axis(numeric[1]), metric))
    if len(info.objective_metrics) > 1:
        cards.append(_scatter(_metric(info.objective_metrics[0]), _metric(info.objective_metrics[1])))
    # Numbers first: a category has its place in the parallel coordinates.
    by_kind = sorted(info.by_importance, key=lambda param: not param.numeric)
    cards += [_scatter(_param(axis(param)), _metric(metric)) for param in by_kind[:scatters]]
    cards += [_line(metric, CURVES_SECTION) for metric in _CURVES]
    if info.weight_statistics:
        # Charts of what a network has not, such as scales of norms, are hidden by the page's `hideEmptyCharts`.
        cards += [_line(metric, WEIGHTS_SECTION) for metric in SUMMARY_METRICS]
    for index, card in enumerate(cards):
        card["uuid"] = f"tunetrack-{index}"
    return cards


def axis(param: SearchedParam) -> str:
    """The name of the MLflow param that stands for `param` on a linear axis."""
    return LOG10_PREFIX + param.path if param.log else param.path


def _card(kind: str, section: str) -> Card:
    return {
        "type": kind,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": _RUNS,
    }


def _param(key: str) -> dict[str, str]:
    return {"key": key, "type": "PARAM"}


def _metric(key: str) -> dict[str, str]:
    return {"key": key, "type": "METRIC"}


def _parallel(params: list[str], metric: str) -> Card:
    return _card("PARALLEL", TRIALS_SECTION) | {
        "selectedParams": params,
        "selectedMetrics": [metric],
        "showAllRuns": False,
    }


def _scatter(x: dict[str, str], y: dict[str, str]) -> Card:
    return _card("SCATTER", SEARCH_SECTION) | {"xaxis": x, "yaxis": y}


def _contour(x: str, y: str, metric: str) -> Card:
    axes = {"xaxis": _param(x), "yaxis": _param(y), "zaxis": _metric(metric)}
    return _card("CONTOUR", SEARCH_SECTION) | axes


def _bar(metric: str) -> Card:
    return _card("BAR", SEARCH_SECTION) | {"metricKey": metric}


def _line(metric: str, section: str) -> Card:
    return _card("LINE", section) | {
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
