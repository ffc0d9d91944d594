"""Knows what waits to be sent: on disk, and in bounded memory while the disk cannot be written."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tunetrack.tracking.commands import Command, Files, Group, Work, decode, encode
from tunetrack.tracking.failures import describe
from tunetrack.tracking.sending.overflow import Overflow, WriterLimits
from tunetrack.tracking.sending.sources import Source
from tunetrack.tracking.sending.spool_file import Mark, SpoolFile

__all__ = ["Spool"]

#: Seconds until a disk that could not be written is tried again.
_DISK_PAUSE = 1.0
#: Seconds within which a disk that fails again is not talked about again.
_TELL_PAUSE = 60.0
#: Commands that are taken from memory at a time.
_ROUND = 1000


class Spool(Source):
    """This process's own spool. Callers append from any thread, one sender takes.

    A disk that cannot be written is no error: commands then go to memory, in their order and up to a limit, and what is
    beyond that is counted as lost. They go to the disk as soon as it has room. `news` has sentences about it.

    Attributes:
        pending: commands that have not been dealt with.
        lost: commands for which neither disk nor memory had room.
        unkept: commands that were in memory alone when the spool was given up.
    """

    careful = False

    def __init__(self, folder: Path, limits: WriterLimits) -> None:
        super().__init__(None)
        self._folder = folder
        self._limits = limits
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._memory = Overflow(limits)
        self._broken = False
        self._retry_at = 0.0
        self._told_at = -_TELL_PAUSE
        self._taken = 0
        self._taken_from_memory = False
        self.pending = 0
        self.lost = 0
        self.unkept = 0
        self.news: deque[str] = deque()
        self._on_disk(lambda _: None)

    def append(self, commands: Sequence[Command]) -> bool:
        """Write commands down, next to each other; whether they are on the disk."""
        lines = [encode(command) for command in commands]
        together = lines[0] if len(lines) == 1 else b"".join(lines)
        with self._lock:
            if self._memory:
                self._return_to_disk()
            if not self._memory and self._on_disk(lambda file: file.append(together)):
                self.pending += len(lines)
                return True
            pairs = zip(commands, lines, strict=True)
            self.pending += sum(self._remember(command, line) for command, line in pairs)
            return False

    def put(self, files: Mapping[str, bytes]) -> str | None:
        """Keep files, for the `Files` command that is appended next; on the disk itself, unless that is full.

        Returns:
            The name of their folder; None where there is no room for them.
        """
        name = f"{next(self._numbers):06d}"
        if self._file is not None and not self._rests():
            try:
                self._file.put(name, files)  # takes milliseconds, so other threads may append meanwhile
                return name
            except OSError as error:
                with self._lock:
                    self._fail(error)
        with self._lock:
            return name if self._memory.add_files(name, files) else None

    def lose(self, count: int = 1) -> None:
        """Count what was given up for want of room."""
        if count and not self.lost:
            self.news.append("entries for MLflow are being lost: neither the disk nor the memory has room for them")
        self.lost += count

    def take(self) -> list[Work | Group]:
        """The next commands; those on disk are older than those in memory."""
        with self._lock:
            self._return_to_disk()
        entries = self._file.read() if self._file is not None else []
        found: list[tuple[Command, Mark]] = [(entry.command, entry.start) for entry in entries]
        self._taken, self._taken_from_memory = len(entries), not entries
        if not entries and self._memory:
            with self._lock:
                lines = self._memory.first(_ROUND)
                self._taken = len(lines)
            nowhere = self._file.next if self._file is not None else Mark()
            found = [(command, nowhere) for line in lines if (command := decode(line[:-1])) is not None]
        return list(self._executable(found))

    def commit(self) -> None:
        """Note how far it got; an old file of which everything was sent begins anew."""
        folders = list(self._settled_folders)
        super().commit()
        with self._lock:
            self.pending -= self._taken
            if self._taken_from_memory:
                self._memory.remove_first(self._taken)
            for folder in folders:
                self._memory.remove_files(folder)
            file = self._file
            if file is not None and not self._held and file.next.offset == file.size > self._limits.file_bytes:
                file.clear()

    def folder(self, name: str) -> AbstractContextManager[Path | None]:
        """The folder of a `Files` command, written from memory where it is kept there."""
        return self.written(self._memory.files[name]) if name in self._memory.files else super().folder(name)

    def settle(self) -> bool:
        """Bring to the disk what is in memory; whether nothing is left there."""
        with self._lock:
            self._return_to_disk()
            return not self._memory

    def sync(self) -> bool:
        """Bring what was appended to the disk itself; where that fails, the crash of the machine may cost entries."""
        try:
            if self._file is not None:
                self._file.sync()
        except OSError as error:
            with self._lock:
                self._fail(error)
            return False
        return True

    def close(self) -> int:
        """Give the spool up: for good where everything was sent, else to the next process.

        Returns:
            How many commands wait on disk.
        """
        with self._lock:
            self._retry_at = 0.0
            self._return_to_disk()
            self.unkept = len(self._memory.lines)
            self.pending -= self.unkept
        if self._file is not None:
            self._file.close(remove=self.pending == 0 and not self._held)
            with contextlib.suppress(OSError):  # others have spools in this folder
                self._folder.rmdir()
        return self.pending

    def _rests(self) -> bool:
        """Whether the disk has just failed, and is left alone for a moment."""
        return self._broken and time.monotonic() < self._retry_at

    def _on_disk(self, write: Callable[[SpoolFile], None]) -> bool:
        """Whether `write` could be done; false at once while a disk that has just failed gets a rest."""
        if self._rests():
            return False
        try:
            if self._file is None:
                self._file = SpoolFile.create(self._folder)
            write(self._file)
        except OSError as error:
            self._fail(error)
            return False
        self._broken = False
        return True

    def _return_to_disk(self) -> None:
        """Writes down what is in memory. What is being sent from there at this moment is sent again, to no harm."""
        if self._memory and self._on_disk(self._write_down):
            self._memory.clear()
            if self._taken_from_memory:
                self._taken = 0

    def _write_down(self, file: SpoolFile) -> None:
        for name, files in self._memory.files.items():
            file.put(name, files)
        file.append(b"".join(self._memory.lines))

    def _fail(self, error: OSError) -> None:
        now = time.monotonic()
        self._retry_at = now + _DISK_PAUSE
        if not self._broken and now - self._told_at >= _TELL_PAUSE:
            self._told_at = now
            self.news.append(
                f"entries for MLflow cannot be kept in {self._folder}: {describe(error)}. Training goes on; they are "
                f"kept in memory ({self._limits.pending} at most) until that is mended"
            )
        self._broken = True

    def _remember(self, command: Command, line: bytes) -> bool:
        if self._memory.add(line):
            return True
        self.lose()
        for part in command.parts if isinstance(command, Group) else (command,):
            if isinstance(part, Files):
                self._memory.remove_files(part.folder)
        return False
