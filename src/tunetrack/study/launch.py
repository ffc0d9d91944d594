"""From a checked study to its result: open ledger and runs, let the worker work, crown the best, close."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from tunetrack import training
from tunetrack.errors import InterruptedStudyError, LedgerError, TrackingError, masked
from tunetrack.ledger import Ledger, latest_name
from tunetrack.spec import StudySpec
from tunetrack.spec.imports import imported_models
from tunetrack.study.alone import alone
from tunetrack.study.best import crown, log_look, weights_are_kept
from tunetrack.study.bulletin import Bulletin, Ranking
from tunetrack.study.data import ResidentSets
from tunetrack.study.outcome import ended_by, in_words, read_result
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress, StudyStart
from tunetrack.study.repair import ENDED, begin_anew, clear_leftovers, compare, mend, send_leftovers
from tunetrack.study.result import StudyResult, StudyTrial
from tunetrack.study.stopping import INTERRUPTED, StopSignals
from tunetrack.study.tracked import dataset_info, machine, shares_validation_images, study_info
from tunetrack.study.worker import Worker
from tunetrack.study.workers.crew import Crew, CrewPlan
from tunetrack.study.workers.job import WorkerJob
from tunetrack.tracking import StudyRun, StudyState, TrackingStore, connect, write_view
from tunetrack.tracking.upkeep import analyze

__all__ = ["Launch", "Views", "launch"]

_logger = logging.getLogger(__name__)

#: How long the end of a study waits for a tracking store that is away.
SETTLE_SECONDS = 600.0
#: How long it waits for workers that have joined the study from elsewhere, and may still be sending.
JOINED_SECONDS = 60.0
_LOOK_SECONDS = 0.5
#: How long a study that is being stopped tries to write its last words.
LEAVE_SECONDS = 4.0
#: The same where several workers had to leave before.
LEAVE_LAST_SECONDS = 1.5
#: How long it tries once more, after everything above has waited already: a process that is stopped has ten seconds.
CLOSE_SECONDS = 1.0


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
        threads: CPU threads of this process; None leaves it to torch. Without effect where there is a crew.
        crew: the workers that run the trials; None: this process does.
        artifacts: folder or address (``s3://bucket/path``) of the artifacts of a new experiment; None for a folder in
            the place. A tracking server decides for itself.
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
    threads: int | None = None
    crew: CrewPlan | None = None
    artifacts: str | None = None


@dataclass(frozen=True)
class Views:
    """What makes a study's numbers fit to be looked at; it lives above this folder, so it is handed in.

    Attributes:
        files: makes files for the study's run, from that run's id, when the runs are complete; None: none.
        ranking: orders the searched parameters by importance.
        crowned: whether the best trial gets a model and a look at the test images.
    """

    files: Callable[[TrackingStore, str], Mapping[str, bytes]] | None = None
    ranking: Ranking = lambda table: ()
    crowned: bool = True


def launch(spec: StudySpec, wanted: Launch, views: Views = Views()) -> StudyResult:
    """Runs a study to its end; it has failed where the result has no best trial.

    What can be wrong is looked at before anything is written: options, tracking store, data set,
    a model of the user's own.

    Args:
        spec: the study.
        wanted: where, and whether it is a new one.
        views: what is left on the study's run to be looked at; default: no report, no importance.

    Raises:
        SpecError: an option of the sampler or pruner is wrong, or what `model.import` names is no classifier.
        DataError: the data set is missing or too small.
        TrackingError: the tracking store cannot be reached at the start, or does not come back at the end.
        LedgerError: the ledger cannot be used, there is nothing to resume, or another process works on the study.
        TunetrackError: one worker after the other dies and the study comes no further.
        InterruptedStudyError: a signal stopped it; it can be resumed.
    """
    wanted.place.make()
    if wanted.threads is not None and wanted.crew is None:
        training.take_share(spec.first_config().trainer, wanted.threads)
    sets = ResidentSets()
    data = sets.get(spec.first_config())
    for model in imported_models(spec):
        training.check_imported(model, data.input_shape, len(data.classes))
    with contextlib.ExitStack() as stack:
        if wanted.crew is not None:
            stack.enter_context(wanted.crew.launcher)
        store, ledger = _open(spec, wanted, stack)
        wanted.progress.study_opened(ledger.name)
        stop = stack.enter_context(StopSignals(second_raises=not wanted.supervised))
        ledger.while_away(stop.check)
        stack.enter_context(alone(wanted.place, ledger.name))
        run = _open_run(ledger, wanted, store)
        checkpoints = wanted.place.checkpoints / ledger.name
        worker = Worker(ledger.spec, ledger, run, sets, wanted.progress, stop, checkpoints=checkpoints)
        bulletin = _bulletin(worker, store, wanted.place, views.ranking)
        try:
            if wanted.accept_changes:
                begin_anew(wanted.place, ledger, store, run)
            with bulletin:
                _search(worker, wanted)
            result = _finish(worker, store, wanted.place, bulletin, views)
            if views.files is not None:
                run.log_files(views.files(store, run.run_id))
                _settle(worker, wanted.place)
        except InterruptedStudyError as interrupt:
            _leave(run, str(interrupt), wanted.progress, LEAVE_SECONDS if wanted.crew is None else LEAVE_LAST_SECONDS)
            raise
        except (TrackingError, LedgerError) as error:
            _leave(run, str(error), wanted.progress)
            raise
        except Exception as error:
            run.finish(StudyState.FAILED, f"The study ended with an error: {error}")
            run.flush(LEAVE_SECONDS)
            raise
        ledger.set_attribute("state", (StudyState.FAILED if result.best is None else StudyState.COMPLETE).value)
        analyze(store)
    return result


def _open(spec: StudySpec, wanted: Launch, stack: contextlib.ExitStack) -> tuple[TrackingStore, Ledger]:
    """The tracking store and the ledger. A study that is resumed needs no answer from the store: what is to be written
    waits in the spool."""
    place = wanted.place
    if not wanted.resume:
        store = _connected(place, stack)
        return store, Ledger.start(place.ledger, spec)
    name = wanted.name or latest_name(place.ledger, spec.name)
    if name is None:
        raise LedgerError(f"there is no study {spec.name!r} to resume in {place.home}; run it without --resume")
    ledger = Ledger.load(place.ledger, name, spec, accept_changes=wanted.accept_changes)
    must_answer = "mlflow_run_id" not in ledger.attributes() or wanted.accept_changes
    return _connected(place, stack, must_answer), ledger


def _connected(place: Place, stack: contextlib.ExitStack, must_answer: bool = True) -> TrackingStore:
    store = connect(place.tracking, must_answer=must_answer)
    stack.callback(store.close, CLOSE_SECONDS)
    return store


def _open_run(ledger: Ledger, wanted: Launch, store: TrackingStore) -> StudyRun:
    """The study's run, new or again; what earlier processes left in the spool goes first."""
    if "key" not in ledger.attributes():
        ledger.set_attribute("key", uuid.uuid4().hex)
    if wanted.artifacts is not None:  # for whoever goes on, should this process die before there is an experiment
        ledger.set_attribute("artifacts", wanted.artifacts)
    kept = ledger.attributes()
    # As it stands now: a trial that is not finished is run again, and whatever its worker wanted to say of its end is
    # void, even if the trial has ended by the time that the store can be reached.
    finished = frozenset(record.number for record in ledger.trials() if record.state in ENDED)
    store.use_spool(wanted.place.spool / ledger.name, finished.__contains__, wanted.progress.note)
    changes = [f"{change} (accepted {change.when})" for change in ledger.changes()]
    info = study_info(ledger.spec, ledger.name, kept["key"], changes)
    # A resumed study stays in its own run, in whichever experiment that is: its finished trials are below it.
    run = store.open_study(
        info,
        wanted.experiment or ledger.spec.name,
        kept.get("artifacts") or wanted.place.artifacts,
        kept.get("mlflow_run_id", wanted.run_id),
        kept.get("mlflow_experiment_id"),
    )
    if kept.get("stopped"):
        ledger.set_attribute("stopped", "")  # its budget or its rules may be others now
    ledger.set_attribute("state", INTERRUPTED)  # what it is, should this process end without a word
    ledger.set_attribute("mlflow_run_id", run.run_id)
    ledger.set_attribute("mlflow_experiment_id", run.experiment_id)
    ledger.set_attribute("mlflow_tracking_uri", wanted.place.tracking)
    if "mlflow_run_id" not in kept:
        view = write_view(store, info, run.experiment_id)
        if view.skipped:
            wanted.progress.note(f"no saved view: {view.skipped}")
    return run


