"""Sees to it that one launch at a time works on a study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from tunetrack.errors import LedgerError, TunetrackError, masked
from tunetrack.ledger import leading
from tunetrack.study.place import Place

__all__ = ["LEAVING_SECONDS", "StudyBusyError", "alone", "is_alone"]

#: A process that is being stopped needs so long at the most; whoever wants its study waits for it.
LEAVING_SECONDS = 15.0


class StudyBusyError(LedgerError):
    """Another process works on the study."""


@contextlib.contextmanager
def alone(place: Place, name: str, seconds: float = LEAVING_SECONDS) -> Iterator[None]:
    """One launch at a time works on a study; the system lets go of it when the process dies, however it does.

    In one home, and of a ledger on PostgreSQL anywhere.

    Raises:
        StudyBusyError: another process works on this study, and went on for `seconds`.
        TunetrackError: the folder cannot be written.
    """
    lock = _lock(place, name)
    try:
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise _busy(name, f"in {place.home}") from error
    except OSError as error:
        raise TunetrackError(f"the folder {place.locks} cannot be written: {error.strerror}") from error
    try:
        with leading(place.ledger, name, seconds) as nobody_else:
            if not nobody_else:
                raise _busy(name, f"from elsewhere, by the ledger {masked(place.ledger)}")
            yield
    finally:
        lock.release()


def is_alone(place: Place, name: str) -> bool:
    """Whether no process works on a study at this moment."""
    try:
        with alone(place, name, seconds=0.0):
            return True
    except StudyBusyError:
        return False


def _busy(name: str, where: str) -> StudyBusyError:
    return StudyBusyError(
        f"another process works on the study {name!r} {where}; wait until it is done or stop it, "
        "or start a study of your own by running the study file without --resume"
    )


def _lock(place: Place, name: str) -> FileLock:
    with contextlib.suppress(OSError):  # said by acquire
        place.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(place.locks / f"{name}.lock")
