"""The command that reviews: what readers of a study should know before they believe it."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.text import Text

from tunetrack.cli import options
from tunetrack.errors import TrackingError, masked
from tunetrack.study.place import Place

if TYPE_CHECKING:
    from tunetrack.spec.review import Review, ReviewFinding
    from tunetrack.study.result import StudyResult

__all__ = ["print_found", "review"]

_SEVERITIES = ("high", "medium", "low", "note")
_STYLES = {"high": ("✗", "red"), "medium": ("!", "yellow"), "low": ("·", "cyan"), "note": ("·", "dim")}
#: Columns of the sign and the severity.
_INDENT = 9


@click.command()
@click.argument("study", required=False)
@click.option("--experiment", default=None, help="Review an MLflow experiment that tunetrack has not written.")
@click.option(
    "--fail-on",
    type=click.Choice(_SEVERITIES),
    default=None,
    help="Exit code 1 where something of this severity or above is found.",
)
@options.json_flag
@options.place
def review(study: str | None, experiment: str | None, fail_on: str | None, as_json: bool, place: Place) -> None:
    """Say what readers of a study should know: choices by noise or by test images, parameters without effect, ...

    STUDY is its name; the review is put on its run as review.json. With --experiment, runs of any other program are
    reviewed as far as their params and metrics tell, and nothing is written.
    """
    from tunetrack.api.review import review_experiment, review_study
    from tunetrack.cli import tables
    from tunetrack.spec.review import Severity

    if (study is None) == (experiment is None):
        raise click.UsageError("give STUDY, or --experiment NAME, one of them")
    found = review_study(study, place) if study is not None else review_experiment(experiment or "", place)
    tables.print_json(found.to_json()) if as_json else _print_review(found)
    if fail_on is not None and found.at_least(Severity(fail_on)):
        raise SystemExit(1)


def print_found(result: StudyResult, place: Place) -> None:
    """What weighs most of the review that the end of a study has left, one line each."""
    from tunetrack.api.review import last_review
    from tunetrack.cli.tables import console_of
    from tunetrack.spec.review import Severity

    console = console_of()
    try:
        found = None if result.run_id is None else last_review(result.run_id, place)
    except TrackingError as error:
        console.print(f"The review cannot be read: {error}", highlight=False)
        return
    if found is None:
        return
    heavy = found.at_least(Severity.MEDIUM)
    for finding in heavy:
        console.print(_line(finding), highlight=False)
    lighter = len(found.findings) - len(heavy)
    more = f" ({lighter} of less weight)" if lighter else ""
    if found.findings:
        where = [masked(part) for part in options.place_options(replace(place, ledger_url=None))]
        command = shlex.join(["tunetrack", "review", result.name, *where])
        console.print(f"Says more    {command}{more}", highlight=False)


def _line(finding: ReviewFinding) -> Text:
    sign, style = _STYLES[finding.severity.value]
    return Text.assemble((f"{sign} {finding.severity.value:<{_INDENT - 2}}", style), finding.title)


def _print_review(found: Review) -> None:
    from tunetrack.cli.tables import console_of

    console = console_of()
    for text in found.guessed:
        console.print(Text(f"Guessed: {text}", style="dim"))
    if found.guessed:
        console.print()
    for finding in found.findings:
        console.print(_line(finding))
        for text in (finding.evidence, f"→ {finding.advice}"):
            console.print(_wrapped(text, console.width), highlight=False, markup=False)
        console.print()
    if not found.findings:
        console.print("Nothing was found.")
    applied = [rule for rule in found.checked if rule.skipped is None]
    counts = ", ".join(
        f"{count} {severity}"
        for severity in _SEVERITIES
        if (count := sum(finding.severity.value == severity for finding in found.findings))
    )
    console.print(
        f"{found.study}: {counts or 'no findings'}; {len(applied)} of {len(found.checked)} rules applied.",
        highlight=False,
    )
    for rule in found.checked:
        if rule.skipped is not None:
            console.print(Text(f"  not judged: {rule.title}: {rule.skipped}", style="dim"))


def _wrapped(text: str, width: int) -> str:
    indent = " " * _INDENT
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)