def _bulletin(worker: Worker, store: TrackingStore, place: Place, ranking: Ranking) -> Bulletin:
    """What keeps the study's page current, called after each of the worker's trials."""

    def standing() -> StudyResult:
        return read_result(worker.ledger, None, place)

    def housekeeping(_trials: int) -> None:
        analyze(store)

    bulletin = Bulletin(worker.spec, worker.run, standing, ranking, housekeeping)
    worker.after_trial = bulletin.trial_ended
    return bulletin


def _search(worker: Worker, wanted: Launch) -> None:
    spec, ledger, run = worker.spec, worker.ledger, worker.run
    config = spec.first_config()
    data = worker.sets.get(config)
    run.log_dataset(dataset_info(data, config.data))
    run.log_machine(machine())
    if not any(parameter.path.startswith("data.") for parameter in spec.space.parameters):
        ledger.set_attribute("validation_images", len(data.validation.labels))
    if shares_validation_images(spec) and ledger.attributes().get("shown_images") != data.digest:
        run.log_images(training.thumbnails(data.validation), data.digest)
        ledger.set_attribute("shown_images", data.digest)
    worker.take_back(wanted.died, everybody=wanted.place.is_own_ledger)
    start = StudyStart(
        ledger.name,
        spec.objectives,
        run.info.searched,
        spec.head.budget.trials,
        worker.finished_trials(),
        run.run_id,
    )
    worker.progress.study_started(start)
    if wanted.crew is None:
        with ledger.keeping():
            worker.work()
    else:
        Crew(worker, wanted.crew, _job(ledger, wanted.place, wanted.crew)).work()


