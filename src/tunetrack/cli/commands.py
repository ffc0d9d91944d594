"""What each command takes and which function of `tunetrack.api` it calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunetrack.cli import given, options
from tunetrack.cli.confirm import confirm
from tunetrack.cli.link import LinkEnd
from tunetrack.cli.promote import promote
from tunetrack.cli.race import race
from tunetrack.cli.review import print_found, review
from tunetrack.cli.supervised import supervised
from tunetrack.cli.upkeep import doctor, parity
from tunetrack.cli.worker import worker
from tunetrack.study.place import Place

if TYPE_CHECKING:
    from tunetrack.spec import StudySpec
    from tunetrack.study.launch import Launch

__all__ = ["COMMANDS"]

StudyFile = click.Path(path_type=Path, dir_okay=False)


def _collected(overrides: tuple[str, ...], **stated: Any) -> dict[str, Any]:
    from tunetrack.api.study_files import override_paths
    from tunetrack.spec import parse_override

    options_given = {name: str(v) if isinstance(v, Path) else v for name, v in stated.items() if v is not None}
    return dict(parse_override(text) for text in overrides) | override_paths(options_given)


def _budget_and_data(rest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rest[name] for name in ("trials", "seconds", "device_seconds", "data_dir")}


def _launch(spec: StudySpec, wanted: Launch, link: LinkEnd | None, rest: Mapping[str, Any]) -> None:
    """Runs the study, shows how it goes and prints its result."""
    from tunetrack.api.studies import launch_study

    retries = spec.head.budget.retries
    given.show(wanted, link, retries, lambda watched: launch_study(spec, watched, given.workers(rest)))


@click.command()
@click.argument("study", type=StudyFile)
@options.data_dir
@options.trials
@options.seconds
@options.device_seconds
@options.in_parallel
@options.overrides
@click.option("--resume", is_flag=True, help="Go on with the latest study of this name instead of starting a new one.")
@click.option("--accept-changes", is_flag=True, help="With --resume: go on although the study file has changed.")
@click.option("--from", "from_study", default=None, metavar="STUDY", help="Propose that study's best trials first.")
@click.option("--from-top", type=click.IntRange(min=1), default=10, show_default=True, help="With --from: how many.")
@click.option("--experiment", default=None, help="MLflow experiment.  [default: the study file's name]")
@click.option(
    "--artifacts",
    envvar="TUNETRACK_ARTIFACTS",
    default=None,
    metavar="FOLDER|URL",
    help="Where a new experiment keeps its artifacts, such as s3://bucket/path; a tracking server decides for itself.  "
    "[default: a folder in --home]",
)
@options.place
@supervised
def run(study: Path, overrides: tuple[str, ...], place: Place, link: LinkEnd | None, **rest: Any) -> None:
    """Run a study: search, train, track."""
    from tunetrack.api.study_files import load_study_file
    from tunetrack.study.launch import Launch

    if rest["accept_changes"] and not rest["resume"]:
        raise click.UsageError("--accept-changes needs --resume")
    if rest["from_study"] and rest["resume"]:
        raise click.UsageError("--from is for a new study; one that goes on has the points that it began with")
    spec = load_study_file(study, _collected(overrides, **_budget_and_data(rest)))
    if rest["from_study"]:
        from tunetrack.api.warm import warm_started

        warm = warm_started(spec, rest["from_study"], place, rest["from_top"])
        click.echo(warm.in_words(rest["from_study"]), err=True)
        spec = warm.spec
    run_id, kept = given.mlflow_run_id(), {name: rest[name] for name in ("resume", "accept_changes", "artifacts")}
    _launch(spec, Launch(place, rest["experiment"], run_id, **kept), link, rest)


@click.command()
@click.argument("study")
@options.data_dir
@options.trials
@options.seconds
@options.device_seconds
@options.in_parallel
@options.place
@click.option("--died", default="", hidden=True, help="How the worker ended that ran the study before.")
@supervised
def resume(study: str, died: str, place: Place, link: LinkEnd | None, **rest: Any) -> None:
    """Go on with a study: one that was interrupted or killed, or one that shall get a larger budget.

    STUDY is its name, as `tunetrack list` shows it.
    """
    from tunetrack.api.finished import finished_study
    from tunetrack.api.reading import place_of
    from tunetrack.api.studies import resume_spec
    from tunetrack.cli import tables
    from tunetrack.study.launch import Launch

    asked = _budget_and_data(rest)
    if died and place_of(study, place)[0].spec.head.confirms is not None:
        asked = {"data_dir": rest["data_dir"]}  # the supervisor hands on what the search before it was given
    spec = resume_spec(study, place, _collected((), **asked))
    finished = finished_study(study, place, spec)
    if finished is None:
        again = Launch(place, run_id=given.mlflow_run_id(), resume=True, name=study, died=died)
        _launch(spec, again, link, rest)
        return
    why = finished.stopped or "its budget is spent"
    more = " A larger budget: --trials, --seconds or --device-seconds." if finished.confirms is None else ""
    click.echo(f"The study {study} is finished: {why}.{more}", err=True)
    tables.print_result(finished, place)


@click.command(hidden=True)
@click.option("--after", type=int, required=True, help="Wait until this process has ended.")
@options.place
def mark_killed(after: int, place: Place) -> None:
    """Mark the run that `mlflow run` has opened as KILLED, after `mlflow run` has marked it as FAILED."""
    from tunetrack.api.ending import mark_killed as mark
    from tunetrack.cli.starter import wait_for

    mark(os.environ[options.RUN_ID], place, lambda: wait_for(after))


@click.command()
@click.argument("config", type=StudyFile)
@options.data_dir
@options.overrides
@click.option("--experiment", default=None, help="MLflow experiment.  [default: the file's name]")
@options.place
@supervised
def train(config: Path, overrides: tuple[str, ...], place: Place, link: LinkEnd | None, **rest: Any) -> None:
    """Train one configuration: a study file in which every value is fixed."""
    from tunetrack.api.study_files import load_single
    from tunetrack.study.launch import Launch

    spec = load_single(config, _collected(overrides, data_dir=rest["data_dir"]))
    _launch(spec, Launch(place, rest["experiment"], given.mlflow_run_id()), link, {})


@click.command()
@click.argument("study", type=StudyFile)
@options.data_dir
@options.overrides
@options.json_flag
def validate(study: Path, data_dir: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a study file and say what would be searched."""
    from tunetrack.api.study_files import describe_study_file, load_study_file
    from tunetrack.cli import tables

    summary = describe_study_file(load_study_file(study, _collected(overrides, data_dir=data_dir)))
    tables.print_json(summary) if as_json else tables.print_validation(summary)


