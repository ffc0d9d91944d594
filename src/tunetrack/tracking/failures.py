"""Knows how MLflow's and the database's exceptions read in plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from tunetrack.errors import TrackingError

__all__ = ["STORE_FAILURES", "describe", "translated"]

#: What a tracking store can raise when it, its disk or its network fails.
STORE_FAILURES = (MlflowException, SQLAlchemyError, sqlite3.Error, requests.RequestException, OSError)

#: (what stands in the exception, what to tell the user); the first that fits is used.
_HINTS = (
    ("database is locked", "another process is writing to this database; stop it, or give each its own file"),
    ("readonly database", "the database file or its folder is read-only; make it writable or choose another place"),
    ("database or disk is full", "the disk is full; free some space"),
    ("No space left on device", "the disk is full; free some space"),
    ("unable to open database file", "the file cannot be opened or created; check the path and its permissions"),
    ("file is not a database", "this file is not an SQLite database; choose another path"),
    ("out-of-date database schema", "written by another MLflow version; back it up, then `mlflow db upgrade <uri>`"),
    ("Changing param values", "the run already has this parameter with another value"),
)


def describe(error: BaseException) -> str:
    """One or two lines of what went wrong and how to mend it, without SQL or a traceback."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    for mark, hint in _HINTS:
        if mark.lower() in text.lower():
            return f"{hint} ({first[:300]})"
    return first[:500]


@contextmanager
def translated(doing: str, uri: str) -> Iterator[None]:
    """Turn every failure of the store into a `TrackingError`.

    Args:
        doing: what was tried, such as ``open the study 'x'``; completes "cannot …".
        uri: the tracking URI, named in the message.

    Raises:
        TrackingError: MLflow, its database, disk or network failed.
    """
    try:
        yield
    except STORE_FAILURES as error:
        raise TrackingError(f"cannot {doing} in the tracking store {uri}: {describe(error)}") from error
