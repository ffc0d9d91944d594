"""The command `promote`: registers the model that a study has chosen."""

from __future__ import annotations

import shlex

import click

from tunetrack.cli import options
from tunetrack.study.place import Place

__all__ = ["promote"]


@click.command()
@click.argument("study")
@click.option("--model-name", default=None, help="Name in the model registry.  [default: the study's name]")
@click.option("--alias", default="champion", show_default=True, help="Moved to the new version; '' moves none.")
@options.json_flag
@options.place
def promote(study: str, model_name: str | None, alias: str, as_json: bool, place: Place) -> None:
    """Register a study's winner in MLflow's model registry, with the evidence as tags.

    STUDY is its name, as `tunetrack list` shows it.
    """
    from tunetrack.api.promote import promote_study
    from tunetrack.cli import tables

    done = promote_study(study, model_name=model_name or None, alias=alias or None, home=place)
    if as_json:
        tables.print_json(done.document())
        return
    named = f", now its {done.alias}" if done.alias else ""
    click.echo(f"{done.model} has version {done.version}{named}: trial {done.trial} of {study}")
    for key, value in done.evidence.items():
        click.echo(f"  {key.removeprefix('tunetrack.'):<22} {value}")
    click.echo(f'Load it   mlflow.pytorch.load_model("{done.uri}")')
    if done.evidence["tunetrack.confirmed"] == "false":
        again = shlex.join(["tunetrack", "confirm", study, *options.place_options(place)])
        click.echo(f"It is the best of many by one seed, which flatters it; {again} says by how much.", err=True)
