"""Knows what the machine is good at: device, precision, threads, and how its memory allocator is best set."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator

import torch

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.config import TrainerConfig

__all__ = ["autocast", "choose_device", "keep_freed_memory", "run_settings", "use_bf16"]

# malloc.h of glibc
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MIB = 2**20


def choose_device(config: TrainerConfig) -> torch.device:
    """The device that a trainer configuration means on this machine; ``auto`` is CUDA where there is one.

    Raises:
        SpecError: CUDA is asked for and there is none.
    """
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SpecError([Problem("trainer.device", "torch finds no CUDA device here; use cpu or auto", "cuda")])
    return torch.device("cuda", torch.cuda.current_device())


def use_bf16(config: TrainerConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16 (weights, loss and optimiser stay float32).

    ``auto`` says yes where the hardware multiplies bfloat16 natively. Measured on an AVX512_BF16 core without AMX,
    channels_last, batch 64, one thread: 1.6 times the images per second of float32 for three layers of 64 filters,
    level at 16 filters, and 0.75 times at 8, where the casts cost more than they save. Without such instructions torch
    emulates it.
    """
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch.cpu.get_capabilities() would be the public way, but is younger than the oldest torch we allow.
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def autocast(config: TrainerConfig, device: torch.device) -> torch.autocast:
    """The precision of the forward pass, as a context manager that may be entered many times."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=use_bf16(config, device))


@functools.cache
def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep freed memory for the next step. Process-wide, for good; done once.

    By default every tensor above a threshold is mapped afresh and handed back a moment later, and the kernel zeroes its
    pages again at every training step. glibc allows at most 32 MiB as the threshold above which it maps.

    Returns:
        Whether the allocator took all three settings; False where it is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    settings = {_M_MMAP_THRESHOLD: 32 * _MIB, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 64 * _MIB}
    taken = [int(mallopt(name, value)) == 1 for name, value in settings.items()]
    return all(taken)


@contextlib.contextmanager
def run_settings(config: TrainerConfig) -> Iterator[None]:
    """torch's process-wide settings for one stretch of a run; the caller's are put back afterwards.

    On CUDA, `deterministic` also needs CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before the first kernel runs.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.deterministic:
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not config.deterministic
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
