"""Knows how a stored study of ours becomes what the reviewer's rules see."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

from tunetrack.errors import SpecError
from tunetrack.report.derived import by_epoch
from tunetrack.report.review.reviewed import Answers, NotJudged, Reviewed, ReviewedTrial, SearchedRange
from tunetrack.report.values import number, score
from tunetrack.report.views.confusion import confusion_payload
from tunetrack.spec.loading import load_study
from tunetrack.spec.reading import read_yaml
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable, TrackingStore, TrialRow, study_file
from tunetrack.tracking.reader import StudyReader

__all__ = ["read_reviewed", "reviewed_table"]

_WINNER, _MODEL, _CONFUSION = "winner.json", "model.json", "confusion_matrix.csv"
#: Trials of which curves are read: the best, and as many of the pruned and of the others, evenly spread.
_CURVES = 60
_METRICS = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy")
#: Different networks of which the layers are read.
_NETWORKS = 6


def read_reviewed(store: TrackingStore, study: str, reader: StudyReader | None = None) -> Reviewed:
    """A study with all that the rules look at.

    Args:
        store: where it is; nothing is written to it.
        study: its name, where only one study is called so, or its run's id.
        reader: of this store, which may have the study at hand; default: one of its own.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    with closing(StudyReader(store)) if reader is None else nullcontext(reader) as reader:
        table = reader.table(study).table
        document = _document(study_file(store, table.study))
        seen = reviewed_table(table, document)
        seen = replace(seen, trials=_with_curves(reader, table, seen))
        counts = reader.image_counts(table.study)
        images = seen.images or counts.get("validation")
        seen = replace(seen, images=images, test_images=counts.get("test"))
        winner = reader.artifact(table.study.run_id, _WINNER)
        idle = _idle_parameters(reader, table, seen)
        seen = replace(seen, winner=None if winner is None else Winner.from_json(winner), idle_parameters=idle)
        return replace(seen, answers=_answers(reader, table, seen))


def reviewed_table(table: StudyTable, document: Mapping[str, Any]) -> Reviewed:
    """The same from what a study's table holds, without curves and files.

    Args:
        table: the study.
        document: the study file; may be empty.
    """
    info = table.study.info
    trials = tuple(_trial(trial) for trial in table.trials)
    seen = Reviewed(
        info.name,
        True,
        trials,
        info.objectives[0].metric,
        info.objectives[0].maximize,
        len(info.objectives),
        _ranges(document),
        document,
        told_test=tuple(trial.number for trial in trials if trial.metric("test/accuracy") is not None),
    )
    faithful = [trial.number for trial in trials if trial.params.get("data.faithful") is True]
    from_test = info.validates_on_test_images or bool(faithful)
    images = number(seen.ranked[0].params.get("data.validation")) if seen.ranked else None
    said = "data.faithful is true: the validation images are the first of the official test set" if from_test else ""
    if from_test and 0 < len(faithful) < len(trials):
        said += f", in {len(faithful)} of {len(trials)} trials"
    if images:
        said = said and f"{said} ({images:,.0f} images)"
    return replace(
        seen, images=round(images) if images else None, from_test=from_test, from_test_said=said and f"{said}."
    )


def _trial(trial: TrialRow) -> ReviewedTrial:
    return ReviewedTrial(
        trial.number,
        trial.state,
        trial.trained_with,
        trial.metrics,
        None if trial.violates else score(trial),
        name=trial.name,
        reason=trial.reason,
        duplicate_of=trial.duplicate_of,
        seconds=trial.seconds,
        health=trial.health,
        would_prune_at=trial.would_prune_at,
    )


def _document(text: str) -> dict[str, Any]:
    read = read_yaml(text, "study.yaml") if text else None
    return dict(read) if isinstance(read, Mapping) else {}


def _ranges(document: Mapping[str, Any]) -> tuple[SearchedRange, ...]:
    """What was searched; nothing where the study file is none that this version reads."""
    if not document:
        return ()
    try:
        spec = load_study(dict(document))
    except SpecError:
        return ()
    return tuple(SearchedRange(parameter.path, parameter.domain, where) for parameter, where in spec.space.places())


def _with_curves(reader: StudyReader, table: StudyTable, seen: Reviewed) -> tuple[ReviewedTrial, ...]:
    pruned = [trial for trial in seen.trials if trial.state is TrialState.PRUNED]
    wanted = {t.number for t in (*seen.ranked[:_CURVES], *_spread(pruned), *_spread(seen.finished))}
    run_of = {trial.number: trial.run_id for trial in table.trials if trial.number in wanted}
    metrics = list(dict.fromkeys((*_METRICS, seen.objective.removeprefix("best/"))))
    epochs = by_epoch(reader.history(list(run_of.values()), metrics))

    def curves(trial: ReviewedTrial) -> dict[str, tuple[float, ...]]:
        run_id = run_of[trial.number]
        return {metric: tuple(epochs[run_id, metric]) for metric in metrics if (run_id, metric) in epochs}

    return tuple(replace(t, curves=curves(t)) if t.number in run_of else t for t in seen.trials)


def _spread(trials: Sequence[ReviewedTrial]) -> list[ReviewedTrial]:
    step = max(1, math.ceil(len(trials) / _CURVES))
    return list(trials[::step])


def _run_of(table: StudyTable, number_of: int) -> str:
    return next(trial.run_id for trial in table.trials if trial.number == number_of)


def _idle_parameters(reader: StudyReader, table: StudyTable, seen: Reviewed) -> dict[int, int]:
    """By trial, the parameters of layers that are never called, for the best trials of some different networks."""
    networks: dict[str, int] = {}
    for trial in seen.ranked:
        shape = {path: value for path, value in trial.params.items() if path.startswith("model.")}
        networks.setdefault(repr((shape.get("model.name"), shape.get("model.residual"))), trial.number)
    found = {}
    for trial_number in list(networks.values())[:_NETWORKS]:
        content = reader.artifact(_run_of(table, trial_number), _MODEL)
        if content is not None:
            layers = json.loads(content).get("layers", ())
            found[trial_number] = sum(layer[3] for layer in layers if not layer[2])
    return found


def _answers(reader: StudyReader, table: StudyTable, seen: Reviewed) -> Answers | None:
    try:
        best = seen.best
    except NotJudged:
        return None
    told = confusion_payload(reader.artifact(_run_of(table, best.number), _CONFUSION))
    return None if told is None else Answers(tuple(told["classes"]), tuple(map(tuple, told["counts"])))
