"""Starts a study from what another one has found: its best configurations become the first points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tunetrack.api.reading import place_of
from tunetrack.api.study_files import load_study_file
from tunetrack.errors import LedgerError, SpecError
from tunetrack.spec import StudySpec, TrialState, flatten
from tunetrack.spec.points import nearest_point, point_problems
from tunetrack.study.outcome import read_result
from tunetrack.study.place import Place

__all__ = ["FROM_TOP", "WarmStart", "warm_started"]

#: How many configurations are taken where nobody says.
FROM_TOP = 10


@dataclass(frozen=True)
class WarmStart:
    """A study file with points of another study.

    Attributes:
        spec: the study, those points behind its own ones.
        taken: numbers of the other study's trials that became points, best first.
        left_out: by number why a trial did not.
    """

    spec: StudySpec
    taken: tuple[int, ...]
    left_out: dict[int, str]

    def in_words(self, name: str) -> str:
        """What was taken from the study of that name, and what was left out, a line each."""
        trials = ", ".join(map(str, self.taken))
        lines = [f"{len(self.taken)} points from {name}: the configurations of trials {trials}"]
        return "\n".join(lines + [f"  trial {trial} is left out: {why}" for trial, why in self.left_out.items()])


def warm_started(spec: StudySpec, name: str, home: str | Path | Place = "mlruns", top: int = FROM_TOP) -> WarmStart:
    """A study that proposes the best configurations of another one first, as far as they fit into its space.

    A value that the other study did not search is taken from its fixed values and defaults; one that only this study
    has in a branch of its own is left to the sampler.

    Args:
        spec: the study.
        name: the other one, as `list_studies` gives it.
        home: the folder that it was run in.
        top: how many configurations at the most.

    Raises:
        LedgerError: there is no such study, or none of its trials has a value.
        SpecError: none of its configurations fits.
    """
    ledger, place = place_of(name, home)
    ranked = [t for t in read_result(ledger, None, place).ranked() if t.state is not TrialState.DUPLICATE][:top]
    if not ranked:
        raise LedgerError(f"the study {name!r} has no trial with a value, so there is nothing to start from")
    points = [dict(point) for point in spec.head.points]
    taken, left_out = [], {}
    for trial in ranked:
        full = flatten(ledger.spec.config(trial.config).document(), spec.searched_paths) | trial.params
        point = nearest_point(spec.space, full)
        problems = point_problems(spec.space, point, "")
        if problems or not point:
            why = "; ".join(str(problem).removeprefix(".") for problem in problems)
            left_out[trial.number] = why or "it has none of the searched values"
            continue
        taken.append(trial.number)
        if point not in points:
            points.append(point)
    if not taken:
        reasons = "; ".join(f"trial {number}: {why}" for number, why in list(left_out.items())[:3])
        raise SpecError(f"none of the best {len(ranked)} configurations of {name!r} fits into this study: {reasons}")
    return WarmStart(load_study_file({**spec.document, "points": points}), tuple(taken), left_out)
