"""Knows one process's spool on disk: commands in a file that is only appended to, locked while its owner lives.

A spool called ``000007-5f3a`` in a folder consists of

* ``000007-5f3a.log``: the commands, a line each; names sort by age, whatever the clock says;
* ``000007-5f3a.sent``: how many bytes of it have been sent, and the checksum of the line before;
* ``000007-5f3a/``: folders of files that wait to be stored as artifacts;
* ``000007-5f3a.lock``: locked by its owner. The kernel gives up the lock of a process that dies, also by kill -9, and
  whoever gets it then is the spool's new owner.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from tunetrack.tracking.commands import Command, decode

__all__ = ["Entry", "Mark", "SpoolFile", "spool_names"]

#: Bytes that are read at a time, and so about the most that a sender holds in memory.
_CHUNK = 1 << 20
_NAME = re.compile(r"(\d{6,})-[0-9a-f]+")
#: Length of a line's checksum.
_CHECK = 8
#: How often a new spool is begun before that is given up.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """A place between two lines: bytes before it, and the checksum of the line before it."""

    offset: int = 0
    check: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command and where its line begins and ends."""

    command: Command
    start: Mark
    end: Mark


def spool_names(folder: Path) -> list[str]:
    """Names of the spools in a folder, the oldest first."""
    stems = {path.stem for kind in ("*.log", "*.lock") for path in folder.glob(kind)}
    found = [(int(match[1]), name) for name in stems if (match := _NAME.fullmatch(name))]
    return [name for _, name in sorted(found)]


