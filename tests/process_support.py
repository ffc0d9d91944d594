"""Real processes that tests start, signal and look at; they are all gone when a test ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from study_support import child_environment

__all__ = ["Started", "started", "until", "worker_of"]

#: This machine may be busy with other tests.
PATIENCE_SECONDS = 200.0


class Started:
    """A process whose output goes to files.

    Attributes:
        process: the process.
        folder: where its output is.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder

    @property
    def errors(self) -> str:
        """What it and its children have written to stderr so far, on one line."""
        return " ".join((self.folder / "stderr").read_text().split())

    @property
    def output(self) -> str:
        """What they have written to stdout so far."""
        return (self.folder / "stdout").read_text()

    def family(self) -> list[psutil.Process]:
        """Itself and all that it has started, as far as they live."""
        itself = psutil.Process(self.process.pid)
        return [itself, *itself.children(recursive=True)]

    def ends(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code."""
        return self.process.wait(seconds)


@contextmanager
def started(command: Sequence[object], folder: Path, own_group: bool = False, **environment: str) -> Iterator[Started]:
    """Runs a command; whatever is left of it and its children in the end is killed.

    Args:
        command: program and arguments.
        folder: where its output goes; made where it is not there.
        own_group: whether it leads a process group, as a command typed at a terminal does.
        **environment: added to that of child processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=child_environment(**environment),
            process_group=0 if own_group else None,
        )
    seen: set[psutil.Process] = set()
    running = Started(process, folder)
    try:
        seen |= set(running.family())
        yield running
    finally:
        if process.poll() is None:
            seen |= set(running.family())
        for one in seen:
            if one.is_running():
                one.kill()
        process.wait(PATIENCE_SECONDS)


def study_command(*arguments: object) -> list[object]:
    """`tunetrack` with arguments."""
    return [sys.executable, "-m", "tunetrack", *arguments]


def until(what: str, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS, every: float = 0.02) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(every)


def worker_of(supervisor: Started) -> psutil.Process:
    """The process that runs the study."""
    until("the worker starts", lambda: psutil.Process(supervisor.process.pid).children())
    return psutil.Process(supervisor.process.pid).children()[0]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def send(process: psutil.Process | Started, number: signal.Signals) -> None:
    """Sends a signal to one process."""
    os.kill(process.process.pid if isinstance(process, Started) else process.pid, number)
