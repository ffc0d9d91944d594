"""Knows how to tell within seconds whether a tracking URI can be used, and what to say when it cannot.

MLflow itself retries an unreachable server or database for minutes before it says so; a study must not start that way.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import requests
import sqlalchemy
from alembic.util.exc import CommandError
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.store.db.utils import _initialize_tables
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from tunetrack.errors import TrackingError, masked
from tunetrack.tracking.failures import STORE_FAILURES, describe, translated
from tunetrack.tracking.sending.writer import WriterLimits
from tunetrack.tracking.store import TrackingStore

__all__ = ["connect"]

# "Creating initial MLflow database tables..." in the middle of a progress display helps nobody, and the SQL of a failed
# statement still less: the failure itself is raised, and `translated` says it in words.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.WARNING)

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_FORMS = "sqlite:///path/to/mlflow.db, http://host:port, https://host, postgresql://user:password@host/name"
#: Seconds that creating the tables may take in another process.
_CREATION_SECONDS = 120.0
#: Seconds; what a driver calls its connection timeout.
_TIMEOUT_ARGUMENT: Mapping[str, str] = {
    "postgresql": "connect_timeout",
    "mysql": "connect_timeout",
    "mssql": "timeout",
}
#: What locks the making of tables in a PostgreSQL database: any number that nobody else uses there.
_CREATION_LOCK = 0x74756E65747261


def connect(
    uri: str, timeout: float = 3.0, limits: WriterLimits | None = None, must_answer: bool = True
) -> TrackingStore:
    """Open a tracking store after checking that it answers and can be written.

    Args:
        uri: what MLflow takes as a tracking URI: ``sqlite:///…``, ``http(s)://…``, ``postgresql://…``. The missing
            parent folder of an SQLite file is created.
        timeout: seconds to wait for a server, or for a lock on a file.
        limits: how the background writer gathers entries; default: `WriterLimits()`.
        must_answer: whether the store must answer now. Otherwise only the form of the address is checked: entries wait
            until the store can take them.

    Returns:
        The store; its background thread starts with the first study that is opened.

    Raises:
        TrackingError: the scheme is not one that MLflow can log to, or the server or database cannot be reached,
            read or written. The message holds the URI, without its password, and how to mend it.
    """
    scheme = urlsplit(uri).scheme
    dialect = scheme.partition("+")[0]
    store = TrackingStore(lambda: _open_client(uri, dialect), uri, limits)
    if scheme in ("http", "https"):
        if must_answer:
            _check_server(uri, timeout)
    elif dialect in _DATABASES:
        _check_database(uri, dialect, timeout if must_answer else None)
    elif scheme in ("", "file"):
        raise TrackingError(
            f"the tracking URI {masked(uri)!r} is a folder, and MLflow no longer logs to folders; "
            f"give a database or a server instead: {_FORMS}"
        )
    else:
        raise TrackingError(f"the tracking URI {masked(uri)!r} has the unknown scheme {scheme!r}; allowed: {_FORMS}")
    if must_answer:
        with translated("read", uri):
            store.client.search_experiments(max_results=1)
    return store


def _open_client(uri: str, dialect: str) -> MlflowClient:
    """MLflow's client, with its tables there and complete.

    Raises:
        TrackingError: the database belongs to somebody else.
    """
    path = _sqlite_path(make_url(uri)) if dialect == "sqlite" else None
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that create the same tables at once fall over each other.
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=_CREATION_SECONDS):
            if not path.exists() or not path.stat().st_size:
                _create_tables(path)
            return MlflowClient(tracking_uri=uri)
    with _alone_in_postgresql(uri) if dialect == "postgresql" else nullcontext():
        try:
            return MlflowClient(tracking_uri=uri)
        except CommandError as error:
            raise TrackingError(
                f"the database {masked(uri)} holds tables that are not MLflow's, such as a ledger's. Give each a "
                "database of its own, or a schema of its own in one database: …/name?options=-csearch_path%3Dtracking"
            ) from error


@contextmanager
def _alone_in_postgresql(uri: str) -> Iterator[None]:
    """As the lock on an SQLite file: MLflow's own lock keeps processes of one machine apart, this one all of them."""
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool)
    with closing(engine.connect()) as connection:
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_CREATION_LOCK)))
        yield


def _create_tables(path: Path) -> None:
    """Make a database and put it in its place as a whole: MLflow can do nothing with one that was left half made."""
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, new.with_name(f"{new.name}-journal")):
        leftover.unlink(missing_ok=True)
    engine = sqlalchemy.create_engine(URL.create("sqlite", database=str(new)))
    try:
        _initialize_tables(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()
    new.replace(path)


def _check_server(uri: str, timeout: float) -> None:
    address = urlsplit(uri)
    try:
        # Any answer will do: proxies and hosted servers need not know /health.
        requests.get(uri.rstrip("/") + "/health", timeout=timeout)
    except requests.RequestException as error:
        start = f"tunetrack serve --host {address.hostname or '127.0.0.1'} --port {address.port or 80}"
        raise TrackingError(
            f"no MLflow server answers at {masked(uri)} ({type(error).__name__} within {timeout:g} s); "
            f"start one with `{start}`, or log to a file with sqlite:///mlruns/mlflow.db"
        ) from error


def _check_database(uri: str, dialect: str, timeout: float | None) -> None:
    """Check the address, and with a `timeout` that the database answers and can be written."""
    try:
        url = make_url(uri)
    except sqlalchemy.exc.ArgumentError as error:
        raise TrackingError(
            f"the tracking URI {masked(uri)!r} cannot be read: {describe(error)}; examples: {_FORMS}"
        ) from error
    path = _sqlite_path(url)
    if dialect == "sqlite" and path is None:
        raise TrackingError(f"the tracking URI {masked(uri)!r} names no file; write sqlite:///path/to/mlflow.db")
    if timeout is None:
        return
    if path is not None:
        _check_sqlite(uri, url, path, timeout)
        return
    shown = masked(uri)
    argument = {_TIMEOUT_ARGUMENT[dialect]: max(1, round(timeout))}
    try:
        engine = sqlalchemy.create_engine(url, connect_args=argument)
        with closing(engine.connect()):
            pass
        engine.dispose()
    except ImportError as error:
        extra = "; for PostgreSQL: pip install 'tunetrack[postgresql]'" if dialect == "postgresql" else ""
        raise TrackingError(f"the tracking URI {shown} needs a driver that is not installed: {error}{extra}") from error
    except STORE_FAILURES as error:
        raise TrackingError(f"the tracking database {shown} cannot be reached: {describe(error)}") from error


def _sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite address; None for other databases, and where it names none."""
    if not url.drivername.startswith("sqlite") or not url.database or url.database == ":memory:":
        return None
    return Path(urlsplit(url.database).path if url.database.startswith("file:") else url.database)


def _check_sqlite(uri: str, url: URL, path: Path, timeout: float) -> None:
    given = str(url.database)
    as_uri = given.startswith("file:")
    query = "&".join(f"{key}={value}" for key, value in url.query.items())
    target = f"{given}?{query}" if as_uri else str(path)
    with translated("write", uri):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(target, timeout=timeout, uri=as_uri, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")  # takes the write lock, so a locked or read-only file shows here
            # A transaction without a change succeeds even where nothing can be written.
            database.execute("CREATE TABLE tunetrack_write_check (x)")
            database.execute("ROLLBACK")
