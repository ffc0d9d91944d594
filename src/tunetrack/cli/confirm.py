"""The command `confirm`: trains the best configurations of a study again and names the winner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunetrack.cli import given, options
from tunetrack.cli.link import LinkEnd
from tunetrack.cli.supervised import supervised
from tunetrack.study.place import Place

__all__ = ["confirm"]


@click.command()
@click.argument("study")
@click.option(
    "--top",
    type=options.OptionalNumber(int),
    default=None,
    help="How many of the best configurations.  [default: as the study file says, else 5]",
)
@click.option(
    "--seeds",
    type=options.OptionalNumber(int),
    default=None,
    help="How many training seeds, the same for all of them.  [default: as the study file says, else 5]",
)
@options.data_dir
@options.in_parallel
@options.place
@supervised
def confirm(study: str, data_dir: Path | None, place: Place, link: LinkEnd | None, **rest: Any) -> None:
    """Train the best configurations of a study again, on the same seeds, and name the winner.

    STUDY is its name, as `tunetrack list` shows it. A confirmation that was interrupted goes on.
    """
    from tunetrack.api.confirm import confirm as confirm_study
    from tunetrack.api.confirm import wanted_confirmation
    from tunetrack.api.reading import place_of
    from tunetrack.study.launch import Launch

    ledger, _ = place_of(study, place)
    asked = wanted_confirmation(study, place, rest["top"], rest["seeds"])
    places = {} if data_dir is None else {"data.dir": str(data_dir)}
    given.mlflow_run_id()  # not adopted: the confirmation belongs into the experiment of the searched study
    wanted = Launch(place)
    retries = ledger.spec.head.budget.retries
    given.show(wanted, link, retries, lambda watched: confirm_study(study, watched, given.workers(rest), asked, places))