class SpoolFile:
    """An open spool, made by `create` or `adopt`; both raise OSError where disk or folder do not allow it."""

    def __init__(self, folder: Path, name: str, lock: BaseFileLock) -> None:
        self._folder = folder
        self._lock = lock
        self._log = folder / f"{name}.log"
        self._sent = folder / f"{name}.sent"
        self._files = folder / name
        self._log_file = os.open(self._log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._sent_file = os.open(self._sent, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            os.close(self._log_file)
            raise
        self.name = name
        self.size = 0
        self.next = Mark()
        self.damaged = 0
        self._knows_its_files = False

    @classmethod
    def create(cls, folder: Path) -> SpoolFile:
        """A new spool in a folder, which is created where it is missing."""
        for _ in range(_TRIES):
            folder.mkdir(parents=True, exist_ok=True)
            newest = spool_names(folder)[-1:]
            number = 1 + max((int(name.partition("-")[0]) for name in newest), default=0)
            name = f"{number:06d}-{uuid.uuid4().hex[:12]}"
            try:
                lock = _locked(folder, name)
            except FileNotFoundError:
                continue  # another process has just left, and taken the empty folder with it
            if lock is not None:
                return cls._begin(folder, name, lock)
        raise OSError(errno.EAGAIN, "the folder is being removed again and again", str(folder))

    @classmethod
    def _begin(cls, folder: Path, name: str, lock: BaseFileLock) -> SpoolFile:
        try:
            file = cls(folder, name, lock)
        except OSError:
            _give_back(folder, name, lock)
            raise
        _sync_folder(folder)
        return file

    @classmethod
    def adopt(cls, folder: Path, name: str) -> SpoolFile | None:
        """The spool of a process that has died; None where it lives, or has left nothing."""
        lock = _locked(folder, name)
        if lock is None:
            return None
        try:
            if (folder / f"{name}.log").exists():
                file = cls(folder, name, lock)
                file._find_end()
                return file
            _give_back(folder, name, lock)
        except OSError:
            lock.release()
            raise
        return None

    def append(self, lines: bytes) -> None:
        """Add complete lines; all of them, or none and OSError."""
        try:
            written = os.write(self._log_file, lines)
            while written < len(lines):  # the disk has just become full, and says so at the next try
                written += os.write(self._log_file, lines[written:])
        except OSError:
            os.ftruncate(self._log_file, self.size)
            raise
        self.size += len(lines)

    def sync(self) -> None:
        """Wait until everything appended is on the disk itself."""
        os.fdatasync(self._log_file)

    def read(self) -> list[Entry]:
        """The next commands, some at a time; nothing where all have been read."""
        entries: list[Entry] = []
        while not entries and self.next.offset < self.size:
            wanted = _CHUNK
            data = os.pread(self._log_file, min(wanted, self.size - self.next.offset), self.next.offset)
            while b"\n" not in data and len(data) < self.size - self.next.offset:
                wanted *= 2
                data = os.pread(self._log_file, min(wanted, self.size - self.next.offset), self.next.offset)
            for line in data.split(b"\n")[:-1]:
                start = self.next
                check = line[:_CHECK].decode("ascii", "replace")
                self.next = Mark(start.offset + len(line) + 1, check)
                command = decode(line)
                if command is None:
                    self.damaged += 1
                else:
                    entries.append(Entry(command, start, self.next))
        return entries

    def commit(self, mark: Mark) -> None:
        """Remember that everything before `mark` has been sent. Should that be lost, it is sent again, to no harm."""
        os.pwrite(self._sent_file, f"{mark.offset:>20} {mark.check:>{_CHECK}}\n".encode(), 0)

    def committed(self) -> Mark | None:
        """What `commit` wrote last; None where that is not known, and so nothing counts as sent."""
        try:
            offset, check = os.pread(self._sent_file, 64, 0).decode("ascii").split()
            return Mark(int(offset), check)
        except ValueError:
            return None

    def clear(self) -> None:
        """Begin again with an empty file, after everything has been sent."""
        os.ftruncate(self._log_file, 0)
        self.size, self.next = 0, Mark()
        self.commit(self.next)

    @property
    def scratch(self) -> Path:
        """For temporary folders, which are removed with the spool if not before."""
        return self._files / "scratch"

    def put(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write files to the disk itself, content by relative path, into a folder called `name`."""
        folder = self._files / name
        try:
            for name, content in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for inner in {folder, *(path for path in folder.rglob("*") if path.is_dir()), self._files}:
                _sync_folder(inner)
            if not self._knows_its_files:
                _sync_folder(self._folder)
                self._knows_its_files = True
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def folder_of(self, name: str) -> Path | None:
        """The folder that `put` has written; None where it was removed after sending."""
        folder = self._files / name
        return folder if folder.is_dir() else None

    def discard(self, name: str) -> None:
        """Remove what `put` has written."""
        shutil.rmtree(self._files / name, ignore_errors=True)

    def close(self, remove: bool) -> None:
        """Give up the spool: for good where everything was sent, else to whoever adopts it."""
        os.close(self._log_file)
        os.close(self._sent_file)
        if remove:
            self._log.unlink(missing_ok=True)
            _give_back(self._folder, self.name, self._lock)
        else:
            self._lock.release()

    def _find_end(self) -> None:
        """Cut off a last line that was not written to its end."""
        length = os.fstat(self._log_file).st_size
        self.size = length
        position = length
        while position > 0:
            begin = max(0, position - _CHUNK)
            found = os.pread(self._log_file, position - begin, begin).rfind(b"\n")
            if found >= 0:
                self.size = begin + found + 1
                break
            position = begin
        else:
            self.size = 0
        if self.size < length:
            os.ftruncate(self._log_file, self.size)


def _locked(folder: Path, name: str) -> BaseFileLock | None:
    # The lock is taken by the caller's thread and given back by the sender's.
    lock = FileLock(folder / f"{name}.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _give_back(folder: Path, name: str, lock: BaseFileLock) -> None:
    """Remove what is left of a spool, the lock last: while it is held, nobody else touches the rest."""
    (folder / f"{name}.log").unlink(missing_ok=True)
    (folder / f"{name}.sent").unlink(missing_ok=True)
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / f"{name}.lock").unlink(missing_ok=True)
    lock.release()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
