"""The program that started this process, seen past the shell between the two: whether it still runs."""

from __future__ import annotations

import time
from typing import Self

import psutil

__all__ = ["Starter", "wait_for"]

#: Longest wait for a program to end that has been asked to; then it does something else.
WAIT_SECONDS = 20.0

#: One of these may stand between `mlflow run` and the command that it starts.
SHELLS = frozenset({"bash", "sh", "dash", "ash", "zsh", "ksh"})


class Starter:
    """A process that this one does not own and cannot be told about by the system.

    Attributes:
        process: the process.
    """

    def __init__(self, process: psutil.Process) -> None:
        self.process = process

    @classmethod
    def found(cls) -> Self | None:
        """The first process above this one that is no shell; None where there is none."""
        above = psutil.Process().parent()
        while above is not None and above.name() in SHELLS:
            above = above.parent()
        return None if above is None else cls(above)

    @property
    def lives(self) -> bool:
        """Whether it runs; what has ended and was not looked at by its own parent does not."""
        try:
            return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def wait_for(pid: int) -> None:
    """Waits for the end of a process, but not for ever."""
    try:
        starter = Starter(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return
    deadline = time.monotonic() + WAIT_SECONDS
    while starter.lives and time.monotonic() < deadline:
        time.sleep(0.05)
