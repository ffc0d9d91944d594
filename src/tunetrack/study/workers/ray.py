"""Starts workers on a Ray cluster: one actor each, placed where the threads and GPUs are that it asks for.

A local Ray is started where no cluster is named. Ray restarts nothing: whoever started a worker sees how it ended, and
starts another one, as with local processes. Nothing here needs Ray before a launcher is entered.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tunetrack._version import __version__
from tunetrack.errors import TunetrackError
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.launcher import INTERRUPTED, Event, end_of_log
from tunetrack.study.workers.ray_board import Board, Note, Printed, Seated
from tunetrack.study.workers.ray_seat import Seat

__all__ = ["RayLauncher"]

#: Object store of a Ray of our own, bytes; next to nothing goes through it, and Ray wants 75 MiB at the least.
_STORE_BYTES = 80 * 2**20
#: How long a worker is waited for whose connection is broken or whose last word is missing, seconds.
_SILENCE_SECONDS = 10.0
#: How long a worker takes to begin, at the most, before that is told, seconds.
_BEGIN_SECONDS = 60.0
#: How long a cluster may take to be there at all, seconds.
_KNOCK_SECONDS = 5.0
#: The board holds one open question of each worker.
_QUESTIONS = 100_000


class RayLauncher:
    """Starts workers on a Ray cluster.

    Args:
        logs: folder for what the workers print: ``STUDY/worker-0.log`` and so on below it.
        address: of a cluster, as `ray.init` takes it: ``host:6379``, ``ray://host:10001``, or ``auto`` for the one that
            this process runs on or in. None: a local Ray is started, and ended on leaving.
        cpus: how many processors a local Ray says that it has; default: as many as the machine.
    """

    def __init__(self, logs: Path, address: str | None = None, cpus: int | None = None) -> None:
        self._logs = logs
        self._address = address
        self._cpus = cpus
        self._seats: dict[str, _RayWorker] = {}
        self._files: dict[int, Path] = {}
        self._foreign = False
        self._told_of_waiting = False

    def __enter__(self) -> Self:
        """Starts or joins Ray.

        Raises:
            TunetrackError: Ray is not installed, no cluster answers, or it is of another version.
        """
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise TunetrackError(
                f"--launcher ray needs Ray, which cannot be imported ({error}); install it with: "
                "pip install 'tunetrack[ray]'"
            ) from error
        self._foreign = bool(self._ray.is_initialized())
        if not self._foreign:
            self._connect()
        board = self._ray.remote(Board).options(num_cpus=0, max_concurrency=_QUESTIONS, **self._beside_leader())
        self._board = board.remote()
        self._news = self._board.take.remote()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._seats.values():
            worker.kill()
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._board)
        if not self._foreign:
            self._ray.shutdown()

    def start(self, job: WorkerJob, index: int) -> _RayWorker:
        """Asks Ray for a place and starts a worker there as soon as there is one.

        Raises:
            TunetrackError: the cluster has several hosts, but ledger or runs are files of this one.
        """
        self._refuse_files(job)
        seat = f"{index}-{len(self._seats)}"
        self._files.setdefault(index, self._logs / job.name / f"worker-{index}.log")
        needs = {"num_cpus": job.threads, "num_gpus": job.gpus}
        seats = self._ray.remote(Seat).options(max_restarts=0, scheduling_strategy="SPREAD", **needs)
        actor = seats.remote(self._board, seat)
        self._seats[seat] = _RayWorker(self._ray, index, actor, actor.work.remote(job, index, __version__))
        self._seats[seat].stops = lambda: self._board.stop.remote(seat)
        self._seats[seat].needs = f"{job.threads} CPUs and {job.gpus:g} GPUs"
        return self._seats[seat]

    def events(self, seconds: float) -> list[Event]:
        """What the workers have told since the last call; see `Launcher.events`.

        Raises:
            TunetrackError: the cluster is gone.
        """
        alive = [worker for worker in self._seats.values() if worker.ended() is None]
        ends = [worker.work for worker in alive if not worker.is_ending]
        self._ray.wait([self._news, *ends], timeout=seconds)
        told: list[Event] = []
        if self._ray.wait([self._news], timeout=0)[0]:
            for note in self._taken():
                told += self._read(note)
        waiting = [worker for worker in alive if not worker.name]
        if waiting:
            told += self._look_after(waiting)
        return told

    def log(self, index: int) -> bytes | None:
        """What the workers of this index have printed; of a killed one the last second may be missing."""
        return end_of_log(self._files.get(index))

    def _connect(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is None:
            cpus = self._cpus or os.cpu_count()
            options |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
        try:
            self._knock()
            with _own_signals(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what Ray will change one day
                self._ray.init(self._address or "local", **options)
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            why = "it asks for a token, which is given by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
            why = why if "InvalidAuthToken" in str(error) else _first_line(error)
            where = "a local Ray" if self._address is None else f"the Ray cluster {self._address}"
            raise TunetrackError(
                f"{where} cannot be used: {why}. A cluster is started with `ray start --head`, and joined from its "
                "own machines with --ray-address auto; without --ray-address a local Ray is started for this study"
            ) from error

    def _knock(self) -> None:
        """Ray itself would try an address where nobody is for minutes."""
        host, _, port = (self._address or "").removeprefix("ray://").rpartition(":")
        if port.isdigit():
            socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()

    def _beside_leader(self) -> dict[str, Any]:
        """Where the board is to hang: a node that is lost must not take it along, unless it takes the leader too."""
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        here = self._ray.get_runtime_context().get_node_id()
        return {"scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(here, soft=True)}

    def _refuse_files(self, job: WorkerJob) -> None:
        hosts = {node["NodeManagerHostname"] for node in self._ray.nodes() if node["Alive"]} | {socket.gethostname()}
        files = [url for url in (job.ledger, job.tracking) if url.startswith(("sqlite", "file:", "/"))]
        if len(hosts) > 1 and files:
            raise TunetrackError(
                f"the Ray cluster has several machines ({', '.join(sorted(hosts))}), and {files[0]} is a file of one "
                "of them. Give --ledger postgresql://... and, with --tracking-uri, a tracking server that all can reach"
            )

    def _taken(self) -> list[Note]:
        try:
            notes: list[Note] = self._ray.get(self._news)
        except self._ray.exceptions.RayError as error:
            raise TunetrackError(
                f"the Ray cluster {self._address or '(a local one)'} has ended or cannot be reached any more: "
                f"{_first_line(error)}. Nothing is lost: `tunetrack resume` goes on"
            ) from error
        self._news = self._board.take.remote()
        return notes

    def _read(self, note: Note) -> list[Event]:
        worker, content = self._seats[note.seat], note.content
        if isinstance(content, Event):
            return [content]
        if isinstance(content, Seated):
            worker.name, worker.node = content.name, content.node
        elif isinstance(content, Printed):
            path = self._files[worker.index]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(content.piece)
            worker.has_told_all = content.last
        return []

    def _look_after(self, waiting: list[_RayWorker]) -> list[Event]:
        """Sends those away that still wait for a place when others have found no trial left, and tells of waiting."""
        if any(worker.ended() == "" for worker in self._seats.values()):
            for worker in waiting:
                worker.dismiss("")
            return []
        long = [worker for worker in waiting if time.monotonic() - worker.started > _BEGIN_SECONDS]
        if self._told_of_waiting or not long:
            return []
        self._told_of_waiting = True
        total, free = (
            f"{there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs"
            for there in (self._ray.cluster_resources(), self._ray.available_resources())
        )
        workers = "1 worker has" if len(long) == 1 else f"{len(long)} workers have"
        text = (
            f"{workers} not begun after {_BEGIN_SECONDS:.0f} s. The Ray cluster has {total}, of them free {free}; each "
            f"worker needs {long[0].needs}. A worker that finds no room waits for it"
        )
        return [Event(long[0].index, "note", (text,))]


class _RayWorker:
    """The handle of one actor.

    Attributes:
        index: of the worker.
        name: host and process number, once it has a place.
        node: Ray's id of its node, once it has a place.
        work: the reference of how it ends.
        started: when it was asked for, by the monotonic clock.
        stops: tells the board that it is to stop.
        needs: what a place must have, in words.
        has_told_all: whether its last word has been read; it has not ended well before that.
    """

    def __init__(self, ray: Any, index: int, actor: Any, work: Any) -> None:
        self.index, self.name, self.node = index, "", ""
        self.work = work
        self.started = time.monotonic()
        self.stops: Callable[[], object] = lambda: None
        self.needs = ""
        self._ray, self._actor = ray, actor
        self.has_told_all = False
        self._end: str | None = None
        self._ending_since: float | None = None

    def ended(self) -> str | None:
        """None while it lives; empty where it ended well; else how it ended."""
        if self._end is None and self._ray.wait([self.work], timeout=0)[0]:
            self._ending_since = self._ending_since or time.monotonic()
            self._end = self._outcome()
            if self._end is not None:
                self._ray.kill(self._actor)  # its process has nothing more to do
        return self._end

    @property
    def is_ending(self) -> bool:
        """Whether its work is over, and it is not known yet how, or not all of its words are here."""
        return self._end is None and self._ending_since is not None

    def stop(self) -> None:
        """As a signal to a local process; one that has no place yet goes at once."""
        if self.name:
            self.stops()
        else:
            self.dismiss(INTERRUPTED)

    def kill(self) -> None:
        """Ends it at once."""
        self.dismiss("killed")

    def dismiss(self, end: str) -> None:
        """Ends it at once, with the words for how it ended."""
        if self.ended() is None:
            self._end = end
            self._ray.kill(self._actor)

    def _outcome(self) -> str | None:
        errors = self._ray.exceptions
        try:
            end = str(self._ray.get(self.work))
            return end if self.has_told_all or self._patience_is_over() else None
        except errors.OutOfMemoryError:
            return "killed by Ray, since its node was out of memory"
        except errors.ActorUnavailableError:  # the broken connection is known before the cluster misses the node
            end = f"killed, since its node {self.name.partition(':')[0]} was lost or cut off"
            return self._with_node() or (end if self._patience_is_over() else None)
        except errors.RayActorError as error:
            return self._with_node() or _first_words(str(error))
        except errors.RayError as error:
            return _first_line(error)

    def _patience_is_over(self) -> bool:
        return self._ending_since is not None and time.monotonic() - self._ending_since > _SILENCE_SECONDS

    def _with_node(self) -> str:
        """How it ended, where that was with its node; else nothing."""
        nodes = [node for node in self._ray.nodes() if node["NodeID"] == self.node and not node["Alive"]]
        return f"killed, since its node {nodes[0]['NodeManagerHostname']} was lost" if nodes else ""


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it starts; it stays with whoever had it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _first_words(text: str) -> str:
    """What a user needs of Ray's long account of a dead actor."""
    if "No module named 'tunetrack'" in text:
        return "tunetrack is not installed on its node; every node needs it, see docs/ray.md"
    if "creation task" in text:  # what its constructor raised comes last
        return f"it could not be started: {text.strip().splitlines()[-1]}"
    return "killed, or has crashed"
