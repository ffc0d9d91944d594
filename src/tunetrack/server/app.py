"""Knows MLflow's server as an app with our pages in it: MLflow's UI at ``/``, ours under ``/tunetrack``.

MLflow finds `create_app` by the entry point ``tunetrack`` of the group ``mlflow.app`` (``mlflow server --app-name
tunetrack``); `tunetrack serve` names it to uvicorn itself, so that it works from a source tree, too.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server.fastapi_app import create_fastapi_app
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from tunetrack.errors import TrackingError
from tunetrack.server.routes import pages_app
from tunetrack.server.served import served_store, stored_at
from tunetrack.tracking.reader import StudyReader
from tunetrack.tracking.upkeep import analyze

__all__ = ["PREFIX", "create_app"]

PREFIX = "/tunetrack"

_log = logging.getLogger("mlflow.server")  # the one whose lines MLflow's server shows


def create_app() -> FastAPI:
    """MLflow's app with our pages. It takes the store that MLflow's own handlers were started on.

    Raises:
        TrackingError: that store is no database, or it has workspaces.
    """
    if MLFLOW_ENABLE_WORKSPACES.get():  # type: ignore[no-untyped-call]
        raise TrackingError(
            "tunetrack's pages show all runs of a database and know nothing of workspaces; start the server without "
            "--enable-workspaces, or without --app-name tunetrack"
        )
    store = served_store()
    done = analyze(store)
    _log.info("tunetrack: %s", done.skipped or f"SQLite has looked at its tables ({done.seconds:.3f} s)")
    app: FastAPI = create_fastapi_app()
    routes = app.router.routes
    # Before the mount of "/", which takes every path; inside the app, so that MLflow's check of the Host header holds.
    at = next(index for index, route in enumerate(routes) if isinstance(route, Mount) and route.path == "")
    routes[at:at] = [
        Route(PREFIX, lambda _: RedirectResponse(f"{PREFIX}/")),
        Mount(PREFIX, pages_app(StudyReader(store, stored_at))),
    ]
    return app
