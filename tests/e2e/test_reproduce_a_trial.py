"""The commands on a trial's page, typed as they stand there, train the same trial to the same bits."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tunetrack
from study_support import child_environment, command, tiny
from tunetrack.report.views import Views
from tunetrack.tracking import connect
from tunetrack.tracking.reader import StudyReader


@pytest.mark.slow
def test_a_trial_is_trained_again_by_its_commands(home: Path, tmp_path: Path) -> None:
    study = tunetrack.run_study(tiny(budget={"trials": 1}), home=home)
    with connect(study.tracking_uri) as store:
        reader = StudyReader(store)
        views = Views(reader)
        page = views.trial(reader.table("tiny"), 0)
        download, train = (shlex.split(one["command"]) for one in page["reproduce"])
        assert (download[0], train[0]) == ("mlflow", "tunetrack")

        environment = child_environment(MLFLOW_TRACKING_URI=study.tracking_uri)
        subprocess.run([sys.executable, "-m", *download], check=True, cwd=tmp_path, env=environment, timeout=200)
        done = command(*train[1:], "--home", home, "--no-supervisor", cwd=tmp_path)
        assert done.returncode == 0, done.stderr

        (again,) = reader.table("trial-0-again").table.trials
        reader.close()
    assert again.values == (page["trial"]["values"][0],)
    assert again.metrics["final/train/loss"] == page["trial"]["metrics"]["final/train/loss"]
