"""Knows the order of a study's Markdown page: outcome, how to run it again, protocol, comparison, trials, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunetrack.report import words
from tunetrack.report.certainty import CertaintyInfo, certainty_info
from tunetrack.report.claims import noise_claims
from tunetrack.report.compute import compute_info
from tunetrack.report.confirmed import winner_section
from tunetrack.report.evidence import Evidence
from tunetrack.report.findings import review_section
from tunetrack.report.leaderboard import TOP, LeaderboardRow, leaderboard_info
from tunetrack.report.markdown import bullets, document, line, number_text, section, table
from tunetrack.report.markdown_reference import claim_words, comparison_tables, comparison_words
from tunetrack.report.parts import section_markdown
from tunetrack.report.protocol import protocol_info
from tunetrack.report.reference import Compared, ReferenceInfo, reference_info
from tunetrack.report.values import label
from tunetrack.report.winner import half_width
from tunetrack.spec.certainty import SHARES
from tunetrack.spec.reference import Reference
from tunetrack.stats import share_interval

__all__ = ["PageSource", "render_markdown"]

_AGREES = (
    "*agrees*: the difference is at most two combined standard errors, made of the binomial errors of both accuracies "
    "and, where a configuration was run more than once, its spread here (standard deviation over n runs). "
    "± is one binomial standard error."
)
_ONE_SEED = " ± is half of the 95 % interval of one training seed's accuracy over new images."


@dataclass(frozen=True)
class PageSource:
    """What the page is made of.

    Attributes:
        study: its trials, the history of what is compared, numbers of images, study file.
        reference: the study file's reference; None where it has none.
        beside: further studies, compared with the same reference.
        figure: name of the figure's file beside the page; empty where there is none.
        evidence: what was confirmed and reviewed.
    """

    study: Compared
    reference: Reference | None = None
    beside: tuple[Compared, ...] = ()
    figure: str = ""
    evidence: Evidence = field(default_factory=Evidence)


def render_markdown(source: PageSource) -> str:
    """The page. It says nothing that changes from call to call, and names no folder of this machine."""
    study = source.study
    info = None if source.reference is None else reference_info(source.reference, (study, *source.beside))
    certainty = certainty_info(study.table, study.images.get("validation"))
    parts = [
        _head(source),
        _outcome(source, certainty, info),
        section_markdown(winner_section(study.table, source.evidence, figure=False), "", {}),
        section_markdown(review_section(source.evidence.review), "", {}),
        _again(source),
        _protocol(source),
        _searched(study),
        "" if info is None else _reference(info),
        _figure(source, info),
        _trials(source, certainty),
        "" if info is None else _not_carried(info),
        "" if info is None else _left_out(info.reference),
        _compute(source),
    ]
    return document(parts)


def _head(source: PageSource) -> str:
    study = source.study.table.study
    text = str(source.study.document.get("description") or "")
    state = f"{study.state.value.lower()}, started {study.start:%Y-%m-%d}"
    return document([f"# {line(study.info.name)}", line(text), f"*Study {line(study.info.name)}: {state}.*"])


def _outcome(source: PageSource, certainty: CertaintyInfo, info: ReferenceInfo | None) -> str:
    table_ = source.study.table
    board = leaderboard_info(table_, source.study.history)
    winner = source.evidence.winner
    facts = [
        *words.outcome_words(table_, certainty, winner),
        words.measured_words(certainty, board, source.study.images.get("test")) if winner is None else "",
        words.ending_words(table_),
    ]
    sentences = [line(fact) for fact in facts if fact]
    return section("Outcome", bullets([*sentences, *(comparison_words(info) if info else [])]))


def _again(source: PageSource) -> str:
    file = f"{source.study.document.get('name', source.study.name)}.yaml"
    data = source.study.document.get("data")
    folder = " --data-dir DATA" if isinstance(data, Mapping) and data.get("dir") else ""
    others = "".join(f" --beside {study.name}" for study in source.beside)
    commands = f"tunetrack run {file}{folder}\ntunetrack report {source.study.name} --format markdown{others}"
    note = f"The study file is the artifact `study.yaml` of the study's run in MLflow; here it is called `{file}`."
    return section("Run it again", f"```sh\n{commands}\n```", note)


def _protocol(source: PageSource) -> str:
    words_, columns = [], list[dict[str, str]]()
    studies = (source.study, *source.beside)
    for study in studies:
        info = protocol_info(study.table, study.document, study.images)
        words_.append((f"**{line(study.name)}**: " if source.beside else "") + line(info.validation))
        counts = ", ".join(f"{count:,} {part}" for part, count in info.images.items())
        columns.append({"images": counts, **dict(info.settings), **dict(info.search)})
    names = dict.fromkeys(name for column in columns for name, value in column.items() if value)
    rows = [[name, *(line(column.get(name, "–")) for column in columns)] for name in names]
    heads = ["", *(line(study.name) for study in studies)]
    return section("Protocol", bullets(words_) if source.beside else words_[0], table(heads, rows))


def _searched(study: Compared) -> str:
    rows = [[f"`{param.path}`", line(param.text)] for param in study.table.study.info.searched]
    return section("What was searched", table(["parameter", "values"], rows)) if rows else ""


def _reference(info: ReferenceInfo) -> str:
    given = info.reference
    about = [
        f"Source: {' '.join(given.source.split())}" if given.source else "",
        f"How the original measured: {line(given.setting)}" if given.setting else "",
        f"Images behind each of its accuracies: {given.images:,}" if given.images else "",
    ]
    title = "Beside the original" + (f": {line(given.title)}" if given.title else "")
    return section(title, bullets([text for text in about if text]), *comparison_tables(info), _AGREES)


def _figure(source: PageSource, info: ReferenceInfo | None) -> str:
    if not source.figure:
        return ""
    words_ = "with the original's numbers beside them" if info else "of the best trials"
    return section("Learning curves", f"![Learning curves {words_}]({source.figure})")


def _trials(source: PageSource, certainty: CertaintyInfo) -> str:
    study, images = source.study, source.study.images.get("validation")
    top = max(TOP, len(certainty.front))
    board = leaderboard_info(study.table, study.history, top, images, source.evidence.winner)
    if not board.rows:
        return section("Best trials", "No trial has a result.")
    shown = f"{len(board.rows)} of {words.plural(board.finished, 'finished trial')}"
    note = _ONE_SEED if any(row.interval for row in board.rows) else ""
    if len(study.table.study.info.objectives) > 1:
        return section("Pareto set and best trials", f"{shown}, the Pareto set first.{note}", _board(study, board.rows))
    return section("Best trials", f"{shown}, the best first.{note}", _board(study, board.rows))


def _board(study: Compared, rows: Sequence[LeaderboardRow]) -> str:
    goals = [goal.metric for goal in study.table.study.info.objectives]
    paths = [param.path for param in study.table.study.info.searched if any(param.path in row.params for row in rows)]
    tested = any(row.test_accuracy is not None for row in rows)
    several = len(goals) > 1
    confirmed = any(row.confirmed for row in rows)
    heads = [
        "trial",
        *(["Pareto"] if several else []),
        *(f"`{goal}`" for goal in goals),
        *(["confirmed mean ± half its interval"] if confirmed else []),
        "seeds",
        "images",
        *(["test accuracy"] if tested else []),
    ]
    heads += [*(f"`{path}`" for path in paths), "seconds"]
    cells = []
    for row in rows:
        values = [number_text(goal, value, _half(row, goal)) for goal, value in zip(goals, row.values, strict=True)]
        test = [_tested(study, row)] if tested else []
        params = [line(label(row.params[path])) if path in row.params else "–" for path in paths]
        seconds = "–" if row.seconds is None else f"{row.seconds:,.1f}"
        front = ["yes" if row.on_front else "–"] if several else []
        cells.append([str(row.number), *front, *values, *_confirmed(row, confirmed), *test, *params, seconds])
    return table(heads, cells, range(len(heads)))


def _half(row: LeaderboardRow, goal: str) -> float | None:
    """Half of the interval of one seed's accuracy; None for what is none."""
    if row.interval is None or goal not in SHARES:
        return None
    return half_width(row.interval.low, row.interval.high)


