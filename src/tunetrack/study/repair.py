"""Brings MLflow into line with the ledger again, and clears away what a process that was killed has left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tunetrack.ledger import Ledger, TrialRecord
from tunetrack.spec import TrialOutcome, TrialState
from tunetrack.study.alone import alone
from tunetrack.study.parity import Difference, Kind, differences, expected_params
from tunetrack.study.place import Place
from tunetrack.tracking import (
    SCRATCH,
    RunStatus,
    StudyRun,
    TrackingStore,
    TrialArtifacts,
    TrialRunRow,
    connect,
    delete_run,
    study_status,
    study_trials,
)

__all__ = [
    "ENDED",
    "begin_anew",
    "clear_leftovers",
    "compare",
    "mend",
    "repair",
    "send_leftovers",
    "waiting_bytes",
    "write_end",
]

#: How long what dead workers have left is sent; what is then left waits for `doctor --fix`, or for a resumed study.
LEFTOVER_SECONDS = 60.0

#: States that do not change any more.
ENDED = frozenset(TrialState) - {TrialState.RUNNING, TrialState.KILLED}


def repair(place: Place, ledger: Ledger, told: Callable[[str], None] = lambda text: None) -> tuple[Difference, ...]:
    """Brings a study into order without running anything: afterwards it can be resumed, or left as it is.

    What waits for the tracking store is sent, the trials of workers that are gone are given back, MLflow is made to say
    what the ledger says, and what nobody needs is removed.

    Args:
        place: with the tracking store that the study was written to.
        ledger: the study.
        told: called with sentences for the user.

    Returns:
        What could not be mended.

    Raises:
        StudyBusyError: a process works on the study.
        LedgerError: the ledger cannot be read or written.
        TrackingError: the tracking store cannot be reached.
    """
    with alone(place, ledger.name, seconds=0.0), connect(place.tracking) as store:
        finished = frozenset(record.number for record in ledger.trials() if record.state in ENDED)
        store.use_spool(place.spool / ledger.name, finished.__contains__, told)
        ledger.reclaim(other_hosts=place.is_own_ledger)
        run_id = ledger.attributes().get("mlflow_run_id")
        if run_id is None:  # its process died before it had a run
            return ()
        run = store.attach_study(run_id)
        run.flush()
        found = compare(ledger, store, run_id)
        for difference in found:
            told(difference.text)
        mend(found, ledger, store, run)
        run.flush()
        clear_leftovers(place, ledger)
        return compare(ledger, store, run_id)


def send_leftovers(place: Place, ledger: Ledger, told: Callable[[str], None]) -> bool:
    """Sends what workers of this home have left that have died since, and after whom nobody came.

    Returns:
        Whether there may have been something.

    Raises:
        LedgerError: the ledger cannot be read.
        TrackingError: the tracking address cannot be used.
    """
    if len(list((place.spool / ledger.name).glob("*.log"))) <= 1:  # this process's own
        return False
    finished = frozenset(record.number for record in ledger.trials() if record.state in ENDED)
    with connect(place.tracking, must_answer=False) as store:
        store.use_spool(place.spool / ledger.name, finished.__contains__, told)
        store.flush(LEFTOVER_SECONDS)
    return True


def waiting_bytes(place: Place, name: str) -> int:
    """Bytes that wait for the tracking store in the spools of a study."""
    return sum(path.stat().st_size for path in (place.spool / name).rglob("*") if path.is_file())


def compare(ledger: Ledger, store: TrackingStore, run_id: str, live: bool = False) -> tuple[Difference, ...]:
    """What ledger and MLflow say differently about a study and its trials.

    Args:
        ledger: the study.
        store: where its runs are.
        run_id: its run.
        live: whether a process works on it.

    Raises:
        LedgerError: the ledger cannot be read.
        TrackingError: the tracking store cannot be read.
    """
    rows = study_trials(store, run_id)
    found = differences(ledger.spec, ledger.trials(), rows, changed=bool(ledger.changes()))
    status = study_status(store, run_id)
    if status is RunStatus.RUNNING and not live:
        text = f"the study's own run {run_id} is RUNNING in MLflow, and no process works on it"
        found += (Difference(Kind.STUDY, text, None, run_id),)
    return found


def mend(found: Sequence[Difference], ledger: Ledger, store: TrackingStore, run: StudyRun) -> None:
    """Makes MLflow say what the ledger says. What is deleted can be restored in MLflow for some time.

    A parameter that stands there with another value cannot be changed: MLflow allows that nowhere.

    Raises:
        LedgerError: the ledger cannot be read.
        TrackingError: the tracking store cannot be read or written.
    """
    records = {record.number: record for record in ledger.trials()}
    rewritten = {difference.trial: False for difference in found if difference.trial in records}
    for difference in found:
        if difference.kind is Kind.STUDY:
            run.killed("its process has ended without a word")
        elif difference.kind is Kind.NO_TRIAL and difference.run_id is not None:
            delete_run(store, difference.run_id)
        elif difference.kind is Kind.SEVERAL_RUNS and difference.trial is not None:
            rows = [row for row in study_trials(store, run.run_id) if row.number == difference.trial]
            kept = _kept(rows, records[difference.trial])
            for row in rows:
                if row.run_id != kept.run_id:
                    delete_run(store, row.run_id)
        elif difference.trial in rewritten:
            rewritten[difference.trial] |= difference.kind in (Kind.VALUES, Kind.NO_RUN)
    for number, with_values in rewritten.items():
        if number is not None:
            write_end(run, ledger, records[number], with_values)


def write_end(run: StudyRun, ledger: Ledger, record: TrialRecord, with_values: bool = False) -> None:
    """Queues the end of a trial as the ledger knows it, on the run that it has, or on a new one."""
    state = TrialState.KILLED if record.state is TrialState.RUNNING else record.state
    values = record.objectives if with_values else None
    outcome = TrialOutcome(
        state,
        values,
        record.reason,
        duplicate_of=record.duplicate_of,
        would_prune_at=record.would_prune_at,
        violates=record.violates,
    )
    trial = run.open_trial(record.number, expected_params(ledger.spec, record), existing=True)
    trial.finish(outcome, TrialArtifacts(curves=False))


def begin_anew(place: Place, ledger: Ledger, store: TrackingStore, run: StudyRun) -> None:
    """Takes away what trials that have not ended have so far, since the study file has changed under them.

    Their parameters in MLflow could not be changed, and their checkpoints belong to another configuration.

    Raises:
        LedgerError: the ledger cannot be read.
        TrackingError: the tracking store cannot be read or written.
    """
    run.flush()
    unfinished = {record.number for record in ledger.trials() if record.state not in ENDED}
    for row in study_trials(store, run.run_id):
        if row.number in unfinished:
            delete_run(store, row.run_id)
    for number in unfinished:
        (place.checkpoints / ledger.name / f"{number}.pt").unlink(missing_ok=True)


def clear_leftovers(place: Place, ledger: Ledger) -> tuple[Path, ...]:
    """Removes checkpoints that nobody will go on from, and halves of files; returns what was removed.

    Only for whoever is `alone` with the study.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    folder = place.checkpoints / ledger.name
    unfinished = {f"{record.number}.pt" for record in ledger.trials() if record.state not in ENDED}
    left = [path for path in folder.glob("*") if path.name not in unfinished]
    for path in left:
        path.unlink(missing_ok=True)
    shutil.rmtree(place.spool / ledger.name / SCRATCH, ignore_errors=True)
    for empty in (folder, folder.parent, place.spool / ledger.name, place.spool):
        with contextlib.suppress(OSError):  # not empty, or not there
            empty.rmdir()
    return tuple(left)


def _kept(rows: Sequence[TrialRunRow], record: TrialRecord) -> TrialRunRow:
    """Of several runs of a trial, the one that says what the ledger says; else the oldest."""
    return min(rows, key=lambda row: (row.state != record.state.value, -len(row.metrics), row.start))
