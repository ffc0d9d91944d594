"""Knows everything that changes while a trial trains: what a checkpoint has to hold."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from tunetrack.spec.config import AugmentConfig, TrialConfig
from tunetrack.spec.records import ModelSummary
from tunetrack.training.batches import training_batches
from tunetrack.training.data import ResidentData, Split
from tunetrack.training.layout import model_channels_last
from tunetrack.training.models import build_model
from tunetrack.training.optimizers import Schedule, make_optimizer
from tunetrack.training.seeding import RandomStreams, StreamSeeds
from tunetrack.training.stopping import EarlyStopping
from tunetrack.training.weight_stats import WeightRecorder

__all__ = ["BatchStream", "TrainState"]

Batch = tuple[torch.Tensor, torch.Tensor]


class BatchStream:
    """Whole batches without end: shuffled anew when all images have been used, what is left of a pass is dropped.

    Attributes:
        began: states of the generators of order and augmentation when the present pass began.
        taken: batches of it that have been taken; with `began` the place in the stream.
    """

    def __init__(self, split: Split, batch_size: int, augment: AugmentConfig | None, streams: RandomStreams) -> None:
        self._split, self._batch_size, self._augment, self._streams = split, batch_size, augment, streams
        self._pass: Iterator[Batch] = iter(())
        self.began: tuple[torch.Tensor, torch.Tensor] | None = None
        self.taken = 0

    def take(self, count: int) -> Iterator[Batch]:
        """The next `count` batches, as `training_batches` gives them."""
        for _ in range(count):
            if self.began is None or self.taken == len(self._split) // self._batch_size:
                self._shuffle()
            self.taken += 1
            yield next(self._pass)

    def _shuffle(self) -> None:
        order, augmentation = self._streams.order, self._streams.augmentation
        self.began, self.taken = (order.get_state(), augmentation.get_state()), 0
        self._pass = training_batches(self._split, self._batch_size, order, self._augment, augmentation)


class TrainState:
    """Everything that changes while a trial trains, in one place.

    Attributes:
        epoch: how many epochs are done.
        streams: all random generators.
        model: float32 weights on the data's device, channels_last.
        optimizer: with its moments.
        schedule: of the learning rate.
        stopping: None where the trial runs all its epochs.
        micro_batch: images at a time within a step; None: the whole batch.
        notes: what the user should know of the run, as sentences.
        stream: where an epoch is a number of steps; None where it is one pass.
        recorder: of weight statistics; None where they are not wanted.
    """

    def __init__(self, config: TrialConfig, data: ResidentData, seeds: StreamSeeds, summary: ModelSummary) -> None:
        trainer = config.trainer
        self.epoch = 0
        self.streams = RandomStreams(seeds, data.device)
        with self.streams.active():
            # Drawn on the CPU, so that a seed means the same initial weights on every device.
            model = build_model(config.model, data.input_shape, len(data.classes))
        self.model = model_channels_last(model.to(data.device))
        self.optimizer = make_optimizer(config.optimizer, self.model.parameters())
        steps = trainer.steps_per_epoch or math.ceil(len(data.train) / trainer.batch_size)
        self.schedule = Schedule(config.schedule, self.optimizer, trainer.epochs, steps)
        self.stopping = EarlyStopping(trainer.early_stopping) if trainer.early_stopping else None
        self.micro_batch = trainer.micro_batch
        self.notes: tuple[str, ...] = ()
        self.stream: BatchStream | None = None
        if trainer.steps_per_epoch is not None:
            self.stream = BatchStream(data.train, trainer.batch_size, config.data.augment, self.streams)
        self.recorder: WeightRecorder | None = None
        if config.weights.record:
            self.recorder = WeightRecorder(config.weights, self.model, summary, steps)
