"""Knows how the whole state of a training run is kept in a file, so that it goes on later as if it had never stopped.

A file holds tensors and plain data only (numbers, texts, lists, dicts), and nothing else is ever unpickled from one. It
is written beside its place, brought to the disk, and moved there, so a crash leaves the old file or the new one whole.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunetrack.errors import CheckpointError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.flatten import config_key
from tunetrack.spec.records import EpochRecord
from tunetrack.spec.weight_records import (
    ActivationInfo,
    BlockInfo,
    BlockSteps,
    TensorInfo,
    TensorKind,
    WeightLayout,
    WeightRecord,
    WeightStats,
)
from tunetrack.training.data import ResidentData
from tunetrack.training.seeding import GlobalState, RandomStreams
from tunetrack.training.state import BatchStream, TrainState

__all__ = [
    "FORMAT",
    "fingerprint",
    "read_checkpoint",
    "records_from_plain",
    "records_to_plain",
    "restore_state",
    "state_to_plain",
    "write_checkpoint",
]

#: Version of the content; a file of another one is refused.
FORMAT = 1


def fingerprint(config: TrialConfig, data: ResidentData) -> dict[str, Any]:
    """What a run must share with a checkpoint to go on from it: the configuration, the images, torch's version.

    Sums are taken in an order that depends on torch's version, so another one would go on, but not to the same bits.
    """
    splits = {name: len(data.split(name)) for name in ("train", "validation")}
    return {
        "format": FORMAT,
        "config": config_key(config),
        "weights": repr(config.weights),
        "data": f"{data.digest} {splits}",
        "torch": str(torch.__version__),
    }


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Puts a file in its place whole, or not at all; after a return it survives a power cut.

    Args:
        path: its folder is made where it is missing.
        content: tensors and plain data.

    Raises:
        CheckpointError: the disk is full or read-only.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as RuntimeError
        beside.unlink(missing_ok=True)
        raise CheckpointError(f"the checkpoint {path} cannot be written: {error}") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A file's content, on the CPU.

    Raises:
        CheckpointError: the file cannot be read, is damaged, or holds anything but tensors and plain data.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch's reader raise whatever its bytes happen to mean
        wrong = "it is damaged, or holds something other than tensors and plain data"
        reason = error.strerror if isinstance(error, OSError) else wrong
        raise CheckpointError(f"the checkpoint {path} cannot be read: {reason}; begin anew without it") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"the checkpoint {path} holds no training run; begin anew without it")
    return content


def state_to_plain(state: TrainState) -> dict[str, Any]:
    """Everything that changes while a trial trains; tensors are the run's own, so write them before it goes on."""
    scheduler, stopping, stream = state.schedule.scheduler, state.stopping, state.stream
    return {
        "epoch": state.epoch,
        "model": dict(state.model.state_dict()),
        "optimizer": state.optimizer.state_dict(),
        # The functions of a LambdaLR come from the configuration.
        "schedule": None if scheduler is None else _without_functions(scheduler.state_dict()),
        "stopping": None
        if stopping is None
        else {"best": stopping.best, "epochs_without": stopping.epochs_without, "best_weights": stopping.best_weights},
        "streams": _streams_to_plain(state.streams),
        "stream": None if stream is None else {"began": stream.began, "taken": stream.taken},
        "micro_batch": state.micro_batch,
        "notes": list(state.notes),
        "recorder": None if state.recorder is None else state.recorder.state_dict(),
    }


def restore_state(state: TrainState, plain: Mapping[str, Any]) -> None:
    """Brings a freshly built state to where `state_to_plain` was called; tensors go to the state's device."""
    state.epoch = plain["epoch"]
    state.model.load_state_dict(plain["model"])
    state.optimizer.load_state_dict(plain["optimizer"])
    if state.schedule.scheduler is not None:
        state.schedule.scheduler.load_state_dict(dict(plain["schedule"]))
    if state.stopping is not None:
        kept = plain["stopping"]
        device = next(state.model.parameters()).device
        state.stopping.best, state.stopping.epochs_without = kept["best"], kept["epochs_without"]
        if kept["best_weights"] is not None:
            state.stopping.best_weights = {name: w.to(device) for name, w in kept["best_weights"].items()}
    _restore_streams(state.streams, plain["streams"])
    if state.stream is not None:
        _restore_stream(state.stream, plain["stream"], state.streams)
    state.micro_batch, state.notes = plain["micro_batch"], tuple(plain["notes"])
    if state.recorder is not None:
        state.recorder.load_state_dict(plain["recorder"])


