"""Knows how MLflow's and the database's exceptions read in plain words, and which of them pass by themselves."""

from __future__ import annotations

import enum
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from tunetrack.errors import TrackingError, masked

__all__ = ["STORE_FAILURES", "Verdict", "describe", "is_store_failure", "judge", "translated"]

#: What a tracking store can raise when it, its disk or its network fails.
STORE_FAILURES = (MlflowException, SQLAlchemyError, sqlite3.Error, requests.RequestException, OSError)
#: Libraries by which MLflow reaches object stores. Their errors are plain exceptions; none of them need be installed.
_OBJECT_STORES = frozenset({"boto3", "botocore", "s3transfer", "azure", "google"})

#: (what stands in the exception, what to tell the user); the first that fits is used.
_HINTS = (
    ("database is locked", "another process is writing to this database; stop it, or give each its own file"),
    ("readonly database", "the database file or its folder is read-only; make it writable or choose another place"),
    ("database or disk is full", "the disk is full; free some space"),
    ("No space left on device", "the disk is full; free some space"),
    ("unable to open database file", "the file cannot be opened or created; check the path and its permissions"),
    ("file is not a database", "this file is not an SQLite database; choose another path"),
    (
        "Unable to locate credentials",
        "the object store asks for a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    ("Could not connect to the endpoint URL", "the object store does not answer; is MLFLOW_S3_ENDPOINT_URL right?"),
    ("NoSuchBucket", "there is no such bucket; make it first"),
    ("No module named 'boto3'", "artifacts on S3 need another package: pip install 'tunetrack[s3]'"),
    ("Connection refused", "no server answers there; is it running?"),
    ("timed out", "the server does not answer in time"),
    ("out-of-date database schema", "written by another MLflow version; back it up, then `mlflow db upgrade <uri>`"),
    ("Changing param values", "the run already has this parameter with another value"),
)

#: MLflow's codes for what will be refused however often it is tried. All others may pass: a server that starts again, a
#: locked database, a full disk, a token that has expired, a proxy without its server (ENDPOINT_NOT_FOUND).
_FOR_GOOD = frozenset(
    {
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
        "RESOURCE_ALREADY_EXISTS",
        "ALREADY_EXISTS",
        "NOT_FOUND",
        "INVALID_STATE",
        "BAD_REQUEST",
    }
)
#: MLflow says BAD_REQUEST also where the database itself is broken.
_BROKEN_DATABASE = re.compile(
    r"\.(DatabaseError|OperationalError|InterfaceError|InternalError"
    # What PostgreSQL says of a server that has become a replica, of rights that are missing, of a database in repair.
    r"|ReadOnlySqlTransaction|InsufficientPrivilege|UndefinedTable)\)"
)
#: Without a code of its own, a server's answer has its HTTP status in MLflow's message.
_STATUS = re.compile(r"failed with error code (\d{3}) ")
#: HTTP statuses of the client's side that pass all the same.
_PASSING = frozenset({401, 403, 404, 407, 408, 425, 429})


class Verdict(enum.Enum):
    """What an exception means for the command that raised it."""

    AWAY = "the store cannot take it now"
    REFUSED = "the store will never take it"
    DEFECT = "a mistake of ours"


def judge(error: Exception) -> Verdict:
    """Whether to try again, to go on without it, or to look for a defect."""
    if isinstance(error, TrackingError):
        return Verdict.REFUSED
    if isinstance(error, MlflowException):
        return _judge_mlflow(error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _judge_status(error.response.status_code)
    # Libraries that use threads cannot do so while Python ends; the next process can.
    ending = isinstance(error, RuntimeError) and "interpreter shutdown" in str(error)
    return Verdict.AWAY if ending or is_store_failure(error) else Verdict.DEFECT


def is_store_failure(error: BaseException) -> bool:
    """Whether a tracking store, its disk, its object store or its network has raised this."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    # Without its library an object store cannot be reached; it can be installed, and nothing is lost meanwhile.
    return isinstance(error, (*STORE_FAILURES, ImportError)) or bool(libraries & _OBJECT_STORES)


def _judge_mlflow(error: MlflowException) -> Verdict:
    if error.error_code in _FOR_GOOD:
        return Verdict.AWAY if _BROKEN_DATABASE.search(str(error)) else Verdict.REFUSED
    status = _STATUS.search(str(error))
    return _judge_status(int(status[1])) if status else Verdict.AWAY


def _judge_status(status: int) -> Verdict:
    return Verdict.REFUSED if 400 <= status < 500 and status not in _PASSING else Verdict.AWAY


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
        uri: the tracking URI, named in the message without its password.

    Raises:
        TrackingError: MLflow, its database, disk or network failed.
    """
    try:
        yield
    except Exception as error:
        if not is_store_failure(error):
            raise
        why = describe(error).replace(uri, masked(uri))
        raise TrackingError(f"cannot {doing} in the tracking store {masked(uri)}: {why}") from error
