"""Knows the figures of a study as files for papers: SVG and PNG, one a figure, as the printed report has them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from tunetrack.report import draw_params, draw_trials
from tunetrack.report.certainty import certainty_info
from tunetrack.report.curves import curve_metric, curve_trials, curves_info
from tunetrack.report.draw_winner import draw_winner
from tunetrack.report.history import history_info
from tunetrack.report.importance import importance_info
from tunetrack.report.leaderboard import leaderboard_info, leaderboard_trials
from tunetrack.report.slices import slice_info
from tunetrack.report.sources import stored_evidence
from tunetrack.report.states import states_info
from tunetrack.report.style import to_svg
from tunetrack.report.understanding.draw import draw_effects
from tunetrack.report.understanding.effects import effects_info
from tunetrack.report.values import finished
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable, TrackingStore, image_counts, read_history, read_study

__all__ = ["build_figures", "study_figures"]

#: Dots per inch of the PNG files: enough for print.
_DPI = 200


def build_figures(store: TrackingStore, study: str) -> dict[str, bytes]:
    """Read a study from its stored runs and draw its figures.

    Args:
        store: where the study's runs are; nothing is written to it.
        study: its name, where only one study is called so, or its run's id.

    Returns:
        Content by file name: every figure as ``NAME.svg`` and ``NAME.png``.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    table = read_study(store, study)
    shown = {trial.run_id: None for trial in (*curve_trials(table), *leaderboard_trials(table))}
    history = read_history(store, list(shown), [curve_metric(table)])
    files: dict[str, bytes] = {}
    images, winner = (
        image_counts(store, table.study).get("validation"),
        stored_evidence(store, table.study.run_id).winner,
    )
    for name, drawn in study_figures(table, history, images, winner):
        files[f"{name}.svg"] = to_svg(drawn).encode()
        files[f"{name}.png"] = _png(drawn)
    return files


def study_figures(
    table: StudyTable, history: pd.DataFrame, images: int | None = None, winner: Winner | None = None
) -> Iterator[tuple[str, Figure]]:
    """The figures that have something to show, by name, in the order of the printed report.

    Args:
        table: the study, finished or not.
        history: metrics by epoch with the columns run_id, metric, step, value; may be empty.
        images: how many validation images there are; None where it is not known.
        winner: what was confirmed; None where nothing was.
    """
    goals = table.study.info.objectives
    certainty, board = certainty_info(table, images), leaderboard_info(table, history)
    if winner is not None:
        yield "winner", draw_winner(winner)
    if len(goals) == 1 and len(board.rows) > 1:
        yield "best-trials", draw_trials.draw_certainty(board, certainty, goals[0].metric)
    yield from _fronts(table)
    for index in range(len(goals)):
        info = history_info(table, index)
        if info.points:
            yield "history" if len(goals) == 1 else f"history-{index + 1}", draw_trials.draw_history(info)
    curves = curves_info(table, history)
    if curves.curves:
        yield "learning-curves", draw_trials.draw_curves(curves)
    slices = [one for one in slice_info(table) if one.points]
    numeric = [one for one in slices if one.categories is None]
    named = [one for one in slices if one.categories is not None]
    if numeric:
        drawn = draw_params.draw_numeric_slices(numeric, goals[0].metric, goals[0].maximize, certainty.best)
        yield "parameters", drawn
    if named:
        drawn = draw_params.draw_category_slices(named, goals[0].metric, goals[0].maximize, certainty.best)
        yield "categories", drawn
    importance = importance_info(table)
    if importance.params is not None:
        yield "importance", draw_params.draw_importance(importance.params, importance.trials)
    effects = effects_info(table)
    if effects.effects:
        yield "effects", draw_effects(effects.effects, goals[0].metric)
    states = states_info(table)
    if states.rows:
        yield "states", draw_trials.draw_states(states)


def _fronts(table: StudyTable) -> Iterator[tuple[str, Figure]]:
    """The first objective against each of the others."""
    goals = table.study.info.objectives
    trials = [trial for trial in finished(table) if trial.values]
    for other in range(1, len(goals)):
        pair = goals[0], goals[other]
        points = [(trial.number, (trial.values or ())[0], (trial.values or ())[other]) for trial in trials]
        drawn = draw_trials.draw_pareto(points, (pair[0].metric, pair[1].metric), (pair[0].maximize, pair[1].maximize))
        yield "pareto" if len(goals) == 2 else f"pareto-{other}", drawn


def _png(drawn: Figure) -> bytes:
    stream = io.BytesIO()
    drawn.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()
