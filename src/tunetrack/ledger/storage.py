"""Where search state lies: an Optuna RDB storage behind a URL, and its errors in words.

An SQLite file is put into write-ahead mode: a commit then costs a fraction of a millisecond instead of five, readers
do not block writers, and a killed process loses nothing. (A power cut may lose the last commits, never the file.)
Write-ahead mode needs all workers on one machine; several machines need PostgreSQL anyway.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage

from tunetrack.errors import LedgerError, masked
from tunetrack.ledger.patience import PatientStorage
from tunetrack.ledger.rows import KeptTrials, TrialRows

__all__ = ["LIBPQ", "errors_in_words", "exists", "is_postgresql", "masked", "open_storage", "quiet", "url_of"]

_HINTS = (
    ("locked", "is locked by another process; wait until that one is done, or use PostgreSQL for many workers"),
    ("readonly", "is read-only; make the file and its folder writable, or give another --ledger"),
    ("disk is full", "cannot grow: the disk is full; free some space and resume the study"),
    ("disk i/o error", "cannot be read or written: the disk reports an I/O error"),
    ("not a database", "is no SQLite database; give another file"),
    ("malformed", "is damaged; restore it from a backup or start a new study"),
    ("unable to open", "cannot be opened; does its folder exist, and may you write there?"),
    ("password authentication", "refuses the user name or the password"),
    ("too many clients", "has no connection left; raise max_connections of the server, or run fewer workers"),
    ('database "', "is not on the server; make it there first (createdb NAME)"),
    ("connection", "cannot be reached; is the database server running, and are host and port right?"),
    ("could not translate host", "cannot be reached: the host name is unknown"),
    ("storage upgrade", "was written by an older Optuna; keep a copy, then: optuna storage upgrade --storage URL"),
    (
        "schema",
        "was written by a newer Optuna than the one installed; update tunetrack, or start in another --home. (Or it "
        "holds MLflow's tables: give each a database of its own, or a schema of its own in one database: "
        "…/name?options=-csearch_path%3Dledger)",
    ),
)

#: A server whose machine has gone without a word is given up after a minute instead of hours (PostgreSQL's client).
LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

#: Several processes that open a new database at once make its tables together; each of them may find one made already.
_MADE_BY_ANOTHER = ("already exists", "unique constraint", "duplicate")
_MAKING_ATTEMPTS = 50


def open_storage(url: str, busy_seconds: float = 60.0) -> BaseStorage:
    """The storage behind a database URL; tables are made where there are none.

    Args:
        url: an SQLAlchemy URL, such as sqlite:///mlruns/ledger.db or postgresql://user:password@host/name.
        busy_seconds: how long an SQLite file may be locked by others before that is an error.

    Raises:
        LedgerError: the database cannot be opened or was written by another version.
    """
    path = _sqlite_path(url)
    with errors_in_words(url):
        if sqlalchemy.engine.make_url(url).get_backend_name() != "sqlite":
            arguments = LIBPQ if is_postgresql(url) else {}
            return _with_tables(url, lambda: PatientStorage(url, {"connect_args": arguments}))
        # An empty file is one whose maker was killed before it had come to the mode.
        if path is not None and not (path.exists() and path.stat().st_size):
            _make_write_ahead_file(path, busy_seconds)
        connect = {"timeout": busy_seconds, "factory": _Connection}
        return _with_tables(url, lambda: TrialRows(url, engine_kwargs={"connect_args": connect}))


def exists(url: str) -> bool:
    """Whether there is a database file; always true for other databases than SQLite files.

    Raises:
        LedgerError: the URL is none.
    """
    path = _sqlite_path(url)
    return path is None or path.exists()


def is_postgresql(url: str) -> bool:
    """Whether a database is on PostgreSQL, by a driver that uses its own client library.

    Raises:
        SQLAlchemyError: the URL is none.
    """
    parts = sqlalchemy.engine.make_url(url)
    return parts.get_backend_name() == "postgresql" and parts.get_driver_name() in ("psycopg", "psycopg2")


def url_of(storage: BaseStorage) -> str:
    """The URL that a storage was opened with; for one without a database its kind."""
    backend = getattr(storage, "_backend", storage)
    return backend.url if isinstance(backend, RDBStorage) else type(storage).__name__


@contextmanager
def errors_in_words(url: str) -> Iterator[None]:
    """Turns what a database refuses into a LedgerError that names the database.

    Raises:
        LedgerError: the storage is locked, read-only, full, unreachable, no database or of another version.
    """
    try:
        yield
    except (sqlite3.Error, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise LedgerError(f"the ledger {masked(url)} {_in_words(error)}") from error
    except OSError as error:
        raise LedgerError(f"the ledger {masked(url)} cannot be opened: {error.strerror or error}") from error
    except ImportError as error:
        raise LedgerError(f"the ledger {masked(url)} needs a database driver: {error.__cause__ or error}") from error
    except RuntimeError as error:
        if "schema" not in str(error):
            raise
        raise LedgerError(f"the ledger {masked(url)} {_in_words(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back Optuna's own log lines (a new study, an independent sample) while the ledger works.

    A change of level has every logger of the process forget what it knew, a millisecond with the libraries loaded, so
    whoever runs trials stays in one of these (`Ledger.keeping`), and the ones inside change nothing.
    """
    logger = logging.getLogger("optuna")
    before = logger.level
    if before >= logging.ERROR:
        yield
        return
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _in_words(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    text = str(getattr(cause, "orig", None) or cause).strip()
    for sign, words in _HINTS:
        if sign in text.lower():
            return f"{words} ({text.splitlines()[0]})"
    return f"failed: {text}"


def _sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for other databases, one in memory, and a file: URI with options of its own."""
    with errors_in_words(url):
        parsed = sqlalchemy.engine.make_url(url)
    database = parsed.database or ":memory:"
    if parsed.get_backend_name() != "sqlite" or database == ":memory:" or database.startswith("file:"):
        return None
    return Path(database)


def _with_tables(url: str, opened: Callable[[], RDBStorage]) -> BaseStorage:
    attempts = 0
    while True:
        try:
            return KeptTrials(opened())
        except (sqlalchemy.exc.DBAPIError, optuna.exceptions.StorageInternalError) as error:
            attempts += 1
            text = f"{error} {error.__cause__}".lower()
            if attempts == _MAKING_ATTEMPTS or not any(sign in text for sign in _MADE_BY_ANOTHER):
                raise
            time.sleep(0.02)


def _make_write_ahead_file(path: Path, busy_seconds: float) -> None:
    """The mode is a property of the file; set before there are tables, it speeds up making them as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_seconds)
    deadline = time.monotonic() + busy_seconds
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                # Of several processes that change the mode at once, SQLite refuses some without waiting.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)
    finally:
        connection.close()


class _Connection(sqlite3.Connection):
    """In write-ahead mode one fsync per checkpoint keeps the file whole; in any other mode SQLite's default stays."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            self.execute("PRAGMA synchronous=NORMAL")
