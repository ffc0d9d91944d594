"""Options that several commands share, and the environment variables behind them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tunetrack.errors import masked
from tunetrack.study.place import DEFAULT_HOME, Place

__all__ = [
    "RUN_ID",
    "backend_store_uri",
    "data_dir",
    "device_seconds",
    "figures",
    "home",
    "in_parallel",
    "json_flag",
    "overrides",
    "page_format",
    "page_output",
    "place",
    "place_options",
    "report_format",
    "seconds",
    "threads",
    "trials",
]

#: Under `mlflow run`, the run that MLflow has opened for the command.
RUN_ID = "MLFLOW_RUN_ID"

#: Names the ledger; a password in it is better kept there than in a command line, which others can read.
LEDGER = "TUNETRACK_LEDGER"

#: Where MLflow's clients find their store.
TRACKING_URI = "MLFLOW_TRACKING_URI"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class OptionalPath(click.Path):
    """A path that may be left empty: `mlflow run` hands over '' for a parameter that was not given."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An empty text as None, anything else as a path."""
        return None if value == "" else super().convert(value, param, ctx)


class OptionalNumber(click.ParamType[Any]):
    """A positive number that may be left empty, for the same reason.

    Args:
        kind: int or float.
    """

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = "integer" if kind is int else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An empty text as None, anything else as a number greater than 0."""
        if value == "" or value is None:
            return None
        try:
            number = self.kind(value)
        except ValueError:
            self.fail(f"{value!r} is not a valid {self.name}", param, ctx)
        if number <= 0:
            self.fail(f"{value!r} is not greater than 0", param, ctx)
        return number


class Shape(click.ParamType[Any]):
    """The shape of one image: CHANNELSxHEIGHTxWIDTH, or with a depth before the height."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """``1x28x28`` as (1, 28, 28)."""
        sides = str(value).lower().split("x")
        if len(sides) not in (3, 4) or not all(side.isdecimal() and int(side) > 0 for side in sides):
            self.fail(f"{value!r} is no shape; write CHANNELSxHEIGHTxWIDTH, such as 1x28x28", param, ctx)
        return tuple(map(int, sides))


class TrialNumbers(click.ParamType[Any]):
    """Numbers of trials, or all of them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """``3,7`` as (3, 7); ``all`` as it is."""
        entries = [entry.strip() for entry in str(value).split(",")]
        if entries == ["all"]:
            return "all"
        if not all(entry.isascii() and entry.isdecimal() for entry in entries):
            self.fail(f"{value!r} is no list of trial numbers; write them with commas, such as 3,7, or all", param, ctx)
        return tuple(map(int, entries))


class Names(click.ParamType[Any]):
    """Names with commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """``a, b`` as ("a", "b")."""
        if isinstance(value, tuple):
            return value
        return tuple(entry.strip() for entry in str(value).split(",") if entry.strip())


class Workers(click.ParamType[Any]):
    """A number of worker processes, or `auto`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """``4`` as 4, ``auto`` as it is, an empty text as None."""
        if value == "" or value == "auto" or value is None:
            return value or None
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no number of workers; write 0, 1, 2, ... or auto", param, ctx)
        return int(value)


def place_options(place: Place) -> list[str]:
    """The options that say where a study is; none where it is at the default place.

    An address that the environment gives is left to it where it holds a password. Without one it is named all the same:
    `mlflow run` sets MLFLOW_TRACKING_URI for its command alone, and these options are shown to people, too.
    """
    ledger = place.ledger_url if place.ledger_url != os.environ.get(LEDGER) else None
    tracking = place.tracking_uri
    if tracking is not None and tracking == os.environ.get(TRACKING_URI) and masked(tracking) != tracking:
        tracking = None
    return [
        *([] if place.home == DEFAULT_HOME else ["--home", str(place.home)]),
        *(["--tracking-uri", tracking] if tracking else []),
        *(["--ledger", ledger] if ledger else []),
    ]


