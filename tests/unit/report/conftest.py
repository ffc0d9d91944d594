"""Fixtures of this folder."""

from tracking_support import database_template, end_idle_artifact_threads, store, uri  # noqa: F401
