"""The thread that keeps leases alive while their worker trains."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tunetrack.ledger import leases

__all__ = ["renewing"]

_logger = logging.getLogger(__name__)

#: How long to wait for the thread at the end; one that hangs in a locked database is left behind.
_END_SECONDS = 0.8


@contextmanager
def renewing(renew: Callable[[], None]) -> Iterator[None]:
    """Calls `renew` every `RENEW_SECONDS` in a thread of its own. What it raises is logged, and it is called again."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(renew, stop), name="tunetrack-leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_END_SECONDS)


def _run(renew: Callable[[], None], stop: threading.Event) -> None:
    troubled = False
    while not stop.wait(leases.RENEW_SECONDS):
        try:
            renew()
        except Exception as error:  # a thread that ends would cost the trial, which trains well
            if not troubled:
                _logger.warning("leases cannot be renewed, which is tried again: %s", error)
            troubled = True
        else:
            if troubled:
                _logger.warning("leases are renewed again")
            troubled = False