@click.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors."""
    from tunetrack.cli import tables
    from tunetrack.spec.schema import study_schema

    tables.print_json(study_schema())


@click.command()
@click.argument("name", required=False)
@click.option("--input", "input_shape", type=options.Shape(), default=None, help="Shape of one image, such as 3x32x32.")
@click.option("--classes", type=click.IntRange(min=1), default=10, show_default=True, help="Width of the output.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key, such as width=64. May be repeated."
)
@click.option("--format", "form", type=click.Choice(["table", "markdown"]), default="table", show_default=True)
@options.json_flag
def model(name: str | None, settings: tuple[str, ...], form: str, as_json: bool, **given: Any) -> None:
    """Show a network's layers, parameters, FLOPs and memory; without NAME, list all networks.

    NAME is one of the list, or MODULE:CALLABLE for a network of your own.
    """
    from tunetrack.api.models import describe_model, list_models
    from tunetrack.cli import tables

    if name is None:
        listed = list_models()
        tables.print_json(listed) if as_json else tables.print_models(listed)
        return
    described = describe_model(name, given["input_shape"], given["classes"], _collected(settings))
    if as_json:
        tables.print_json(described.document())
    elif form == "markdown":
        click.echo(described.markdown(), nl=False)
    else:
        tables.print_model(described)


@click.command(name="list")
@options.json_flag
@options.place
def list_(as_json: bool, place: Place) -> None:
    """List the studies in --home, or in --ledger."""
    from tunetrack.api.listing import list_studies
    from tunetrack.cli import tables

    studies = list_studies(place)
    tables.print_json(studies) if as_json else tables.print_studies(studies, place)


@click.command()
@click.argument("study")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Trials in the table.")
@options.json_flag
@options.place
def show(study: str, top: int, as_json: bool, place: Place) -> None:
    """Show a study: its trials, the best first."""
    from tunetrack.api.reading import load_study
    from tunetrack.cli import tables

    result = load_study(study, place)
    if as_json:
        tables.print_json(result.document())
        return
    tables.print_result(result, place, top)
    print_found(result, place)


@click.command()
@click.argument("study")
@options.report_format
@click.option("--beside", multiple=True, metavar="STUDY", help="Compare it with the same reference. May be repeated.")
@options.page_output
@options.figures
@options.place
def report(study: str, form: Any, beside: tuple[str, ...], output: Path | None, place: Place, **rest: Any) -> None:
    """Write a study's report.

    html: all pages in one file, also put into its MLflow run; print: one page that prints well; markdown: a page with
    its figure beside it; json: the numbers.
    """
    from tunetrack.api.reports import write_figures, write_markdown, write_report

    if beside and form != "markdown":
        raise click.UsageError("--beside needs --format markdown")
    markdown = form == "markdown"
    written = write_markdown(study, place, output, beside) if markdown else write_report(study, place, output, form)
    click.echo(f"Report: {written}")
    if rest["figures"] is not None:
        click.echo(f"Figures: {len(write_figures(study, place, rest['figures']))} files in {rest['figures']}")


@click.command()
@click.argument("study")
@click.option(
    "--trials",
    type=options.TrialNumbers(),
    default=None,
    help="Which to compare, such as 3,7, or all.  [default: the best 4, and the best of every further network]",
)
@options.page_format
@options.page_output
@options.json_flag
@options.place
def weights(study: str, trials: Any, form: Any, output: Path | None, as_json: bool, place: Place) -> None:
    """Compare what happened inside the networks of a study's trials, and write a page.

    One HTML file, also put into the study's MLflow run, or Markdown with its figures beside it.
    """
    from tunetrack.api.weights import compare_weights
    from tunetrack.cli import tables, weight_tables

    compared = compare_weights(study, place, trials, form, output)
    tables.print_json(compared.document()) if as_json else weight_tables.print_weights(compared)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True)
@click.option(
    "--allowed-hosts",
    type=options.Names(),
    default=(),
    metavar="NAMES",
    help="Names by which browsers may call this server, with commas, such as tracking:5000.  [default: localhost and "
    "private addresses]",
)
@click.option("--artifacts", default=None, help="Folder or address of the artifacts.  [default: a folder in --home]")
@options.home
@options.backend_store_uri
def serve(host: str, port: int, home: Path, tracking_uri: str | None, **rest: Any) -> None:
    """Start the MLflow server on the studies in --home, with pages for them, and print their links."""
    from tunetrack.api.serving import Serving
    from tunetrack.api.serving import serve as serve_place
    from tunetrack.cli import tables

    wanted = Serving(host, port, rest["artifacts"], rest["allowed_hosts"])
    serve_place(Place(home, tracking_uri), wanted, dict(os.environ), tables.print_links)


COMMANDS = (
    run,
    resume,
    confirm,
    promote,
    race,
    worker,
    mark_killed,
    train,
    validate,
    model,
    schema,
    list_,
    show,
    report,
    weights,
    review,
    serve,
    parity,
    doctor,
)
