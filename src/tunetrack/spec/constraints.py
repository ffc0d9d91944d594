"""Knows what a trial must keep to be chosen: limits on its numbers, as a study file writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.records import OBJECTIVE_METRICS

__all__ = ["KNOWN_BEFORE", "Constraint", "ConstraintText", "parse_constraint", "violations"]

#: Numbers that are known before a trial is trained.
KNOWN_BEFORE = ("model/parameters", "model/flops", "model/memory_mb")

_FORM = re.compile(r"\s*(?P<metric>[^\s<>=]+)\s*(?P<relation>[<>=]+)\s*(?P<bound>[^\s<>=]+)\s*")
_WANTED = "must be METRIC <= NUMBER or METRIC >= NUMBER, such as model/parameters <= 8000"


@dataclass(frozen=True)
class Constraint:
    """One limit.

    Attributes:
        metric: whose number is limited; one of those that an objective may name.
        relation: ``<=`` or ``>=``.
        bound: the limit, finite.
    """

    metric: str
    relation: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound:.12g}"

    @property
    def known_before(self) -> bool:
        """Whether it can be judged before the trial is trained."""
        return self.metric in KNOWN_BEFORE

    def excess(self, value: float) -> float:
        """By how much a value breaks the limit, in the metric's unit; 0 or less where it keeps it."""
        return value - self.bound if self.relation == "<=" else self.bound - value

    def broken_in_words(self, excess: float) -> str:
        """A broken limit with the number that breaks it: ``model/parameters <= 8000 (9120)``."""
        value = self.bound + excess if self.relation == "<=" else self.bound - excess
        return f"{self} ({value:.6g})"


def parse_constraint(text: str) -> Constraint:
    """A limit from its text.

    Raises:
        ValueError: the text is none, or its metric is not known; the message says what is allowed.
    """
    match = _FORM.fullmatch(text)
    if match is None or match["relation"] not in ("<=", ">="):
        raise ValueError(_WANTED)
    metric = match["metric"]
    if metric not in OBJECTIVE_METRICS:
        hint = did_you_mean(metric, OBJECTIVE_METRICS) or f"; allowed: {', '.join(OBJECTIVE_METRICS)}"
        raise ValueError(f"{metric} is no number that a trial has at its end{hint}")
    try:
        bound = float(match["bound"].replace("_", ""))
    except ValueError:
        bound = float("nan")
    if not abs(bound) < float("inf"):
        raise ValueError(f"{match['bound']} is no finite number; {_WANTED}")
    return Constraint(metric, match["relation"], bound)


def _checked(text: str) -> str:
    parse_constraint(text)
    return text


#: A limit as it stands in a study file.
ConstraintText = Annotated[str, AfterValidator(_checked)]


def violations(constraints: Sequence[Constraint], excesses: Mapping[str, float]) -> tuple[str, ...]:
    """The limits that a trial breaks, each in words with its number.

    Args:
        constraints: of the study.
        excesses: `Constraint.excess` by the constraint's text; one that is not there was not judged.
    """
    judged = ((constraint, excesses.get(str(constraint))) for constraint in constraints)
    return tuple(
        constraint.broken_in_words(excess) for constraint, excess in judged if excess is not None and excess > 0
    )
