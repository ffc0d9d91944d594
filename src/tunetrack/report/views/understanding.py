"""Knows what a study teaches, and what it has cost, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunetrack.report.understanding.accounts import accounts_info
from tunetrack.report.understanding.effects import Effect, EffectsInfo
from tunetrack.report.understanding.info import Understanding
from tunetrack.report.understanding.path import PathInfo
from tunetrack.report.understanding.pruning import ControlInfo, PruningInfo
from tunetrack.report.understanding.words import (
    accounts_words,
    change_words,
    effects_words,
    path_words,
    pruning_words,
    reach_words,
    within_text,
)
from tunetrack.report.views.plain import finite
from tunetrack.tracking.queries import StudyTable

__all__ = ["accounts_payload", "understanding_payload"]


def understanding_payload(table: StudyTable, known: Understanding) -> dict[str, Any]:
    """Effects, ablation path and pruning audit, each with its sentences; ``reason`` says why something is missing."""
    metric = table.study.info.objectives[0].metric
    return {
        "metric": metric,
        "effects": _effects(known.effects, metric),
        "path": _path(known.path, metric),
        "pruning": _pruning(known.pruning),
    }


def accounts_payload(table: StudyTable) -> dict[str, Any]:
    """What a study has cost: by state, in all, and until it was near its best."""
    info, metric = accounts_info(table), table.study.info.objectives[0].metric
    return {
        "rows": [
            {"state": row.state.value, "trials": row.trials, "seconds": row.seconds, "kwh": row.kwh}
            for row in info.rows
        ],
        "device_seconds": info.seconds,
        "wall_seconds": info.wall,
        "kwh": info.kwh,
        "reach": [
            {
                "name": within_text(row, metric),
                "within": row.within,
                "trial": row.trial,
                "seconds": row.seconds,
                "after": row.after,
            }
            for row in info.reach
        ],
        "words": accounts_words(table, info),
        "reach_words": reach_words(info, metric),
    }


def _effects(info: EffectsInfo, metric: str) -> dict[str, Any]:
    return {
        "parameters": None if info.effects is None else [_effect(effect) for effect in info.effects],
        "reason": info.reason,
        "trials": info.trials,
        "r2": None if info.surrogate is None else finite(info.surrogate.r2),
        "words": effects_words(info, metric),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    feature = effect.feature
    return {
        "path": feature.path,
        "log": feature.log,
        "whole": feature.whole,
        "few": feature.few,
        "at": _short(feature.grid) if feature.categories is None else list(feature.categories),
        "numeric": feature.categories is None,
        "middle": _short(effect.middle),
        "low": _short(effect.low),
        "high": _short(effect.high),
        "trials": effect.trials,
        "r2": finite(effect.r2),
    }


def _short(values: Sequence[float]) -> list[float]:
    """With the digits that a figure can show."""
    return [float(f"{value:.6g}") for value in values]


def _path(info: PathInfo, metric: str) -> dict[str, Any]:
    steps = info.steps
    return {
        "steps": None
        if steps is None
        else [
            {
                "changes": [change_words(change) for change in step.changes],
                "value": step.value,
                "low": step.low,
                "high": step.high,
            }
            for step in steps
        ],
        "reason": info.reason,
        "start": info.start,
        "end": info.end,
        "measured": None if info.measured is None else list(info.measured),
        "words": path_words(info, metric),
    }


def _pruning(info: PruningInfo) -> dict[str, Any]:
    return {
        "metric": info.metric,
        "points": [
            {
                "epoch": point.epoch,
                "correlation": finite(point.correlation),
                "low": finite(point.low),
                "high": finite(point.high),
                "trials": point.trials,
            }
            for point in info.points
        ],
        "reason": info.reason,
        "pruned": info.pruned,
        "control": _control(info.control),
        "words": pruning_words(info),
    }


def _control(info: ControlInfo | None) -> dict[str, Any] | None:
    if info is None:
        return None
    return {
        "trials": info.trials,
        "better": info.better,
        "low": info.low,
        "high": info.high,
        "closest": info.closest,
        "seconds": info.seconds,
    }
