"""A study's result: who is on the Pareto front, who is called the best, how that is said; a trial's statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunetrack.errors import TrackingError
from tunetrack.ledger import TrialRecord
from tunetrack.ledger.history import best_of
from tunetrack.spec import Objective, TrialOutcome, TrialState
from tunetrack.study.outcome import in_words
from tunetrack.study.result import HeldOut, StudyResult, StudyTrial
from tunetrack.tracking import Objective as Tracked
from tunetrack.tracking import StudyInfo, connect
from weight_support import Walk, walked_trial

ACCURACY, SIZE = Objective(metric="validation/accuracy"), Objective(metric="model/parameters")


def record(number: int, *values: float, state: TrialState = TrialState.COMPLETE) -> TrialRecord:
    return TrialRecord(number, state, {}, {}, values or None)


def result(*records: TrialRecord, objectives: tuple[Objective, ...] = (ACCURACY, SIZE)) -> StudyResult:
    trials = tuple(StudyTrial(one, None) for one in records)
    return StudyResult("two", objectives, (), trials, None, None, "", looks=(HeldOut(2, 0.9, 0.3),))


def test_the_best_trial_is_on_the_front_where_several_share_the_best_first_objective() -> None:
    found = result(record(0, 0.8, 10.0), record(1, 0.9, 500.0), record(2, 0.9, 300.0), record(3, 0.7, 20.0), record(4))

    assert [trial.number for trial in found.ranked()] == [2, 1, 0, 3]
    assert [trial.number for trial in found.front] == [2, 0]
    assert found.best is not None
    assert found.best.number == 2
    assert best_of([trial.record for trial in found.trials], found.objectives) == found.best.record
    assert in_words(found).startswith(
        "2 trials stand on the Pareto front of validation/accuracy and model/parameters: 2, 0. "
        "Test accuracy of trial 2, which is the best in validation/accuracy, looked at once: 0.9000."
    )


def test_a_duplicate_does_not_stand_on_the_front_twice() -> None:
    found = result(record(0, 0.8, 10.0), record(1, 0.8, 10.0, state=TrialState.DUPLICATE))

    assert [trial.number for trial in found.front] == [0]
    assert found.front_in_words().startswith("1 trial stands")


@pytest.mark.parametrize("objective", [0, 1])
def test_ties_in_any_objective_are_broken_by_the_others(objective: int) -> None:
    records = [record(0, 0.9, 20.0), record(1, 0.9, 10.0), record(2, 0.8, 10.0)]

    assert best_of(records, (ACCURACY, SIZE), objective) == records[1]


def test_long_fronts_are_cut() -> None:
    found = result(*(record(n, n / 100, float(n)) for n in range(20)))

    assert found.front_in_words(3).endswith(": 19, 18, 17 and 17 more.")
    assert result(record(0)).front_in_words() == ""


def test_weight_stats_of_a_trial_are_read_from_its_run(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    epochs = walked_trial(Walk(epochs=2))
    with connect(uri) as store:
        run = store.open_study(StudyInfo("s", {}, (), (Tracked("validation/accuracy", True),)), "s", tmp_path / "files")
        trial = run.open_trial(0, {})
        for one in epochs:
            trial.log_epoch(one)
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9,)))
        run_id = trial.run_id
    frame = StudyTrial(record(0, 0.9), run_id, tracking_uri=uri).weight_stats()

    tensors = frame[(frame["item"] == "tensor") & (frame["epoch"] == 2)]
    assert epochs[1].weights is not None
    assert tensors["name"].tolist() == [tensor.name for tensor in epochs[1].weights.layout.tensors]
    assert tensors["l2"].to_numpy() == pytest.approx(epochs[1].weights.records[-1].column("l2"), rel=1e-6)


def test_a_trial_without_a_run_has_no_weight_stats() -> None:
    with pytest.raises(TrackingError, match="trial 4 has no MLflow run"):
        StudyTrial(record(4), None).weight_stats()
