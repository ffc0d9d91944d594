"""Knows the sections of the printed report about what a study teaches and has cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tunetrack.report import html
from tunetrack.report.understanding import words
from tunetrack.report.understanding.accounts import accounts_info
from tunetrack.report.understanding.draw import draw_effects
from tunetrack.report.understanding.info import Understanding, understanding
from tunetrack.report.words import duration
from tunetrack.tracking.queries import StudyTable

__all__ = ["accounts_section", "understanding_sections"]

#: Parameters that are drawn on paper, where a page has a megabyte.
_PANELS = 6
#: Epochs that a table names.
_EPOCHS = 8


def understanding_sections(table: StudyTable, history: pd.DataFrame) -> str:
    """How each parameter acts, the ablation path, and whether early values foretell final ones, as HTML.

    Args:
        table: the study.
        history: columns run_id, metric, step, value: the curves of `audited_trials`; may hold more, or nothing.
    """
    known, metric = understanding(table, history), table.study.info.objectives[0].metric
    return "\n".join((_effects(known, metric), _path(known, metric), _pruning(known)))


def accounts_section(table: StudyTable) -> str:
    """What the study has cost, as HTML; empty where no trial has started."""
    info, metric = accounts_info(table), table.study.info.objectives[0].metric
    if not info.rows:
        return ""
    heads = [("state", ""), ("trials", "n"), ("device time", "n"), ("energy, estimated", "n")]
    rows = [
        [
            (row.state.value.lower(), ""),
            (f"{row.trials:,}", "n"),
            (duration(row.seconds), "n"),
            ("–" if row.kwh is None else words.energy_text(row.kwh), "n"),
        ]
        for row in info.rows
    ]
    reached = [[(words.within_text(row, metric), ""), (words.reach_text(row, info), "n")] for row in info.reach]
    return html.section(
        "accounts",
        "What it has cost",
        *_paragraphs([*words.accounts_words(table, info), words.reach_words(info, metric)]),
        html.table(heads, rows),
        html.table([("reached, from the best", ""), ("device time until then", "n")], reached) if reached else "",
    )


def _effects(known: Understanding, metric: str) -> str:
    info = known.effects
    said = _paragraphs(words.effects_words(info, metric))
    if len(info.effects or ()) > _PANELS:
        said += _paragraphs([f"The {_PANELS} parameters that move it most are shown."])
    figure = ""
    shown = (info.effects or ())[:_PANELS]
    if shown:
        ranges = "; ".join(f"{one.feature.path} {min(one.middle):.4g} to {max(one.middle):.4g}" for one in shown)
        figure = html.picture(draw_effects(shown, metric), f"Mean {metric} by parameter: {ranges}.")
    return html.section("effects", "How each parameter acts", figure, *said)


def _path(known: Understanding, metric: str) -> str:
    info = known.path
    table = ""
    if info.steps is not None and info.measured is not None:
        ends = {0: info.measured[0], len(info.steps) - 1: info.measured[1]}
        rows = [
            [
                ("; ".join(map(words.change_words, step.changes)) or f"trial {info.start}, the median", "long"),
                (f"{step.value:.4g}", "n"),
                (f"{step.low:.4g} to {step.high:.4g}", "n"),
                (f"{ends[place]:.4g}" if place in ends else "", "n"),
            ]
            for place, step in enumerate(info.steps)
        ]
        heads = [("change", ""), (f"{metric}, as the forests see it", "n"), ("8 of 10 forests", "n"), ("measured", "n")]
        table = html.table(heads, rows)
    return html.section("path", "What made the best trial better", *_paragraphs(words.path_words(info, metric)), table)


def _pruning(known: Understanding) -> str:
    info = known.pruning
    said = _paragraphs(words.pruning_words(info))
    shown = sorted({place * (len(info.points) - 1) // (_EPOCHS - 1) for place in range(_EPOCHS)}) if info.points else []
    rows = [
        [
            (str(point.epoch), "n"),
            (f"{point.correlation:.2f}", "n"),
            (f"{point.low:.2f} to {point.high:.2f}", "n"),
            (str(point.trials), "n"),
        ]
        for point in (info.points[place] for place in shown)
    ]
    heads = [("after epoch", "n"), ("rank correlation with the end", "n"), ("95% interval", "n"), ("trials", "n")]
    return html.section("pruning", "Do early epochs foretell the end?", *said, html.table(heads, rows) if rows else "")


def _paragraphs(said: Sequence[str]) -> list[str]:
    return [html.paragraph(sentence, "note") for sentence in said if sentence]
