"""Fixtures of this folder."""

from browser_support import browser  # noqa: F401
from postgres_support import (  # noqa: F401
    _empty_ledger,
    _empty_tracking,
    postgres,
    postgres_ledger,
    postgres_tracking,
)
from study_support import home  # noqa: F401
from tracking_support import database_template, end_idle_artifact_threads, server, store, uri  # noqa: F401
