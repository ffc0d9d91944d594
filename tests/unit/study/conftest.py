"""Fixtures of this folder."""

from postgres_support import _empty_ledger, postgres, postgres_ledger  # noqa: F401
from study_support import home  # noqa: F401
from tracking_support import database_template, end_idle_artifact_threads, server, store, uri  # noqa: F401
