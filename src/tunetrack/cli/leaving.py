"""Ends a worker without tidying up its memory, which takes seconds with torch and MLflow in it."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["exit_code_noted", "leave_quickly"]

_noted: list[int] = []


def leave_quickly() -> None:
    """Has this process end once its threads have, and the exit handlers that are registered from now on."""
    atexit.register(_leave)  # handlers run in the reverse order


@contextlib.contextmanager
def exit_code_noted() -> Iterator[None]:
    """Notes the exit code with which the body leaves; what runs at the exit is not told."""
    try:
        yield
    except SystemExit as end:
        _noted[:] = [end.code if isinstance(end.code, int) else int(end.code is not None)]
        raise


def _leave() -> None:
    if not _noted:  # an exception, or the end of a program that has called the command itself
        return
    with contextlib.suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(_noted[0])
