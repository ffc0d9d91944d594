"""Knows the files of our pages that lie in the package, and with which types they are sent."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["FOLDER", "PageFiles", "shell"]

FOLDER = Path(__file__).parent / "static"

#: Named here, since Python's own table changes with what the system has registered, and a browser runs no module of
#: another type.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


class PageFiles(StaticFiles):
    """Files of the known types below one folder; a browser asks each time whether it still has the newest."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file.

        Raises:
            HTTPException: there is none of this name and a known type.
        """
        if Path(path).suffix not in _TYPES or any(part.startswith(".") for part in Path(path).parts):
            raise HTTPException(404)
        try:
            return await super().get_response(path, scope)
        except OSError as error:
            raise HTTPException(404) from error

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file with its type, or 304."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if response.status_code != 304:
            response.headers["Content-Type"] = _TYPES[Path(full_path).suffix]
        return response


def shell() -> Response:
    """The page behind all addresses; its script reads the address."""
    return FileResponse(FOLDER / "index.html", media_type=_TYPES[".html"])
