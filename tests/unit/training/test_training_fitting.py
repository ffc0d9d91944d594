"""The loop: records, determinism, stopping, divergence, clipping, closing early, and what it leaves untouched."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError, SpecError, TrainingDivergedError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.records import EpochRecord, Evaluation
from tunetrack.training import ResidentData, fitting

ConfigMaker = Callable[..., TrialConfig]


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_records_of_a_run_that_learns(make_config: ConfigMaker, digits: ResidentData) -> None:
    run = training.fit(make_config(trainer={"epochs": 6}, optimizer={"name": "adam", "lr": 0.01}), digits)
    records = list(run)
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1].validation_accuracy > 0.8
    assert records[-1].train_loss < records[0].train_loss
    assert all(record.epoch_seconds > 0.0 and record.images_per_second > 0.0 for record in records)
    assert records[0].weights is not None
    assert run.finished
    final = run.evaluate("validation")
    assert (final.loss, final.accuracy) == (records[-1].validation_loss, records[-1].validation_accuracy)


def test_nothing_is_built_before_iterating(make_config: ConfigMaker, digits: ResidentData) -> None:
    run = training.fit(make_config(), digits)
    assert run._state is None
    assert isinstance(run.model, nn.Module)


_EVERYTHING: dict[str, Any] = {
    "data": {"augment": {"horizontal_flip": True, "rotation": 10.0, "translation": 0.1}},
    "model": {"batch_norm": True, "conv_dropout": 0.2, "head": [16], "head_dropout": 0.3},
}


@pytest.mark.parametrize("overrides", [{}, _EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_runs_are_bit_equal(
    make_config: ConfigMaker, digits: ResidentData, overrides: dict[str, Any], precision: str
) -> None:
    config = make_config(trainer={"deterministic": True, "precision": precision}, **overrides)
    first, second = training.fit(config, digits), training.fit(config, digits)
    numbers = [[(r.train_loss, r.validation_loss) for r in run] for run in (first, second)]
    assert numbers[0] == numbers[1]
    assert _same(first.state_dict(), second.state_dict())


def test_two_runs_in_turns_are_bit_equal_to_one_alone(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(trainer={"deterministic": True}, **_EVERYTHING)
    alone = training.fit(config, digits)
    list(alone)
    left, right = training.fit(config, digits), training.fit(config, digits)
    for _ in zip(left, right, strict=True):
        torch.rand(7)  # what the caller draws between epochs must not matter
    assert _same(alone.state_dict(), left.state_dict())
    assert _same(alone.state_dict(), right.state_dict())


def test_another_seed_gives_other_weights(make_config: ConfigMaker, digits: ResidentData) -> None:
    runs = [training.fit(make_config(trainer={"seed": seed}), digits) for seed in (0, 1)]
    assert not _same(runs[0].state_dict(), runs[1].state_dict())


def test_the_callers_generators_and_settings_are_untouched(make_config: ConfigMaker, digits: ResidentData) -> None:
    torch.set_num_threads(2)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = (random.random(), float(np.random.rand()), float(torch.rand(1)))
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    try:
        for _ in training.fit(make_config(trainer={"deterministic": True, "threads": 1}, **_EVERYTHING), digits):
            assert torch.get_num_threads() == 2
            assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(1)
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == expected


def test_threads_and_determinism_hold_within_an_epoch(
    make_config: ConfigMaker, digits: ResidentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = fitting.evaluate_model

    def spy(*arguments: Any) -> Evaluation:
        seen.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))
        return original(*arguments)

    monkeypatch.setattr(fitting, "evaluate_model", spy)
    list(training.fit(make_config(trainer={"epochs": 1, "threads": 2, "deterministic": True}), digits))
    assert seen == [(2, True)]


def test_closing_early_and_going_on(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(trainer={"epochs": 3})
    whole = training.fit(config, digits)
    list(whole)
    run = training.fit(config, digits)
    iterator = iter(run)
    assert next(iterator).epoch == 1
    iterator.close()  # type: ignore[attr-defined]
    assert not run.finished
    assert run.evaluate("validation").accuracy >= 0.0
    assert torch.get_num_threads() == 1
    assert [record.epoch for record in run] == [2, 3]
    assert _same(run.state_dict(), whole.state_dict())


def test_the_last_validation_is_kept_unless_other_weights_are_restored(
    make_config: ConfigMaker, digits: ResidentData
) -> None:
    run = training.fit(make_config(trainer={"epochs": 2}), digits)
    assert run.validated is None
    list(run)
    assert run.validated == run.evaluate("validation")
    stopping = {"metric": "validation/accuracy", "patience": 1, "min_delta": 1.0, "restore_best": True}
    restored = training.fit(make_config(trainer={"epochs": 3, "early_stopping": stopping}), digits)
    list(restored)
    assert restored.validated is None


def test_bf16_weights_stay_fp32_and_plain(make_config: ConfigMaker, digits: ResidentData) -> None:
    run = training.fit(make_config(trainer={"precision": "bf16"}, model={"batch_norm": True}), digits)
    list(run)
    state = run.state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}
    assert all(tensor.is_contiguous() and type(tensor) is torch.Tensor for tensor in state.values())
    before = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        next(iter(run.model.parameters())).add_(1.0)
    assert _same(state, before)


@pytest.mark.parametrize("optimizer", [{"name": "sgd", "lr": 1e30}, {"name": "adam", "lr": 1e30}])
def test_divergence_names_epoch_and_value(
    make_config: ConfigMaker, digits: ResidentData, optimizer: dict[str, Any]
) -> None:
    with pytest.raises(TrainingDivergedError, match=r"loss became (nan|inf) in epoch 1\. Lower optimizer\.lr"):
        list(training.fit(make_config(optimizer=optimizer), digits))


def test_infinite_validation_loss_is_divergence(
    make_config: ConfigMaker, digits: ResidentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "evaluate_model", lambda *_: Evaluation(float("inf"), 0.1, (), ()))
    with pytest.raises(TrainingDivergedError, match="the validation loss became inf in epoch 1"):
        list(training.fit(make_config(), digits))


def test_clipping_limits_the_step(make_config: ConfigMaker, digits: ResidentData) -> None:
    limit, lr = 1e-3, 1.0
    config = make_config(
        data={"train": 256},
        optimizer={"name": "sgd", "lr": lr},
        trainer={"epochs": 1, "batch_size": 256, "clip_grad_norm": limit},
    )
    run = training.fit(config, digits)
    before = run.state_dict()
    list(run)  # one step
    after = run.state_dict()
    moved = torch.sqrt(sum((after[name] - before[name]).square().sum() for name in before))
    assert float(moved) == pytest.approx(limit * lr, rel=1e-3)


def test_early_stopping_ends_the_run(make_config: ConfigMaker, digits: ResidentData) -> None:
    stopping = {"patience": 2, "min_delta": 100.0}
    records = list(training.fit(make_config(trainer={"epochs": 9, "early_stopping": stopping}), digits))
    assert [record.epoch for record in records] == [1, 2, 3]


def test_restore_best_ends_with_the_best_epochs_weights(make_config: ConfigMaker, digits: ResidentData) -> None:
    stopping = {"patience": 50, "restore_best": True, "metric": "validation/loss"}
    config = make_config(
        trainer={"epochs": 6, "early_stopping": stopping}, optimizer={"name": "sgd", "lr": 1.0, "momentum": 0.9}
    )
    run = training.fit(config, digits)
    records = list(run)
    best = min(record.validation_loss for record in records)
    assert records[-1].validation_loss > best  # otherwise this test would show nothing
    assert run.evaluate("validation").loss == best


def test_the_record_holds_the_rate_of_the_last_step(make_config: ConfigMaker, digits: ResidentData) -> None:
    schedule = {"name": "step", "step_size": 1, "gamma": 0.5}
    records = list(training.fit(make_config(schedule=schedule, optimizer={"name": "sgd", "lr": 0.1}), digits))
    assert [record.lr for record in records] == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize(
    "schedule", [{"name": name} for name in ("none", "step", "cosine", "one_cycle", "reduce_on_plateau")]
)
@pytest.mark.parametrize("optimizer", [{"name": "adam"}, {"name": "sgd"}])
def test_every_schedule_runs_without_a_warning(
    make_config: ConfigMaker, digits: ResidentData, schedule: dict[str, Any], optimizer: dict[str, Any]
) -> None:
    records = list(training.fit(make_config(schedule=schedule, optimizer=optimizer), digits))
    assert len(records) == 2


def test_label_smoothing_enters_the_training_loss_alone(make_config: ConfigMaker, digits: ResidentData) -> None:
    runs = {}
    for smoothing in (0.0, 0.5):
        trainer = {"epochs": 1, "label_smoothing": smoothing}
        config = make_config(trainer=trainer, optimizer={"name": "sgd", "lr": 1e-30})
        runs[smoothing] = next(iter(training.fit(config, digits)))
    assert runs[0.0].validation_loss == runs[0.5].validation_loss
    assert runs[0.0].train_loss != runs[0.5].train_loss


def test_manual_loss_trains_as_torchs_own(make_config: ConfigMaker, digits: ResidentData) -> None:
    losses = [
        [record.train_loss for record in training.fit(make_config(trainer={"loss": loss}), digits)]
        for loss in ("cross_entropy", "manual")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_infeasible_before_anything_is_built(make_config: ConfigMaker, digits: ResidentData) -> None:
    with pytest.raises(InfeasibleConfigError, match="layer 4 of 4"):
        training.fit(make_config(model={"num_layers": 4}), digits)


def test_batch_norm_on_a_single_value_is_infeasible(make_config: ConfigMaker, tiny: ResidentData) -> None:
    model = {"batch_norm": True, "num_layers": 2, "pool_size": 4}
    config = make_config(model={**model, "pool_every": 1, "num_layers": 1, "convs_per_layer": 1})
    assert training.fit(config, tiny)  # normalised before pooling: 16 values
    bad = make_config(model={"batch_norm": True, "num_layers": 3, "pool_every": 2, "pool_size": 4}, trainer={})
    for batch_size, fails in ((19, True), (10, False), (1, True)):
        trial = bad.model_copy(update={"trainer": bad.trainer.model_copy(update={"batch_size": batch_size})})
        if fails:
            with pytest.raises(InfeasibleConfigError, match="a batch of one image"):
                training.fit(trial, tiny)
        else:
            assert len(list(training.fit(trial, tiny))) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_asking_for_cuda_without_cuda(make_config: ConfigMaker, digits: ResidentData) -> None:
    with pytest.raises(SpecError, match=r"trainer\.device: torch finds no CUDA device"):
        training.fit(make_config(trainer={"device": "cuda"}), digits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_cuda_learns(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(trainer={"device": "cuda", "epochs": 6}, optimizer={"name": "adam", "lr": 0.01})
    run = training.fit(config, digits)
    records: list[EpochRecord] = list(run)
    assert records[-1].validation_accuracy > 0.8
    assert run.state_dict()["output.weight"].device.type == "cpu"


def test_bf16_learns_as_fp32_does(make_config: ConfigMaker, digits: ResidentData) -> None:
    accuracy = {}
    for precision in ("fp32", "bf16"):
        trainer = {"epochs": 6, "precision": precision}
        config = make_config(trainer=trainer, optimizer={"name": "adam", "lr": 0.01})
        accuracy[precision] = list(training.fit(config, digits))[-1].validation_accuracy
    assert accuracy["bf16"] == pytest.approx(accuracy["fp32"], abs=0.05)
