"""Who works on a trial: a process on a host under one claim, and whether it is still alive."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

__all__ = ["is_alive", "is_dead", "label_of", "let_go", "new_worker", "worker_label"]

#: Start times are read from the kernel's clock ticks; the same process may differ by a rounding error.
_SAME_START_SECONDS = 0.5

#: Tokens of the claims that this process holds.
_held: set[str] = set()


def new_worker() -> dict[str, Any]:
    """This process under a new claim.

    Returns:
        JSON data: `host`, `system` (the kernel and its space of process numbers), `pid`, `started` (numbers are used
        again, start times are not) and `token`, by which two claims of one process are told apart.
    """
    token = uuid.uuid4().hex
    _held.add(token)
    return {**_identity(os.getpid()), "token": token}


def worker_label(host: str, pid: int) -> str:
    """A process in a few letters, such as ``node7:4711``."""
    return f"{host.partition('.')[0][:40]}:{pid}"


def label_of(worker: Mapping[str, Any] | None) -> str | None:
    """The label of a worker; None where a trial has none, as in an old ledger."""
    return worker_label(str(worker["host"]), int(worker["pid"])) if worker else None


def let_go(worker: Mapping[str, Any]) -> None:
    """The claim is given up, whatever the storage says: from now on `is_dead` holds for it in this process."""
    _held.discard(str(worker.get("token")))


def is_dead(worker: Mapping[str, Any]) -> bool:
    """Whether a worker of this host has ended; a worker of another host counts as alive."""
    return is_alive(worker) is False


def is_alive(worker: Mapping[str, Any]) -> bool | None:
    """Whether a worker's process lives and holds its claim; None where it cannot be looked at, on another host."""
    if not _is_here(worker):
        return None
    try:
        process = psutil.Process(int(worker["pid"]))
        if abs(process.create_time() - float(worker["started"])) > _SAME_START_SECONDS:
            return False
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and its parent has not looked yet
            return False
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return process.pid != os.getpid() or worker.get("token") in _held


def _is_here(worker: Mapping[str, Any]) -> bool:
    """Whether a worker's process can be looked at from here.

    The same host name is not enough: containers on the host's network share it and have process numbers of their own.
    """
    here = _identity(os.getpid())
    return bool(worker["host"] == here["host"] and worker.get("system", here["system"]) == here["system"])


@lru_cache(maxsize=1)
def _identity(pid: int) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "system": _system(),
        "pid": pid,
        "started": psutil.Process(pid).create_time(),
    }


def _system() -> str:
    """The running kernel and the space of process numbers in it; empty where the system does not tell."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""
