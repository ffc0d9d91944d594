"""Fixtures of this folder."""

from tracking_support import end_idle_artifact_threads  # noqa: F401
