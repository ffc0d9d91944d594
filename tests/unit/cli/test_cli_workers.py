"""The options for several workers, a ledger elsewhere, and how running trials of several workers are shown."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from study_support import tiny
from tunetrack.api.crews import Workers, with_workers
from tunetrack.cli.display import _Display
from tunetrack.cli.options import LEDGER, in_parallel, place, place_options
from tunetrack.errors import SpecError
from tunetrack.spec import EpochRecord, Objective, TrialConfig, TrialOutcome, TrialState, load_study
from tunetrack.study.launch import Launch
from tunetrack.study.place import Place
from tunetrack.study.progress import StudyStart
from tunetrack.study.tracked import study_info

STUDY = load_study(tiny())


def parsed(*arguments: str) -> dict[str, object]:
    @click.command()
    @place
    @in_parallel
    def probe(**given: object) -> None:
        found.update(given)

    found: dict[str, object] = {}
    result = CliRunner().invoke(probe, arguments, catch_exceptions=False)
    return found or {"output": " ".join(result.output.split())}


def test_options_reach_the_command() -> None:
    found = parsed("--workers", "3", "--threads", "2", "--ledger", "postgresql://me@host/studies")
    assert found["place"] == Place(ledger_url="postgresql://me@host/studies")
    assert (found["workers"], found["threads"], found["launcher"]) == (3, 2, None)
    assert parsed("--workers", "auto")["workers"] == "auto"
    assert parsed("--workers", "")["workers"] is None  # as mlflow run hands it over


def test_a_wrong_number_of_workers_says_what_is_right() -> None:
    assert "'-1' is no number of workers; write 0, 1, 2, ... or auto" in str(parsed("--workers", "-1")["output"])


def test_the_place_is_handed_on_but_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Place(Path("here"), "sqlite:///runs.db", "postgresql://me:secret@host/studies")
    options = ["--home", "here", "--tracking-uri", "sqlite:///runs.db"]
    assert place_options(elsewhere) == [*options, "--ledger", "postgresql://me:secret@host/studies"]
    monkeypatch.setenv(LEDGER, "postgresql://me:secret@host/studies")
    assert place_options(elsewhere) == options
    assert place_options(Place()) == []


def test_a_password_of_the_environment_stays_out_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for address, shown in (("http://tracking:5000", True), ("postgresql://me:secret@host/runs", False)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert place_options(Place(tracking_uri=address)) == (["--tracking-uri", address] if shown else [])


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    wanted = Launch(Place(tmp_path))
    assert with_workers(wanted, Workers(), STUDY) == wanted
    assert with_workers(wanted, Workers(1, threads=2), STUDY) == replace(wanted, threads=2)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"workers": -1}, "workers"),
        ({"workers": "many"}, "workers"),
        ({"launcher": "slurm"}, "launcher"),
        ({"ray_address": "auto"}, "ray_address"),
        ({"threads": 0}, "threads"),
        ({"gpus_per_trial": 1.5}, "gpus_per_trial"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, given: dict[str, object], path: str
) -> None:
    with pytest.raises(SpecError) as caught:
        with_workers(Launch(Place(tmp_path)), Workers(**given), STUDY)  # type: ignore[arg-type]
    assert [problem.path for problem in caught.value.problems] == [path]


class Shown:
    """A display of two workers on a terminal of 200 columns."""

    def __init__(self) -> None:
        self.console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
        self.bars = Bars(TextColumn("{task.description}"), BarColumn(10), console=self.console)
        self.display = _Display(self.console, self.bars)
        objective = Objective(metric="validation/accuracy", direction="maximize")
        searched = study_info(BRANCHED, "tiny", "").searched
        self.display.study_started(StudyStart("tiny", (objective,), searched, 20, 0, "run"))

    @property
    def running(self) -> list[str]:
        """The lines of the trials that run."""
        return [task.description for task in self.bars.tasks[1:] if task.visible]

    def begins(self, number: int, worker: int, config: TrialConfig | None = None) -> None:
        self.display.trial_taken(number, worker)
        self.display.trial_started(number, config or CONFIG)

    def printed(self) -> str:
        return self.console.file.getvalue()  # type: ignore[attr-defined]


CONFIG: TrialConfig = load_study(tiny(model={"name": "cnn"}, optimizer={"name": "adam"})).first_config()
RATE = {"low": 1e-3, "high": 1e-1, "log": True}
DECAY = {"low": 1e-5, "high": 1e-1, "log": True}
BRANCHED = load_study(
    tiny(optimizer={"one_of": [{"name": "adam", "lr": RATE}, {"name": "adamw", "lr": RATE, "weight_decay": DECAY}]})
)


def test_each_worker_has_a_line_of_its_own_which_stays_in_its_place() -> None:
    shown = Shown()
    shown.begins(0, 1)
    shown.begins(1, 0)
    assert shown.running == ["worker 0  trial  1", "worker 1  trial  0"]
    shown.display.epoch_finished(0, EpochRecord(1, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0, 1.0))
    assert [task.completed for task in shown.bars.tasks[1:]] == [0, 1]
    shown.display.trial_finished(0, TrialOutcome(TrialState.COMPLETE, (0.5,)))
    shown.begins(2, 1)
    assert shown.running == ["worker 0  trial  1", "worker 1  trial  2"]


def test_a_trial_whose_worker_was_killed_does_not_count_as_done() -> None:
    shown = Shown()
    shown.begins(0, 0)
    shown.display.trial_finished(0, TrialOutcome(TrialState.KILLED, reason="its worker was killed"))
    assert shown.running == []
    assert shown.bars.tasks[0].completed == 0
    assert "■ trial  0  KILLED      its worker was killed" in shown.printed()


def test_a_trial_that_was_lost_leaves_no_line_behind() -> None:
    shown = Shown()
    shown.begins(0, 0)
    shown.begins(0, 1)  # another worker has it now
    assert shown.running == ["worker 1  trial  0"]
    shown.begins(1, 1)
    assert shown.running == ["worker 1  trial  1"]


def test_a_trial_shows_what_its_own_branch_searches() -> None:
    shown = Shown()
    for number, (_, config) in enumerate(BRANCHED.space.corners()):
        shown.begins(number, 0, TrialConfig.model_validate(config))
        shown.display.trial_finished(number, TrialOutcome(TrialState.COMPLETE, (0.5,)))
    lines = [line for line in shown.printed().splitlines() if "optimizer=" in line]
    assert {"adam", "adamw"} == {line.partition("optimizer=")[2].split()[0] for line in lines}
    assert all(("weight_decay=" in line) == ("optimizer=adamw" in line) for line in lines)
