"""A run that is stopped after any epoch and goes on from its file ends where it would have ended, to the last bit."""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunetrack import training
from tunetrack.errors import CheckpointError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.records import EpochRecord
from tunetrack.spec.weight_records import WeightStats
from tunetrack.training import ResidentData, checkpoint

ConfigMaker = Callable[..., TrialConfig]
TIMES = ("epoch_seconds", "images_per_second", "ended", "weights")

CASES: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": {"name": "adam", "lr": 0.01}},
    "adamw, cosine, dropout": {
        "optimizer": {"name": "adamw", "lr": 0.01},
        "schedule": {"name": "cosine", "warmup_epochs": 0.5},
        "model": {"conv_dropout": 0.2, "batch_norm": True},
    },
    "sgd, step, augmentation": {
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
        "schedule": {"name": "step", "step_size": 2, "gamma": 0.5},
        "data": {"augment": {"rotation": 10.0, "brightness": 0.2}},
    },
    "plateau, stopping": {
        "schedule": {"name": "reduce_on_plateau", "patience": 0, "factor": 0.5},
        "trainer": {"early_stopping": {"patience": 2, "min_delta": 0.3, "restore_best": True}},
    },
    "steps per epoch, every step": {
        "trainer": {"steps_per_epoch": 5},
        "weights": {"every_steps": 2, "minkowski_p": 2.0},
        "data": {"augment": {"translation": 0.1}},
    },
    "bf16, one cycle, micro-batches": {
        "schedule": {"name": "one_cycle"},
        "trainer": {"precision": "bf16", "micro_batch": 10, "clip_grad_norm": 1.0},
    },
    "random seed": {"trainer": {"seed": None}},
}


def config_of(make_config: ConfigMaker, case: str) -> TrialConfig:
    settings = {key: dict(value) for key, value in CASES[case].items()}
    settings["trainer"] = {"epochs": 4, "deterministic": True} | settings.get("trainer", {})
    return make_config(**settings)


def told(record: EpochRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in TIMES}


def same_stats(first: WeightStats | None, second: WeightStats | None) -> None:
    assert first is not None
    assert second is not None
    assert first.layout == second.layout
    assert first.dead == second.dead
    assert [(r.epoch, r.step) for r in first.records] == [(r.epoch, r.step) for r in second.records]
    for one, other in zip(first.records, second.records, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.histograms, other.histograms)
    if first.block_steps is not None and second.block_steps is not None:
        for field in dataclasses.fields(first.block_steps):
            np.testing.assert_array_equal(
                getattr(first.block_steps, field.name), getattr(second.block_steps, field.name)
            )


def same_records(first: list[EpochRecord], second: list[EpochRecord]) -> None:
    assert [told(record) for record in first] == [told(record) for record in second]
    for one, other in zip(first, second, strict=True):
        same_stats(one.weights, other.weights)


def same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("case", CASES)
def test_goes_on_to_the_same_bits_after_any_epoch(
    case: str, make_config: ConfigMaker, digits: ResidentData, tmp_path: Path
) -> None:
    config = config_of(make_config, case)
    whole = training.fit(config, digits)
    whole.save(tmp_path / "0.pt")
    records = []
    for record in whole:
        records.append(record)
        whole.save(tmp_path / f"{record.epoch}.pt")
    assert len(records) >= 3
    for stopped in range(len(records) + 1):
        random.random(), np.random.rand(), torch.rand(1)  # whatever the process has drawn meanwhile
        again = training.fit(config, digits)
        again.resume(tmp_path / f"{stopped}.pt")
        assert again.seeds == whole.seeds
        same_records(list(again), records[stopped:])
        same_weights(again.state_dict(), whole.state_dict())
        assert again.finished
        assert again.evaluate("validation") == whole.evaluate("validation")


def test_distances_of_blocks_go_on(digits: ResidentData, tmp_path: Path) -> None:
    config = TrialConfig.model_validate(
        {
            "data": {"name": "digits"},
            "model": {"name": "resnet", "width": 4, "stages": 2, "blocks": 1},
            "trainer": {"epochs": 2, "batch_size": 64, "precision": "fp32", "threads": 1, "device": "cpu"},
            "weights": {"block_steps": True},
        }
    )
    whole = training.fit(config, digits)
    first = next(iter(whole))
    whole.save(tmp_path / "c.pt")
    rest = list(whole)
    again = training.fit(config, digits)
    again.resume(tmp_path / "c.pt")
    same_records([first, *again], [first, *rest])


def test_another_process_goes_on_to_the_same_bits(
    make_config: ConfigMaker, digits: ResidentData, tmp_path: Path
) -> None:
    config = config_of(make_config, "adamw, cosine, dropout")
    whole = training.fit(config, digits)
    next(iter(whole))
    whole.save(tmp_path / "c.pt")
    list(whole)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    program = f"""
        from tunetrack import training
        from tunetrack.spec.config import TrialConfig
        config = TrialConfig.model_validate_json(open({str(tmp_path / "config.json")!r}).read())
        fit = training.fit(config, training.load_data(config.data))
        fit.resume(__import__("pathlib").Path({str(tmp_path / "c.pt")!r}))
        assert [record.epoch for record in fit] == [2, 3, 4]
        open({str(tmp_path / "w.pt")!r}, "wb").write(training.weights_to_bytes(fit.state_dict()))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=environment)
    same_weights(training.weights_from_bytes((tmp_path / "w.pt").read_bytes()), whole.state_dict())


def test_another_run_is_refused(make_config: ConfigMaker, digits: ResidentData, tmp_path: Path) -> None:
    file = tmp_path / "c.pt"
    training.fit(make_config(), digits).save(file)
    for settings, what in (
        ({"optimizer": {"name": "adam", "lr": 0.5}}, "config differs"),
        ({"weights": {"every_steps": 3}}, "weights differs"),
    ):
        with pytest.raises(CheckpointError, match=f"belongs to another run: its {what}; begin anew"):
            training.fit(make_config(**settings), digits).resume(file)
    other = make_config(data={"train": 128})
    with pytest.raises(CheckpointError, match="config and data differ"):
        training.fit(other, training.load_data(other.data)).resume(file)


class Forbidden:
    """Anything that is neither a tensor nor plain data."""


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "object", "list"])
def test_damaged_files_are_told(damage: str, make_config: ConfigMaker, digits: ResidentData, tmp_path: Path) -> None:
    file = tmp_path / "c.pt"
    fit = training.fit(make_config(), digits)
    fit.save(file)
    if damage == "object":
        torch.save({"state": Forbidden()}, file)
    elif damage == "list":
        torch.save([1, 2], file)
    else:
        content = {"cut": file.read_bytes()[:-2000], "empty": b"", "text": b"hello"}[damage]
        file.write_bytes(content)
    with pytest.raises(CheckpointError, match="begin anew without it"):
        training.fit(make_config(), digits).resume(file)
    with pytest.raises(CheckpointError):
        training.fit(make_config(), digits).resume(tmp_path / "missing.pt")


def test_a_full_disk_leaves_the_old_file_whole(
    make_config: ConfigMaker, digits: ResidentData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deep" / "c.pt"
    fit = training.fit(make_config(), digits)
    fit.save(file)
    before = file.read_bytes()
    epochs = iter(fit)
    next(epochs)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        fit.save(file)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == ["c.pt"]
    assert len(list(epochs)) == 1  # the run itself goes on
