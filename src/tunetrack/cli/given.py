"""What options of several commands give: workers, MLflow's run, and a study that is shown while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunetrack.cli import options
from tunetrack.cli.link import LinkEnd
from tunetrack.cli.review import print_found

if TYPE_CHECKING:
    from tunetrack.api.crews import Workers
    from tunetrack.study.launch import Launch
    from tunetrack.study.result import StudyResult

__all__ = ["mlflow_run_id", "show", "workers"]


def mlflow_run_id() -> str | None:
    """The run that `mlflow run` opened for us; taken out of the environment, so that nothing else adopts it too."""
    return os.environ.pop(options.RUN_ID, None)


def workers(given: Mapping[str, Any]) -> Workers:
    """As many workers as the options say."""
    from tunetrack.api.crews import Workers

    names = ("workers", "threads", "gpus_per_trial", "launcher", "ray_address")
    return Workers(**{name: given[name] for name in names if given.get(name) is not None})


def show(wanted: Launch, link: LinkEnd | None, retries: int, run: Callable[[Launch], StudyResult]) -> None:
    """Runs a study, shows how it goes and prints its result.

    Args:
        wanted: where it is.
        link: to the supervisor.
        retries: how often a trial is run again whose worker was killed.
        run: runs it, watched.
    """
    from tunetrack.cli import display, tables
    from tunetrack.cli.watched import watched

    place = options.place_options(wanted.place)
    with display.progress() as shown, watched(shown, link, retries, place) as progress:
        result = run(replace(wanted, progress=progress, supervised=link is not None))
    tables.print_result(result, wanted.place)
    print_found(result, wanted.place)
