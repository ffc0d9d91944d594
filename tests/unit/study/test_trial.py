"""One trial from its configuration to its outcome, with the real trainer on scikit-learn's digits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from study_support import tiny
from tunetrack import training
from tunetrack.errors import LedgerError, TrackingError
from tunetrack.spec import EpochRecord, Objective, TrialConditions, TrialConfig, TrialState, load_config
from tunetrack.spec.constraints import parse_constraint
from tunetrack.study import trial as trial_module
from tunetrack.study.data import KEPT, ResidentSets
from tunetrack.study.trial import TrialWatch, run_trial

OBJECTIVES = (Objective(metric="validation/accuracy"), Objective(metric="model/parameters"))


def config(**changes: object) -> TrialConfig:
    fixed = tiny(model={"filters": 4, "num_layers": 1}, optimizer={"name": "adam", "lr": 0.01})
    return load_config(fixed, {path.replace("__", "."): value for path, value in changes.items()})


@pytest.fixture(scope="module")
def data() -> training.ResidentData:
    return training.load_data(config().data)


def test_a_complete_trial_leaves_everything(data: training.ResidentData) -> None:
    seen: list[tuple[int, float]] = []

    def watch(record: EpochRecord, value: float, unsaved: bool) -> bool:
        seen.append((record.epoch, value))
        return False

    result = run_trial(config(), OBJECTIVES, data, TrialWatch(watch))
    assert result.outcome.state is TrialState.COMPLETE
    assert result.outcome.values == (result.records[-1].validation_accuracy, result.outcome.metrics["model/parameters"])
    assert seen == [(record.epoch, record.validation_accuracy) for record in result.records]
    assert result.evaluation is not None
    assert result.evaluation.accuracy == result.records[-1].validation_accuracy
    assert sum(map(sum, result.evaluation.confusion)) == 100
    assert result.weights is not None
    again = training.evaluate(config(), data, training.weights_from_bytes(result.weights), "validation")
    assert again == result.evaluation
    answers = result.predictions
    assert answers is not None
    assert answers is result.evaluation.predictions
    assert answers.labels.tolist() == data.validation.labels.tolist()
    assert (answers.labels == answers.predicted).mean() == pytest.approx(result.evaluation.accuracy)
    assert again.predictions is not None
    assert (again.predictions.predicted == answers.predicted).all()
    assert (again.predictions.confidence == answers.confidence).all()


def test_conditions_are_told_once_before_the_first_epoch(data: training.ResidentData) -> None:
    told: list[TrialConditions] = []

    def watch(record: EpochRecord, value: float, unsaved: bool) -> bool:
        assert len(told) == 1
        return False

    result = run_trial(config(trainer__seed=None), OBJECTIVES, data, TrialWatch(watch, conditions=told.append))
    assert result.outcome.state is TrialState.COMPLETE
    assert set(told[0].seeds) == {"init", "order", "augmentation", "split"}
    assert result.outcome.metrics["memory/peak_mb"] >= 0.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_device_fails_the_trial_with_its_reason(data: training.ResidentData) -> None:
    result = run_trial(config(trainer__device="cuda"), OBJECTIVES, data, TrialWatch())
    assert result.outcome.state is TrialState.FAILED
    assert result.outcome.reason.startswith("trainer.device: torch finds no CUDA device here")


def test_pruning_ends_training_at_once(data: training.ResidentData) -> None:
    result = run_trial(config(trainer__epochs=50), OBJECTIVES, data, TrialWatch(lambda record, *_: record.epoch == 2))
    assert result.outcome.state is TrialState.PRUNED
    assert result.outcome.values is None
    assert result.outcome.reason == "pruned after epoch 2 of 50"
    assert len(result.records) == 2
    assert result.evaluation is None
    assert result.predictions is not None  # the look that the epoch has taken anyway
    right = (result.predictions.labels == result.predictions.predicted).mean()
    assert right == pytest.approx(result.records[-1].validation_accuracy)


def test_a_trial_that_is_pruned_again_after_a_crash_leaves_the_same(
    data: training.ResidentData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last epoch was saved, and its process died before the end was told."""
    monkeypatch.setattr(trial_module, "CHECKPOINT_SHARE", math.inf)
    watch = TrialWatch(lambda record, *_: record.epoch == 2, checkpoint=tmp_path / "0.pt")
    whole = run_trial(config(trainer__epochs=50), OBJECTIVES, data, watch)
    assert (tmp_path / "0.pt").exists()
    again = run_trial(config(trainer__epochs=50), OBJECTIVES, data, watch)
    assert again.outcome.state is TrialState.PRUNED
    assert [(one.epoch, one.validation_loss) for one in again.records] == [
        (one.epoch, one.validation_loss) for one in whole.records
    ]
    assert again.weights == whole.weights
    assert again.predictions is not None
    assert whole.predictions is not None
    for name, answers in vars(whole.predictions).items():
        assert (getattr(again.predictions, name) == answers).all()


