"""What a worker process does: it joins a study that somebody else has opened, and runs trials until none is left."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tunetrack import training
from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger
from tunetrack.spec import EpochRecord, Finding, StudySpec, TrialConfig, TrialOutcome, load_study
from tunetrack.study.data import ResidentSets
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress
from tunetrack.study.repair import ENDED
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.worker import Worker
from tunetrack.study.workers.job import WorkerJob
from tunetrack.tracking import StudyRun, TrackingStore, connect

__all__ = ["Tell", "join"]

#: Takes the name of a method of `Progress` and its arguments; may be called by any thread.
Tell = Callable[[str, tuple[Any, ...]], None]

#: Somebody opens the study's run at this moment, who has to wait for the tracking store first.
OPENING_SECONDS = 60.0
#: How long the end of a worker waits for a tracking store that is away; then what waits is the next process's.
SETTLE_SECONDS = 600.0
#: How long a worker that is being stopped tries to send what waits.
CLOSE_SECONDS = 1.0
_LOOK_SECONDS = 0.2

_logger = logging.getLogger(__name__)


def join(job: WorkerJob, tell: Tell, stop: StopSignals, index: int = 0) -> None:
    """Runs trials of a study until its budget is spent and nobody can give one back any more.

    Args:
        job: the study, and how much of the machine to use.
        tell: gets every step, as the name of a method of `Progress` and its arguments.
        stop: signals that end the loop, in effect already.
        index: which of this machine's workers it is, from 0; says which GPU it takes, where there are several.

    Raises:
        InterruptedStudyError: a signal came; the running trial waits to be run again.
        LedgerError: there is no such study, it never began, or the search state cannot be read or written.
        DataError: the data set is missing or too small on this machine.
        TrackingError: the tracking address cannot be used, or the disk has stayed full.
    """
    ledger = Ledger.load(job.ledger, job.name)
    ledger.while_away(stop.check)
    spec = ledger.spec if job.data_dir is None else load_study(ledger.spec.document, {"data.dir": job.data_dir})
    training.take_share(spec.first_config().trainer, job.threads, job.gpus, index)
    progress = _Told(tell)
    place = Place(job.home, job.tracking, job.ledger)
    with contextlib.ExitStack() as stack:
        _wait_for_run(ledger, stop)
        store = connect(job.tracking, must_answer=False)
        stack.callback(store.close, CLOSE_SECONDS)
        # What a dead worker wanted to say of a trial's end counts if the ledger has it, at the moment of the look.
        store.use_spool(place.spool / job.name, lambda number: _has_ended(ledger, number), progress.note)
        run = _attached(store, ledger, spec)
        checkpoints = place.checkpoints / job.name
        worker = Worker(spec, ledger, run, ResidentSets(), progress, stop, checkpoints=checkpoints)
        worker.device_share = job.gpus or 1.0
        with ledger.keeping():
            worker.work()
        _settle(store, stop, progress)


def _wait_for_run(ledger: Ledger, stop: StopSignals) -> None:
    deadline = time.monotonic() + OPENING_SECONDS
    while "mlflow_experiment_id" not in ledger.attributes():
        stop.check()
        if time.monotonic() > deadline:
            raise LedgerError(
                f"the study {ledger.name!r} has no MLflow run yet, so there is nothing to join; go on with it by "
                f"`tunetrack resume {ledger.name}`, which opens one"
            )
        time.sleep(_LOOK_SECONDS)


def _attached(store: TrackingStore, ledger: Ledger, spec: StudySpec) -> StudyRun:
    """The study's run, without asking the tracking store, which may be away."""
    kept = ledger.attributes()
    info = study_info(spec, ledger.name, kept["key"])
    return store.attach_study(kept["mlflow_run_id"], info, kept["mlflow_experiment_id"])


def _has_ended(ledger: Ledger, number: int) -> bool:
    return any(record.number == number and record.state in ENDED for record in ledger.trials())


def _settle(store: TrackingStore, stop: StopSignals, progress: Progress) -> None:
    """Sends what waits: when this worker has ended, the study may be brought to its end."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not store.flush(1.0):
        stop.check()
        if time.monotonic() > deadline:
            progress.note("the tracking store does not answer; what it has not got yet is sent when the study goes on")
            return


class _Told(Progress):
    """Hands steps on, and writes them into the log."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def trial_started(self, number: int, config: TrialConfig) -> None:
        self._tell("trial_started", (number, config))
        _logger.info("trial %d begins: %s", number, config.model_dump_json(exclude_defaults=True))

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        # The statistics of the weights are large, and on their way to MLflow already.
        self._tell("epoch_finished", (number, replace(record, weights=None)))
        accuracy, seconds = record.validation_accuracy, record.epoch_seconds
        _logger.info("trial %d, epoch %d: validation accuracy %.4f, %.2f s", number, record.epoch, accuracy, seconds)

    def found(self, number: int, finding: Finding) -> None:
        self._tell("found", (number, finding))
        _logger.info("trial %d: %s: %s", number, finding.rule, finding.text)

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self._tell("trial_finished", (number, outcome))
        values = "" if outcome.values is None else f" {', '.join(f'{value:.6g}' for value in outcome.values)}"
        _logger.info("trial %d is %s%s %s", number, outcome.state, values, outcome.reason)

    def note(self, text: str) -> None:
        self._tell("note", (text,))
        _logger.info("%s", text)
