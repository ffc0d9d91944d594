"""Knows how our pages answer over HTTP: JSON without markup, ETags, compression, and the headers of every answer."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic_core
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunetrack._version import __version__

__all__ = ["Body", "Guarded", "answer", "csv_body", "etag", "failure", "json_body", "not_modified", "png_body"]

#: What the browser may load and run: files of this server. Styles are set by scripts, pictures are made by them.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; object-src 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Bytes below which compression costs more than it saves, and how hard to try: 3 is half the time of the usual 6 for
#: a tenth more bytes.
_SMALL, _EFFORT = 2000, 3


@dataclass(frozen=True)
class Body:
    """An answer's content, ready to be sent to many.

    Attributes:
        raw: as it is.
        packed: by gzip; None where that is not worth it.
        kind: the content type.
        download: the file name under which a browser shall save it; empty: show it.
    """

    raw: bytes
    packed: bytes | None
    kind: str
    download: str = ""

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.raw) + len(self.packed or b"") + 200


def json_body(payload: Any) -> Body:
    """JSON without NaN and infinity (null instead) and without ``<``, so that nobody can take it for a page."""
    raw = pydantic_core.to_json(payload, inf_nan_mode="null").replace(b"<", b"\\u003c")
    return Body(raw, _packed(raw), "application/json")


def csv_body(text: str, name: str) -> Body:
    """A table for download."""
    raw = text.encode()
    return Body(raw, _packed(raw), "text/csv; charset=utf-8", name)


def png_body(raw: bytes) -> Body:
    """A picture."""
    return Body(raw, None, "image/png")


def etag(version: str) -> str:
    """The ETag of a version; of another tunetrack, whose answers may look different, another one."""
    return f'W/"{hashlib.sha256(f"{__version__} {version}".encode()).hexdigest()[:24]}"'


def not_modified(request: Request, tag: str) -> Response | None:
    """The short answer to somebody who has this version already; None for others."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers=_cached(tag)) if tag.removeprefix("W/") in known else None


def answer(request: Request, body: Body, tag: str) -> Response:
    """A body, compressed for those who can read that."""
    headers = _cached(tag)
    if body.download:
        headers["Content-Disposition"] = f'attachment; filename="{body.download}"'
    packed = body.packed if "gzip" in request.headers.get("accept-encoding", "") else None
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(body.raw if packed is None else packed, headers=headers, media_type=body.kind)


def failure(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, in one sentence."""
    content = json.dumps({"error": sentence}).replace("<", "\\u003c")
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


class Guarded:
    """An ASGI app with the headers that make a browser careful on everything that it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _cached(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}


def _packed(raw: bytes) -> bytes | None:
    return gzip.compress(raw, _EFFORT, mtime=0) if len(raw) > _SMALL else None
