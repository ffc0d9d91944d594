"""Fixtures of this folder."""

from browser_support import browser  # noqa: F401
from study_support import home  # noqa: F401
from tracking_support import database_template, end_idle_artifact_threads, server, store, uri  # noqa: F401
