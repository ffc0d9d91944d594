"""A disk that is full when a trial ends: the study waits for room, or stops and can be resumed; nothing is lost."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import tiny, write_study
from tunetrack.api.parity import check_parity
from tunetrack.errors import TrackingError
from tunetrack.study import worker
from tunetrack.study.progress import Progress
from tunetrack.tracking.sending.spool_file import SpoolFile


class Notes(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


class FullDisk:
    """The spool's disk has no room from the end of the second trial on, until `until`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.until = float("inf")
        self._ends = 0
        put, append = SpoolFile.put, SpoolFile.append

        def put_there(file: SpoolFile, name: str, files: Mapping[str, bytes]) -> None:
            self._ends += "weights.pt" in files
            self._check()
            put(file, name, files)

        def append_there(file: SpoolFile, line: bytes) -> None:
            self._check()
            append(file, line)

        monkeypatch.setattr(SpoolFile, "put", put_there)
        monkeypatch.setattr(SpoolFile, "append", append_there)

    def _check(self) -> None:
        if self._ends >= 2 and time.monotonic() < self.until:
            raise OSError(errno.ENOSPC, "No space left on device")


def in_order(home: Path) -> None:
    """All trials are there with their files, and ledger and MLflow agree."""
    result = tunetrack.load_study("tiny", home)
    assert [trial.state for trial in result.trials] == ["COMPLETE"] * 3
    assert check_parity("tiny", home).is_good
    client = MlflowClient(result.tracking_uri)
    for trial in result.trials:
        names = {file.path for file in client.list_artifacts(trial.run_id)}
        assert {"config.yaml", "weights.pt", "curves.svg"} <= names
        points = client.get_metric_history(trial.run_id, "train/loss")
        assert [point.step for point in points] == [1, 2]


def test_waits_for_room_and_goes_on(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, notes = FullDisk(monkeypatch), Notes()

    def note(text: str) -> None:
        notes.said.append(text)
        if "free some space" in text:
            disk.until = time.monotonic() + 1.5

    monkeypatch.setattr(notes, "note", note)
    result = tunetrack.run_study(write_study(tmp_path / "s.yaml", tiny()), home=home, progress=notes)
    assert result.best is not None
    assert [text for text in notes.said if "the result of trial 1 cannot be kept" in text]
    assert not [text for text in notes.said if "lost" in text]
    in_order(home)


def test_stops_after_a_while_and_is_resumed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ROOM_SECONDS", 2.0)
    disk = FullDisk(monkeypatch)
    file = write_study(tmp_path / "s.yaml", tiny())
    with pytest.raises(TrackingError, match=r"Nothing is lost.*tunetrack resume tiny"):
        tunetrack.run_study(file, home=home)
    assert [trial.state for trial in tunetrack.load_study("tiny", home).trials][:1] == ["COMPLETE"]
    disk.until = 0.0
    tunetrack.run_study(file, home=home, resume=True)
    in_order(home)
