"""Knows which numbers stand behind which address: checks what is asked for, and lets `report.views` answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.views.compare import COMPARED_CURVES, MOST_COMPARED, compare_payload, compared_trials
from tunetrack.report.views.confusion import compare_confusion, confusion_payload
from tunetrack.report.views.images import answers, compare_images, sprite
from tunetrack.report.views.plain import history_payload
from tunetrack.report.views.rows import chosen
from tunetrack.report.views.studies import studies_payload
from tunetrack.report.views.study import study_payload
from tunetrack.report.views.trials import MOST_ROWS, PageQuery, trials_page
from tunetrack.report.views.weights import compare_weights
from tunetrack.server import asked
from tunetrack.server.answers import Body, json_body, png_body
from tunetrack.server.asked import MissingError
from tunetrack.server.facts import Facts
from tunetrack.server.looks import fingerprint
from tunetrack.tracking.names import File
from tunetrack.tracking.queries import TrialRow
from tunetrack.tracking.reader import StudyOverview, StudyReader, Versioned

__all__ = ["PLANS", "Asked", "Plan", "Planned", "studies"]

#: Trials whose curves are given at a time.
_MOST_CURVES = 200
_PREDICTIONS, _IMAGES, _SPRITE = "predictions.parquet", "validation_images.png", "validation_images.json"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know of a study.

    Attributes:
        reader: of the store.
        facts: what is stored with studies beside their trials.
        now: the study.
        query: of the address.
        path: the parts of the address that vary.
    """

    reader: StudyReader
    facts: Facts
    now: Versioned
    query: Mapping[str, str]
    path: Mapping[str, str]

    def file(self, trial: TrialRow, name: str) -> bytes | None:
        """An artifact of a trial."""
        return self.reader.artifact(trial.run_id, name)


@dataclass(frozen=True)
class Planned:
    """An answer that can be computed.

    Attributes:
        version: another text where the answer may be another one.
        compute: called in a thread.
    """

    version: str
    compute: Callable[[], Body]


Plan = Callable[[Asked], Planned]


def studies(found: Sequence[StudyOverview], facts: Facts) -> Body:
    """All studies."""
    return json_body(studies_payload(found, {each.study.run_id: facts.document(each.study) for each in found}))


def _study(given: Asked) -> Planned:
    def compute() -> Body:
        table = given.now.table
        shown = [trial.run_id for trial in curve_trials(table)]
        history = given.reader.history(shown, [curve_metric(table)])
        return json_body(study_payload(given.now, history, given.facts.of(table.study)))

    return Planned(given.now.version, compute)


def _trials(given: Asked) -> Planned:
    query = PageQuery(
        page=asked.number(given.query, "page", 0, 10**6),
        size=asked.number(given.query, "size", 50, MOST_ROWS),
        sort=asked.text(given.query, "sort"),
        order=asked.text(given.query, "order", "asc"),
        filter=asked.text(given.query, "filter"),
    )
    return Planned(given.now.version, lambda: json_body(trials_page(given.now, query)))


def _history(given: Asked) -> Planned:
    table = given.now.table
    trials = chosen(table, list(asked.numbers(given.query, "trials", 1, _MOST_CURVES)))
    metrics = asked.names(given.query, "metrics")

    def compute() -> Body:
        history = given.reader.history([trial.run_id for trial in trials], metrics)
        return json_body(history_payload(table, history, metrics or ()))

    return _of_trials(given, trials, compute)


def _compare(given: Asked) -> Planned:
    table, trials = given.now.table, _compared(given)

    def compute() -> Body:
        history = given.reader.history([trial.run_id for trial in trials], COMPARED_CURVES)
        return json_body(compare_payload(table, trials, history))

    return _of_trials(given, trials, compute)


def _compare_weights(given: Asked) -> Planned:
    trials = _compared(given)

    def compute() -> Body:
        return json_body(compare_weights({trial.number: given.file(trial, File.WEIGHT_STATS) for trial in trials}))

    return _of_trials(given, trials, compute)


def _compare_confusion(given: Asked) -> Planned:
    trials = _compared(given)

    def compute() -> Body:
        tables = {trial.number: given.file(trial, File.CONFUSION_TABLE) for trial in trials}
        return json_body(compare_confusion(tables))

    return _of_trials(given, trials, compute)


def _compare_images(given: Asked) -> Planned:
    study = given.now.table.study
    pair = [asked.number(given.query, name) for name in ("a", "b")]
    a, b = compared_trials(given.now.table, pair)

    def compute() -> Body:
        confusion = confusion_payload(given.file(a, File.CONFUSION_TABLE)) or {"classes": []}
        found = compare_images(
            (a.number, b.number),
            (answers(given.file(a, _PREDICTIONS)), answers(given.file(b, _PREDICTIONS))),
            confusion["classes"],
            sprite(given.reader.artifact(study.run_id, _SPRITE)),
            f"/tunetrack/api/studies/{study.run_id}/images.png",
        )
        return json_body(found)

    return _of_trials(given, [a, b], compute)


def _images(given: Asked) -> Planned:
    def compute() -> Body:
        content = given.reader.artifact(given.now.table.study.run_id, _IMAGES)
        if content is None or not content.startswith(_PNG):
            raise MissingError("this study has no validation images")
        return png_body(content)

    return Planned(given.now.version, compute)


def _compared(given: Asked) -> list[TrialRow]:
    return compared_trials(given.now.table, asked.numbers(given.query, "trials", 2, MOST_COMPARED))


def _of_trials(given: Asked, trials: Sequence[TrialRow], compute: Callable[[], Body]) -> Planned:
    """An answer that changes only with these trials, while the rest of the study goes on."""
    return Planned(fingerprint(given.now.table.study, trials), compute)


PLANS: Mapping[str, Plan] = {
    "": _study,
    "/trials": _trials,
    "/history": _history,
    "/compare": _compare,
    "/compare/weights": _compare_weights,
    "/compare/confusion": _compare_confusion,
    "/compare/images": _compare_images,
    "/images.png": _images,
}
