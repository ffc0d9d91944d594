"""Knows the training loop: one epoch after the other, each yielded as a record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from tunetrack.errors import InfeasibleConfigError, TrainingDivergedError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.records import EpochRecord, Evaluation
from tunetrack.training.batches import Normaliser, training_batches
from tunetrack.training.data import ResidentData
from tunetrack.training.evaluation import evaluate_model, loss_and_accuracy
from tunetrack.training.hardware import autocast, choose_device, keep_freed_memory, run_settings
from tunetrack.training.layout import model_channels_last
from tunetrack.training.losses import make_loss
from tunetrack.training.models import build_model, summarise
from tunetrack.training.optimizers import Schedule, make_optimizer
from tunetrack.training.seeding import RandomStreams
from tunetrack.training.stopping import EarlyStopping

#: From normalised images to logits: the model, or its compiled form.
Forward = Callable[[torch.Tensor], torch.Tensor]

__all__ = ["Fit", "TrainState", "fit"]


class TrainState:
    """Everything that changes while a trial trains, in one place: what a checkpoint has to hold.

    Attributes:
        epoch: how many epochs are done.
        streams: all random generators.
        model: float32 weights on the data's device, channels_last.
        optimizer: with its moments.
        schedule: of the learning rate.
        stopping: None where the trial runs all its epochs.
    """

    def __init__(self, config: TrialConfig, data: ResidentData) -> None:
        trainer = config.trainer
        self.epoch = 0
        self.streams = RandomStreams(trainer.seed, data.device)
        with self.streams.active():
            # Drawn on the CPU, so that a seed means the same initial weights on every device.
            model = build_model(config.model, data.input_shape, len(data.classes))
        self.model = model_channels_last(model.to(data.device))
        self.optimizer = make_optimizer(config.optimizer, self.model.parameters())
        steps = math.ceil(len(data.train) / trainer.batch_size)
        self.schedule = Schedule(config.schedule, self.optimizer, trainer.epochs, steps)
        self.stopping = EarlyStopping(trainer.early_stopping) if trainer.early_stopping else None


class Fit:
    """A training run that goes on when it is iterated: one `EpochRecord` after each epoch.

    Closing the iterator, or dropping it, ends the run; iterating again goes on with the next epoch. Between epochs the
    process-wide settings and random generators of torch, numpy and python are the caller's.

    Attributes:
        config: what is trained.
        data: on the device that it is trained on.
    """

    def __init__(self, config: TrialConfig, data: ResidentData) -> None:
        self.config = config
        self.data = data
        self._state: TrainState | None = None

    @property
    def state(self) -> TrainState:
        """The run's whole state; built on first use."""
        if self._state is None:
            self._state = TrainState(self.config, self.data)
        return self._state

    @property
    def model(self) -> nn.Module:
        """The model as it now is: normalised images in, logits out."""
        model: nn.Module = self.state.model
        return model

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or early stopping has ended them."""
        return self._ended()

    def _ended(self) -> bool:
        stopping = self.state.stopping
        return self.state.epoch >= self.config.trainer.epochs or (stopping is not None and stopping.stops)

    def __iter__(self) -> Iterator[EpochRecord]:
        """Train.

        Yields:
            One record an epoch. When the last one comes, the best epoch's weights are restored already, where the
            configuration asks for it.

        Raises:
            TrainingDivergedError: the training or validation loss is NaN or infinite.
        """
        keep_freed_memory()
        trainer = self.config.trainer
        # Compiled beside the model, not in its place: the names in its state_dict stay what they are.
        forward: Forward = torch.compile(self.model) if trainer.compile else self.model
        while not self._ended():
            with self.state.streams.active(), run_settings(trainer):
                record = self._epoch(forward)
            if self.state.stopping is not None:
                self.state.stopping.see(record, self.model)
                if self._ended():
                    self.state.stopping.restore(self.model)
            yield record

    def _epoch(self, forward: Forward) -> EpochRecord:
        state = self.state
        start = time.perf_counter()
        train_loss, train_accuracy, lr = self._train_epoch(forward)
        trained = time.perf_counter()
        state.epoch += 1
        _check_finite("training", train_loss, state.epoch)
        loss, accuracy = loss_and_accuracy(state.model, self.data, "validation", self.config)
        _check_finite("validation", loss, state.epoch)
        state.schedule.after_epoch(loss)
        return EpochRecord(
            epoch=state.epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            lr=lr,
            epoch_seconds=time.perf_counter() - start,
            images_per_second=len(self.data.train) / (trained - start),
        )

    def _train_epoch(self, forward: Forward) -> tuple[float, float, float]:
        """One pass over the training images; returns mean loss, accuracy, and the last step's learning rate."""
        config, state, data = self.config.trainer, self.state, self.data
        loss_of = make_loss(config.loss, config.label_smoothing)
        normalise = Normaliser(data)
        total = torch.zeros((), dtype=torch.float64, device=data.device)
        right = torch.zeros((), dtype=torch.int64, device=data.device)
        lr = math.nan
        streams = state.streams
        augment = self.config.data.augment
        state.model.train()
        for images, labels in training_batches(
            data.train, config.batch_size, streams.order, augment, streams.augmentation
        ):
            with autocast(config, data.device):
                logits = forward(normalise(images))
            logits = logits.float()
            loss = loss_of(logits, labels)
            state.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if config.clip_grad_norm is not None:
                nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_grad_norm)
            state.optimizer.step()
            lr = float(state.optimizer.param_groups[0]["lr"])
            state.schedule.after_batch()
            # Summed on the device: asking for a number here would make the CPU wait for every single step.
            total += loss.detach() * len(labels)
            right += (logits.detach().argmax(dim=1) == labels).sum()
        return float(total) / len(data.train), int(right) / len(data.train), lr

    def state_dict(self) -> dict[str, torch.Tensor]:
        """A copy of the weights and buffers: on the CPU, contiguous, float32 (counters int64), under plain names."""
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in self.model.state_dict().items()
        }

    def evaluate(self, split: str) -> Evaluation:
        """How the model as it now is does on ``train``, ``validation`` or ``test``.

        Raises:
            KeyError: there is no such split.
        """
        with run_settings(self.config.trainer):
            return evaluate_model(self.model, self.data, split, self.config)


def fit(config: TrialConfig, data: ResidentData) -> Fit:
    """Prepare a training run; nothing is allocated or trained before it is iterated.

    Args:
        config: the trial. `trainer.device` other than ``auto`` moves the data there; ``auto`` trains where they are.
        data: from `load_data`, shared by many trials.

    Raises:
        InfeasibleConfigError: the model cannot be built for these images.
        SpecError: a device is asked for that this machine does not have.
    """
    summary = summarise(config, data.input_shape, len(data.classes))
    if _smallest_batch(len(data.train), config.trainer.batch_size) == 1:
        for name, kind, shape, _ in summary.layers:
            if kind.startswith("BatchNorm") and shape and math.prod(shape[1:]) == 1:
                raise InfeasibleConfigError(
                    f"{name}: batch normalisation needs more than one value a channel, but the map has one value and "
                    f"{len(data.train)} training images in batches of {config.trainer.batch_size} leave a batch of one "
                    "image. Change trainer.batch_size or data.train by one, or use fewer poolings."
                )
    if config.trainer.device != "auto":
        data = data.to(choose_device(config.trainer))
    return Fit(config, data)


def _smallest_batch(images: int, batch_size: int) -> int:
    return images % batch_size or min(images, batch_size)


def _check_finite(which: str, loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the {which} loss became {loss} in epoch {epoch}. Lower optimizer.lr, or set trainer.clip_grad_norm."
        )
