"""Knows in which order commands are taken from a spool, and what becomes of groups: an ending that may not count.

A group is held back until its decision comes. What lies behind it is sent meanwhile, and sent again, to no harm, should
the process die before the decision.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tunetrack.tracking.artifacts import written
from tunetrack.tracking.commands import Command, Decision, Files, Group, Work, encode
from tunetrack.tracking.sending.spool_file import Mark, SpoolFile

__all__ = ["DeadSpool", "Source"]


class Source(ABC):
    """Commands in their order: `take` gives some, and `commit` says that these have been dealt with."""

    #: Whether a command may have been executed before, by a process that died before it could note that down.
    careful = True

    def __init__(self, file: SpoolFile | None) -> None:
        self._file = file
        self._held: dict[str, tuple[Group, Mark]] = {}
        self._settled_folders: list[str] = []

    @abstractmethod
    def take(self) -> list[Work | Group]:
        """The next commands that are to be executed; may be none, where all that was read is held back."""

    def commit(self) -> None:
        """Note that all that was taken has been dealt with, and remove its files."""
        if self._file is not None:
            marks = [mark for _, mark in self._held.values()]
            # A full disk may refuse this. Then some commands will be sent twice, which MLflow stores once.
            with contextlib.suppress(OSError):
                self._file.commit(min(marks, key=lambda mark: mark.offset, default=self._file.next))
            for folder in self._settled_folders:
                self._file.discard(folder)
        self._settled_folders.clear()

    def folder(self, name: str) -> AbstractContextManager[Path | None]:
        """The folder of a `Files` command; None where it was removed, because its files have been stored."""
        return nullcontext(None if self._file is None else self._file.folder_of(name))

    @contextlib.contextmanager
    def written(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """A folder that holds these files inside the ``with`` block; a spool that is adopted takes it along.

        Args:
            files: content by relative path.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(written(files, None if self._file is None else self._file.scratch))
            except OSError:  # the spool's disk is full; another one may not be
                folder = stack.enter_context(written(files))
            yield Path(folder)

    def _executable(self, commands: Iterable[tuple[Command, Mark]]) -> Iterator[Work | Group]:
        for command, start in commands:
            if isinstance(command, Group):
                self._held[command.group] = (command, start)
                continue
            if not isinstance(command, Decision):
                self._will_discard(command)
                yield command
            elif command.group in self._held:
                group, _ = self._held.pop(command.group)
                for part in group.parts:
                    self._will_discard(part)
                if command.send:
                    yield from [group] if self.careful else group.parts

    def _will_discard(self, command: Work) -> None:
        if isinstance(command, Files):
            self._settled_folders.append(command.folder)


class DeadSpool(Source):
    """The spool of a process that has died. Groups without a decision get one here and now.

    Attributes:
        pending: commands not yet dealt with.
        lost: commands that the disk has damaged.
    """

    def __init__(self, file: SpoolFile, ended: Callable[[int], bool]) -> None:
        super().__init__(file)
        self._open = file
        self._late: list[Decision] = []
        self._taken = 0
        self.pending = 1  # so that it stays, should anything go wrong here
        try:
            self._decide(ended)
        except BaseException:
            self.close()
            raise

    @property
    def lost(self) -> int:
        """Commands that the disk has damaged."""
        return self._open.damaged

    def take(self) -> list[Work | Group]:
        """The next commands; those of the file first, then late decisions."""
        entries = self._open.read()
        found: list[tuple[Command, Mark]] = [(entry.command, entry.start) for entry in entries]
        if not entries:
            found = [(decision, self._open.next) for decision in self._late]
            self._late.clear()
        self._taken = len(found)
        return list(self._executable(found))

    def commit(self) -> None:
        """Note how far it got; at the end nothing is pending, whatever was damaged."""
        super().commit()
        at_end = self._open.next.offset >= self._open.size and not self._late
        self.pending = 0 if at_end else max(1, self.pending - self._taken)

    def close(self) -> None:
        """Remove it where all of it was sent, else leave it to the next process."""
        self._open.close(remove=self.pending == 0)

    def _decide(self, ended: Callable[[int], bool]) -> None:
        self.pending, waiting = self._survey()
        for group in waiting:
            decision = Decision(group.group, ended(group.number))
            self.pending += 1
            try:
                self._open.append(encode(decision))
            except OSError:  # it holds for this process; should that die too, the next one asks again
                self._late.append(decision)

    def _survey(self) -> tuple[int, list[Group]]:
        """How many commands wait, and the groups without a decision; then the file stands where sending goes on."""
        file, sent = self._open, self._open.committed()
        begin, pending = Mark(), 0
        waiting: dict[str, Group] = {}
        while entries := file.read():
            for entry in entries:
                pending += 1
                if isinstance(entry.command, Group):
                    waiting[entry.command.group] = entry.command
                elif isinstance(entry.command, Decision):
                    waiting.pop(entry.command.group, None)
                if entry.end == sent:
                    begin, pending = sent, 0
        file.next, file.damaged = begin, 0
        return pending, list(waiting.values())