def _job(ledger: Ledger, place: Place, plan: CrewPlan) -> WorkerJob:
    home = place.home.resolve()
    return WorkerJob(ledger.name, place.ledger, place.tracking, home, threads=plan.threads, gpus=plan.gpus)


def _finish(worker: Worker, store: TrackingStore, place: Place, bulletin: Bulletin, views: Views) -> StudyResult:
    ledger, run, report = worker.ledger, worker.run, views.files is not None
    _agree(worker, store, place)
    clear_leftovers(place, ledger)
    ledger.set_attribute("stopped", ended_by(ledger))
    result = read_result(ledger, store, place)
    bulletin.rank(result)
    best = result.best
    if best is None:
        run.finish(StudyState.FAILED, in_words(result), report=report, stopped=result.stopped)
        _settle(worker, place)
        return result
    head = worker.spec.head
    if views.crowned and head.confirm is None and head.confirms is None:  # a confirmation names the winner by itself
        result = _crowned(worker, store, place, result, best)
    run.finish(StudyState.COMPLETE, in_words(result), best.number, report, result.stopped)
    _settle(worker, place)
    return result


def _crowned(worker: Worker, store: TrackingStore, place: Place, result: StudyResult, best: StudyTrial) -> StudyResult:
    """Gives the best trial its model and its one look at the test images.

    Once a winner: a resumed study that found no better trial logs no second model and looks at no test image again.
    "crowned" comes last, so what dies in between is done again, and each of its steps is the same the second time.
    """
    ledger, run = worker.ledger, worker.run
    if not weights_are_kept(best, store, run):
        worker.progress.note(
            f"the weights of the best trial, {best.number}, were lost with the machine that had them, so it has no "
            "model and no test accuracy; `tunetrack train` trains its configuration once more"
        )
        return result
    if ledger.attributes().get("crowned") == best.number:
        return result
    look = result.test or crown(worker.spec, best, store, run, worker.sets)
    if look is None:
        worker.progress.note("validation takes the whole official test set, so the best trial has no test accuracy")
    else:
        if result.test is None:
            ledger.set_attribute("test_looks", [asdict(seen) for seen in (*result.looks, look)])
        log_look(look, best, store, run)
    ledger.set_attribute("crowned", best.number)
    return read_result(ledger, store, place)


def _agree(worker: Worker, store: TrackingStore, place: Place) -> None:
    """Brings MLflow into line with the ledger, after whoever has joined the study had time to send what it has."""
    ledger, run = worker.ledger, worker.run
    _settle(worker, place)
    deadline = time.monotonic() + JOINED_SECONDS
    while found := compare(ledger, store, run.run_id, live=True):
        trials = {difference.trial for difference in found if difference.trial is not None}
        if time.monotonic() > deadline or not ledger.may_be_sending(trials, not place.is_own_ledger):
            break
        worker.stop.check()
        time.sleep(_LOOK_SECONDS)
    if send_leftovers(place, ledger, worker.progress.note):
        found = compare(ledger, store, run.run_id, live=True)
    if found:
        mend(found, ledger, store, run)
        _settle(worker, place)


def _settle(worker: Worker, place: Place) -> None:
    """Waits until the tracking store has everything; only the end of a study needs that.

    Raises:
        TrackingError: it did not come back in time.
        InterruptedStudyError: a signal came while waiting.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while not worker.run.flush(1.0):
        worker.stop.check()
        if time.monotonic() > deadline:
            name = worker.ledger.name
            raise TrackingError(
                f"all trials of the study {name!r} are done, but the tracking store {masked(place.tracking)} has not "
                f"taken everything for {SETTLE_SECONDS / 60:.0f} minutes. Nothing is lost: the rest waits in "
                f"{place.spool / name}, and `tunetrack resume {name}` sends it and names the winner"
            )


def _leave(run: StudyRun, reason: str, progress: Progress, seconds: float = LEAVE_SECONDS) -> None:
    """Marks what is running as KILLED; where the store does not answer, that waits in the spool like all else."""
    run.killed(reason)
    if not run.flush(seconds):
        progress.note("the tracking store does not answer; what it has not got yet is sent at the next start")
