"""The command `tunetrack` and its exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

import tunetrack
from tunetrack.cli.commands import COMMANDS
from tunetrack.cli.leaving import exit_code_noted
from tunetrack.cli.supervised import ARGUMENTS
from tunetrack.errors import InterruptedStudyError, TunetrackError

__all__ = ["main"]

#: Read by the libraries when they are first imported; what the user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's own client would try for minutes before it says that a server is away, and a creation that it repeats may
    # make two runs. Entries are sent again by the tracker, which looks first.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it `deterministic: true` is refused on CUDA
}


class Commands(click.Group):
    """A group that turns tunetrack's errors into one message on stderr and the error's exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs a command line; leaves with its exit code."""
        with exit_code_noted():
            return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps the arguments as they were given, for the process that runs the study."""
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a user's mistake never shows a traceback, a bug in tunetrack does."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if "" not in sys.path and not sys.flags.safe_path:
            sys.path.insert(0, "")  # the working directory, as for `python -m`: `model.import` may name a module in it
        try:
            return super().invoke(ctx)
        except TunetrackError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except InterruptedStudyError as error:
            notes = getattr(error, "__notes__", [])
            click.echo("\n" + "; ".join([str(error), *notes]), err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a new user meets them."""
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tunetrack.__version__, prog_name="tunetrack")
def main() -> None:
    """Hyperparameter optimisation for image classifiers, tracked in MLflow."""


for command in COMMANDS:
    main.add_command(command)
