"""The seat of one worker on a Ray cluster: an actor, whose process is the worker's."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import tempfile
import threading
import traceback
from typing import Any

from tunetrack._version import __version__
from tunetrack.errors import InterruptedStudyError, TunetrackError
from tunetrack.study.stopping import StopSignals
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.join import join
from tunetrack.study.workers.launcher import INTERRUPTED, Event
from tunetrack.study.workers.local import keep_log
from tunetrack.study.workers.ray_board import Note, Printed, Seated

__all__ = ["Seat"]

#: How often what was printed goes to the leader, and so how much of it a lost node takes along, seconds.
_PRINT_SECONDS = 1.0


class Seat:
    """Runs one worker in the main thread of its actor, where signals arrive.

    Args:
        board: the handle of the `Board`.
        seat: the name of this seat there.
    """

    def __init__(self, board: Any, seat: str) -> None:
        self._board = board
        self._seat = seat
        self._ray: Any = importlib.import_module("ray")
        self._over = threading.Event()
        self._leaving = threading.Lock()

    def work(self, job: WorkerJob, index: int, version: str) -> str:
        """Runs trials until there are none left, or until it is told to stop.

        Args:
            job: the worker's task.
            index: its index among the study's workers.
            version: the leader's version of tunetrack.

        Returns:
            How it ended, as `WorkerHandle.ended` says it.
        """
        host = socket.gethostname()
        self._tell(Seated(f"{host}:{os.getpid()}", self._ray.get_runtime_context().get_node_id()))
        if version != __version__:
            return f"the node {host} has tunetrack {__version__}, the leader has {version}; install the same on both"
        output = _Output()
        with StopSignals(second_raises=False) as stop:
            threading.Thread(target=self._attend, args=(output,), name="tunetrack-seat", daemon=True).start()
            try:
                return self._joined(job, index, stop)
            finally:
                with self._leaving:  # a signal that came after this would find Ray's own handler
                    self._over.set()
                self._tell(Printed(output.piece(), last=True))

    def _joined(self, job: WorkerJob, index: int, stop: StopSignals) -> str:
        try:
            try:
                job.home.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                host = socket.gethostname()
                return f"the folder {job.home} cannot be made on the node {host}: {error.strerror}; give another --home"
            keep_log()
            # Ray shows each worker the GPUs that are its own.
            join(job, lambda what, arguments: self._tell(Event(index, what, arguments)), stop, index=0)
        except InterruptedStudyError:
            return INTERRUPTED
        except TunetrackError as error:
            return str(error)
        except Exception as error:  # goes to the leader as words, and as a whole to the worker's log
            traceback.print_exc()
            return f"{type(error).__name__}: {error}"
        return ""

    def _attend(self, output: _Output) -> None:
        """Carries what is printed to the board, and the leader's wish to stop from there to the main thread."""
        wish = [self._board.until_stopped.remote(self._seat)]
        while not self._over.is_set():
            if not wish:
                self._over.wait(_PRINT_SECONDS)
            elif self._ray.wait(wish, timeout=_PRINT_SECONDS)[0]:
                wish.clear()
                with self._leaving:
                    if not self._over.is_set():
                        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            if piece := output.piece():
                self._tell(Printed(piece))

    def _tell(self, content: Event | Seated | Printed) -> Any:
        return self._board.tell.remote(Note(self._seat, content))


class _Output:
    """What this process prints from now on, by Python or not, instead of in Ray's own logs."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the process lives
        self._read = 0
        self._lock = threading.Lock()
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(self._file.fileno(), number)

    def piece(self) -> bytes:
        """What was printed since the last call."""
        with self._lock:
            sys.stdout.flush()
            sys.stderr.flush()
            size = os.fstat(self._file.fileno()).st_size
            piece = os.pread(self._file.fileno(), size - self._read, self._read)
            self._read += len(piece)
            return piece
