"""A study goes on by its name alone, with the budget that it was given last."""

from __future__ import annotations

from pathlib import Path

import pytest

import tunetrack
from study_support import tiny
from tunetrack.errors import LedgerError
from tunetrack.spec import load_study
from tunetrack.study.launch import Launch, launch
from tunetrack.study.place import Place
from tunetrack.tracking import TrackingStore


def finished(home: Path) -> tuple[int, int | None]:
    (study,) = tunetrack.list_studies(home)
    return study["finished"], study["budget_trials"]


def test_a_grown_budget_stays_with_the_study(home: Path) -> None:
    tunetrack.run_study(tiny(budget={"trials": 1}), home=home)
    assert finished(home) == (1, 1)
    tunetrack.resume_study("tiny", home=home, trials=2)
    assert finished(home) == (2, 2)
    result = tunetrack.resume_study("tiny", home=home)  # as after a crash: nobody says the budget again
    assert finished(home) == (2, 2)
    assert len(result.trials) == 2
    with pytest.raises(LedgerError, match=r"trainer\.epochs: 2 -> 3\. Undo the change"):
        tunetrack.resume_study("tiny", home=home, trainer__epochs=3)


def test_artifacts_lie_where_the_first_process_was_told_though_it_died_before_the_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiedError(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise DiedError

    place = Place(home)
    spec = load_study(tiny(budget={"trials": 1}))
    with monkeypatch.context() as patch:
        patch.setattr(TrackingStore, "open_study", die)
        with pytest.raises(DiedError):
            launch(spec, Launch(place, artifacts=str(tmp_path / "far")))
    result = tunetrack.resume_study("tiny", home=home)
    assert len(result.trials) == 1
    assert list((tmp_path / "far").rglob("report.html"))
    assert not place.artifacts.exists()
