"""One launch at a time works on a study: in one home, and of one ledger on PostgreSQL from anywhere."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from postgres_support import Postgres
from tunetrack.errors import LedgerError
from tunetrack.study.alone import StudyBusyError, alone, is_alone
from tunetrack.study.place import Place

#: Leads a study until it is killed.
LEADS = """
import sys, time
from pathlib import Path
from tunetrack.study.alone import alone
from tunetrack.study.place import Place
with alone(Place(Path(sys.argv[1]), None, sys.argv[2]), "study"):
    print("leads", flush=True)
    time.sleep(600)
"""


def test_one_home_has_one_leader_a_study(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with alone(place, "study"):
        assert not is_alone(place, "study")
        assert is_alone(place, "another")
        assert is_alone(Place(tmp_path / "elsewhere"), "study")
        with pytest.raises(StudyBusyError, match=f"another process works on the study 'study' in {tmp_path}"):
            alone(place, "study", seconds=0.0).__enter__()
    assert is_alone(place, "study")


def test_a_ledger_on_postgresql_has_one_leader_a_study_from_anywhere(postgres_ledger: str, tmp_path: Path) -> None:
    here, there = (Place(tmp_path / name, None, postgres_ledger) for name in ("here", "there"))
    with alone(here, "study"):
        assert not is_alone(there, "study")
        assert is_alone(there, "another")
        with pytest.raises(StudyBusyError, match="'study' from elsewhere, by the ledger postgresql") as caught:
            alone(there, "study", seconds=0.0).__enter__()
        assert "s3cret" not in str(caught.value)
    with alone(there, "study", seconds=0.0):
        assert not is_alone(here, "study")


def test_a_dead_leader_leads_no_longer(postgres_ledger: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEADS, tmp_path / "there", postgres_ledger]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "leads\n"
        here = Place(tmp_path / "here", None, postgres_ledger)
        assert not is_alone(here, "study")
        leader.kill()
    begin = time.monotonic()
    with alone(here, "study"):
        assert time.monotonic() - begin < 10


def test_a_server_that_goes_away_takes_the_lock_and_nothing_else(
    postgres: Postgres, postgres_ledger: str, tmp_path: Path
) -> None:
    here = Place(tmp_path / "here", None, postgres_ledger)
    with alone(here, "study"):
        postgres.stop()
        try:
            with pytest.raises(LedgerError, match="cannot be reached"):
                alone(Place(tmp_path / "there", None, postgres_ledger), "study").__enter__()
        finally:
            postgres.start()
    assert is_alone(here, "study")
