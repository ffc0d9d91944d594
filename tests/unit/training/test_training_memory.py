"""Memory: real shortages, micro-batches, what is given back between trials, and what a trial is said to have held."""

from __future__ import annotations

import gc
import json
import platform
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import torch

from study_support import child_environment
from tunetrack import training
from tunetrack.errors import InfeasibleConfigError, OutOfMemoryError
from tunetrack.spec.config import TrialConfig
from tunetrack.training import ResidentData
from tunetrack.training.memory import MemoryMeter, halved_until_it_fits, is_out_of_memory

ConfigMaker = Callable[..., TrialConfig]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and peaks are read as Linux has them")

#: Trains one configuration after the other in this process, with so many MiB of address space left.
_TRAIN_WITHIN = """
import json, re, resource, sys
import torch
from tunetrack import training
from tunetrack.spec import Objective
from tunetrack.spec.config import TrialConfig
from tunetrack.study.trial import TrialWatch, run_trial

torch.set_num_threads(1)
megabytes, *configs = json.load(sys.stdin)
configs = [TrialConfig.model_validate(config) for config in configs]
data = training.load_data(configs[0].data)
run_trial(configs[-1], (Objective(),), data, TrialWatch())  # what libraries take at their first use
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, resource.RLIM_INFINITY))
for config in configs:
    seen = []
    outcome = run_trial(config, (Objective(),), data, TrialWatch(conditions=seen.append)).outcome
    print(json.dumps([outcome.state, outcome.reason, outcome.metrics, seen[-1].micro_batch, seen[-1].notes]))
"""


