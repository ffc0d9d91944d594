"""The command by which a process on any machine joins a study."""

from __future__ import annotations

from pathlib import Path

import click

from tunetrack.cli import options
from tunetrack.study.place import Place

__all__ = ["worker"]


@click.command()
@click.argument("study")
@options.data_dir
@click.option(
    "--threads",
    type=options.OptionalNumber(int),
    default=None,
    help="CPU threads; fewer than the cores where several workers share them.  [default: all cores]",
)
@options.place
def worker(study: str, data_dir: Path | None, threads: int | None, place: Place) -> None:
    """Join a study as a further worker, from any machine that reaches its ledger.

    STUDY is its name, as `tunetrack list` shows it. Any number may join, at any time. A worker leaves when the study
    has its trials, or when it is told to by SIGTERM or Ctrl-C: then its trial is given back, for others to go on with.
    The winner is named by the `tunetrack run` or `tunetrack resume` that leads the study.
    """
    from tunetrack.api.crews import join_study
    from tunetrack.cli import display
    from tunetrack.cli.leaving import leave_quickly

    leave_quickly()
    with display.progress() as progress:
        join_study(study, place, data_dir=data_dir, threads=threads, progress=progress)