def test_a_model_that_raises_when_it_is_built_fails_its_trial(
    data: training.ResidentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setitem(training.MODELS, "cnn", broken)
    result = run_trial(config(), OBJECTIVES, data, TrialWatch())
    assert result.outcome.state is TrialState.FAILED
    assert result.outcome.reason == "ZeroDivisionError: by design"
    assert "ZeroDivisionError" in result.traceback


def test_what_cannot_be_built_is_infeasible(data: training.ResidentData) -> None:
    result = run_trial(config(model__num_layers=4), OBJECTIVES, data, TrialWatch())
    assert result.outcome.state is TrialState.INFEASIBLE
    assert "layer 4 of 4" in result.outcome.reason
    assert result.records == ()


def test_divergence_fails_the_trial_with_its_reason(data: training.ResidentData) -> None:
    wild = config(optimizer={"name": "sgd", "lr": 1e30})
    result = run_trial(wild, OBJECTIVES, data, TrialWatch())
    assert result.outcome.state is TrialState.FAILED
    assert "loss became" in result.outcome.reason
    assert "TrainingDivergedError" in result.traceback


def test_an_interruption_is_not_an_outcome(data: training.ResidentData) -> None:
    def interrupt(record: EpochRecord, value: float, unsaved: bool) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(config(), OBJECTIVES, data, TrialWatch(interrupt))


@pytest.mark.parametrize("trouble", [LedgerError("locked"), TrackingError("full")])
def test_trouble_of_those_who_watch_is_not_the_trials(data: training.ResidentData, trouble: Exception) -> None:
    def watch(record: EpochRecord, value: float, unsaved: bool) -> bool:
        raise trouble

    with pytest.raises(type(trouble)):
        run_trial(config(), OBJECTIVES, data, TrialWatch(watch))


def test_epochs_that_are_not_in_the_checkpoint_yet_are_told_apart(
    data: training.ResidentData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash would train those again; so whoever writes them down for good must wait for the next saved one."""
    monkeypatch.setattr("tunetrack.study.trial.CHECKPOINT_SHARE", 0.1)  # epochs of milliseconds: some go without
    monkeypatch.setattr("tunetrack.study.trial.FIRST_COST", 0.0)
    path = tmp_path / "trial.pt"
    told: list[tuple[int, bool, int]] = []

    def watch(record: EpochRecord, value: float, unsaved: bool) -> bool:
        saved = training.checkpoint.read_checkpoint(path)["records"]["epochs"][-1]["epoch"]
        told.append((record.epoch, unsaved, saved))
        return False

    run_trial(config(trainer__epochs=40), OBJECTIVES, data, TrialWatch(watch, checkpoint=path))
    assert [epoch for epoch, _, _ in told] == list(range(1, 41))
    assert all((saved < epoch) if unsaved else (saved == epoch) for epoch, unsaved, saved in told)
    assert {unsaved for _, unsaved, _ in told} == {True, False}


def test_a_stop_that_is_pending_saves_the_epoch_however_short_it_is(
    data: training.ResidentData, tmp_path: Path
) -> None:
    told: list[bool] = []

    def watch(record: EpochRecord, value: float, unsaved: bool) -> bool:
        told.append(unsaved)
        return False

    watching = TrialWatch(watch, stopping=lambda: len(told) >= 10, checkpoint=tmp_path / "trial.pt")
    run_trial(config(trainer__epochs=20), OBJECTIVES, data, watching)
    assert any(told[:10])
    assert not any(told[10:])


def test_data_sets_are_read_once_and_few_are_kept() -> None:
    sets = ResidentSets()
    first = sets.get(config())
    assert sets.get(config(model__filters=8)) is first
    for seed in range(1, KEPT + 1):
        sets.get(config(data__seed=seed))
    assert sets.get(config()) is not first


def test_a_trial_of_the_control_sample_goes_on_and_notes_when_it_would_have_ended(data: training.ResidentData) -> None:
    watch = TrialWatch(lambda record, *_: record.epoch >= 2, control=True)
    result = run_trial(config(trainer__epochs=4), OBJECTIVES, data, watch)
    assert (result.outcome.state, result.outcome.would_prune_at) == (TrialState.COMPLETE, 2)
    assert result.outcome.values is not None
    assert len(result.records) == 4
    unmoved = run_trial(config(trainer__epochs=1), OBJECTIVES, data, TrialWatch(control=True))
    assert unmoved.outcome.would_prune_at is None


def test_a_constraint_on_a_number_that_is_known_before_spares_the_training(data: training.ResidentData) -> None:
    begun: list[TrialConditions] = []
    limits = (parse_constraint("model/parameters <= 100"), parse_constraint("validation/accuracy >= 0.1"))
    result = run_trial(config(), OBJECTIVES, data, TrialWatch(conditions=begun.append, constraints=limits))
    size = result.outcome.metrics["model/parameters"]
    assert result.outcome.state is TrialState.INFEASIBLE
    assert result.outcome.reason == f"breaks the constraint model/parameters <= 100 ({size:g}); not trained"
    assert result.outcome.constraints == {"model/parameters <= 100": size - 100}
    assert result.outcome.violates == (f"model/parameters <= 100 ({size:g})",)
    assert (begun, result.records) == ([], ())


def test_other_constraints_are_judged_at_the_end(data: training.ResidentData) -> None:
    limits = tuple(
        map(parse_constraint, ("model/parameters <= 1e6", "best/validation/accuracy >= 1", "train_seconds <= 600"))
    )
    result = run_trial(config(), OBJECTIVES, data, TrialWatch(constraints=limits))
    best = result.outcome.metrics["best/validation/accuracy"]
    assert result.outcome.state is TrialState.COMPLETE
    assert result.outcome.values is not None
    assert result.outcome.constraints["best/validation/accuracy >= 1"] == pytest.approx(1 - best)
    assert result.outcome.constraints["train_seconds <= 600"] < 0
    assert len(result.outcome.constraints) == 3
    assert result.outcome.violates == (f"best/validation/accuracy >= 1 ({best:g})",)


@pytest.mark.parametrize("asked", ["objective", "constraint", "nothing"])
def test_latency_is_measured_where_somebody_asks_for_it(asked: str, data: training.ResidentData) -> None:
    objectives = (*OBJECTIVES, Objective(metric="model/latency_ms")) if asked == "objective" else OBJECTIVES
    limits = (parse_constraint("model/latency_ms <= 0.000001"),) if asked == "constraint" else ()
    result = run_trial(config(), objectives, data, TrialWatch(constraints=limits))
    assert ("model/latency_ms" in result.outcome.metrics) == (asked != "nothing")
    assert bool(result.outcome.violates) == (asked == "constraint")
    assert result.outcome.values is not None
    if asked == "objective":
        assert result.outcome.values[2] == result.outcome.metrics["model/latency_ms"] > 0
