"""Fixtures of this folder."""

from postgres_support import (  # noqa: F401
    _empty_ledger,
    _empty_tracking,
    postgres,
    postgres_ledger,
    postgres_tracking,
)
from tracking_support import database_template, end_idle_artifact_threads, server, store, uri  # noqa: F401
