"""Knows which claims the numbers do not carry: configurations that their own noise does not tell apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tunetrack.report.reference import ReferenceInfo, is_share

__all__ = ["NoiseClaim", "noise_claims"]

_WITHIN = 2.0


@dataclass(frozen=True)
class NoiseClaim:
    """How far one table of accuracies names a winner.

    Attributes:
        study: whose numbers; None for the original's.
        metric: which accuracy.
        configurations: how many have a number and a standard error.
        near: how many of them, the best one included, lie within two standard errors of the best. The error of a
            difference combines both: sqrt(e1^2 + e2^2).
        best: the best row's label.
        value, error: its accuracy and binomial standard error.
    """

    study: str | None
    metric: str
    configurations: int
    near: int
    best: str
    value: float
    error: float


def noise_claims(info: ReferenceInfo) -> tuple[NoiseClaim, ...]:
    """For the original and for every study: how many configurations cannot be told apart from its best one.

    Accuracies whose number of images is not known, and tables of a single configuration, are left out.
    """
    claims = []
    for metric in filter(is_share, info.reference.metrics):
        cells = [(line.label, cell) for line in info.lines if (cell := line.cell(metric)) is not None]
        claims.append(_claim(None, metric, [(words, cell.original, cell.error) for words, cell in cells]))
        for place, study in enumerate(info.studies):
            found = [(words, cell.comparisons[place].ours) for words, cell in cells]
            values = [(words, ours.mean, ours.error) for words, ours in found if ours is not None]
            claims.append(_claim(study, metric, values))
    return tuple(claim for claim in claims if claim is not None)


def _claim(study: str | None, metric: str, values: list[tuple[str, float, float | None]]) -> NoiseClaim | None:
    known = [(words, value, error) for words, value, error in values if error is not None]
    if len(known) < 2:
        return None
    best, top, top_error = max(known, key=lambda one: one[1])
    near = sum(top - value <= _WITHIN * math.hypot(top_error, error) for _, value, error in known)
    return NoiseClaim(study, metric, len(known), near, best, top, top_error)
