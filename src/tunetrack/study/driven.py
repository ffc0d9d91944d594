"""A study that somebody else drives: their loop proposes, our trainer trains, our tracking tracks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec import EpochRecord, StudySpec, TrialOutcome, TrialState, flatten, trial_params
from tunetrack.spec.imports import imported_models
from tunetrack.study.data import ResidentSets
from tunetrack.study.place import Place
from tunetrack.study.tracked import dataset_info, machine, shares_validation_images, study_info, worker_name
from tunetrack.study.trial import TrialWatch, run_trial
from tunetrack.study.worker import trial_artifacts
from tunetrack.tracking import StudyRun, StudyState, TrackingStore, connect, write_view

__all__ = ["DrivenStudy"]

#: Takes an epoch and the objective's running value; True prunes the trial.
Report = Callable[[int, float], bool]


class DrivenStudy:
    """Trains and tracks one proposed configuration after the other. Use it as a context manager, or call `close`.

    The MLflow run of the study is opened with the first trial and ended by `close`.
    """

    def __init__(self, spec: StudySpec, place: Place, experiment: str | None = None) -> None:
        self.spec = spec
        self._place = place
        self._experiment = experiment or spec.name
        self._sets = ResidentSets()
        self._store: TrackingStore | None = None
        self._run: StudyRun | None = None
        self._next = 0

    def run(self, resolved: dict[str, Any], report: Report = lambda step, value: False) -> TrialOutcome:
        """Trains one configuration as the next trial.

        Args:
            resolved: a point of the spec's space, as `SearchSpace.resolve` gives it.
            report: called after every epoch.

        Raises:
            SpecError: what `model.import` names is no classifier.
            DataError: the data set is missing or too small.
            TrackingError: the tracking store cannot be reached or written.
        """
        number, self._next = self._next, self._next + 1
        run = self._run or self._open()
        try:
            config = self.spec.config(resolved)
        except InfeasibleConfigError as error:
            outcome = TrialOutcome(TrialState.INFEASIBLE, reason=str(error))
            run.open_trial(number, flatten(resolved, self.spec.searched_paths)).finish(outcome)
            return outcome
        data = self._sets.get(config)
        trial = run.open_trial(number, trial_params(config, self.spec.searched_paths), worker=worker_name())

        def watch_epoch(record: EpochRecord, value: float, _unsaved: bool) -> bool:
            trial.log_epoch(record)
            return report(record.epoch, value)

        try:
            watch = TrialWatch(watch_epoch, conditions=trial.log_conditions, constraints=self.spec.constraints)
            result = run_trial(config, self.spec.objectives, data, watch)
        except KeyboardInterrupt:
            trial.finish(TrialOutcome(TrialState.KILLED, reason="interrupted"))
            raise
        trial.finish(result.outcome, trial_artifacts(config, result))
        return result.outcome

    def close(self, state: StudyState = StudyState.COMPLETE) -> None:
        """Writes what is queued and ends the study's run.

        Raises:
            TrackingError: something could not be written.
        """
        if self._run is not None:
            self._run.finish(state, f"{self._next} trials, proposed from outside.")
            self._run = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.close(StudyState.KILLED if issubclass(kind, KeyboardInterrupt) else StudyState.FAILED)

    def _open(self) -> StudyRun:
        first = self.spec.first_config()
        data = self._sets.get(first)  # before anything is written: what is missing is said without a run
        for model in imported_models(self.spec):
            training.check_imported(model, data.input_shape, len(data.classes))
        self._place.make()
        self._store = connect(self._place.tracking)
        key = uuid.uuid4().hex
        info = study_info(self.spec, f"{self.spec.name}-{key[:6]}", key)
        self._run = self._store.open_study(info, self._experiment, self._place.artifacts)
        write_view(self._store, info, self._run.experiment_id)
        self._run.log_dataset(dataset_info(data, first.data))
        self._run.log_machine(machine())
        if shares_validation_images(self.spec):
            self._run.log_images(training.thumbnails(data.validation), data.digest)
        return self._run
