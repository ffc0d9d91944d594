"""Ledger and MLflow agree after a study; whatever is planted between them is found, said, and mended."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

import tunetrack
from study_support import tiny
from tunetrack.api.parity import check_parity, repair_studies
from tunetrack.errors import LedgerError
from tunetrack.study.alone import alone
from tunetrack.study.parity import Kind
from tunetrack.study.place import Place


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Path:
    home = tmp_path_factory.mktemp("finished")
    shutil.copy(database_template, home / "mlflow.db")
    # Trials 1, 2 and 5 are trial 0 again; 3 and 4 cannot be built.
    space = {"name": "cnn", "filters": 4, "num_layers": {"choices": [1, 2, 9]}}
    fixed = {"name": "adam", "lr": 0.01}
    tunetrack.run_study(tiny(model=space, optimizer=fixed, sampler={"name": "random", "seed": 9}), home=home, trials=6)
    gc.collect()  # closes the ledger's connections, so that its file is complete when it is copied
    return home


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Iterator[Path]:
    # MLflow's database holds absolute places of artifacts, which nothing here reads.
    return Path(shutil.copytree(finished, tmp_path / "home"))


def client(home: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{home / 'mlflow.db'}")


def move(home: Path) -> Place:
    """The copied study, in its own databases."""
    return Place(home, f"sqlite:///{home / 'mlflow.db'}")


def run_of(home: Path, number: int) -> str:
    run_id = tunetrack.load_study("tiny", home, f"sqlite:///{home / 'mlflow.db'}").trials[number].run_id
    assert run_id is not None
    return run_id


def found(home: Path) -> list[tuple[Kind, int | None]]:
    return [(one.kind, one.trial) for one in check_parity("tiny", move(home)).differences]


def test_a_finished_study_agrees_in_every_kind_of_trial(study: Path) -> None:
    states = {trial.state.value for trial in tunetrack.load_study("tiny", move(study)).trials}
    assert {"COMPLETE", "INFEASIBLE", "DUPLICATE"} <= states
    parity = check_parity("tiny", move(study))
    assert parity.is_good
    assert (parity.trials, parity.live, parity.waiting) == (6, False, 0)


def stays_running(home: Path) -> None:
    client(home).update_run(run_of(home, 1), status="RUNNING")


def study_stays_running(home: Path) -> None:
    run_id = tunetrack.load_study("tiny", move(home)).run_id
    assert run_id is not None
    client(home).update_run(run_id, status="RUNNING")


def another_state(home: Path) -> None:
    client(home).set_tag(run_of(home, 0), "trial.state", "PRUNED")


def another_value(home: Path) -> None:
    client(home).log_batch(run_of(home, 0), [Metric("objective", 0.123, time.time_ns() // 1_000_000, 0)])


def is_gone(home: Path) -> None:
    client(home).delete_run(run_of(home, 0))


def is_there_twice(home: Path) -> None:
    run = client(home).get_run(run_of(home, 0))
    tags = [RunTag(key, value) for key, value in run.data.tags.items()]
    twin = client(home).create_run(run.info.experiment_id, tags={tag.key: tag.value for tag in tags})
    assert twin.info.status == "RUNNING"


def has_no_trial(home: Path) -> None:
    run = client(home).get_run(run_of(home, 0))
    key = str(run.data.tags["trial.key"]).replace("/0", "/77")
    client(home).create_run(run.info.experiment_id, tags=run.data.tags | {"trial.key": key, "trial.number": "77"})


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (stays_running, (Kind.ABANDONED, 1)),
        (study_stays_running, (Kind.STUDY, None)),
        (another_state, (Kind.STATE, 0)),
        (another_value, (Kind.VALUES, 0)),
        (is_gone, (Kind.NO_RUN, 0)),
        (is_there_twice, (Kind.SEVERAL_RUNS, 0)),
        (has_no_trial, (Kind.NO_TRIAL, 77)),
    ],
)
def test_what_is_planted_is_found_and_mended(
    study: Path, plant: Callable[[Path], Any], expected: tuple[Kind, int | None]
) -> None:
    before = tunetrack.load_study("tiny", move(study)).frame()
    plant(study)
    assert found(study) == [expected]
    told: list[str] = []
    (parity,) = repair_studies(move(study), told.append)
    assert parity.is_good, parity
    assert found(study) == []
    assert len(told) == 1
    after = tunetrack.load_study("tiny", move(study)).frame()
    columns = [column for column in before.columns if column != "run_id"]
    assert after[columns].equals(before[columns])


def test_parameters_cannot_be_mended_and_are_still_told(study: Path) -> None:
    import sqlite3

    with sqlite3.connect(study / "mlflow.db") as database:
        changed = "UPDATE params SET value = '99' WHERE key = 'trainer.epochs' AND run_uuid = ?"
        database.execute(changed, (run_of(study, 0),))
    database.close()
    assert found(study) == [(Kind.PARAMS, 0)]
    (parity,) = repair_studies(move(study))
    assert [one.text for one in parity.differences] == ["trial 0: trainer.epochs is 2 in the ledger and 99 in MLflow"]


def test_a_study_that_is_worked_on_is_left_alone(study: Path) -> None:
    stays_running(study)
    with alone(move(study), "tiny"):
        assert check_parity("tiny", move(study)).live
        (parity,) = repair_studies(move(study))
        assert parity.live
        with (
            pytest.raises(LedgerError, match="another process works on the study 'tiny'"),
            alone(move(study), "tiny", 0.1),
        ):
            pass
    assert found(study) == [(Kind.ABANDONED, 1)]


def test_leftover_checkpoints_are_removed(study: Path) -> None:
    folder = move(study).checkpoints / "tiny"
    folder.mkdir(parents=True)
    for name in ("0.pt", "0.pt.4711.part", "12.pt"):
        (folder / name).write_bytes(b"left")
    repair_studies(move(study))
    assert not folder.exists()