def place(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where studies are; the command gets them as its argument `place`."""

    @home
    @tracking_uri
    @ledger
    @functools.wraps(command)
    def wrapped(home: Path, tracking_uri: str | None, ledger: str | None, **given: Any) -> Any:
        return command(place=Place(home, tracking_uri, ledger), **given)

    return wrapped


def in_parallel(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how many workers run a study, and where."""
    for option in reversed((workers, threads, gpus_per_trial, launcher, ray_address)):
        command = option(command)
    return command


home: Decorator = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_HOME,
    envvar="TUNETRACK_HOME",
    show_default=True,
    help="Folder that holds everything the program writes.",
)
tracking_uri: Decorator = click.option(
    "--tracking-uri",
    envvar=TRACKING_URI,
    default=None,
    help="Where the runs go: sqlite:///…, http://…, postgresql://…  [default: a database in --home]",
)
ledger: Decorator = click.option(
    "--ledger",
    envvar=LEDGER,
    default=None,
    metavar="URL",
    help="Where the search state is: postgresql://user:password@host/name, sqlite:///…  [default: a file in --home]",
)
workers: Decorator = click.option(
    "--workers",
    type=Workers(),
    default=None,
    metavar="N|auto",
    help="Worker processes; auto: as many as GPUs or cores allow; 0: only those of `tunetrack worker`.  [default: 1]",
)
threads: Decorator = click.option(
    "--threads",
    type=OptionalNumber(int),
    default=None,
    help="CPU threads of each worker.  [default: all cores, shared out among the workers]",
)
gpus_per_trial: Decorator = click.option(
    "--gpus-per-trial",
    type=click.FloatRange(0, 1),
    default=None,
    metavar="SHARE",
    help="Share of a GPU for each worker, such as 0.5.",
)
launcher: Decorator = click.option(
    "--launcher",
    type=click.Choice(["local", "ray"]),
    default=None,
    help="Who starts the workers: this machine, or a Ray cluster.  [default: local]",
)
ray_address: Decorator = click.option(
    "--ray-address",
    default=None,
    help="The cluster, with --launcher ray: auto, host:port or ray://host:port.  [default: Ray is started here]",
)
backend_store_uri: Decorator = click.option(
    "--backend-store-uri",
    "--tracking-uri",
    "tracking_uri",
    envvar=TRACKING_URI,
    default=None,
    help="The database: sqlite:///…, postgresql://…  [default: a database in --home]",
)
data_dir: Decorator = click.option(
    "--data-dir",
    type=OptionalPath(path_type=Path, file_okay=False),
    envvar="TUNETRACK_DATA_DIR",
    default=None,
    help="Folder with the data sets; replaces data.dir of the study file.",
)
trials: Decorator = click.option(
    "--trials", type=OptionalNumber(int), default=None, help="Trials in all; replaces budget.trials."
)
seconds: Decorator = click.option(
    "--seconds", type=OptionalNumber(float), default=None, help="Time limit; replaces budget.seconds."
)
device_seconds: Decorator = click.option(
    "--device-seconds",
    type=OptionalNumber(float),
    default=None,
    help="Limit of the training time of all trials together; replaces budget.device_seconds.",
)
overrides: Decorator = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace a value or range of the study file, such as trainer.epochs=3. May be repeated.",
)
page_format: Decorator = click.option(
    "--format", "form", type=click.Choice(["html", "markdown"]), default="html", show_default=True
)
report_format: Decorator = click.option(
    "--format",
    "form",
    type=click.Choice(["html", "print", "markdown", "json"]),
    default="html",
    show_default=True,
)
figures: Decorator = click.option(
    "--figures",
    type=OptionalPath(path_type=Path, file_okay=False),
    default=None,
    metavar="FOLDER",
    help="Write the figures there, too, each as SVG and PNG.",
)
page_output: Decorator = click.option(
    "--output",
    "--out",
    type=OptionalPath(path_type=Path, dir_okay=False),
    default=None,
    help="The page's file.",
)
json_flag: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
