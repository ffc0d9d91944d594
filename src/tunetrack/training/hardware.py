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

__all__ = ["autocast", "choose_device", "keep_freed_memory", "run_settings", "sum_dtype", "use_bf16"]

# malloc.h of glibc
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MIB = 2**20

_CUBLAS_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"


def choose_device(config: TrainerConfig) -> torch.device:
    """The device that a trainer configuration means on this machine; ``auto``: CUDA, else Apple's MPS, else the CPU.

    Raises:
        SpecError: a device is asked for that torch does not find.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted: str = config.device
    if wanted == "auto":
        wanted = next(name for name, there in available.items() if there)
    elif not available[wanted]:
        message = f"torch finds no {wanted.upper()} device here; use cpu or auto"
        raise SpecError([Problem("trainer.device", message, wanted)])
    if wanted == "cpu":
        return torch.device("cpu")
    # With its index, as tensors name it, so that devices compare equal.
    return torch.device(wanted, torch.cuda.current_device() if wanted == "cuda" else 0)


def use_bf16(config: TrainerConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16 (weights, loss and optimiser stay float32).

    ``auto`` says yes where the hardware multiplies bfloat16 natively. Measured on an AVX512_BF16 core without AMX,
    channels_last, batch 64, one thread: 1.6 times the images per second of float32 for three layers of 64 filters,
    level at 16 filters, and 0.75 times at 8, where the casts cost more than they save. Without such instructions torch
    emulates it.
    """
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "mps":
        return False  # not measured, and older chips lack it
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch.cpu.get_capabilities() would be the public way, but is younger than the oldest torch we allow.
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def autocast(config: TrainerConfig, device: torch.device) -> torch.autocast:
    """The precision of the forward pass, as a context manager that may be entered many times."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=use_bf16(config, device))


def sum_dtype(device: torch.device) -> torch.dtype:
    """The type in which losses are summed on a device: float64, which MPS does not have."""
    return torch.float32 if device.type == "mps" else torch.float64


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

    Raises:
        SpecError: `deterministic` on CUDA without CUBLAS_WORKSPACE_CONFIG in the environment. cuBLAS reads it when it
            starts, so it is set where a process begins: the command line does so, and Python callers have to.
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
    except RuntimeError as error:
        if _CUBLAS_VARIABLE not in str(error):  # torch's refusal names it
            raise
        message = (
            f"on CUDA it needs the environment variable {_CUBLAS_VARIABLE}=:4096:8 from the start of the process; the "
            "command tunetrack sets it. In Python, set it in os.environ before anything is computed on the GPU"
        )
        raise SpecError([Problem("trainer.deterministic", message, "true")]) from error
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
