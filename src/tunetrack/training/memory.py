"""Knows what running out of memory looks like, how to do with less, and how much memory a trial takes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from tunetrack.errors import OutOfMemoryError

__all__ = ["MemoryMeter", "halved_until_it_fits", "is_out_of_memory", "release_memory", "shortage_told"]

T = TypeVar("T")

#: What stands in the message, in lower case, where torch or a library below it gets no memory.
_SIGNS = (
    "out of memory",  # CUDA and MPS
    "alloc_failed",  # cuBLAS and cuDNN: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same on Windows
    "bad_alloc",  # C++
    "could not create a memory object",  # oneDNN
    "could not create a primitive",  # oneDNN as well; what it does not support, torch does not ask it for
)

_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory is short, on whichever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def halved_until_it_fits(run: Callable[[int], T], size: int) -> tuple[T, int]:
    """Does some work on `size` images at a time; where memory is short, anew on half as many.

    Args:
        run: does the whole work from its beginning, whatever an earlier attempt has left.
        size: images at a time, at least 1.

    Returns:
        What `run` returned, and the images at a time that it went with.

    Raises:
        OutOfMemoryError: one image at a time is too much.
    """
    while True:
        try:
            return run(size), size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise OutOfMemoryError(_in_words("even with one image at a time", error)) from error
        # Out here the exception is gone, and with it the frames that held the failed attempt's tensors.
        release_memory()
        size = (size + 1) // 2


@contextlib.contextmanager
def shortage_told() -> Iterator[None]:
    """Turns a shortage of memory in the body into an error that says how to mend it.

    Raises:
        OutOfMemoryError: memory is short.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(_in_words("where smaller batches do not help", error)) from error


def _in_words(where: str, error: BaseException) -> str:
    said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    return (
        f"out of memory {where}: {said}. Make the model or the images smaller (model, data.image_size), lower "
        "trainer.batch_size, or train where there is more memory."
    )


def release_memory() -> None:
    """Hands back to the system what torch and the C library keep of freed memory.

    Measured on the CPU between trials: 1 ms after a small one; 25 ms after one of 200 MB, which the process would
    otherwise keep from its neighbours.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's function; other C libraries have none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None


class MemoryMeter:
    """The most memory that is held at one time since it was made, above what was held then.

    On CUDA what torch has allocated there; on MPS what the driver has; else the process's resident memory. Where the
    system cannot forget an earlier peak (anything but Linux), a smaller one after it shows as that.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif device.type == "cpu":
            # proc(5): 5 makes the present size the peak. Some containers forbid it, or do not know it.
            with contextlib.suppress(OSError):
                _CLEAR_REFS.write_text("5")
        self._before = self._held()

    @property
    def peak_mb(self) -> float:
        """Mebibytes."""
        return max(0.0, self._peak() - self._before) / 2**20

    def _held(self) -> float:
        if self._device.type == "cuda":
            return float(torch.cuda.memory_allocated(self._device))
        if self._device.type == "mps":
            return float(torch.mps.driver_allocated_memory())
        return float(psutil.Process().memory_info().rss)

    def _peak(self) -> float:
        if self._device.type == "cuda":
            return float(torch.cuda.max_memory_allocated(self._device))
        if self._device.type == "mps":
            return self._held()  # the driver keeps what is freed, until `release_memory`
        return _peak_resident()


def _peak_resident() -> float:
    """The process's largest resident memory, bytes."""
    if sys.platform.startswith("linux") and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1]) * 1024.0
    memory = psutil.Process().memory_info()
    if sys.platform == "win32":
        return float(memory.peak_wset)
    import resource  # there is none on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
