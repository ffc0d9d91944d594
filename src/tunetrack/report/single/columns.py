"""Knows how the columns of a study with very many trials are made to fit into one file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["fitted_study", "json_size"]


def fitted_study(study: Mapping[str, Any], room: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A study's payload in so much room: without the metrics of its trials, and then with fewer trials.

    Trials that are the best so far, on the Pareto front or as good as the best stay; of the others so many as there is
    room for, evenly over the study.

    Args:
        study: as `tunetrack.report.views.study_payload` makes it.
        room: bytes as JSON.

    Returns:
        The payload, and what it lacks, one sentence each.
    """
    if json_size(study) <= room:
        return dict(study), ()
    trials = study["trials"]
    count = len(trials["number"])
    # No page of a file links to MLflow, so that nobody needs the runs' ids.
    slim = {**study, "trials": {**trials, "metrics": {}, "run_id": [None] * count}}
    left = ["the metrics in the table of trials"]
    if json_size(slim) > room:
        slim = _fewer(slim, room)
        left.append(f"{count - len(slim['trials']['number']):,} of {count:,} trials, evenly and never the best")
    return slim, tuple(left)


def json_size(data: Any) -> int:
    """Bytes of it as JSON."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def _fewer(study: Mapping[str, Any], room: int) -> dict[str, Any]:
    table = json_size(study["trials"])
    most = int(len(study["trials"]["number"]) * (room - json_size(study) + table) / table)
    while True:  # rows are of different lengths, so the first guess may be a little too many
        found = _rows(study, _kept(study, most))
        if most <= 0 or json_size(found) <= room:
            return found
        most = int(most * 0.95)


def _kept(study: Mapping[str, Any], most: int) -> list[int]:
    numbers = study["trials"]["number"]
    tied = set(study["tied"])
    best = {index for indices in study["best_so_far"] for index in indices} | set(study["front"])
    best |= {index for index, number in enumerate(numbers) if number in tied}
    others = [index for index in range(len(numbers)) if index not in best]
    wanted = max(0, most - len(best))
    if wanted:
        best |= {others[place * len(others) // wanted] for place in range(min(wanted, len(others)))}
    return sorted(best)


def _rows(study: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The same of fewer trials: indices count those that are there."""
    places = {index: place for place, index in enumerate(kept)}
    return {
        **study,
        "trials": _picked(study["trials"], kept),
        "best_so_far": [[places[index] for index in indices] for indices in study["best_so_far"]],
        "front": [places[index] for index in study["front"]],
    }


def _picked(columns: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    def pick(values: Sequence[Any]) -> list[Any]:
        return [values[index] for index in kept]

    found: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, Mapping):
            found[name] = {key: pick(values) for key, values in column.items()}
        else:
            found[name] = [pick(values) for values in column] if name == "values" else pick(column)
    return found
