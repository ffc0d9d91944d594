"""Workers that died over a trial: what is kept of each death, and what is said when there were too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["Death", "death", "used_up"]

#: JSON data: `when` (ISO, UTC), `cause` in words (may be empty) and `epoch`, the last one reported in any attempt.
Death = Mapping[str, Any]


def death(earlier: Sequence[Death], cause: str, last_step: int | None) -> dict[str, Any]:
    """One more death.

    Args:
        earlier: the deaths so far.
        cause: how the worker ended, in words; empty where nobody saw it.
        last_step: the last epoch that it reported; None where it reported none.
    """
    # An attempt that ended before it had caught up says nothing of how far the trial has come.
    epoch = max([last_step or 0, *(int(one["epoch"]) for one in earlier)])
    return {"when": datetime.now(UTC).isoformat(timespec="seconds"), "cause": cause, "epoch": epoch}


def used_up(deaths: Sequence[Death], retries: int) -> str:
    """Why a trial is not run again, in a sentence or two."""
    last = deaths[-1]
    times = "once" if len(deaths) == 1 else f"{len(deaths)} times"
    where = f"last after epoch {last['epoch']}" if last["epoch"] else "before an epoch was done"
    how = f"{last['cause']}, {where}" if last["cause"] else where
    return (
        f"its worker died {times} ({how}); retries are used up (budget.retries: {retries}). "
        "A trial that kills its worker most often needs more memory than there is"
    )