def _train_within(megabytes: int, *configs: dict[str, Any]) -> list[list[Any]]:
    """What became of each configuration: state, reason, metrics, micro-batch, notes."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN_WITHIN],
        input=json.dumps([megabytes, *configs]),
        capture_output=True,
        text=True,
        check=True,
        env=child_environment(),
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _tree(image_size: int, train: int, filters: int) -> dict[str, Any]:
    return {
        "data": {"name": "digits", "image_size": image_size, "train": train, "validation": 20, "test": 20},
        "model": {"filters": filters, "num_layers": 1, "pool_size": 8},
        "trainer": {"epochs": 1, "batch_size": train, "precision": "fp32", "device": "cpu", "threads": 1},
    }


@linux
def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    # 256 images of 64x64 in 32 channels of float32 are 128 MiB a map, forward and backward several of them.
    large, small = _tree(64, 256, 32), _tree(64, 256, 2)
    (state, reason, metrics, micro_batch, notes), after = _train_within(150, large, small)
    assert (state, reason) == ("COMPLETE", "")
    assert micro_batch in (16, 32, 64, 128)
    assert f"micro-batches of at most {micro_batch}" in notes[0]
    assert "batch normalisation" in notes[0]
    assert 10 < metrics["memory/peak_mb"] < 300
    assert (after[0], after[3]) == ("COMPLETE", None)  # the next trial begins anew


@linux
@pytest.mark.parametrize(
    ("large", "words"),
    [
        (
            # 256 MiB a map of one image, and few weights
            _tree(512, 8, 256) | {"model": {"filters": 256, "num_layers": 2, "pool_size": 8}},
            "out of memory even with one image at a time: ",
        ),
        (
            _tree(512, 8, 4096) | {"model": {"filters": 4096, "convs_per_layer": 2, "pool_size": 8}},
            "out of memory where",
        ),
    ],
    ids=["one image", "the model"],
)
def test_where_nothing_fits_the_trial_fails_with_the_reason_and_the_next_one_runs(
    large: dict[str, Any], words: str
) -> None:
    (state, reason, metrics, _, _), after = _train_within(100, large, _tree(512, 8, 1))
    assert state == "FAILED"
    assert reason.startswith(words)
    assert "lower trainer.batch_size" in reason
    assert metrics["memory/peak_mb"] >= 0.0
    assert after[0] == "COMPLETE"


@linux
def test_evaluation_takes_smaller_batches_where_memory_is_short() -> None:
    # Trained one image at a time, so that evaluation, 128 at a time, is what does not fit: 64 MiB a map.
    tree = _tree(64, 16, 32)
    tree["data"]["validation"] = 256
    tree["trainer"] |= {"batch_size": 1}
    (state, reason, _, micro_batch, _), _ = _train_within(60, tree, _tree(64, 16, 1) | {"data": tree["data"]})
    assert (state, reason, micro_batch) == ("COMPLETE", "", None)


def test_other_errors_are_not_taken_for_a_shortage() -> None:
    def fail(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        halved_until_it_fits(fail, 8)
    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)


def test_halving_reaches_one_and_ends_there() -> None:
    tried: list[int] = []

    def fail(size: int) -> None:
        tried.append(size)
        torch.empty(2**60)

    with pytest.raises(OutOfMemoryError, match="one image at a time"):
        halved_until_it_fits(fail, 11)
    assert tried == [11, 6, 3, 2, 1]


@pytest.mark.parametrize("loss", ["cross_entropy", "manual"])
@pytest.mark.parametrize("micro_batch", [1, 7, 16, 31])
def test_micro_batches_give_the_weights_of_the_whole_batch(
    make_config: ConfigMaker, digits: ResidentData, micro_batch: int, loss: str
) -> None:
    common = {"batch_size": 32, "loss": loss, "label_smoothing": 0.1, "clip_grad_norm": 1.0}
    optimizer = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
    runs = [
        training.fit(make_config(trainer=common | extra, optimizer=optimizer), digits)
        for extra in ({}, {"micro_batch": micro_batch})
    ]
    records = [[record.train_loss for record in run] for run in runs]
    assert records[1] == pytest.approx(records[0], rel=1e-5)
    for name, weight in runs[0].state_dict().items():
        # float32 rounds to 6e-8 of a weight near 1; a wrong share of a piece moves weights by 1e-3 within 16 steps.
        assert torch.allclose(weight, runs[1].state_dict()[name], rtol=0.0, atol=2e-6), name
    assert runs[1].conditions.micro_batch == runs[1].micro_batch == micro_batch
    assert runs[0].conditions.micro_batch is None


def test_batch_norm_in_micro_batches_of_one_value_is_infeasible(make_config: ConfigMaker, tiny: ResidentData) -> None:
    model = {"batch_norm": True, "num_layers": 3, "pool_every": 2, "pool_size": 4}
    trainer = {"batch_size": 10}
    assert training.fit(make_config(model=model, trainer=trainer | {"micro_batch": 4}), tiny)  # 4 + 3 + 3
    with pytest.raises(InfeasibleConfigError, match=r"trainer\.micro_batch: 1\) leave a batch of one image"):
        training.fit(make_config(model=model, trainer=trainer | {"micro_batch": 1}), tiny)


def _differing_config(make_config: ConfigMaker, number: int) -> TrialConfig:
    """One of ten configurations that differ in everything that takes memory."""
    n = number % 10
    return make_config(
        model={"filters": 8 + 5 * n, "num_layers": 1 + n % 3, "kernel_size": 2 + n % 4, "batch_norm": n % 2 == 0},
        optimizer={"name": ("adam", "adamw", "sgd")[n % 3]},
        schedule={"name": ("none", "cosine", "reduce_on_plateau")[n % 3]},
        trainer={"epochs": 1, "batch_size": 16 << (n % 4), "precision": ("fp32", "bf16")[n % 2]}
        | {"early_stopping": {"restore_best": True} if n % 4 == 0 else None},
        data={"augment": {"rotation": 10.0} if n % 2 else None},
    )


def test_fifty_trials_leave_no_memory_behind(make_config: ConfigMaker, digits: ResidentData) -> None:
    resident: list[float] = []
    finished: list[weakref.ref[object]] = []
    gc.collect()
    gc.disable()  # what only the garbage collector would find stays for an unknown time, a model on a GPU as well
    try:
        for number in range(50):
            fit = training.fit(_differing_config(make_config, number), digits)
            list(fit)
            fit.evaluate("validation")
            finished += [weakref.ref(kept) for kept in (fit.state, fit.model, fit.state.optimizer)]
            finished += [weakref.ref(tensor) for tensor in fit.model.state_dict(keep_vars=True).values()]
            del fit
            training.release_memory()
            resident.append(psutil.Process().memory_info().rss / 2**20)
        assert not any(reference() is not None for reference in finished)
    finally:
        gc.enable()
    # After ten trials oneDNN has compiled its kernels for all ten; it keeps the last 1024.
    assert resident[49] - resident[9] < 16.0, resident


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory as `keep_freed_memory` asks"
)
def test_freed_memory_goes_back_to_the_system() -> None:
    script = """
import psutil, torch
from tunetrack.training import release_memory
from tunetrack.training.hardware import keep_freed_memory
keep_freed_memory()
rss = lambda: psutil.Process().memory_info().rss / 2**20
tensors = [torch.ones(1 << 20) for _ in range(100)]  # 4 MiB each
del tensors
kept = rss()
release_memory()
print(kept - rss())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=child_environment()
    )
    assert float(done.stdout) > 350.0


@linux
def test_the_meter_sees_the_peak_and_forgets_earlier_ones() -> None:
    first = MemoryMeter(torch.device("cpu"))
    torch.ones(50 << 20)  # 200 MiB
    assert 190.0 < first.peak_mb < 220.0
    training.release_memory()
    assert MemoryMeter(torch.device("cpu")).peak_mb < 20.0


def test_a_run_knows_its_peak(make_config: ConfigMaker, digits: ResidentData) -> None:
    fit = training.fit(make_config(), digits)
    assert fit.peak_memory_mb is None
    list(fit)
    assert fit.peak_memory_mb is not None
    assert 0.0 <= fit.peak_memory_mb < 300.0
