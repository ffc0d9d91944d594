"""Launches studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunetrack.api.confirm import confirm, go_on_confirming
from tunetrack.api.crews import Workers, with_workers
from tunetrack.api.reading import place_of
from tunetrack.api.reports import ranking, report_files
from tunetrack.api.study_files import load_single, load_study_file, override_paths
from tunetrack.api.warm import warm_started
from tunetrack.errors import Problem, SpecError, StudyFailedError
from tunetrack.spec import StudySpec
from tunetrack.spec.config import DATA_PLACES
from tunetrack.spec.loading import Source
from tunetrack.study.launch import Launch, Views, launch
from tunetrack.study.outcome import in_words
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress
from tunetrack.study.result import StudyResult

__all__ = ["launch_study", "resume_spec", "resume_study", "run_study", "train"]

#: The calling process trains, and no other one.
ALONE = Workers()


def run_study(
    study: Source | StudySpec,
    *,
    home: str | Path = "mlruns",
    tracking_uri: str | None = None,
    ledger: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    workers: int | str | Workers = 1,
    artifacts: str | None = None,
    from_study: str | None = None,
    **overrides: Any,
) -> StudyResult:
    """Runs a study to its end and returns its trials.

    Args:
        study: path of a study file, its content as a mapping, or a checked spec.
        home: folder that holds everything that is written.
        tracking_uri: where the runs go; default: a database in `home`.
        ledger: URL of the search state; default: a file in `home`.
        resume: go on with the latest study of this name.
        progress: told of every step; default: silent.
        workers: how many processes train: a number, ``auto``, or `tunetrack.Workers`, which also says where, and with
            how many threads and GPUs.
        artifacts: folder or address, such as ``s3://bucket/path``, where a new experiment keeps its artifacts; a
            tracking server decides for itself. Default: a folder in `home`.
        from_study: name of a study in `home` whose ten best configurations are proposed first, where they fit.
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
    place = Place(Path(home), tracking_uri, ledger)
    if from_study is not None:
        spec = warm_started(spec, from_study, place).spec
    wanted = Launch(place, resume=resume, progress=progress or Progress(), artifacts=artifacts)
    return launch_study(spec, wanted, _workers(workers))


def resume_study(
    name: str,
    *,
    home: str | Path = "mlruns",
    tracking_uri: str | None = None,
    ledger: str | None = None,
    progress: Progress | None = None,
    workers: int | str | Workers = 1,
    **overrides: Any,
) -> StudyResult:
    """Goes on with a study that was interrupted or whose budget has grown; it needs no study file.

    Args:
        name: as `list_studies` gives it.
        home: the folder that it was run in.
        tracking_uri: where its runs are; default: where they were written.
        ledger: URL of the search state; default: a file in `home`.
        progress: told of every step; default: silent.
        workers: as in `run_study`; they may be others than before.
        **overrides: ``trials``, ``seconds``, ``device_seconds``, ``budget__retries``, rules such as
            ``stop__target``, and ``data_dir``; nothing else may change. They stay with the study: the next call needs
            to give them only to change them again.

    Raises:
        TunetrackError: as `run_study`.
    """
    place = Place(Path(home), tracking_uri, ledger)
    spec = resume_spec(name, place, override_paths(overrides))
    wanted = Launch(place, resume=True, name=name, progress=progress or Progress())
    return launch_study(spec, wanted, _workers(workers))


def resume_spec(name: str, place: Place, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """The study file of a study in the ledger, with overrides.

    Raises:
        LedgerError: there is no such study.
        SpecError: an override is wrong.
    """
    ledger, _ = place_of(name, place)
    confirms = ledger.spec.head.confirms
    if confirms is not None and (budget := [path for path in overrides or () if path.startswith("budget.")]):
        message = f"follows from the {len(confirms.trials)} configurations and {len(confirms.seeds)} seeds of {name}"
        hint = f"`tunetrack confirm {confirms.study} --top N --seeds N` confirms others"
        raise SpecError([Problem(budget[0], f"{message}; {hint}")])
    return load_study_file(ledger.spec.document, overrides)


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


def launch_study(spec: StudySpec, wanted: Launch, workers: Workers = ALONE) -> StudyResult:
    """Runs a checked study and leaves its report on the study's run, also of a study that failed.

    Where the study file says `confirm`, its best configurations are then trained again and the winner is named.

    Args:
        spec: the study.
        wanted: where, and whether it is a new one.
        workers: who trains.

    Returns:
        The study; of a confirmation the searched study.

    Raises:
        StudyFailedError: no trial gave a value.
        TunetrackError: as `run_study`.
    """
    if wanted.name is not None:
        wanted = replace(wanted, place=place_of(wanted.name, wanted.place)[1])
    if spec.head.confirms is not None:
        return go_on_confirming(spec, wanted, workers)
    result = launch(spec, with_workers(wanted, workers, spec), Views(report_files, ranking))
    if result.best is None:
        raise StudyFailedError(in_words(result))
    if spec.head.confirm is None or result.winner_is_current:
        return result
    again = replace(wanted, run_id=None, resume=False, name=None, accept_changes=False, died="")
    return confirm(result.name, again, workers, spec.head.confirm, _places(spec))


def _places(spec: StudySpec) -> dict[str, Any]:
    """Where a study's data lie, by dotted path."""
    data = spec.document.get("data", {})
    return {f"data.{place}": data[place] for place in DATA_PLACES if place in data}


def _workers(given: int | str | Workers) -> Workers:
    return given if isinstance(given, Workers) else Workers(given)
