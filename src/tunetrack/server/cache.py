"""Knows how to compute a thing once for all who ask at the same time, and which results are worth keeping."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Kept", "Once", "Sized"]

Result = TypeVar("Result")


class Once:
    """Runs work in threads of its own, so that neither the event loop nor MLflow's handlers wait for it.

    Args:
        threads: how many things are computed at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tunetrack-pages")
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[Any]] = {}

    async def run(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """The result of `work`, or of the same work that somebody else has already begun.

        Args:
            key: equal for the same work.
            work: done in a thread; goes on when the one who asked has left.

        Raises:
            Exception: whatever `work` raises, for all who wait.
        """
        with self._lock:
            future = self._running.get(key)
            begun = future is None
            if future is None:
                future = self._running[key] = self._pool.submit(work)
        if begun:
            future.add_done_callback(lambda _: self._forget(key))
        result: Result = await asyncio.shield(asyncio.wrap_future(future))
        return result

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            self._running.pop(key, None)


class Sized(Protocol):
    """A thing that says how many bytes it takes."""

    @property
    def size(self) -> int:
        """Bytes."""


Thing = TypeVar("Thing", bound=Sized)


class Kept(Generic[Thing]):
    """Things by key, the least recently used of which are dropped when they take too much memory together.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._things: OrderedDict[Hashable, Thing] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable) -> Thing | None:
        """What is kept under `key`."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
            return self._things.get(key)

    def put(self, key: Hashable, thing: Thing) -> None:
        """Keep a thing instead of what was there; one that is larger than everything together may be is not kept."""
        with self._lock:
            self._drop(key)
            if thing.size <= self._limit:
                self._things[key] = thing
                self._size += thing.size
            while self._size > self._limit:
                self._drop(next(iter(self._things)))

    def _drop(self, key: Hashable) -> None:
        if key in self._things:
            self._size -= self._things.pop(key).size
