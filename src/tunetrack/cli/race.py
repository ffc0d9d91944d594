"""The command that races samplers against one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunetrack.cli import options

if TYPE_CHECKING:
    from tunetrack.study.place import Place

__all__ = ["race"]


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--samplers",
    type=options.Names(),
    required=True,
    metavar="NAMES",
    help="Who races, with commas, such as optuna:tpe,hyperopt:tpe,optuna:gp,random.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Runs of each sampler, with seeds from 0.",
)
@options.data_dir
@options.trials
@options.seconds
@options.device_seconds
@options.overrides
@options.json_flag
@options.place
def race(study: Path, samplers: tuple[str, ...], seeds: int, place: Place, as_json: bool, **rest: Any) -> None:
    """Compare samplers: run a study with each of them, several times, with the same budget.

    Each run is a study of its own. Given again, the command goes on where it was.
    """
    from tunetrack.api.race import run_race
    from tunetrack.api.study_files import load_study_file, override_paths
    from tunetrack.cli import tables
    from tunetrack.report.race import in_words, table_rows
    from tunetrack.spec import parse_override

    given = {name: rest[name] for name in ("trials", "seconds", "device_seconds", "data_dir") if rest[name] is not None}
    changes = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    spec = load_study_file(study, dict(map(parse_override, rest["overrides"])) | override_paths(changes))
    ended = run_race(spec, samplers, seeds, place, lambda text: click.echo(text, err=True))
    if as_json:
        tables.print_json(ended.info.document())
        return
    heads, rows = table_rows(ended.info)
    table = tables.table_of(heads[0], *(f"{head}>" for head in heads[1:]))
    for row in rows:
        table.add_row(*row)
    console = tables.console_of()
    console.print(table)
    console.print(in_words(ended.info), highlight=False)
    console.print(f"Page     {ended.page}", highlight=False)
    console.print(f"Run id   {ended.run_id}", highlight=False)
