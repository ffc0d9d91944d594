"""Races samplers against one another: the same study with the same budget, once for each sampler and seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunetrack import training
from tunetrack.api.finished import finished_study
from tunetrack.api.reports import written
from tunetrack.api.study_files import load_study_file, override_paths
from tunetrack.errors import LedgerError, Problem, SpecError
from tunetrack.ledger import Ledger, list_studies
from tunetrack.report.parts import page_html
from tunetrack.report.race import RaceInfo, RaceRun, in_words, race_info, race_page, table_rows
from tunetrack.spec import StudySpec
from tunetrack.spec.loading import Source
from tunetrack.study.data import ResidentSets
from tunetrack.study.launch import Launch, Views, launch
from tunetrack.study.place import Place
from tunetrack.tracking import connect
from tunetrack.tracking.races import RaceNote, write_race

__all__ = ["Race", "race_samplers", "run_race"]

#: As many lines as can be told apart in one figure.
MOST_SAMPLERS = 8

#: Files of the race's run.
PAGE, NUMBERS = "race.html", "race.json"


@dataclass(frozen=True)
class Race:
    """A race that has been run.

    Attributes:
        info: its numbers.
        run_id: its MLflow run, above those of its studies.
        page: the page on disk.
    """

    info: RaceInfo
    run_id: str
    page: Path


def race_samplers(
    study: Source | StudySpec,
    samplers: Sequence[str],
    seeds: int = 10,
    *,
    home: str | Path = "mlruns",
    tracking_uri: str | None = None,
    ledger: str | None = None,
    told: Callable[[str], None] = lambda text: None,
    **overrides: Any,
) -> Race:
    """Runs a study once for each sampler and seed, with the same budget, and compares what they find.

    Each run is a study of its own without a look at the test images, named ``STUDY-race-ENGINE-SAMPLER-SEED``. Called
    again, the race goes on where it was: what is finished is not run again. The first seed is run with all samplers,
    then the second one.

    Args:
        study: path of a study file, its content as a mapping, or a checked spec; a single objective. Its stop rules
            are left out, and options of its sampler hold for that sampler alone.
        samplers: such as ``optuna:tpe`` or ``hyperopt:tpe``; without an engine Optuna's is meant.
        seeds: how many seeds of the samplers, from 0.
        home: as in `run_study`.
        tracking_uri: as in `run_study`.
        ledger: as in `run_study`.
        told: called with a sentence when a run has ended.
        **overrides: as in `run_study`; ``trials`` is the budget of each run.

    Raises:
        SpecError: the study file, an override, or a sampler's name is wrong; nothing was started.
        LedgerError: a run of this race was begun with another study file.
        TunetrackError: as `run_study`.
    """
    spec = load_study_file(study, override_paths(overrides))
    return run_race(spec, samplers, seeds, Place(Path(home), tracking_uri, ledger), told)


def run_race(
    spec: StudySpec, samplers: Sequence[str], seeds: int, place: Place, told: Callable[[str], None] = lambda text: None
) -> Race:
    """`race_samplers` with a checked study and a place."""
    names = _names(spec, samplers, seeds)
    arms = [(sampler, seed, _arm(spec, *names[sampler], seed)) for seed in range(seeds) for sampler in names]
    place.make()
    if any(not _begun(place, arm) for _, _, arm in arms):
        _warm_up(spec)
    runs, run_ids = [], []
    for sampler, seed, arm in arms:
        begun = _begun(place, arm)
        if not begun or finished_study(arm.name, place, arm) is None:
            wanted = Launch(place, f"{spec.name}-race", resume=begun, name=arm.name if begun else None)
            launch(arm, wanted, Views(crowned=False))
        ledger = Ledger.load(place.ledger, arm.name, arm)
        runs.append(_run(ledger, sampler, seed))
        run_ids.append(str(ledger.attributes()["mlflow_run_id"]))
        told(_told(runs[-1], len(runs), len(arms), spec.objectives[0].maximize))
    goal = spec.objectives[0]
    info = race_info(spec.name, (str(goal.metric), goal.maximize), runs)
    experiment = str(ledger.attributes()["mlflow_experiment_id"])
    html = page_html(race_page(info))
    files = {PAGE: html.encode(), NUMBERS: (json.dumps(info.document(), indent=1) + "\n").encode()}
    with connect(place.tracking) as store:
        run_id = write_race(store, experiment, RaceNote(f"{spec.name}-race", _markdown(info), files, run_ids))
    return Race(info, run_id, written(place.home / f"{spec.name}-race.html", html))


def _names(spec: StudySpec, samplers: Sequence[str], seeds: int) -> dict[str, tuple[str, str]]:
    """Engine and name by what was asked for.

    Raises:
        SpecError: there are too few or too many of them, one twice, or the study has several objectives.
    """
    problems = []
    if len(spec.objectives) > 1:
        problems.append(
            Problem("objective", "a race needs a single objective; make limits of the others (constraints)")
        )
    if seeds < 1:
        problems.append(Problem("seeds", "a number from 1", str(seeds)))
    names: dict[str, tuple[str, str]] = {}
    for text in samplers:
        engine, _, name = text.rpartition(":")
        full = f"{engine or 'optuna'}:{name}"
        if full in names:
            problems.append(Problem("samplers", "names a sampler twice", text))
        names[full] = engine or "optuna", name
    if not 1 <= len(names) <= MOST_SAMPLERS:
        problems.append(Problem("samplers", f"a race has 1 to {MOST_SAMPLERS} samplers", str(len(names))))
    if problems:
        raise SpecError(problems)
    return names


def _arm(spec: StudySpec, engine: str, name: str, seed: int) -> StudySpec:
    """The study with this sampler and seed.

    Raises:
        SpecError: the sampler is not known or does not fit the space.
    """
    own = spec.head.sampler
    options = own.options if (own.engine, own.name) == (engine, name) else {}
    document = {key: value for key, value in spec.document.items() if key not in ("stop", "reference", "confirm")}
    sampler = {"engine": engine, "name": name, **options, "seed": seed}
    return load_study_file({**document, "name": f"{spec.name}-race-{engine}-{name}-{seed}", "sampler": sampler})


def _begun(place: Place, arm: StudySpec) -> bool:
    return place.has_ledger and arm.name in list_studies(place.ledger)


def _warm_up(spec: StudySpec) -> None:
    """Trains an epoch that nobody keeps: what is compiled at first use would be the first sampler's time."""
    config = spec.first_config()
    next(iter(training.fit(config, ResidentSets().get(config))), None)


def _run(ledger: Ledger, sampler: str, seed: int) -> RaceRun:
    records = ledger.trials()
    values = tuple(record.objectives[0] if record.objectives and record.ranked else None for record in records)
    if not records:
        raise LedgerError(f"the study {ledger.name!r} has no trial, so there is nothing to compare")
    return RaceRun(sampler, seed, ledger.name, values, tuple(record.seconds or 0.0 for record in records))


def _told(run: RaceRun, done: int, of: int, maximize: bool) -> str:
    known = [value for value in run.values if value is not None]
    best = f"best {(max if maximize else min)(known):.4f}" if known else "no value"
    trials = f"{len(run.values)} trial{'' if len(run.values) == 1 else 's'}"
    return (
        f"{done:>{len(str(of))}} of {of}  {run.sampler}, seed {run.seed}: {best} in {trials}, {sum(run.seconds):.1f} s"
    )


def _markdown(info: RaceInfo) -> str:
    heads, rows = table_rows(info)
    lines = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(row) for row in rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    return f"{in_words(info)}\n\n{table}\n\nThe page with the curves is the artifact `{PAGE}`."
