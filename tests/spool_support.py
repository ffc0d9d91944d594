"""A study that is killed again and again, as the tests of the spool run it: a small ledger, checkpoints, real stores.

Run as a script it is the process that is killed: `python spool_support.py URI HOME SEED` runs the study in a child,
kills that by SIGKILL at random moments, and starts it again until it ends by itself.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tracking_support import epoch, study_info
from tunetrack.spec.records import EpochRecord, TrialOutcome, TrialState
from tunetrack.tracking import StudyRun, TrackingStore, TrialArtifacts, connect, study_trials

TRIALS, EPOCHS = 8, 6
PARAMS = {"optimizer.lr": 1e-3, "model.filters": 32}


def record(trial: int, number: int) -> EpochRecord:
    """An epoch that is the same however often it is trained."""
    return replace(epoch(number, (trial + number) / 100), ended=1_700_000_000 + 100 * trial + number)


def expected(trial: int) -> list[tuple[float, int, int]]:
    """What MLflow should have of a trial's training accuracy: value, time, step."""
    records = (record(trial, number) for number in range(1, EPOCHS + 1))
    return [(each.train_accuracy, round(each.ended * 1000), each.epoch) for each in records]


@dataclass(frozen=True)
class Home:
    """Where the study's search state is, as files.

    Attributes:
        folder: holds the spool, the checkpoints and the list of finished trials.
    """

    folder: Path

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def ended(self) -> set[int]:
        path = self.folder / "ended"
        return set(map(int, path.read_text().split())) if path.exists() else set()

    def tell(self, number: int) -> None:
        with (self.folder / "ended").open("a") as file:
            file.write(f"{number}\n")

    def open(self, store: TrackingStore) -> StudyRun:
        """The study, whose run is known from the second time on."""
        path = self.folder / "run"
        if path.exists():
            run_id, experiment_id = path.read_text().split()
            return store.open_study(
                study_info("killed again and again"), "images", run_id=run_id, experiment_id=experiment_id
            )
        study = store.open_study(study_info("killed again and again"), "images")
        new = path.with_suffix(".new")
        new.write_text(f"{study.run_id} {study.experiment_id}")
        new.rename(path)
        return study


def live(uri: str, home: Home, begun: Callable[[], object] = lambda: None, pause: float = 0.02) -> None:
    """Run what is left of the study; `begun` is called before the first trial."""
    with connect(uri, must_answer=False) as store:
        ended = home.ended()
        store.use_spool(home.spool, ended=ended.__contains__, told=lambda text: print(text, file=sys.stderr))
        study = home.open(store)
        begun()
        for number in range(TRIALS):
            if number not in ended:
                trial = study.open_trial(number, PARAMS, existing=True)
                for each in range(1, EPOCHS + 1):
                    trial.log_epoch(record(number, each), held=each % 3 != 0)
                    time.sleep(pause)
                ending = trial.ending(TrialOutcome(TrialState.COMPLETE, (number / 10,)), TrialArtifacts(weights=b"PK"))
                home.tell(number)
                ending.send()


def check(store: TrackingStore, home: Home) -> None:
    """Every trial once, every point once, every file there, nothing left over."""
    study = home.open(store)
    rows = study_trials(store, study.run_id)
    assert [(row.number, row.status, row.state) for row in rows] == [(n, "FINISHED", "COMPLETE") for n in range(TRIALS)]
    for row in rows:
        history = store.client.get_metric_history(row.run_id, "train/accuracy")
        assert [(point.value, point.timestamp, point.step) for point in history] == expected(row.number)
        assert [point.value for point in store.client.get_metric_history(row.run_id, "objective")] == [row.number / 10]
        assert {file.path for file in store.client.list_artifacts(row.run_id)} == {"weights.pt", "curves.svg"}
        assert row.params == PARAMS
    assert not home.spool.exists()


def killed_again_and_again(uri: str, home: Home, seed: int) -> int:
    """Each life is a fork of this process, which has imported everything and opened nothing. Returns the kills."""
    draw = random.Random(seed)
    for kills in range(1000):
        mine, theirs = os.pipe()
        child = os.fork()
        if not child:
            live(uri, home, lambda begun=theirs: os.write(begun, b"."))
            os._exit(0)
        os.close(theirs)
        if draw.random() < 0.8:
            os.read(mine, 1)  # most are killed while they work, some while they begin
        deadline = time.monotonic() + draw.uniform(0.0, 0.3 + 0.1 * kills)  # longer and longer, so that it ends
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                os.close(mine)
                if status:
                    raise RuntimeError(f"a life ended with {status}")
                return kills
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(mine)
    raise RuntimeError("the study does not come to its end")


if __name__ == "__main__":
    print(killed_again_and_again(sys.argv[1], Home(Path(sys.argv[2])), int(sys.argv[3])))
