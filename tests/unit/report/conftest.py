"""Fixtures of this folder."""

from tracking_support import database_template  # noqa: F401
