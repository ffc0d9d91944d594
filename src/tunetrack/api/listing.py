"""Says which studies there are; needs the ledger alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunetrack.ledger import Ledger, TrialRecord, is_dead
from tunetrack.ledger import list_studies as ledger_studies
from tunetrack.spec import TrialState
from tunetrack.study.place import Place
from tunetrack.study.stopping import INTERRUPTED

__all__ = ["list_studies"]


def list_studies(home: str | Path | Place = "mlruns") -> list[dict[str, Any]]:
    """The studies in a folder, the latest first, as JSON-ready data.

    Returns:
        For each: name, state (RUNNING, COMPLETE, FAILED, INTERRUPTED), objective, number of finished trials, the
        budget's trials, best value, when it was started, and the study that it confirms, if any.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    place = home if isinstance(home, Place) else Place(Path(home))
    if not place.has_ledger:
        return []
    return [_listing(Ledger.load(place.ledger, name)) for name in reversed(ledger_studies(place.ledger))]


def _listing(ledger: Ledger) -> dict[str, Any]:
    head, records, best = ledger.spec.head, ledger.trials(), ledger.best()
    finished = [record for record in records if record.state not in (TrialState.RUNNING, TrialState.KILLED)]
    started = min((record.started for record in records if record.started), default=None)
    return {
        "name": ledger.name,
        "state": _study_state(ledger),
        "objective": ", ".join(str(objective.metric) for objective in ledger.spec.objectives),
        "finished": len(finished),
        "budget_trials": head.budget.trials,
        "best_value": best.objectives[0] if best is not None and best.objectives else None,
        "started": started.isoformat(timespec="seconds") if started else None,
        "confirms": None if head.confirms is None else head.confirms.study,
    }


def _study_state(ledger: Ledger) -> str:
    if any(_is_worked_on(record) for record in ledger.trials()):
        return "RUNNING"
    return str(ledger.attributes().get("state", INTERRUPTED))


def _is_worked_on(record: TrialRecord) -> bool:
    return record.state is TrialState.RUNNING and record.worker is not None and not is_dead(record.worker)
