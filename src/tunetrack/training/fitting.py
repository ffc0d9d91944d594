"""Knows the training loop: one epoch after the other, each yielded as a record."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from tunetrack.errors import CheckpointError, InfeasibleConfigError, TrainingDivergedError
from tunetrack.spec.config import TrainerConfig, TrialConfig
from tunetrack.spec.records import EpochRecord, Evaluation, ModelSummary, TrialConditions
from tunetrack.training.checkpoint import (
    fingerprint,
    read_checkpoint,
    records_from_plain,
    records_to_plain,
    restore_state,
    state_to_plain,
    write_checkpoint,
)
from tunetrack.training.data import ResidentData
from tunetrack.training.evaluation import evaluate_model
from tunetrack.training.fast import accelerated
from tunetrack.training.hardware import choose_device, keep_freed_memory, run_settings, use_bf16
from tunetrack.training.memory import MemoryMeter, shortage_told
from tunetrack.training.models import summarise
from tunetrack.training.seeding import StreamSeeds
from tunetrack.training.state import TrainState
from tunetrack.training.step import Forward, TrainedEpoch, train_epoch
from tunetrack.training.stopping import EarlyStopping
from tunetrack.training.weight_stats import DeadUnits

__all__ = ["Fit", "fit"]


class Fit:
    """A training run that goes on when it is iterated: one `EpochRecord` after each epoch.

    Closing the iterator, or dropping it, ends the run; iterating again goes on with the next epoch. Between epochs the
    process-wide settings and random generators of torch, numpy and python are the caller's.

    Attributes:
        config: what is trained.
        data: on the device that it is trained on.
        seeds: of the random streams; where the configuration fixes none, drawn when this object is made.
    """

    def __init__(self, config: TrialConfig, data: ResidentData, summary: ModelSummary) -> None:
        self.config = config
        self.data = data
        self._summary = summary
        self.seeds = StreamSeeds.of(config.trainer)
        self._state: TrainState | None = None
        self._meter: MemoryMeter | None = None
        self._validated: Evaluation | None = None

    @property
    def state(self) -> TrainState:
        """The run's whole state; built on first use.

        Raises:
            OutOfMemoryError: the model alone is too large.
        """
        if self._state is None:
            self._meter = MemoryMeter(self.data.device)
            with shortage_told():
                self._state = TrainState(self.config, self.data, self.seeds, self._summary)
        return self._state

    @property
    def micro_batch(self) -> int | None:
        """Images at a time within a step, as configured or as memory has forced it; None: the whole batch."""
        return self.config.trainer.micro_batch if self._state is None else self._state.micro_batch

    @property
    def peak_memory_mb(self) -> float | None:
        """The most memory that the run has held at one time, above what was held before it; None before it starts.

        See `MemoryMeter`. Runs that take turns in one process are not told apart.
        """
        return None if self._meter is None else self._meter.peak_mb

    @property
    def conditions(self) -> TrialConditions:
        """What the run really uses, as it now stands."""
        trainer = self.config.trainer
        seeds = self.seeds
        return TrialConditions(
            seeds={
                "init": seeds.init,
                "order": seeds.order,
                "augmentation": seeds.augmentation,
                "split": self.config.data.seed,
            },
            device=self.data.device.type,
            precision="bf16" if use_bf16(trainer, self.data.device) else "fp32",
            threads=trainer.threads or torch.get_num_threads(),
            micro_batch=self.micro_batch,
            notes=() if self._state is None else self._state.notes,
        )

    @property
    def model(self) -> nn.Module:
        """The model as it now is: normalised images in, logits out."""
        model: nn.Module = self.state.model
        return model

    @property
    def validated(self) -> Evaluation | None:
        """What the last epoch's validation has found; None before it, and where other weights were restored since."""
        return self._validated

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
            TrainingDivergedError: the training or validation loss, or a weight, is NaN or infinite.
            OutOfMemoryError: memory is short, and smaller micro-batches do not help.
            SpecError: `deterministic` lacks what it needs on CUDA.
        """
        keep_freed_memory()
        trainer = self.config.trainer
        forward: Forward | None = None
        while not self._ended():
            with self.state.streams.active(), run_settings(trainer), shortage_told():
                forward = forward or self._forward()  # the best form depends on the number of threads that is set here
                record = self._epoch(forward)
            if self.state.stopping is not None:
                self.state.stopping.see(record, self.model)
                if self._ended():
                    self._restore(self.state.stopping)
            yield record

    def _restore(self, stopping: EarlyStopping) -> None:
        if stopping.best_weights is not None:
            stopping.restore(self.model)
            self._validated = None

    def _forward(self) -> Forward:
        """The model in its fastest form; beside the model, not in its place, so that its state_dict stays as it is."""
        if self.config.trainer.compile:
            compiled: Forward = torch.compile(self.model)
            return compiled
        return accelerated(self.model, self.data.device)

    def _epoch(self, forward: Forward) -> EpochRecord:
        state = self.state
        start = time.perf_counter()
        trained = self._train(forward)
        seconds = time.perf_counter() - start
        state.epoch += 1
        _check_finite("training", trained.loss, state.epoch)
        _check_weights(state.model, state.epoch)
        units = None if state.recorder is None else DeadUnits(state.model, state.recorder.layout.activations)
        self._validated = evaluate_model(state.model, self.data, "validation", self.config, units)
        loss = self._validated.loss
        _check_finite("validation", loss, state.epoch)
        state.schedule.after_epoch(loss)
        return EpochRecord(
            epoch=state.epoch,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            validation_loss=loss,
            validation_accuracy=self._validated.accuracy,
            lr=trained.lr,
            epoch_seconds=time.perf_counter() - start,
            images_per_second=trained.images / seconds,
            weights=None if state.recorder is None or units is None else state.recorder.end_epoch(units.dead()),
            ended=time.time(),
        )

    def _train(self, forward: Forward) -> TrainedEpoch:
        """The epoch's steps; takes note where memory has forced smaller micro-batches."""
        before = self.micro_batch
        try:
            return train_epoch(self.config, self.data, self.state, forward)
        finally:
            if self.micro_batch != before:
                self.state.notes += (
                    f"Memory was short in epoch {self.state.epoch + 1}: since then a batch of "
                    f"{self.config.trainer.batch_size} images goes through the model in micro-batches of at most "
                    f"{self.micro_batch}. The gradient is that of the whole batch; batch normalisation, where there "
                    "is any, sees micro-batches.",
                )

    def save(self, path: Path, records: Sequence[EpochRecord] = ()) -> None:
        """Write the run's whole state, between two epochs; `resume` goes on from it to the same bits.

        Args:
            path: the file.
            records: of the epochs so far, to be kept with it.

        Raises:
            CheckpointError: the disk is full or read-only.
        """
        head = fingerprint(self.config, self.data) | {"seeds": dataclasses.asdict(self.seeds)}
        kept = {"state": state_to_plain(self.state), "records": records_to_plain(records)}
        write_checkpoint(path, head | kept)

    def resume(self, path: Path) -> tuple[EpochRecord, ...]:
        """Go on where a run of the same configuration on the same data was when it was saved; call it before iterating.

        With `trainer.deterministic`, on the same machine and number of threads, what follows equals what the saved run
        would have done, to the last bit: weights, records, and their weight statistics.

        Returns:
            The records that were kept with it.

        Raises:
            CheckpointError: the file cannot be read, or is that of another run.
            OutOfMemoryError: the model alone is too large.
        """
        content = read_checkpoint(path)
        expected = fingerprint(self.config, self.data)
        other = [key for key, value in expected.items() if content.get(key) != value]
        if other:
            raise CheckpointError(
                f"the checkpoint {path} belongs to another run: its {' and '.join(other)} differ"
                f"{'s' if len(other) == 1 else ''}; begin anew without it"
            )
        self.seeds = StreamSeeds(**content["seeds"])
        self._state, self._validated = None, None
        restore_state(self.state, content["state"])
        return records_from_plain(content["records"])

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
            OutOfMemoryError: one image at a time is too much.
        """
        with run_settings(self.config.trainer), shortage_told():
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
    norms = [row for row in summary.layers if row[1].startswith("BatchNorm") and row[2]]
    _check_batches(config.trainer, len(data.train), norms)
    if config.trainer.device != "auto":
        data = data.to(choose_device(config.trainer))
    return Fit(config, data, summary)


def _check_batches(trainer: TrainerConfig, images: int, norms: list[tuple[str, str, tuple[int, ...], int]]) -> None:
    """Raises where there is no whole batch, or one that batch normalisation cannot take."""
    if trainer.steps_per_epoch is not None and images < trainer.batch_size:
        raise InfeasibleConfigError(
            f"trainer.steps_per_epoch takes whole batches only, but there are {images} training images and batches of "
            f"{trainer.batch_size}. Lower trainer.batch_size, or raise data.train."
        )
    if _smallest_piece(trainer, images) > 1:
        return
    for name, _, shape, _ in norms:
        if math.prod(shape[1:]) == 1:
            raise InfeasibleConfigError(
                f"{name}: batch normalisation needs more than one value a channel, but the map has one value, and "
                f"{images} training images in batches of {trainer.batch_size} (trainer.micro_batch: "
                f"{trainer.micro_batch}) leave a batch of one image. Change trainer.batch_size or data.train by one, "
                "or use fewer poolings."
            )


def _smallest_piece(trainer: TrainerConfig, images: int) -> int:
    """Images in the smallest batch or micro-batch of an epoch."""
    batches = {min(images, trainer.batch_size)}
    if trainer.steps_per_epoch is None:
        batches.add(images % trainer.batch_size)
    return min(batch // math.ceil(batch / (trainer.micro_batch or batch)) for batch in batches - {0})


def _check_finite(which: str, loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the {which} loss became {loss} in epoch {epoch}. Lower optimizer.lr, or set trainer.clip_grad_norm."
        )


def _check_weights(model: nn.Module, epoch: int) -> None:
    """One number for all weights and running statistics: an activation may swallow a NaN before the loss sees it."""
    named = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    if named and not math.isfinite(float(nn.utils.get_total_norm(named.values(), math.inf))):
        name = next(name for name, tensor in named.items() if not bool(tensor.isfinite().all()))
        raise TrainingDivergedError(
            f"{name} is not finite any more after epoch {epoch}. Lower optimizer.lr, or set trainer.clip_grad_norm."
        )
