"""Who works on a trial: a process on a host, and whether it is still alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import psutil

__all__ = ["is_dead", "is_here", "worker_identity"]

#: Start times are read from the kernel's clock ticks; the same process may differ by a rounding error.
_SAME_START_SECONDS = 0.5


def worker_identity() -> dict[str, Any]:
    """This process: its host, its number and when it started (numbers are used again, start times are not)."""
    return dict(_identity(os.getpid()))


def is_here(worker: Mapping[str, Any]) -> bool:
    """Whether a worker is, or was, on this host."""
    return bool(worker["host"] == socket.gethostname())


def is_dead(worker: Mapping[str, Any]) -> bool:
    """Whether a worker of this host has ended; a worker of another host counts as alive."""
    if not is_here(worker):
        return False
    try:
        started = psutil.Process(int(worker["pid"])).create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return bool(abs(started - float(worker["started"])) > _SAME_START_SECONDS)


@lru_cache(maxsize=1)
def _identity(pid: int) -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": pid, "started": psutil.Process(pid).create_time()}
