"""Where search state lies: an Optuna RDB storage behind a URL, and its errors in words.

An SQLite file is put into write-ahead mode: a commit then costs a fraction of a millisecond instead of five, readers
do not block writers, and a killed process loses nothing. (A power cut may lose the last commits, never the file.)
Write-ahead mode needs all workers on one machine; several machines need PostgreSQL anyway.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import TrialModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import TrialState as OptunaState

from tunetrack.errors import LedgerError

__all__ = [
    "ValueBuffer",
    "errors_in_words",
    "exists",
    "masked",
    "open_storage",
    "quiet",
    "take_waiting",
    "url_of",
]

_HINTS = (
    ("locked", "is locked by another process; wait until that one is done, or use PostgreSQL for many workers"),
    ("readonly", "is read-only; make the file and its folder writable, or give another --ledger"),
    ("disk is full", "cannot grow: the disk is full; free some space and resume the study"),
    ("disk i/o error", "cannot be read or written: the disk reports an I/O error"),
    ("not a database", "is no SQLite database; give another file"),
    ("malformed", "is damaged; restore it from a backup or start a new study"),
    ("unable to open", "cannot be opened; does its folder exist, and may you write there?"),
    ("password authentication", "refuses the user name or the password"),
    ("connection", "cannot be reached; is the database server running, and are host and port right?"),
    ("could not translate host", "cannot be reached: the host name is unknown"),
    ("schema", "was written by another version of Optuna; upgrade it with: optuna storage upgrade --storage URL"),
)


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
            return optuna.storages.get_storage(RDBStorage(url))
        if path is not None and not path.exists():
            _make_write_ahead_file(path, busy_seconds)
        connect = {"timeout": busy_seconds, "factory": _Connection}
        return optuna.storages.get_storage(RDBStorage(url, engine_kwargs={"connect_args": connect}))


def exists(url: str) -> bool:
    """Whether there is a database file; always true for other databases than SQLite files.

    Raises:
        LedgerError: the URL is none.
    """
    path = _sqlite_path(url)
    return path is None or path.exists()


def url_of(storage: BaseStorage) -> str:
    """The URL that a storage was opened with; for one without a database its kind."""
    backend = getattr(storage, "_backend", storage)
    return backend.url if isinstance(backend, RDBStorage) else type(storage).__name__


def take_waiting(storage: BaseStorage, trial_id: int) -> bool:
    """Turns one WAITING trial into a RUNNING one; False where another worker was faster.

    Optuna's own way reads the state first and then writes it, and on SQLite two workers can both succeed.
    """
    engine = _engine(storage)
    if engine is None:
        return storage.set_trial_state_values(trial_id, OptunaState.RUNNING)
    taken = (
        sqlalchemy.update(TrialModel)
        .where(TrialModel.trial_id == trial_id, TrialModel.state == OptunaState.WAITING)
        .values(state=OptunaState.RUNNING, _datetime_start_utc=datetime.now(UTC).replace(tzinfo=None))
    )
    with engine.begin() as connection:
        return connection.execute(taken).rowcount == 1


class ValueBuffer:
    """Stands in for the storage while a trial is proposed: keeps its values, and writes them in one transaction.

    Optuna commits every value on its own. With several workers on one file, each commit is a turn to wait for.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._values: list[tuple[int, str, float, BaseDistribution]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Keeps a value."""
        self._values.append((trial_id, param_name, param_value_internal, distribution))

    def write(self) -> None:
        """Writes the values that were kept."""
        backend = getattr(self._storage, "_backend", self._storage)
        if not isinstance(backend, RDBStorage):
            for value in self._values:
                self._storage.set_trial_param(*value)
            return
        with _create_scoped_session(backend.scoped_session) as session, session.no_autoflush:
            for trial_id, name, value_internal, distribution in self._values:
                # The space of a study never changes, so there is no other distribution to compare with.
                backend._set_trial_param_without_commit(
                    session, trial_id, name, value_internal, distribution, previous_distribution=distribution
                )


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
    """Holds back Optuna's own log lines (a new study, an independent sample) while the ledger works."""
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def masked(url: str) -> str:
    """The URL with *** in place of the password."""
    return re.sub(r"(://[^:/@]*:)[^@/]*@", r"\1***@", url)


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


def _engine(storage: BaseStorage) -> sqlalchemy.Engine | None:
    backend = getattr(storage, "_backend", storage)
    return backend.engine if isinstance(backend, RDBStorage) else None


def _make_write_ahead_file(path: Path, busy_seconds: float) -> None:
    """The mode is a property of the file; set before there are tables, it speeds up making them as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_seconds)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


class _Connection(sqlite3.Connection):
    """In write-ahead mode one fsync per checkpoint keeps the file whole; in any other mode SQLite's default stays."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            self.execute("PRAGMA synchronous=NORMAL")