def _without_functions(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schedule.items() if key != "lr_lambdas"} | (
        {"lr_lambdas": [None] * len(schedule["lr_lambdas"])} if "lr_lambdas" in schedule else {}
    )


def _streams_to_plain(streams: RandomStreams) -> dict[str, Any]:
    ambient = streams.ambient
    name, keys, place, has_gauss, gauss = ambient.numpy
    return {
        "order": streams.order.get_state(),
        "augmentation": streams.augmentation.get_state(),
        "python": [ambient.python[0], list(ambient.python[1]), ambient.python[2]],
        "numpy": [str(name), torch.from_numpy(keys.astype(np.int64)), int(place), int(has_gauss), float(gauss)],
        "torch_cpu": ambient.torch_cpu,
        "torch_gpu": ambient.torch_gpu,
    }


def _restore_streams(streams: RandomStreams, plain: Mapping[str, Any]) -> None:
    streams.order.set_state(plain["order"])
    streams.augmentation.set_state(plain["augmentation"])
    version, words, gauss = plain["python"]
    name, keys, place, has_gauss, cached = plain["numpy"]
    streams.ambient = GlobalState(
        python=(version, tuple(words), gauss),
        numpy=(name, keys.numpy().astype(np.uint32), place, has_gauss, cached),
        torch_cpu=plain["torch_cpu"],
        torch_gpu=plain["torch_gpu"],
    )


def _restore_stream(stream: BatchStream, plain: Mapping[str, Any], streams: RandomStreams) -> None:
    """Begins the pass that was under way anew, from the generators' states then, and goes to its place."""
    if plain["began"] is None:
        return
    after = streams.order.get_state(), streams.augmentation.get_state()
    streams.order.set_state(plain["began"][0])
    streams.augmentation.set_state(plain["began"][1])
    for _ in stream.take(plain["taken"]):
        pass
    streams.order.set_state(after[0])
    streams.augmentation.set_state(after[1])


def records_to_plain(records: Sequence[EpochRecord]) -> dict[str, Any]:
    """Epochs as tensors and plain data; what all of them share stands there once."""
    stats = [record.weights for record in records if record.weights is not None]
    return {
        "layout": _plain(dataclasses.asdict(stats[0].layout)) if stats else None,
        "epochs": [
            vars(record) | {"weights": None if record.weights is None else _stats_to_plain(record.weights)}
            for record in records
        ],
    }


def records_from_plain(plain: Mapping[str, Any]) -> tuple[EpochRecord, ...]:
    """The epochs that `records_to_plain` was given."""
    layout = None if plain["layout"] is None else _layout(plain["layout"])
    return tuple(
        EpochRecord(**epoch | {"weights": None if layout is None else _stats_from_plain(epoch["weights"], layout)})
        for epoch in plain["epochs"]
    )


def _plain(value: Any) -> Any:
    """Without enums and tuples, of which `torch.load` knows nothing or makes lists."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, str) else value


def _layout(plain: Mapping[str, Any]) -> WeightLayout:
    return WeightLayout(
        tuple(TensorInfo(**one | {"kind": TensorKind(one["kind"])}) for one in plain["tensors"]),
        tuple(ActivationInfo(**one) for one in plain["activations"]),
        tuple(BlockInfo(**one) for one in plain["blocks"]),
        plain["minkowski_p"],
    )


def _stats_to_plain(stats: WeightStats) -> dict[str, Any]:
    steps = stats.block_steps
    return {
        "records": [
            [one.epoch, one.step, torch.from_numpy(one.values), torch.from_numpy(one.histograms)]
            for one in stats.records
        ],
        "dead": None if stats.dead is None else list(stats.dead),
        "block_steps": None
        if steps is None
        else [torch.from_numpy(np.ascontiguousarray(array)) for array in vars(steps).values()],
    }


def _stats_from_plain(plain: Mapping[str, Any] | None, layout: WeightLayout) -> WeightStats | None:
    if plain is None:
        return None
    records = (
        WeightRecord(epoch, step, values.numpy(), counts.numpy()) for epoch, step, values, counts in plain["records"]
    )
    steps = plain["block_steps"]
    return WeightStats(
        layout,
        tuple(records),
        None if plain["dead"] is None else tuple(plain["dead"]),
        None if steps is None else BlockSteps(*(array.numpy() for array in steps)),
    )
