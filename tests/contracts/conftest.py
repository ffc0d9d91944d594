"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from postgres_support import (  # noqa: F401
    _empty_ledger,
    _empty_tracking,
    postgres,
    postgres_ledger,
    postgres_tracking,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger on every kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return str(request.getfixturevalue("postgres_ledger"))
