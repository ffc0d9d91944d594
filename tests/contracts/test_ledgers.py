"""The ledger on every kind of database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunetrack.testing import LedgerContract


class TestSqlite(LedgerContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/new/folder/ledger.db"


class TestPostgres(LedgerContract):
    @pytest.fixture
    def url(self, postgres_ledger: str) -> str:
        return postgres_ledger
