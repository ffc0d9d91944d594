"""Checks that ledger and MLflow say the same about a study, and mends it where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunetrack.api.reading import place_of
from tunetrack.ledger import list_studies
from tunetrack.study.alone import StudyBusyError, is_alone
from tunetrack.study.parity import Difference
from tunetrack.study.place import Place
from tunetrack.study.repair import compare, repair, waiting_bytes
from tunetrack.tracking import connect

__all__ = ["Parity", "check_parity", "repair_studies"]


@dataclass(frozen=True)
class Parity:
    """How well ledger and MLflow agree about one study.

    Attributes:
        study: its name.
        trials: how many the ledger has.
        differences: everything that is not the same.
        live: whether a process works on it now; what is under way is then left out.
        waiting: bytes that earlier processes could not send to the tracking store; the next start, or a repair, does.
    """

    study: str
    trials: int
    differences: tuple[Difference, ...]
    live: bool
    waiting: int = 0

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.differences and (self.live or not self.waiting)

    def document(self) -> dict[str, Any]:
        """The findings as JSON-ready data."""
        return {
            "study": self.study,
            "trials": self.trials,
            "live": self.live,
            "waiting_bytes": self.waiting,
            "differences": [difference.document() for difference in self.differences],
        }


def check_parity(name: str, home: str | Path | Place = "mlruns", tracking_uri: str | None = None) -> Parity:
    """Compares every trial of a study in the ledger with its run in MLflow: state, parameters, values. Writes nothing.

    Args:
        name: as `list_studies` gives it.
        home: the folder that it was run in.
        tracking_uri: where its runs are; default: where they were written.

    Raises:
        LedgerError: there is no such study.
        TrackingError: the tracking store cannot be read.
    """
    ledger, place = place_of(name, home, tracking_uri)
    live, waiting = not is_alone(place, name), waiting_bytes(place, name)
    run_id = ledger.attributes().get("mlflow_run_id")
    found: tuple[Difference, ...] = ()
    if run_id is not None:  # its process died before it had a run
        with connect(place.tracking) as store:
            found = compare(ledger, store, run_id, live)
    return Parity(name, len(ledger.trials()), found, live, waiting)


def repair_studies(place: Place, told: Callable[[str], None] = lambda text: None) -> list[Parity]:
    """Brings every study that nobody works on into order: sends what waits, takes back the trials of dead workers,
    makes MLflow say what the ledger says, and removes what was left behind.

    Returns:
        For each study what is still not as it should be.

    Raises:
        LedgerError: the ledger cannot be read.
        TrackingError: a tracking store cannot be reached.
    """
    return [_repaired(name, place, told) for name in list_studies(place.ledger)]


def _repaired(name: str, place: Place, told: Callable[[str], None]) -> Parity:
    ledger, place = place_of(name, place)
    try:
        left = repair(place, ledger, told)
    except StudyBusyError:
        return Parity(name, len(ledger.trials()), (), live=True)
    return Parity(name, len(ledger.trials()), left, False, waiting_bytes(place, name))
