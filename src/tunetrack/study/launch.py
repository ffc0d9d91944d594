"""From a checked study to its result: open ledger and runs, let the worker work, crown the best, close."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict, dataclass, field

from tunetrack import training
from tunetrack.errors import InterruptedStudyError, LedgerError, TunetrackError
from tunetrack.ledger import Ledger, latest_name, unused_name
from tunetrack.spec import StudySpec, TrialConfig
from tunetrack.spec.imports import imported_models
from tunetrack.study.best import crown
from tunetrack.study.data import ResidentSets
from tunetrack.study.outcome import in_words, read_result
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress, StudyStart
from tunetrack.study.result import StudyResult
from tunetrack.study.stopping import INTERRUPTED, StopSignals
from tunetrack.study.tracked import dataset_info, machine, study_info
from tunetrack.study.worker import Worker
from tunetrack.tracking import StudyRun, StudyState, TrackingStore, connect, write_view

__all__ = ["Launch", "launch"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """Everything about a launch that is not the study itself.

    Attributes:
        place: where ledger, runs and artifacts are.
        experiment: MLflow experiment; None for the study file's name. Without effect where `run_id` is given or the
            study is resumed.
        run_id: an MLflow run that becomes a new study's own, as `mlflow run` opens one.
        resume: go on with the latest study of this name instead of starting a new one.
        name: with `resume`, the very study to go on with, by its name in the ledger.
        accept_changes: with `resume`, go on also where the study file has changed; the change is recorded.
        supervised: another process sees to it that a second signal ends this one.
        died: how the worker ended that ran the study before, where somebody saw it: "killed by signal 9 (SIGKILL)".
        progress: told of every step.
    """

    place: Place = field(default_factory=Place)
    experiment: str | None = None
    run_id: str | None = None
    resume: bool = False
    name: str | None = None
    accept_changes: bool = False
    supervised: bool = False
    died: str = ""
    progress: Progress = field(default_factory=Progress)


def launch(spec: StudySpec, wanted: Launch) -> StudyResult:
    """Runs a study to its end; it has failed where the result has no best trial.

    What can be wrong is looked at before anything is written: options, tracking store, data set,
    a model of the user's own.

    Raises:
        SpecError: an option of the sampler or pruner is wrong, or what `model.import` names is no classifier.
        DataError: the data set is missing or too small.
        TrackingError: the tracking store cannot be reached or written.
        LedgerError: the ledger cannot be used, or there is nothing to resume.
        InterruptedStudyError: a signal stopped it; it can be resumed.
    """
    wanted.place.make()
    sets = ResidentSets()
    with connect(wanted.place.tracking) as store:
        sample = spec.first_config()
        data = sets.get(sample)
        for model in imported_models(spec):
            training.check_imported(model, data.input_shape, len(data.classes))
        ledger = _open_ledger(spec, wanted)
        wanted.progress.study_opened(ledger.name)
        with StopSignals(second_raises=not wanted.supervised) as stop:
            run = _open_run(spec, ledger, wanted, store)
            checkpoints = wanted.place.checkpoints / ledger.name
            worker = Worker(spec, ledger, run, sets, wanted.progress, stop, checkpoints=checkpoints)
            try:
                _search(worker, sample)
                result = _finish(worker, store, wanted.place)
            except InterruptedStudyError as interrupt:
                run.killed(str(interrupt))
                raise
            except Exception as error:
                _give_up(run, error)
                raise
    return result


def _open_ledger(spec: StudySpec, wanted: Launch) -> Ledger:
    url = wanted.place.ledger
    if not wanted.resume:
        return Ledger.create(url, spec, unused_name(url, spec.name))
    name = wanted.name or latest_name(url, spec.name)
    if name is None:
        raise LedgerError(f"there is no study {spec.name!r} to resume in {wanted.place.home}; run it without --resume")
    ledger = Ledger.load(url, name, spec)
    ledger.reclaim()
    return ledger


def _open_run(spec: StudySpec, ledger: Ledger, wanted: Launch, store: TrackingStore) -> StudyRun:
    if "key" not in ledger.attributes():
        ledger.set_attribute("key", uuid.uuid4().hex)
    info = study_info(spec, ledger.name, ledger.attributes()["key"])
    # A resumed study stays in its own run, in whichever experiment that is: its finished trials are below it.
    run_id = ledger.attributes().get("mlflow_run_id", wanted.run_id)
    run = store.open_study(info, wanted.experiment or spec.name, wanted.place.artifacts, run_id)
    ledger.set_attribute("state", INTERRUPTED)  # what it is, should this process end without a word
    ledger.set_attribute("mlflow_run_id", run.run_id)
    ledger.set_attribute("mlflow_experiment_id", run.experiment_id)
    ledger.set_attribute("mlflow_tracking_uri", wanted.place.tracking)
    view = write_view(store, info, run.experiment_id)
    if view.skipped:
        wanted.progress.note(f"no saved view: {view.skipped}")
    return run


def _search(worker: Worker, sample: TrialConfig) -> None:
    spec, ledger, run = worker.spec, worker.ledger, worker.run
    data = worker.sets.get(sample)
    run.log_dataset(dataset_info(data, sample.data))
    run.log_machine(machine())
    if not any(parameter.path.startswith("data.") for parameter in spec.space.parameters):
        ledger.set_attribute("validation_images", len(data.validation.labels))
    start = StudyStart(
        ledger.name,
        spec.objectives,
        spec.searched_paths,
        spec.head.budget.trials,
        worker.finished_trials(),
        run.run_id,
    )
    worker.progress.study_started(start)
    worker.work()


def _finish(worker: Worker, store: TrackingStore, place: Place) -> StudyResult:
    ledger, run = worker.ledger, worker.run
    run.flush()
    result = read_result(ledger, store, place)
    best = result.best
    if best is None:
        ledger.set_attribute("state", StudyState.FAILED.value)
        run.finish(StudyState.FAILED, in_words(result))
        return result
    # Once a winner: a resumed study that found no better trial logs no second model and looks at no test image again.
    if result.test is None and ledger.attributes().get("crowned") != best.number:
        look = crown(worker.spec, best, store, run, worker.sets)
        ledger.set_attribute("crowned", best.number)
        if look is None:
            worker.progress.note("validation takes the whole official test set, so the best trial has no test accuracy")
        else:
            ledger.set_attribute("test_looks", [asdict(seen) for seen in (*result.looks, look)])
        result = read_result(ledger, store, place)
    ledger.set_attribute("state", StudyState.COMPLETE.value)
    run.finish(StudyState.COMPLETE, in_words(result), best.number)
    return result


def _give_up(run: StudyRun, error: Exception) -> None:
    """Ends the study's run as FAILED; where the tracking store itself is the trouble, that is all one can do."""
    try:
        run.finish(StudyState.FAILED, f"The study ended with an error: {error}")
    except TunetrackError as second:
        _logger.warning("the study's run could not be ended: %s", second)
