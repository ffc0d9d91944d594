"""Knows the payloads as CSV, for spreadsheets and scripts.

Text that a spreadsheet would take for a formula gets an apostrophe in front, as
https://owasp.org/www-community/attacks/CSV_Injection advises: names, tags and notes come from users.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunetrack.report.views.rows import row
from tunetrack.report.views.trials import metric_names
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["compare_csv", "history_csv", "trials_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN = (
    *("number", "state", "reason", "run_id", "name", "start", "end"),
    *("seconds", "epochs", "worker", "duplicate_of", "confirms", "violates"),
)


def trials_csv(table: StudyTable, trials: Sequence[TrialRow]) -> str:
    """One row a trial; ``start`` and ``end`` in ms since 1970, health rules joined by spaces.

    Args:
        table: the study.
        trials: those that are wanted, in this order.
    """
    goals = [goal.metric for goal in table.study.info.objectives]
    paths, metrics = [param.path for param in table.study.info.searched], metric_names(trials)
    head = [
        *_PLAIN,
        "health",
        *(f"objective.{goal}" for goal in goals),
        f"provisional.{goals[0]}",
        *(f"params.{path}" for path in paths),
        *(f"metrics.{name}" for name in metrics),
    ]
    return _written(head, (_cells(row(table, trial), paths, metrics) for trial in trials))


def _cells(found: Mapping[str, Any], paths: Sequence[str], metrics: Sequence[str]) -> list[Any]:
    return [
        *(found[name] for name in _PLAIN),
        None if found["health"] is None else " ".join(found["health"]) or "ok",
        *found["values"],
        found["provisional"],
        *(found["params"].get(path) for path in paths),
        *(found["metrics"].get(name) for name in metrics),
    ]


def history_csv(payload: Mapping[str, Any]) -> str:
    """One row a point: trial, metric, step, value; of a `history_payload`."""
    return _written(
        ["trial", "metric", "step", "value"],
        (
            [int(number), metric, step, value]
            for metric, curves in payload["metrics"].items()
            for number, curve in curves.items()
            for step, value in zip(curve["steps"], curve["values"], strict=True)
        ),
    )


def compare_csv(payload: Mapping[str, Any]) -> str:
    """One row a parameter or metric, one column a trial; of a `compare_payload`. What differs comes first."""
    trials = payload["trials"]
    rows: list[list[Any]] = [["state", "", *(trial["state"] for trial in trials)]]
    rows += [["param", one["path"], *one["values"]] for one in payload["differs"]]
    rows += [["param", one["path"], *[one["value"]] * len(trials)] for one in payload["same"]]
    rows += [["metric", one["name"], *one["values"]] for one in payload["metrics"]]
    return _written(["kind", "name", *(f"trial {trial['number']}" for trial in trials)], rows)


def _written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([_cell(text) for text in head])
    writer.writerows([_cell(value) for value in each] for each in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
