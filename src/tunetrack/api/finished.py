"""Says whether a study has anything left to do, before anything heavy is loaded for it."""

from __future__ import annotations

from tunetrack.api.reading import load_study
from tunetrack.ledger import Ledger
from tunetrack.spec import StudySpec, TrialState
from tunetrack.study.confirm import is_concluded, is_confirmed
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult
from tunetrack.tracking import StudyState

__all__ = ["finished_study"]

#: A trial in one of these states is run, or run again.
OPEN = (TrialState.RUNNING, TrialState.KILLED)


def finished_study(name: str, place: Place, spec: StudySpec) -> StudyResult | None:
    """The result of a study to which a resume would add nothing; None where there is something to do.

    That may be less than a trial: the ledger calls a study done when MLflow has all of it, the report included. Where
    the study file says `confirm`, the winner must be named as well.

    Args:
        name: the study's name in the ledger.
        place: where it is.
        spec: the study, with the budget that it shall have.

    Raises:
        LedgerError: there is no such study, or the ledger cannot be read.
        TrackingError: the tracking store cannot be read.
    """
    ledger = Ledger.load(place.ledger, name)
    state, states = ledger.attributes().get("state"), [record.state for record in ledger.trials()]
    budget, before = spec.head.budget, ledger.spec.head.budget
    same = budget == before and spec.head.stop == ledger.spec.head.stop
    spent = same or (budget.trials is not None and len(states) >= budget.trials)
    if state not in (StudyState.COMPLETE, StudyState.FAILED) or not spent or any(s in OPEN for s in states):
        return None
    result = load_study(name, place)
    missing = state == StudyState.COMPLETE and not (is_concluded(ledger) and is_confirmed(ledger, result))
    return None if missing else result
