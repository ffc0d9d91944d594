"""The commands that look after what is there: whether all is as it should be, and putting it right."""

from __future__ import annotations

import click

from tunetrack.cli import options
from tunetrack.study.place import Place

__all__ = ["doctor", "parity"]


@click.command()
@click.argument("study")
@options.json_flag
@options.place
def parity(study: str, as_json: bool, place: Place) -> None:
    """Compare a study's trials in the ledger with their MLflow runs; exit code 1 where they differ.

    Looked at are states, reasons, parameters and values; runs without a trial, trials without a run, trials with
    several runs; and runs that are RUNNING although nobody works on them. Nothing is changed.
    """
    from tunetrack.api.parity import check_parity
    from tunetrack.cli import tables

    found = check_parity(study, place)
    tables.print_json(found.document()) if as_json else tables.print_parity(found)
    if not found.is_good:
        raise SystemExit(1)


@click.command()
@click.option("--fix", is_flag=True, help="Put right what processes that were killed have left behind.")
@options.json_flag
@options.place
def doctor(fix: bool, as_json: bool, place: Place) -> None:
    """Check this installation, the hardware and the folder of studies.

    With --fix: every study that nobody works on is brought into order. What waits for the tracking server is sent, the
    trials of dead processes wait to be run again, MLflow says what the ledger says, and leftovers are removed.
    """
    from tunetrack.api.diagnosis import diagnose
    from tunetrack.api.parity import repair_studies
    from tunetrack.cli import tables

    if fix and place.has_ledger:
        repair_studies(place, lambda text: click.echo(f"mended: {text}", err=True))
    findings = diagnose(place)
    tables.print_json([finding.document() for finding in findings]) if as_json else tables.print_findings(findings)
    if any(finding.is_failure for finding in findings):
        raise SystemExit(1)
