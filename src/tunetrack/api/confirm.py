"""Confirms the best configurations of a finished study: trains them again on shared seeds, and names the winner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunetrack.api.crews import Workers, with_workers
from tunetrack.api.reading import load_study, place_of
from tunetrack.api.reports import ranking, report_files
from tunetrack.api.study_files import load_study_file, override_paths
from tunetrack.errors import LedgerError, SpecError, StudyFailedError
from tunetrack.ledger import Ledger
from tunetrack.spec import StudySpec
from tunetrack.spec.confirm import ConfirmConfig
from tunetrack.study.alone import alone
from tunetrack.study.conclusion import conclude
from tunetrack.study.confirm import confirmation_of, confirmation_spec
from tunetrack.study.launch import Launch, Views, launch
from tunetrack.study.outcome import in_words
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress
from tunetrack.study.result import StudyResult
from tunetrack.tracking import StudyState, connect, experiment_names

__all__ = ["confirm", "confirm_study", "go_on_confirming", "wanted_confirmation"]


def confirm_study(
    name: str,
    *,
    top: int | None = None,
    seeds: int | None = None,
    home: str | Path = "mlruns",
    tracking_uri: str | None = None,
    ledger: str | None = None,
    progress: Progress | None = None,
    workers: int | str | Workers = 1,
    **overrides: Any,
) -> StudyResult:
    """Trains the best configurations of a finished study again, all on the same seeds, and names the winner.

    One that was interrupted goes on; one that is done is not trained again.

    Args:
        name: of the searched study, as `list_studies` gives it.
        top: how many of the best configurations; default: as the study file says, else 5.
        seeds: how many seeds, the same for all of them; default: as the study file says, else 5.
        home: the folder that it was run in.
        tracking_uri: where its runs are; default: where they were written.
        ledger: URL of the search state; default: a file in `home`.
        progress: told of every step; default: silent.
        workers: as in `run_study`.
        **overrides: ``data_dir``; nothing else may change.

    Returns:
        The searched study; `StudyResult.winner` says what was found.

    Raises:
        LedgerError: there is no such study, it has not ended, or it is a confirmation itself.
        StudyFailedError: no configuration could be trained to the end on every seed.
        TunetrackError: as `run_study`.
    """
    place = Place(Path(home), tracking_uri, ledger)
    asked = wanted_confirmation(name, place, top, seeds)
    crew = workers if isinstance(workers, Workers) else Workers(workers)
    return confirm(name, Launch(place, progress=progress or Progress()), crew, asked, override_paths(overrides))


def wanted_confirmation(name: str, place: Place, top: int | None, seeds: int | None) -> ConfirmConfig:
    """What a study's file says about its confirmation, or the defaults, with other numbers where they are given.

    Raises:
        LedgerError: there is no such study.
        SpecError: a number is below 1.
    """
    ledger, _ = place_of(name, place)
    stated = ledger.spec.head.confirm or ConfirmConfig()
    given = {key: value for key, value in (("top", top), ("seeds", seeds)) if value is not None}
    if wrong := [key for key, value in given.items() if value < 1]:
        raise SpecError(f"{wrong[0]}: must be at least 1 (given: {given[wrong[0]]})")
    return stated.model_copy(update=given)


def confirm(
    name: str,
    wanted: Launch,
    workers: Workers,
    asked: ConfirmConfig,
    overrides: Mapping[str, Any] | None = None,
) -> StudyResult:
    """Confirms a study, or goes on with its confirmation.

    Args:
        name: of the searched study.
        wanted: where it is, and who watches; its `experiment` is that of the study.
        workers: who trains.
        asked: how many configurations and seeds.
        overrides: places of data by dotted path.

    Raises:
        TunetrackError: as `confirm_study`.
    """
    ledger, place = place_of(name, wanted.place)
    if ledger.spec.head.confirms is not None:
        searched = ledger.spec.head.confirms.study
        raise LedgerError(f"{name!r} confirms {searched!r} already; `tunetrack confirm {searched}` confirms that again")
    with alone(place, name):
        result = load_study(name, place)
        state = ledger.attributes().get("state")
        if state != StudyState.COMPLETE:
            raise LedgerError(
                f"the study {name!r} has not ended ({state or 'it has not begun'}); `tunetrack resume {name}` brings "
                "it to its end, and then it can be confirmed"
            )
        spec = load_study_file(confirmation_spec(ledger, result, asked), overrides)
        known = confirmation_of(place, spec.head.confirms) if spec.head.confirms is not None else None
        if known is None or Ledger.load(place.ledger, known).attributes().get("state") != StudyState.COMPLETE:
            with connect(place.tracking) as store:
                experiment = experiment_names(store).get(result.experiment_id or "")
            wanted = replace(wanted, place=place, experiment=experiment, resume=known is not None, name=known)
            known = _trained(spec, wanted, workers).name
        return conclude(ledger, Ledger.load(place.ledger, known), place, report_files, wanted.progress.note)


def go_on_confirming(spec: StudySpec, wanted: Launch, workers: Workers) -> StudyResult:
    """Goes on with a confirmation by its own name.

    Args:
        spec: the confirmation.
        wanted: names it.
        workers: who trains.

    Returns:
        The searched study.

    Raises:
        TunetrackError: as `confirm_study`.
    """
    confirms = spec.head.confirms
    if confirms is None:
        raise LedgerError(f"the study {spec.name!r} confirms no other one")
    ledger, place = place_of(confirms.study, wanted.place)
    if ledger.attributes().get("key") != confirms.key:
        raise LedgerError(
            f"the study {confirms.study!r} is not the one that {wanted.name!r} confirms, which is gone; "
            f"`tunetrack confirm {confirms.study}` confirms this one"
        )
    with alone(place, confirms.study):
        name = _trained(spec, replace(wanted, place=place), workers).name
        return conclude(ledger, Ledger.load(place.ledger, name), place, report_files, wanted.progress.note)


def _trained(spec: StudySpec, wanted: Launch, workers: Workers) -> StudyResult:
    result = launch(spec, with_workers(wanted, workers, spec), Views(report_files, ranking))
    if result.best is None:
        raise StudyFailedError(in_words(result))
    return result
