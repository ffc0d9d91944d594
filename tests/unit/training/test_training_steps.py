"""An epoch of so many steps, and the check that every weight is finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError, TrainingDivergedError
from tunetrack.spec.config import AugmentConfig, TrialConfig
from tunetrack.training import ResidentData
from tunetrack.training.batches import training_batches
from tunetrack.training.seeding import RandomStreams, StreamSeeds
from tunetrack.training.state import BatchStream

ConfigMaker = Callable[..., TrialConfig]


def _streams() -> RandomStreams:
    return RandomStreams(StreamSeeds(1, 2, 3), torch.device("cpu"))


def _numbered(count: int) -> training.Split:
    return training.Split(torch.zeros(count, 1, 4, 4, dtype=torch.uint8), torch.arange(count))


def test_the_stream_goes_through_all_images_before_it_shuffles_anew() -> None:
    stream = BatchStream(_numbered(23), 5, None, _streams())
    taken = [labels.tolist() for count in (3, 1, 6) for _, labels in stream.take(count)]
    assert [len(batch) for batch in taken] == [5] * 10
    first, second, rest = (
        [number for batch in part for number in batch] for part in (taken[:4], taken[4:8], taken[8:])
    )
    assert len(set(first)) == len(set(second)) == 20
    assert first != second
    assert len(set(rest)) == 10
    assert stream.taken == 2


def test_the_place_in_the_stream_is_what_it_says() -> None:
    split, augment = _numbered(23), AugmentConfig(rotation=20.0)
    streams = _streams()
    stream = BatchStream(split, 5, augment, streams)
    list(stream.take(6))
    assert stream.began is not None
    again = _streams()
    again.order.set_state(stream.began[0])
    again.augmentation.set_state(stream.began[1])
    same = list(training_batches(split, 5, again.order, augment, again.augmentation))[stream.taken]
    following = next(iter(stream.take(1)))
    assert torch.equal(same[0], following[0])
    assert torch.equal(same[1], following[1])


def test_an_epoch_is_so_many_steps(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(trainer={"epochs": 3, "steps_per_epoch": 5, "batch_size": 32}, schedule={"name": "cosine"})
    fit = training.fit(config, digits)
    records = list(fit)
    steps = [int(state["step"]) for state in fit.state.optimizer.state.values()]
    assert set(steps) == {15}
    # 15 steps of half a cosine; the record holds the rate of an epoch's last step.
    expected = [1e-3 * (1 + math.cos(math.pi * step / 15)) / 2 for step in (4, 9, 14)]
    assert [record.lr for record in records] == pytest.approx(expected)
    assert all(0.0 <= record.train_accuracy <= 1.0 and record.images_per_second > 0.0 for record in records)
    assert {round(record.train_accuracy * 160, 6) % 1 for record in records} == {0.0}  # of 5 x 32 images


def test_one_pass_in_steps_is_one_pass(make_config: ConfigMaker, digits: ResidentData) -> None:
    runs = [
        training.fit(make_config(trainer={"epochs": 2, "deterministic": True, **extra}), digits)
        for extra in ({}, {"steps_per_epoch": 8})  # 256 images in batches of 32
    ]
    losses = [[(record.train_loss, record.validation_loss) for record in run] for run in runs]
    assert losses[0] == losses[1]


def test_without_a_whole_batch_there_is_no_step(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(data={"train": None}, trainer={"steps_per_epoch": 1, "batch_size": 257})
    with pytest.raises(InfeasibleConfigError, match="256 training images and batches of 257"):
        training.fit(config, digits)
    with pytest.raises(ValueError, match=r"data\.train \(256\) is smaller than trainer\.batch_size \(257\)"):
        make_config(trainer={"steps_per_epoch": 1, "batch_size": 257})


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_finite_is_named_though_the_loss_is_fine(
    make_config: ConfigMaker, digits: ResidentData, poison: float
) -> None:
    fit = training.fit(make_config(model={"batch_norm": True}), digits)
    fit.state.model.register_buffer("unused", torch.tensor([0.0, poison]))
    with pytest.raises(
        TrainingDivergedError, match=r"unused is not finite any more after epoch 1\. Lower optimizer\.lr"
    ):
        list(fit)


def test_large_weights_are_finite(make_config: ConfigMaker, digits: ResidentData) -> None:
    fit = training.fit(make_config(), digits)
    fit.state.model.register_buffer("unused", torch.tensor([3e38, -3e38]))  # their squares would overflow
    assert len(list(fit)) == 2
