"""What goes wrong with a storage is said in words, with the place and without the password."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest

from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, list_studies, open_storage
from tunetrack.ledger.storage import masked
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import drive, toy_spec


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


def test_older_schema_and_the_way_that_the_message_shows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    url = f"sqlite:///{path}"
    drive(Ledger.create(url, toy_spec()), 3)
    with sqlite3.connect(path) as connection:  # what Optuna 3.2 has added
        connection.execute("DROP INDEX ix_trials_study_id")
        connection.execute("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
    with pytest.raises(LedgerError, match="was written by an older Optuna; keep a copy, then: optuna storage upgrade"):
        Ledger.load(url, "toy")
    upgrade = [sys.executable, "-c", "from optuna.cli import main; main()", "storage", "upgrade", "--storage", url]
    subprocess.run(upgrade, check=True, timeout=120)
    assert len(Ledger.load(url, "toy").trials()) == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB of its own, which can be filled and made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True)
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_read_only_file_system(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/ledger.db"
    Ledger.create(url, toy_spec())._storage._backend.engine.dispose()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for use in (
        lambda: list_studies(url),
        lambda: Ledger.load(url, "toy"),
        lambda: Ledger.start(f"{url}2", toy_spec()),
    ):
        with pytest.raises(
            LedgerError, match=r"ledger\.db2? cannot be opened; does its folder exist, and may you write"
        ):
            use()


def test_full_disk_while_telling(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/ledger.db"
    ledger = Ledger.create(url, toy_spec())
    drive(ledger, 2)
    ticket = ledger.ask()
    assert ticket is not None
    ledger.report(ticket, 1, 0.5)
    with (small_disk / "big").open("wb", buffering=0) as big, contextlib.suppress(OSError):
        while True:
            big.write(b"x" * 4096)
    outcome = TrialOutcome(TrialState.FAILED, reason="a long story. " * 5000)
    with pytest.raises(LedgerError, match="cannot grow: the disk is full; free some space and resume the study"):
        ledger.tell(ticket, outcome)
    assert [record.state for record in ledger.trials()][2] is TrialState.RUNNING  # nothing of it is there
    (small_disk / "big").unlink()
    ledger.tell(ticket, outcome)
    assert Ledger.load(url, "toy").trials()[2].reason == outcome.reason
    ledger._storage._backend.engine.dispose()


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.create(f"sqlite:///{path}", toy_spec())
    drive(ledger, 20)
    ledger._storage._backend.engine.dispose()
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="is damaged; restore it from a backup or start a new study"):
        Ledger.load(f"sqlite:///{path}", "toy").trials()


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_that_is_set_while_a_trial_runs(hours: int, tmp_path: Path) -> None:
    """As the storage has it afterwards: the end before the beginning, or long after it."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.create(f"sqlite:///{path}", toy_spec())
    drive(ledger, 1)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE trials SET datetime_complete = datetime(datetime_start, '{hours} hours')")
    (record,) = Ledger.load(f"sqlite:///{path}", "toy").trials()
    assert record.seconds == pytest.approx(max(0, 3600 * hours), abs=1)
    assert record.started is not None
    assert record.started.tzinfo is UTC
    assert abs(datetime.now(UTC) - record.started) < timedelta(minutes=5)


def test_study_that_was_not_made_by_tunetrack_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    optuna.create_study(storage=url, study_name="toy")
    ledger = Ledger.start(url, toy_spec())
    assert ledger.name == "toy-2"
    assert list_studies(url) == ("toy-2",)
    with pytest.raises(LedgerError, match=r"the study 'toy' in the ledger .* holds no study file"):
        Ledger.load(url, "toy")


def test_file_whose_maker_was_killed_before_it_came_to_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    Ledger.create(f"sqlite:///{path}", toy_spec())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


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
