"""What goes wrong with a storage is said in words, with the place and without the password."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import pytest

from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, list_studies, open_storage
from tunetrack.ledger.storage import masked
from tunetrack.testing import toy_spec


def test_text_file_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is a letter, not a database\n" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db is no SQLite database; give another file"):
        Ledger.create(f"sqlite:///{tmp_path}/ledger.db", toy_spec())


def test_missing_ledger_is_said_and_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with pytest.raises(LedgerError, match="does not exist; start a study first"):
        Ledger.load(url, "toy")
    assert list_studies(url) == ()
    assert not (tmp_path / "ledger.db").exists()


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be opened: File exists"):
        Ledger.create(f"sqlite:///{tmp_path}/file/ledger.db", toy_spec())


def test_read_only_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(f"sqlite:///{path}", toy_spec())
    # A permission would not hold back root, who runs the tests in containers; SQLite's own read-only mode does.
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    ledger = Ledger.load(url, "toy")
    assert ledger.trials() == ()
    with pytest.raises(LedgerError, match="is read-only; make the file and its folder writable"):
        ledger.set_attribute("a", 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_permission(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(f"sqlite:///{path}", toy_spec())
    path.chmod(0o400)
    with pytest.raises(LedgerError, match="is read-only"):
        Ledger.load(f"sqlite:///{path}", "toy").set_attribute("a", 1)


def test_lock_of_another_connection(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(f"sqlite:///{path}", toy_spec())
    ledger = Ledger.load(open_storage(f"sqlite:///{path}", busy_seconds=0.1), "toy")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="is locked by another process"):
            ledger.set_attribute("a", 1)
    finally:
        other.close()
    ledger.set_attribute("a", 1)


def test_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(f"sqlite:///{path}", toy_spec())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(LedgerError, match="was written by a newer Optuna than the one installed; update tunetrack"):
        Ledger.load(f"sqlite:///{path}", "toy")


def test_url_that_is_none() -> None:
    with pytest.raises(LedgerError, match="the ledger mlruns failed: Could not parse"):
        Ledger.create("mlruns", toy_spec())


def test_missing_driver_or_server_and_no_password_in_words() -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.create("postgresql://ada:secret@localhost:1/study", toy_spec())
    assert "postgresql://ada:***@localhost:1/study" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:se:cr@host/db", "postgresql://ada:***@host/db"),
        ("postgresql+psycopg://ada@host/db", "postgresql+psycopg://ada@host/db"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_killed_writer_loses_nothing_and_file_is_write_ahead(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(f"sqlite:///{path}", toy_spec())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_optuna_is_quiet_and_its_level_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("optuna").level
    ledger = Ledger.create(f"sqlite:///{tmp_path}/ledger.db", toy_spec(sampler={"name": "qmc"}))
    for _ in range(3):
        ledger.ask()
    assert capfd.readouterr().err == ""
    assert logging.getLogger("optuna").level == before
