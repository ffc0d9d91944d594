"""Fixtures of this folder."""

from study_support import home  # noqa: F401
from tracking_support import database_template, end_idle_artifact_threads  # noqa: F401
