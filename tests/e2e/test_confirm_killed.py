"""A confirmation goes on wherever its process dies, and the test images are looked at once."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

import tunetrack
from process_support import Started, send, started, study_command, until, worker_of
from study_support import command, tiny, write_study
from tunetrack.api.finished import finished_study
from tunetrack.api.parity import check_parity
from tunetrack.api.studies import resume_spec
from tunetrack.study import conclusion
from tunetrack.study.place import Place

CONFIRM = {"top": 2, "seeds": 2}


def is_whole(home: Path) -> None:
    """A winner, one look, and as many trials as there should be."""
    result = tunetrack.load_study("tiny", home)
    assert result.winner_is_current
    assert [look.confirmation for look in result.looks] == ["tiny-confirm"]
    assert {study["name"]: study["finished"] for study in tunetrack.list_studies(home)} == {
        "tiny": 3,
        "tiny-confirm": 4,
    }
    for name in ("tiny", "tiny-confirm"):
        assert check_parity(name, Place(home)).differences == ()
        assert finished_study(name, Place(home), resume_spec(name, Place(home))) is not None


def in_the_confirmation(running: Started, trials: int) -> None:
    def there() -> bool:
        _, confirming, rest = running.errors.partition("Study tiny-confirm")
        return bool(confirming) and rest.count("COMPLETE") >= trials

    until("the confirmation is under way", there)


@pytest.mark.slow
@pytest.mark.parametrize("trials", [0, 1, 4])
def test_the_supervisor_goes_on_with_a_killed_confirmation(trials: int, home: Path, tmp_path: Path) -> None:
    """Also where its command had another budget for the search."""
    file = write_study(tmp_path / "tiny.yaml", tiny(confirm=CONFIRM, budget={"trials": 9}))
    with started(study_command("run", file, "--home", home, "--trials", 3), tmp_path) as running:
        in_the_confirmation(running, trials)
        worker_of(running).kill()
        assert running.ends() == 0, running.errors
        assert "going on with the study tiny-confirm" in running.errors
        assert "Winner: trial" in running.output
    is_whole(home)


@pytest.mark.slow
def test_resume_goes_on_with_an_interrupted_confirmation(home: Path, tmp_path: Path) -> None:
    file = write_study(tmp_path / "tiny.yaml", tiny(confirm=CONFIRM))
    with started(study_command("run", file, "--home", home), tmp_path) as running:
        in_the_confirmation(running, 1)
        send(running, signal.SIGINT)
        assert running.ends() == 130, running.errors
        assert f"tunetrack resume tiny-confirm --home {home} goes on with the study" in running.errors
    resumed = command("resume", "tiny", "--home", home)  # the search is what people remember
    assert resumed.returncode == 0, resumed.stderr
    assert "Winner: trial" in resumed.stdout
    is_whole(home)


class _DeadError(BaseException):
    """What ends a process as a kill does: nothing is tidied up."""


STEPS = ("look_at_test_images", "link_model", "tag_run", "log_run_metrics")


def test_a_conclusion_may_die_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each of its steps; the next try does what is left, and nothing twice that counts."""
    tunetrack.run_study(tiny(), home=home)
    ledger = tunetrack.api.reading.place_of("tiny", home)[0]  # type: ignore[attr-defined]
    ledger.set_attribute("test_looks", [])  # as if the search had been told to leave the test images alone
    for step in STEPS:
        real = getattr(conclusion, step)

        def dying(*arguments: Any, real: Any = real, **named: Any) -> None:
            real(*arguments, **named)
            raise _DeadError

        with monkeypatch.context() as patch:
            patch.setattr(conclusion, step, dying)
            with pytest.raises(_DeadError):
                tunetrack.confirm_study("tiny", top=2, seeds=2, home=home)
    result = tunetrack.confirm_study("tiny", top=2, seeds=2, home=home)
    assert result.winner is not None
    assert result.winner.test is not None
    assert result.winner.test.looks == 1
    is_whole(home)
