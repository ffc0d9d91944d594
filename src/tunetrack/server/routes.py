"""Knows the addresses of our pages, and turns whatever goes wrong behind them into one sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tunetrack.errors import TrackingError
from tunetrack.report.views import MissingTrialError, QueryError, Views
from tunetrack.server import answers, payloads
from tunetrack.server.asked import AskedError, MissingError, study_id
from tunetrack.server.looks import Looks
from tunetrack.server.static import PageFiles, shell
from tunetrack.tracking.reader import StudyReader

__all__ = ["pages_app"]

_log = logging.getLogger("mlflow.server")  # the one whose lines MLflow's server shows

Endpoint = Callable[[Request], Awaitable[Response]]

#: The browser gets the same file for all of them.
_PAGES = (
    "/",
    "/studies/{study}",
    "/studies/{study}/trials",
    "/studies/{study}/compare",
    "/studies/{study}/trials/{number}",
)
#: What goes wrong before one of our functions is reached.
_SENTENCES = {
    404: "there is nothing at this address",
    405: "this address can only be read: GET",
}


def pages_app(reader: StudyReader) -> Starlette:
    """The pages and their data, as an app to be mounted.

    Args:
        reader: of the store that is shown.
    """
    looks, views = Looks(reader), Views(reader)
    data = [Route("/api/studies", _guarded(_studies(looks, views)))]
    data += [
        Route(f"/api/studies/{{study}}{path}", _guarded(_of_study(looks, views, plan)))
        for path, plan in payloads.PLANS.items()
    ]
    pages = [Route(path, _page) for path in _PAGES]
    app = Starlette(
        routes=[*data, *pages, Mount("/static", PageFiles())],
        middleware=[Middleware(answers.Guarded)],
        exception_handlers={HTTPException: _http_failure},
    )
    app.router.redirect_slashes = False
    app.state.looks = looks
    return app


async def _page(_: Request) -> Response:
    return shell()


async def _http_failure(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return answers.failure(status, _SENTENCES.get(status, "the request cannot be answered"), headers)


def _studies(looks: Looks, views: Views) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        version, found = await looks.studies()
        return await _sent(request, looks, version, lambda: answers.json_body(views.studies(found)))

    return endpoint


def _of_study(looks: Looks, views: Views, plan: payloads.Plan) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        now = await looks.study(study_id(request.path_params["study"]))
        given = payloads.Asked(looks.reader, views, now, request.query_params, request.path_params)
        planned = await run_in_threadpool(plan, given)  # it may look for files
        return await _sent(request, looks, planned.version, planned.compute)

    return endpoint


async def _sent(request: Request, looks: Looks, version: str, compute: Callable[[], answers.Body]) -> Response:
    """304 where the browser has this version, else the body."""
    if short := answers.not_modified(request, answers.etag(version)):
        return short
    done = await looks.body((request.url.path, request.url.query), version, compute)
    tag = answers.etag(done.version)
    # What is given out may be older than the newest version, and then the browser may have it already.
    return answers.not_modified(request, tag) or answers.answer(request, done.body, tag)


def _guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its exceptions as answers."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (MissingError, MissingTrialError) as error:
            return answers.failure(404, str(error))
        except (AskedError, QueryError) as error:
            return answers.failure(400, str(error))
        except TrackingError as error:
            _log.error("tunetrack: %s: %s", request.url.path, error)
            # Its message names the store's address, which may hold a password.
            return answers.failure(500, "the tracking store cannot be read; the server's output says why")
        except Exception:
            _log.exception("tunetrack: %s", request.url.path)
            return answers.failure(500, "this is a mistake of tunetrack; the server's output has the details")

    return answered