def _confirmed(row: LeaderboardRow, any_confirmed: bool) -> list[str]:
    one = row.confirmed
    mean = "–" if one is None else f"**{number_text('', one.mean, half_width(one.low, one.high))}**"
    seeds = "1" if one is None else str(len(one.values))
    return [*([mean] if any_confirmed else []), seeds, "–" if row.images is None else f"{row.images:,}"]


def _tested(study: Compared, row: LeaderboardRow) -> str:
    if row.test_accuracy is None:
        return ""
    images = study.images.get("test")
    half = None
    if images and 0.0 <= row.test_accuracy <= 1.0:
        interval = share_interval(round(row.test_accuracy * images), images)
        half = half_width(interval.low, interval.high)
    return number_text("test/accuracy", row.test_accuracy, half)


def _not_carried(info: ReferenceInfo) -> str:
    return section("What these numbers do not carry", bullets(claim_words(noise_claims(info))))


def _left_out(reference: Reference) -> str:
    reduced = [f"Made smaller here: {line(reference.reduced)}"] if reference.reduced else []
    missing = bullets([line(entry) for entry in reference.not_reproduced])
    return section("Not reproduced, and reduced", missing, *reduced)


def _compute(source: PageSource) -> str:
    rows = []
    for study in (source.study, *source.beside):
        info = compute_info(study.table)
        wall = "–" if info.wall is None else words.duration(info.wall)
        speed = "–" if info.images_per_second is None else f"{info.images_per_second:,.0f}"
        machine = line(info.machine) or "not stored"
        rows.append([line(study.name), str(info.trials), words.duration(info.seconds), wall, speed, machine])
    heads = ["study", "trials", "training and validation", "from start to end", "images a second (median)", "machine"]
    return section("Compute", table(heads, rows, (1, 2, 3, 4)))
