"""The comparison finds what is wrong: each defect is planted in a study that was fine."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tunetrack
from faults.compare import Found, audit, compare
from faults.reading import HomeSeen, read_home
from study_support import tiny

SECONDS = "epoch_seconds"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("original")
    tunetrack.run_study(tiny(), home=home)
    return home


@pytest.fixture(scope="module")
def whole(original: Path) -> HomeSeen:
    return read_home(original)


def change(home: Path, database: str, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(home / database)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


@pytest.fixture
def planted(original: Path, whole: HomeSeen, tmp_path: Path) -> Callable[..., Found]:
    """Plants a defect in a copy of the databases (artifacts stay where they are), and gives what is found."""

    def plant(database: str, *statements: str) -> Found:
        home = tmp_path / "home"
        home.mkdir()
        for name in ("ledger.db", "mlflow.db"):
            source, copy = sqlite3.connect(original / name), sqlite3.connect(home / name)
            with contextlib.closing(source), contextlib.closing(copy):
                source.backup(copy)  # what is still in the write-ahead file, too
        change(home, database, *statements)
        return compare(read_home(home), "tiny", whole, "tiny")

    return plant


TRIAL_1 = "(SELECT run_uuid FROM tags WHERE key = 'trial.number' AND value = '1')"
STUDY = "(SELECT run_uuid FROM tags WHERE key = 'tunetrack.kind' AND value = 'study')"


def test_two_uninterrupted_studies_are_equal(original: Path, whole: HomeSeen, tmp_path: Path) -> None:
    tunetrack.run_study(tiny(name="tiny"), home=tmp_path / "home")
    found = compare(read_home(tmp_path / "home"), "tiny", whole, "tiny")
    assert not found, str(found)


def test_nothing_is_found_where_nothing_was_planted(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", f"UPDATE runs SET name = name WHERE run_uuid = {TRIAL_1}")
    assert not found, str(found)


@pytest.mark.parametrize("whose", [TRIAL_1, STUDY], ids=["trial", "study"])
def test_a_run_that_is_still_running(planted: Callable[..., Found], whose: str) -> None:
    found = planted("mlflow.db", f"UPDATE runs SET status = 'RUNNING' WHERE run_uuid = {whose}")
    assert len(found.orphans) == 1
    assert "is RUNNING" in found.orphans[0]


def test_a_run_that_was_deleted(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = {TRIAL_1}")
    assert "1 train/loss step 2" in found.points_lost
    assert found.trials_differ["1"][0] == "COMPLETE in the ledger, and no run in MLflow"


def test_a_run_without_a_trial(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", f"UPDATE tags SET value = 'x/1' WHERE key = 'trial.key' AND run_uuid = {TRIAL_1}")
    assert len(found.orphans) == 1
    assert "belongs to no trial" in found.orphans[0]


def test_two_runs_of_one_trial(planted: Callable[..., Found]) -> None:
    first = "(SELECT value FROM tags WHERE key = 'trial.key' AND value LIKE '%/1')"
    other = "(SELECT run_uuid FROM tags WHERE key = 'trial.number' AND value = '0')"
    found = planted("mlflow.db", f"UPDATE tags SET value = {first} WHERE key = 'trial.key' AND run_uuid = {other}")
    assert found.duplicates == ["trial 1 of tiny has 2 runs"]


def test_a_point_that_is_missing(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", f"DELETE FROM metrics WHERE key = 'lr' AND step = 2 AND run_uuid = {TRIAL_1}")
    assert found.points_lost == ["1 lr step 2"]
    assert found.counts == {"orphans": 0, "duplicates": 0, "points_lost": 1, "trials_differ": 0}


@pytest.mark.parametrize("metric", ["train/loss", SECONDS])
def test_a_point_that_is_there_twice(planted: Callable[..., Found], metric: str) -> None:
    columns = "key, value, step, run_uuid, is_nan"
    found = planted(
        "mlflow.db",
        f"INSERT INTO metrics ({columns}, timestamp) SELECT {columns}, timestamp + 5 FROM metrics "
        f"WHERE key = '{metric}' AND step = 1 AND run_uuid = {TRIAL_1}",
    )
    assert len(found.duplicates) == 1
    assert f"trial 1 {metric} step 1: 2 points" in found.duplicates[0]


@pytest.mark.parametrize(("metric", "differs"), [("train/loss", True), ("best/epoch", True), (SECONDS, False)])
def test_a_value_that_is_another(planted: Callable[..., Found], metric: str, differs: bool) -> None:
    where = f"key = '{metric}' AND run_uuid = {TRIAL_1}"
    found = planted("mlflow.db", f"UPDATE metrics SET value = value * 1.0000000000000002 + 1e-300 WHERE {where}")
    assert list(found.trials_differ) == (["1"] if differs else [])


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"UPDATE params SET value = '7' WHERE key = 'model.filters' AND run_uuid = {TRIAL_1}", "param model.filters"),
        (f"UPDATE tags SET value = 'no' WHERE key = 'trial.reason' AND run_uuid = {TRIAL_1}", "tag trial.reason"),
        (f"UPDATE tags SET value = 'PRUNED' WHERE key = 'trial.state' AND run_uuid = {TRIAL_1}", "PRUNED in MLflow"),
        (f"UPDATE runs SET status = 'FAILED' WHERE run_uuid = {TRIAL_1}", "its run is FAILED"),
        (f"UPDATE metrics SET value = 2 WHERE key = 'objective' AND run_uuid = {TRIAL_1}", "objective"),
    ],
)
def test_a_run_that_says_something_else(planted: Callable[..., Found], statement: str, expected: str) -> None:
    found = planted("mlflow.db", statement)
    assert list(found.trials_differ) == ["1"]
    assert any(expected in text for text in found.trials_differ["1"]), found


def test_a_study_that_did_not_end(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", f"UPDATE tags SET value = 'KILLED' WHERE key = 'study.state' AND run_uuid = {STUDY}")
    assert found.trials_differ == {"study": ["tag study.state: 'KILLED', not 'COMPLETE'"]}


def test_a_model_that_was_not_finished(planted: Callable[..., Found]) -> None:
    found = planted("mlflow.db", "UPDATE logged_models SET status = 1")
    assert len(found.orphans) == 1
    assert "has a model that is PENDING" in found.orphans[0]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE trial_params SET param_value = param_value * 1.0000001 WHERE trial_id = 2", "values"),
        ("UPDATE trial_intermediate_values SET intermediate_value = 0 WHERE trial_id = 2 AND step = 1", "intermediate"),
        ("UPDATE trial_values SET value = 0.5 WHERE trial_id = 2", "objectives"),
        ("UPDATE trials SET state = 'FAIL' WHERE trial_id = 2", "state"),
    ],
)
def test_a_ledger_that_says_something_else(planted: Callable[..., Found], statement: str, expected: str) -> None:
    found = planted("ledger.db", statement)
    assert any(f"in the ledger: {expected}" in text for text in found.trials_differ["1"]), found


def test_a_trial_that_is_still_running_in_the_ledger(planted: Callable[..., Found]) -> None:
    found = planted("ledger.db", "UPDATE trials SET state = 'RUNNING' WHERE trial_id = 2")
    assert "trial 1 of tiny is RUNNING in the ledger" in found.orphans


def test_a_trial_that_is_missing_and_one_too_many(planted: Callable[..., Found]) -> None:
    found = planted("ledger.db", "UPDATE trials SET number = 3 WHERE trial_id = 3")
    assert "trial 3 (COMPLETE) is beyond the budget" in found.duplicates
    assert "there is no such trial" in found.trials_differ["2"]


@contextlib.contextmanager
def replaced(file: Path, content: bytes | None) -> Iterator[None]:
    before = file.read_bytes()
    file.unlink() if content is None else file.write_bytes(content)
    yield
    file.write_bytes(before)


@pytest.mark.parametrize("name", ["weights.pt", "weight_stats.parquet", "confusion_matrix.csv", "curves.svg"])
def test_a_file_that_is_missing_or_another_trials(original: Path, whole: HomeSeen, name: str) -> None:
    runs = {number: trial.runs[0].run_id for number, trial in whole.studies["tiny"].trials.items()}
    folders = {number: original / "artifacts" / run_id / "artifacts" for number, run_id in runs.items()}
    with replaced(folders[1] / name, None):
        found = compare(read_home(original), "tiny", whole, "tiny")
    assert found.trials_differ == {"1": [f"file {name} is not there"]}
    with replaced(folders[1] / name, (folders[2] / name).read_bytes()):
        found = compare(read_home(original), "tiny", whole, "tiny")
    assert bool(found) == (name != "curves.svg")  # of a figure only the presence counts


def test_files_that_are_left_over(original: Path, whole: HomeSeen) -> None:
    left = original / "checkpoints" / "tiny" / "1.pt"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    found = audit(read_home(original), whole.files)
    shutil.rmtree(left.parent.parent)
    assert found.orphans == ["file left over: checkpoints/tiny/1.pt"]
