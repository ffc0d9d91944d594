"""Sees to it that one process at a time leads a study, wherever the others are, where the ledger is on PostgreSQL.

By an advisory lock of a connection that is open as long as the study is led: the server lets go of it with the
connection. It lies beside all tables, keeps nobody from working on trials, and goes when the server is started again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy

from tunetrack.ledger.storage import LIBPQ, errors_in_words, is_postgresql

__all__ = ["leading"]

_LOOK_SECONDS = 0.5
#: First key of the locks, which other programs may take in the same database as well.
_OURS = 0x7475_6E65
_TAKE = sqlalchemy.text("SELECT pg_try_advisory_lock(:ours, hashtext(:name))")
#: A leader whose machine is gone without a word is given up by the server after a minute instead of hours.
_WATCH = sqlalchemy.text("SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3")


@contextmanager
def leading(url: str, name: str, seconds: float) -> Iterator[bool]:
    """Leads a study within the block.

    Args:
        url: of the ledger.
        name: of the study.
        seconds: how long another leader is waited for.

    Yields:
        Whether nobody else leads it; always True for other databases than PostgreSQL.

    Raises:
        LedgerError: the database cannot be reached.
    """
    if not is_postgresql(url):
        yield True
        return
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, connect_args=LIBPQ, isolation_level="AUTOCOMMIT"
    )
    with errors_in_words(url):
        connection = engine.connect()
    try:
        with errors_in_words(url):
            connection.execute(_WATCH)
            taken = _take(connection, name, seconds)
        yield taken
    finally:
        connection.close()
        engine.dispose()


def _take(connection: sqlalchemy.Connection, name: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not connection.execute(_TAKE, {"ours": _OURS, "name": name}).scalar():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
