"""Launches studies and reads them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunetrack.api.reports import log_report
from tunetrack.api.study_files import load_single, load_study_file, override_paths
from tunetrack.errors import LedgerError, StudyFailedError
from tunetrack.ledger import Ledger, TrialRecord, is_dead
from tunetrack.ledger import list_studies as ledger_studies
from tunetrack.spec import StudySpec, TrialState
from tunetrack.spec.loading import Source
from tunetrack.study import INTERRUPTED, Launch, Place, Progress, StudyResult, in_words, launch, read_result
from tunetrack.tracking import connect

__all__ = ["launch_study", "list_studies", "load_study", "run_study", "train"]


def run_study(
    study: Source | StudySpec,
    *,
    home: str | Path = "mlruns",
    tracking_uri: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **overrides: Any,
) -> StudyResult:
    """Runs a study to its end and returns its trials.

    Args:
        study: path of a study file, its content as a mapping, or a checked spec.
        home: folder that holds everything that is written.
        tracking_uri: where the runs go; default: a database in `home`.
        resume: go on with the latest study of this name.
        progress: told of every step; default: silent.
        **overrides: values that replace those of the study file: ``trials=5``, ``seconds=60``, ``data_dir="data"``,
            or any path with ``__`` for the dot, such as ``trainer__epochs=3``.

    Raises:
        SpecError: the study file or an override is wrong; nothing was started.
        DataError: the data set is missing or too small.
        TrackingError: the tracking store cannot be reached or written.
        LedgerError: the search state cannot be used, or there is nothing to resume.
        StudyFailedError: no trial gave a value.
    """
    spec = load_study_file(study, override_paths(overrides))
    place = Place(Path(home), tracking_uri)
    return launch_study(spec, Launch(place, resume=resume, progress=progress or Progress()))


def train(
    config: Source, *, home: str | Path = "mlruns", tracking_uri: str | None = None, **overrides: Any
) -> StudyResult:
    """Trains one configuration, tracked like a study of a single trial.

    Args:
        config: path of a file without ranges, or its content as a mapping.
        home: as in `run_study`.
        tracking_uri: as in `run_study`.
        **overrides: as in `run_study`.

    Raises:
        SpecError: a value is wrong, or is a range.
        TunetrackError: as `run_study`.
    """
    spec = load_single(config, override_paths(overrides))
    return launch_study(spec, Launch(Place(Path(home), tracking_uri)))


def launch_study(spec: StudySpec, wanted: Launch) -> StudyResult:
    """Runs a checked study and leaves its report on the study's run, also of a study that failed.

    Raises:
        StudyFailedError: no trial gave a value.
        TunetrackError: as `run_study`.
    """
    result = launch(spec, wanted)
    log_report(result)
    if result.best is None:
        raise StudyFailedError(in_words(result))
    return result


def load_study(name: str, home: str | Path | Place = "mlruns", tracking_uri: str | None = None) -> StudyResult:
    """Reads a study back, finished or not.

    Args:
        name: as `list_studies` gives it.
        home: the folder that it was run in.
        tracking_uri: where its runs are; default: where they were written.

    Raises:
        LedgerError: there is no such study.
        TrackingError: the tracking store cannot be read.
    """
    place = home if isinstance(home, Place) else Place(Path(home), tracking_uri)
    if not place.has_ledger:
        raise LedgerError(f"there is no study in {place.home.resolve()}; is --home right?")
    ledger = Ledger.load(place.ledger, name)
    uri = place.tracking_uri or ledger.attributes().get("mlflow_tracking_uri") or place.tracking
    place = Place(place.home, uri, place.ledger_url)
    with connect(uri) as store:
        return read_result(ledger, store, place)


def list_studies(home: str | Path | Place = "mlruns") -> list[dict[str, Any]]:
    """The studies in a folder, the latest first, as JSON-ready data.

    Returns:
        For each: name, state (RUNNING, COMPLETE, FAILED, INTERRUPTED), objective, number of finished trials, the
        budget's trials, best value and when it was started.

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
    }


def _study_state(ledger: Ledger) -> str:
    if any(_is_worked_on(record) for record in ledger.trials()):
        return "RUNNING"
    return str(ledger.attributes().get("state", INTERRUPTED))


def _is_worked_on(record: TrialRecord) -> bool:
    return record.state is TrialState.RUNNING and record.worker is not None and not is_dead(record.worker)
