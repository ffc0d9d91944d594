"""Knows which numbers stand behind which address: checks what is asked for, and lets `report.views` answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tunetrack.report.views import PageQuery, Views
from tunetrack.report.views.compare import FEWEST_COMPARED, MOST_COMPARED
from tunetrack.report.views.trials import MOST_ROWS
from tunetrack.report.views.views import MOST_CURVES
from tunetrack.server import asked
from tunetrack.server.answers import Body, csv_body, json_body, png_body
from tunetrack.server.asked import MissingError
from tunetrack.server.looks import fingerprint
from tunetrack.tracking.reader import StudyReader, Versioned

__all__ = ["PLANS", "Asked", "Plan", "Planned"]

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know of a study.

    Attributes:
        reader: of the store.
        views: the same, made into payloads.
        now: the study.
        query: of the address.
        path: the parts of the address that vary.
    """

    reader: StudyReader
    views: Views
    now: Versioned
    query: Mapping[str, str]
    path: Mapping[str, str]

    def compared(self) -> tuple[int, ...]:
        """The trials that are laid side by side."""
        return asked.numbers(self.query, "trials", FEWEST_COMPARED, MOST_COMPARED)

    def curves(self) -> tuple[tuple[int, ...], tuple[str, ...] | None]:
        """The trials and metrics whose curves are wanted."""
        return asked.numbers(self.query, "trials", 1, MOST_CURVES), asked.names(self.query, "metrics")

    def page(self) -> PageQuery:
        """The part of the table that is wanted."""
        return PageQuery(
            page=asked.number(self.query, "page", 0, 10**6),
            size=asked.number(self.query, "size", 50, MOST_ROWS),
            sort=asked.text(self.query, "sort"),
            order=asked.text(self.query, "order", "asc"),
            filter=asked.text(self.query, "filter"),
        )


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


def _study(given: Asked) -> Planned:
    version = fingerprint(given.now.version, given.views.evidence(given.now))
    return Planned(version, lambda: json_body(given.views.study(given.now)))


def _trials(given: Asked) -> Planned:
    query = given.page()
    return Planned(given.now.version, lambda: json_body(given.views.trials(given.now, query)))


def _trials_csv(given: Asked) -> Planned:
    query = given.page()
    return Planned(given.now.version, lambda: csv_body(given.views.trials_csv(given.now, query), "trials.csv"))


def _trial(given: Asked) -> Planned:
    number = asked.number(given.path, "number")
    return Planned(given.now.version, lambda: json_body(given.views.trial(given.now, number)))


def _history(given: Asked) -> Planned:
    trials, metrics = given.curves()
    return _of_trials(given, trials, lambda: json_body(given.views.history(given.now, trials, metrics)))


def _history_csv(given: Asked) -> Planned:
    trials, metrics = given.curves()

    def compute() -> Body:
        return csv_body(given.views.history_csv(given.now, trials, metrics), "history.csv")

    return _of_trials(given, trials, compute)


def _compare(given: Asked) -> Planned:
    trials = given.compared()
    return _of_trials(given, trials, lambda: json_body(given.views.compare(given.now, trials)))


def _compare_csv(given: Asked) -> Planned:
    trials = given.compared()
    return _of_trials(given, trials, lambda: csv_body(given.views.compare_csv(given.now, trials), "compare.csv"))


def _weights(given: Asked) -> Planned:
    trials = given.compared()
    return _of_trials(given, trials, lambda: json_body(given.views.weights(given.now, trials)))


def _models(given: Asked) -> Planned:
    trials = given.compared()
    return _of_trials(given, trials, lambda: json_body(given.views.models(given.now, trials)))


def _confusion(given: Asked) -> Planned:
    trials = given.compared()
    return _of_trials(given, trials, lambda: json_body(given.views.confusion(given.now, trials)))


def _images(given: Asked) -> Planned:
    a, b = (asked.number(given.query, name) for name in ("a", "b"))
    url = f"/tunetrack/api/studies/{given.now.table.study.run_id}/images.png"
    return _of_trials(given, (a, b), lambda: json_body(given.views.images(given.now, a, b, url)))


def _sprite(given: Asked) -> Planned:
    study = given.now.table.study

    def compute() -> Body:
        content = given.reader.artifact(study.run_id, "validation_images.png")
        if content is None or not content.startswith(_PNG):
            raise MissingError("this study has no validation images")
        return png_body(content)

    return Planned(fingerprint(study), compute)


def _of_trials(given: Asked, numbers: Sequence[int], compute: Callable[[], Body]) -> Planned:
    """An answer that changes only with these trials, while the rest of the study goes on."""
    wanted = set(numbers)
    trials = [trial for trial in given.now.table.trials if trial.number in wanted]
    return Planned(fingerprint(given.now.table.study, trials), compute)


#: What stands after ``/api/studies/ID``.
PLANS: Mapping[str, Plan] = {
    "": _study,
    "/trials.csv": _trials_csv,
    "/trials": _trials,
    "/trials/{number}": _trial,
    "/history.csv": _history_csv,
    "/history": _history,
    "/compare.csv": _compare_csv,
    "/compare": _compare,
    "/compare/weights": _weights,
    "/compare/models": _models,
    "/compare/confusion": _confusion,
    "/compare/images": _images,
    "/images.png": _sprite,
}
