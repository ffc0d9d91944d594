"""Starts workers as processes of this machine, forked from one that has loaded the heavy libraries once.

Such a worker runs within a fraction of a second and shares the libraries' memory with the others. What it prints goes
to a file. It belongs to the process group of whoever started it, and ends when that one does, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import psutil

from tunetrack.errors import InterruptedStudyError, TunetrackError
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import worker_name
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.join import join
from tunetrack.study.workers.launcher import INTERRUPTED, Event, WorkerHandle, end_of_log

__all__ = ["LocalLauncher", "keep_log"]

#: Time for a worker to end itself once it was told to, or once whoever started it is gone; then it ends at once.
EXIT_SECONDS = 9.0
#: Time for a process that was killed to be gone.
KILL_SECONDS = 2.0
#: Time for a worker's last words to reach whoever started it.
_LAST_WORDS_SECONDS = 2.0


class LocalLauncher:
    """Starts workers on this machine. The libraries begin to load when it is made.

    Args:
        logs: folder of what workers print: ``STUDY/worker-0.log`` and so on below it.
        libraries: modules that are loaded once, before the first worker is forked, beside those of any study.
    """

    def __init__(self, logs: Path, libraries: Sequence[str] = ()) -> None:
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        # With this module come torch, MLflow, Optuna and Hyperopt.
        self._context.set_forkserver_preload([__name__, *libraries, "tunetrack.study.workers.forked"])
        # Nothing public tells, and none of ours must be left behind in a process that goes on.
        self._owns_server = forkserver._forkserver._forkserver_pid is None  # type: ignore[attr-defined]
        forkserver.ensure_running()
        self._workers: list[_LocalWorker] = []
        self._files: dict[int, Path] = {}

    def start(self, job: WorkerJob, index: int) -> WorkerHandle:
        """See `Launcher`."""
        path = self._logs / job.name / f"worker-{index}.log"
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(job, index, theirs, path), name=f"worker-{index}", daemon=True
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _without_script():
                process.start()
        except (OSError, EOFError) as error:
            ours.close()
            raise TunetrackError(
                f"the system starts no process for worker {index}: {error or type(error).__name__}; "
                f"`tunetrack resume {job.name}` goes on with the study"
            ) from error
        finally:
            theirs.close()
        self._files[index] = path
        worker = _LocalWorker(index, process, ours)
        self._workers.append(worker)
        return worker

    def events(self, seconds: float) -> list[Event]:
        """See `Launcher`."""
        lines: dict[Any, _LocalWorker] = {one.line: one for one in self._workers if not one.line.closed}
        ends = [one.process.sentinel for one in self._workers if not one.known_to_have_ended]
        ready = connection.wait([*lines, *ends], seconds)
        return [event for line in ready if line in lines for event in lines[line].heard()]

    def log(self, index: int) -> bytes | None:
        """See `Launcher`."""
        return end_of_log(self._files.get(index))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for worker in self._workers:
            worker.kill()
        deadline = time.monotonic() + KILL_SECONDS
        while any(worker.ended() is None for worker in self._workers) and time.monotonic() < deadline:
            time.sleep(0.01)
        for worker in self._workers:
            worker.line.close()
        if self._owns_server and all(worker.ended() is not None for worker in self._workers):
            forkserver._forkserver._stop()  # type: ignore[attr-defined]


class _LocalWorker:
    """A worker process and the line to it."""

    def __init__(self, index: int, process: multiprocessing.process.BaseProcess, line: Connection[Any, Any]) -> None:
        self.index = index
        self.process = process
        self.line = line
        self.known_to_have_ended = False
        self._last_words: str | None = None
        self._seen: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen = psutil.Process(process.pid)
        self.name = worker_name(process.pid)

    def heard(self) -> list[Event]:
        """What it has told and nobody has heard yet; does not wait."""
        events = []
        try:
            while self.line.poll():
                message = self.line.recv()
                if isinstance(message, Event):
                    events.append(message)
                else:
                    self._last_words = message
        except (EOFError, OSError):
            self.line.close()
        return events

    def ended(self) -> str | None:
        """See `WorkerHandle`."""
        code = self.process.exitcode
        # A code comes by way of the process that has forked it; where that is killed, there is one although it lives.
        if code is None or self._lives():
            return None
        self.known_to_have_ended = True
        if self._last_words is not None:
            return self._last_words
        if code < 0:
            return f"killed by {_named(-code)}"
        return "ended without a word" + (f" (exit code {code})" if code != 255 else "")

    def stop(self) -> None:
        """See `WorkerHandle`."""
        with contextlib.suppress(OSError):  # it is gone
            self.line.send(None)

    def kill(self) -> None:
        """See `WorkerHandle`."""
        if self._seen is not None and self._lives():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._seen.kill()

    def _lives(self) -> bool:
        try:
            return self._seen is not None and self._seen.is_running() and self._seen.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Has no worker run the script that this program is: it needs nothing of it, and would start the study again."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _named(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"


def keep_log() -> None:
    """Has the steps of this process's trials printed to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("tunetrack")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _work(job: WorkerJob, index: int, line: Connection[Any, Any], log: Path) -> None:
    """The worker's process, from here to its exit code."""
    with StopSignals(second_raises=False) as stop:
        threading.Thread(target=_end_with, args=(line,), name="launcher-watch", daemon=True).start()
        _print_to(log)
        keep_log()
        mouth = _Mouth(line)
        last_words, code = "", 0
        try:
            join(job, lambda what, arguments: mouth.say(Event(index, what, arguments)), stop, index)
        except InterruptedStudyError as error:
            last_words, code = INTERRUPTED, error.exit_code
        except TunetrackError as error:
            last_words, code = str(error), error.exit_code
        except Exception as error:
            logging.getLogger(__name__).exception("the worker ends with an error")
            last_words, code = f"{type(error).__name__}: {error}", 1
        mouth.say(last_words)
        mouth.close()
    sys.exit(code)


def _print_to(log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)


def _end_with(line: Connection[Any, Any]) -> None:
    """Waits for the word to stop, or for the end of whoever could say it; then ends this process, in time."""
    with contextlib.suppress(EOFError, OSError):
        line.recv()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


class _Mouth:
    """Tells from a thread of its own: training waits for no listener, and no signal tears a message in two."""

    def __init__(self, line: Connection[Any, Any]) -> None:
        self._line = line
        self._queue: queue.SimpleQueue[Sequence[Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._talk, name="launcher-talk", daemon=True)
        self._thread.start()

    def say(self, message: Any) -> None:
        """Has a message sent."""
        self._queue.put((message,))

    def close(self) -> None:
        """Waits until all is said, but not for long."""
        self._queue.put(())
        self._thread.join(_LAST_WORDS_SECONDS)

    def _talk(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            while item := self._queue.get():
                self._line.send(item[0])
