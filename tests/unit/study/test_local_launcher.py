"""Workers as processes of this machine: how they end, and what is known of it."""

from __future__ import annotations

from pathlib import Path

import psutil

from process_support import is_gone, until
from study_support import tiny
from tunetrack.ledger import Ledger
from tunetrack.spec import load_study
from tunetrack.study.place import Place
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.launcher import INTERRUPTED, WorkerHandle
from tunetrack.study.workers.local import LocalLauncher


def test_how_a_worker_ends_is_known(tmp_path: Path) -> None:
    place = Place(tmp_path)
    Ledger.create(place.ledger, load_study(tiny()))
    job = WorkerJob("tiny", place.ledger, place.tracking, place.home)
    before = psutil.Process().children(recursive=True)
    with LocalLauncher(place.logs) as launcher:
        mistaken = launcher.start(WorkerJob("nowhere", place.ledger, place.tracking, place.home), 0)
        # These wait for whoever has created the study, to open its run.
        killed, stopped, left = (launcher.start(job, index) for index in (1, 2, 3))
        until("the first one ends", lambda: heard(launcher, mistaken) is not None)
        assert "has no study 'nowhere'; it has: tiny" in str(mistaken.ended())
        assert [one.ended() for one in (killed, stopped, left)] == [None] * 3
        assert killed.name.rpartition(":")[2].isdecimal()
        stopped.stop()
        stopped.stop()
        killed.kill()
        until("both end", lambda: heard(launcher, killed) is not None and heard(launcher, stopped) is not None)
        assert killed.ended() == "killed by signal 9 (SIGKILL)"
        assert stopped.ended() == INTERRUPTED
        assert launcher.log(1) == b""
        assert launcher.log(7) is None
        for ended in (killed, stopped):
            ended.stop()
            ended.kill()
        family = [one for one in psutil.Process().children(recursive=True) if one not in before]
        assert len(family) >= 2
    until("nobody is left", lambda: all(is_gone(one) for one in family if "resource_tracker" not in words_of(one)))


def heard(launcher: LocalLauncher, handle: WorkerHandle) -> str | None:
    launcher.events(0.05)
    return handle.ended()


def words_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
