"""Knows the order of the report's page: the outcome in words first, then the figures, then how to run it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from tunetrack.report import draw_params, draw_trials, html, words
from tunetrack.report.certainty import CertaintyInfo, certainty_info
from tunetrack.report.confirmed import winner_section
from tunetrack.report.curves import curves_info
from tunetrack.report.evidence import Evidence
from tunetrack.report.findings import review_section
from tunetrack.report.history import history_info
from tunetrack.report.importance import importance_info
from tunetrack.report.leaderboard import LeaderboardInfo, LeaderboardRow, leaderboard_info
from tunetrack.report.parts import section_html
from tunetrack.report.slices import SliceInfo, slice_info
from tunetrack.report.states import failures_info, states_info
from tunetrack.report.understanding.sections import accounts_section, understanding_sections
from tunetrack.report.values import finished, label, number
from tunetrack.report.winner import half_width
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable

__all__ = ["Context", "render_report"]

#: A study of 1,000 trials may fail in 1,000 ways; the page stays readable.
_FAILURES, _REASON, _NUMBERS = 30, 400, 12
_DOCUMENT = 100_000


@dataclass(frozen=True)
class Context:
    """What the report says beside the trials.

    Attributes:
        document: the study file's text; empty where it is not stored.
        validation_images, test_images: how many images the study measures on; None where it is not known.
        versions: of the software that wrote the report, by name.
        evidence: what was confirmed and reviewed.
    """

    document: str = ""
    validation_images: int | None = None
    test_images: int | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())
    evidence: Evidence = field(default_factory=Evidence)


def render_report(table: StudyTable, history: pd.DataFrame, context: Context | None = None) -> str:
    """The study's report as one self-contained HTML page that needs neither network nor JavaScript.

    Args:
        table: the study, finished or not, with any number of trials.
        history: metrics by epoch with the columns run_id, metric, step, value; may be empty.
        context: study file, numbers of images, versions.

    Returns:
        HTML, under 1 MB also for 1,000 trials.
    """
    context = context or Context()
    certainty = certainty_info(table, context.validation_images)
    winner = context.evidence.winner
    board = leaderboard_info(table, history, images=context.validation_images, winner=winner)
    parts = [
        _head(table, certainty, board, context),
        section_html(winner_section(table, context.evidence)),
        section_html(review_section(context.evidence.review)),
        _leaderboard(table, board, certainty, winner),
        _history(table),
        _curves(table, history),
        _slices(table, certainty),
        _importance(table),
        understanding_sections(table, history),
        _states(table),
        accounts_section(table),
        _failures(table),
        _again(table, context),
    ]
    return html.document(f"{table.study.info.name}: study report", parts)


def _head(table: StudyTable, certainty: CertaintyInfo, board: LeaderboardInfo, context: Context) -> str:
    study = table.study
    ended = f" to {study.end:%Y-%m-%d %H:%M} UTC" if study.end else " UTC"
    meta = f"{study.state.value.lower()}, experiment {study.experiment}, {study.start:%Y-%m-%d %H:%M}{ended}"
    winner = context.evidence.winner
    lead, *rest = words.outcome_words(table, certainty, winner)
    facts = [
        *rest,
        words.measured_words(certainty, board, context.test_images) if winner is None else "",
        words.protocol_words(table),
        words.ending_words(table),
        words.cost_words(states_info(table)),
    ]
    inner = "\n".join(html.paragraph(fact) for fact in facts if fact)
    return "\n".join(
        [
            f"<header>\n<h1>{html.breakable(study.info.name)}</h1>",
            html.paragraph(meta, "meta"),
            html.paragraph(lead, "lead"),
            f'<div class="facts">{inner}</div>\n</header>',
        ]
    )


def _leaderboard(table: StudyTable, board: LeaderboardInfo, certainty: CertaintyInfo, winner: Winner | None) -> str:
    goals, searched = table.study.info.objectives, table.study.info.searched
    if not board.rows:
        return html.section("leaderboard", "Best trials", html.paragraph("No trial has a result.", "note"))
    shown = [param.path for param in searched if any(param.path in row.params for row in board.rows)]
    heads = [("trial", "n"), *((goal.metric, "n") for goal in goals)]
    heads += [
        ("95 % interval, 1 seed", "n"),
        ("confirmed mean ± half its interval", "n"),
        ("seeds", "n"),
        ("images", "n"),
    ]
    heads += [(name, "n") for name in ("best epoch's accuracy", "last epoch's accuracy", "test accuracy")]
    heads += [*((path, "n") for path in shown), ("epochs", "n"), ("seconds", "n"), ("model parameters", "n")]
    columns = [_cells(row, shown, len(goals)) for row in board.rows]
    # A column that says nothing in any row is left out.
    kept = [index for index in range(len(heads)) if any(row[index] not in ("", "–") for row in columns)]
    # Names stand left and may break, numbers stand right.
    first = 8 + len(goals)
    named = {first + place for place, path in enumerate(shown) if any(_is_name(row, path) for row in board.rows)}
    rows = [[(row[index], "t" if index in named else "n") for index in kept] for row in columns]
    heads = [(text, "t" if index in named else kind) for index, (text, kind) in enumerate(heads)]
    caption = f"{len(rows)} of {words.plural(board.finished, 'finished trial')}"
    caption += ", the Pareto front first" if len(goals) > 1 else ", the best first"
    figure = ""
    if len(goals) == 1 and len(board.rows) > 1:
        values = ", ".join(f"trial {row.number} {row.values[0]:.4g}" for row in board.rows)
        note = "Filled: cannot be told apart from the best by these images." if certainty.interval else ""
        figure = html.picture(
            draw_trials.draw_certainty(board, certainty, goals[0].metric), f"The best trials' values: {values}.", note
        )
    best = _stands_out(board, winner) if len(goals) == 1 else None
    return html.section(
        "leaderboard", "Best trials", html.table([heads[index] for index in kept], rows, best, caption), figure
    )


def _cells(row: LeaderboardRow, shown: Sequence[str], goals: int) -> list[str]:
    best = _number(row.best_accuracy, ".4f")
    if row.best_accuracy is not None and row.best_epoch is not None:
        best += f" (epoch {row.best_epoch})"
    return [
        str(row.number),
        *(f"{value:.5g}" for value in row.values[:goals]),
        "–" if row.interval is None else f"{row.interval.low:.4f} to {row.interval.high:.4f}",
        *_confirmed(row),
        best,
        _number(row.final_accuracy, ".4f"),
        _number(row.test_accuracy, ".4f"),
        *(label(row.params[path]) if path in row.params else "–" for path in shown),
        _number(row.epochs, "d"),
        _number(row.seconds, ",.1f"),
        _number(row.parameters, ",d"),
    ]


def _stands_out(board: LeaderboardInfo, winner: Winner | None) -> int:
    """The row of the confirmed winner, else the first one."""
    chosen = [
        index
        for index, row in enumerate(board.rows)
        if row.confirmed is not None and winner and row.number == winner.chosen
    ]
    return chosen[0] if chosen else 0


def _confirmed(row: LeaderboardRow) -> list[str]:
    """The mean over seeds, the seeds behind what is known of the configuration, and the images of each."""
    one = row.confirmed
    mean = "–" if one is None else f"{one.mean:.4f} ± {half_width(one.low, one.high):.4f}"
    return [mean, "1" if one is None else str(len(one.values)), _number(row.images, ",d")]


def _is_name(row: LeaderboardRow, path: str) -> bool:
    return path in row.params and number(row.params[path]) is None


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _history(table: StudyTable) -> str:
    goals = table.study.info.objectives
    parts = []
    if len(goals) > 1:
        trials = [trial for trial in finished(table) if trial.values]
        for other in range(1, len(goals)):
            pair = goals[0], goals[other]
            points = [(trial.number, (trial.values or ())[0], (trial.values or ())[other]) for trial in trials]
            drawn = draw_trials.draw_pareto(
                points, (pair[0].metric, pair[1].metric), (pair[0].maximize, pair[1].maximize)
            )
            parts.append(html.picture(drawn, f"{pair[0].metric} against {pair[1].metric}, {len(points)} trials."))
    for index, goal in enumerate(goals):
        info = history_info(table, index)
        best = f" Best: trial {info.best_so_far[-1][0]} with {info.best_so_far[-1][1]:.5g}." if info.best_so_far else ""
        alt = f"{goal.metric} by trial number, {words.plural(len(info.points), 'trial')}.{best}"
        parts.append(html.picture(draw_trials.draw_history(info), alt) if info.points else "")
    states = {trial.state.value for trial in table.trials}
    note = "Pruned trials stand at what they had reached; that never counts as the best." if "PRUNED" in states else ""
    return html.section("history", "History", *parts, html.paragraph(note, "note"))


def _curves(table: StudyTable, history: pd.DataFrame) -> str:
    info = curves_info(table, history)
    if not info.curves:
        return ""
    ends = ", ".join(f"trial {c.number} ends at {c.values[-1]:.4g}" for c in info.curves if c.rank is not None)
    alt = f"{info.metric} by epoch of the best and of pruned trials. {ends}."
    return html.section("curves", "Learning curves", html.picture(draw_trials.draw_curves(info), alt))


def _slices(table: StudyTable, certainty: CertaintyInfo) -> str:
    goal = table.study.info.objectives[0]
    slices = [one for one in slice_info(table) if one.points]
    if not slices:
        return ""
    numeric = [one for one in slices if one.categories is None]
    named = [one for one in slices if one.categories is not None]
    parts = [_ranges(table)]
    for group, draw in ((numeric, draw_params.draw_numeric_slices), (named, draw_params.draw_category_slices)):
        if group:
            drawn = draw(group, goal.metric, goal.maximize, certainty.best)
            parts.append(html.picture(drawn, f"{goal.metric} against each of: {_paths(group)}."))
    return html.section("parameters", "Searched parameters, one at a time", *parts)


def _paths(slices: Sequence[SliceInfo]) -> str:
    return ", ".join(one.path for one in slices)


def _ranges(table: StudyTable) -> str:
    known = [param for param in table.study.info.searched if param.text]
    rows = [[(param.path, ""), (param.text, "long")] for param in known]
    if not rows:
        return ""
    inner = html.table([("parameter", ""), ("searched over", "")], rows)
    return f"<details><summary>Ranges that were searched</summary>{inner}</details>"


def _importance(table: StudyTable) -> str:
    info = importance_info(table)
    title = "Which parameters mattered"
    if info.params is None:
        return html.section("importance", title, html.paragraph(f"No importance is given: {info.reason}.", "note"))
    shares = ", ".join(f"{param.path} {param.share:.0%}" for param in info.params)
    drawn = draw_params.draw_importance(info.params, info.trials)
    note = (
        "PED-ANOVA: how much a parameter decides whether a trial is among the best tenth. Lines and brackets: 10th to "
        "90th percentile when the trials are drawn anew, with replacement. A parameter without any influence does "
        "not get exactly 0."
    )
    return html.section(
        "importance", title, html.picture(drawn, f"Importance: {shares}."), html.paragraph(note, "note")
    )


def _states(table: StudyTable) -> str:
    info = states_info(table)
    if not info.rows:
        return ""
    counts = ", ".join(f"{row.state.value.lower()} {row.count} ({row.seconds:.0f} s)" for row in info.rows)
    note = "Seconds of training; where they were not logged, the time for which the run was open."
    return html.section(
        "states", "States and cost", html.picture(draw_trials.draw_states(info), f"Trials by state: {counts}.", note)
    )


def _failures(table: StudyTable) -> str:
    groups = failures_info(table)
    if not groups:
        return ""
    rows = []
    for group in groups[:_FAILURES]:
        more = f" and {len(group.numbers) - _NUMBERS} more" if len(group.numbers) > _NUMBERS else ""
        reason = group.reason if len(group.reason) <= _REASON else group.reason[: _REASON - 1] + "…"
        rows.append(
            [
                (group.state.value.lower(), ""),
                (str(len(group.numbers)), "n"),
                (reason or "no reason was stored", "long"),
                (", ".join(map(str, group.numbers[:_NUMBERS])) + more, "long"),
            ]
        )
    heads = [("state", ""), ("trials", "n"), ("reason", ""), ("numbers", "")]
    left = len(groups) - len(rows)
    note = f"{words.plural(left, 'further reason')} left out." if left > 0 else ""
    return html.section("failures", "Trials without a result", html.table(heads, rows), html.paragraph(note, "note"))


def _again(table: StudyTable, context: Context) -> str:
    study = table.study
    ran = study.tags.get("tunetrack.version", "")
    facts = [f"The study ran with tunetrack {ran}." if ran else ""]
    if context.versions:
        facts.append("This page was made with " + ", ".join(f"{k} {v}" for k, v in context.versions.items()) + ".")
    command = "tunetrack run study.yaml"
    text = context.document
    cut = "" if len(text) <= _DOCUMENT else "\n# … (cut here; the whole file is the artifact study.yaml)"
    steps = f"Save the study file below, or the artifact study.yaml of the MLflow run {study.run_id}, and run:"
    source = f"<details><summary>study.yaml</summary><pre><code>{escape(text[:_DOCUMENT] + cut)}</code></pre></details>"
    return html.section(
        "again",
        "Run it again",
        html.paragraph(
            steps if text else f"The study file is the artifact study.yaml of the MLflow run {study.run_id}:"
        ),
        f"<pre><code>{command}</code></pre>",
        source if text else "",
        *(html.paragraph(fact, "note") for fact in facts),
    )


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in ("tunetrack", "optuna", "mlflow", "matplotlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # tunetrack may run from its sources
            found[name] = "from source"
    return found
