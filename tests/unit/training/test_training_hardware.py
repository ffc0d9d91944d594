"""Device and precision choices, the allocator's settings, and settings that are put back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from tunetrack.errors import SpecError
from tunetrack.spec.config import TrainerConfig
from tunetrack.training import choose_device, hardware

_CPU = torch.device("cpu")


@pytest.mark.parametrize(("amx", "avx", "expected"), [(0, 0, False), (1, 0, True), (0, 1, True)])
def test_auto_precision_goes_by_the_hardware(
    amx: int, avx: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(amx))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(avx))
    assert hardware.use_bf16(TrainerConfig(precision="auto"), _CPU) is expected
    assert hardware.use_bf16(TrainerConfig(precision="bf16"), _CPU) is True
    assert hardware.use_bf16(TrainerConfig(precision="fp32"), _CPU) is False


def test_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(TrainerConfig(device="auto")) == _CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert choose_device(TrainerConfig(device="auto")) == torch.device("cuda", 1)
    assert choose_device(TrainerConfig(device="cpu")) == _CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(TrainerConfig(device="auto")) == torch.device("cuda", 1)
    assert choose_device(TrainerConfig(device="mps")) == torch.device("mps", 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(TrainerConfig(device="auto")) == torch.device("mps", 0)
    assert not hardware.use_bf16(TrainerConfig(), torch.device("mps", 0))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "mps"):
        with pytest.raises(SpecError, match=f"torch finds no {name.upper()} device here; use cpu or auto"):
            choose_device(TrainerConfig(device=name))


def test_torchs_refusal_on_cuda_is_put_into_plain_words() -> None:
    with (
        pytest.raises(SpecError, match=r"trainer\.deterministic: on CUDA it needs .*=:4096:8 from the start"),
        hardware.run_settings(TrainerConfig(deterministic=True)),
    ):
        # As torch says it where it has CUDA and no such variable; this machine may have none.
        raise RuntimeError(
            "Deterministic behavior was enabled ... set an environment variable: CUBLAS_WORKSPACE_CONFIG"
        )
    assert not torch.are_deterministic_algorithms_enabled()


def test_settings_are_put_back_after_an_error() -> None:
    threads = torch.get_num_threads()

    def fail() -> None:
        with hardware.run_settings(TrainerConfig(threads=threads + 1, deterministic=True)):
            assert torch.get_num_threads() == threads + 1
            assert torch.are_deterministic_algorithms_enabled()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


_HEAP_AFTER_USE = """
import re, sys, torch
from tunetrack.training.hardware import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
torch.ones(6 << 20)  # 24 MiB, freed at once
low, high = re.search(r"^(\\w+)-(\\w+) .*\\[heap\\]$", open("/proc/self/maps").read(), re.MULTILINE).groups()
print((int(high, 16) - int(low, 16)) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_kept() -> None:
    # By default so large a tensor is mapped apart and handed back. Page faults would be the thing to count, but they
    # depend on what happens to lie at the heap's end; where the memory came from does not.
    heap = {}
    for mode in ("default", "kept"):
        command = [sys.executable, "-c", _HEAP_AFTER_USE, mode]
        heap[mode] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert heap["kept"] - heap["default"] >= 24, heap
