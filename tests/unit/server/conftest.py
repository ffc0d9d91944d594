"""Fixtures of this folder."""

from tracking_support import database_template, server, store, uri  # noqa: F401
