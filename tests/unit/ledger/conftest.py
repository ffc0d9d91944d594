"""Fixtures of this folder."""

from ledger_support import short_leases, url  # noqa: F401
