"""Which commands run under a supervisor, and what they tell it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from tunetrack.cli.leaving import leave_quickly
from tunetrack.cli.link import LinkEnd
from tunetrack.cli.options import RUN_ID, place_options

__all__ = ["ARGUMENTS", "supervised"]

#: Where the group keeps the arguments of the command line as they were given.
ARGUMENTS = "tunetrack.arguments"

#: Options that hold for the study, and so for every command that goes on with it.
LASTING = (
    "data_dir",
    "trials",
    "seconds",
    "device_seconds",
    "workers",
    "threads",
    "gpus_per_trial",
    "launcher",
    "ray_address",
)


def supervised(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose body runs in a child process and gets there, as `link`, its link to the supervisor.

    With --no-supervisor the body runs in this process, and `link` is None.
    """

    @click.option(
        "--no-supervisor", is_flag=True, help="Nobody watches this process; should it be killed, nothing goes on."
    )
    @click.pass_context
    @functools.wraps(function)
    def wrapped(context: click.Context, /, no_supervisor: bool, **given: Any) -> None:
        link = LinkEnd.from_environment(os.environ)
        if link is None and not no_supervisor and sys.platform != "win32":  # there are no process groups
            sys.exit(_supervise(context, given))
        if link is not None:
            leave_quickly()
        function(link=link, **given)

    return wrapped


def _supervise(context: click.Context, given: dict[str, Any]) -> int:
    from tunetrack.cli.supervisor import Job, supervise

    mlflow = None
    if RUN_ID in os.environ:
        from tunetrack.cli.starter import Starter

        mlflow = Starter.found()
    lasting = ((f"--{name.replace('_', '-')}", given.get(name)) for name in LASTING)
    return supervise(
        Job(
            arguments=context.meta[ARGUMENTS],
            study=given["study"] if context.info_name == "resume" else "",
            place=place_options(given["place"]),
            options=[text for option, value in lasting if value is not None for text in (option, str(value))],
            environment=dict(os.environ),
            mlflow=mlflow,
        )
    )
