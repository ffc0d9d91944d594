"""Knows which other trials have trained a trial's configuration: replicates on other seeds, and what they confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tunetrack.report.views.evidence import confirmed_brief
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.winner import Confirmed, Winner
from tunetrack.tracking.queries import TrialRow

__all__ = ["Kin", "confirms_of", "kin_payload"]

#: Tag on the run of a confirmation.
_REPLICATES = "study.replicates"


@dataclass(frozen=True)
class Kin:
    """What a trial is related to.

    Attributes:
        confirms: of a replicate, what its study confirms; of a confirmed trial, the same of its confirmation.
        confirmed: what the replicates of a searched trial gave; None where it has none.
        winner: the confirmation that this is a part of.
    """

    confirms: Confirms | None = None
    confirmed: Confirmed | None = None
    winner: Winner | None = None


def confirms_of(tags: Mapping[str, str]) -> Confirms | None:
    """What a confirmation confirms, by the tags of its run; None where it is gone, or they were changed."""
    try:
        return Confirms.model_validate_json(tags.get(_REPLICATES, ""))
    except ValidationError:
        return None


def kin_payload(trial: TrialRow, kin: Kin) -> dict[str, Any]:
    """``replicate_of``: the searched trial that this one trains again; ``replicates``: those that do so with this one.

    Both None where there is none. A replicate's ``number`` is None where its study is not there any more.
    """
    if kin.confirmed is not None and kin.winner is not None:
        return {"replicate_of": None, "replicates": _replicates(trial, kin.confirmed, kin.winner, kin.confirms)}
    if kin.confirms is None or trial.confirms is None:
        return {"replicate_of": None, "replicates": None}
    place = kin.confirms.replicates(trial.confirms).index(trial.number)
    study = {"id": kin.confirms.run, "study": kin.confirms.study}
    return {
        "replicate_of": study | {"trial": trial.confirms, "seed": kin.confirms.seeds[place]},
        "replicates": None,
    }


def _replicates(trial: TrialRow, one: Confirmed, winner: Winner, confirms: Confirms | None) -> dict[str, Any]:
    known = confirms is not None and trial.number in confirms.trials
    numbers = confirms.replicates(trial.number) if confirms is not None and known else (None,) * len(one.values)
    found = [
        {"seed": seed, "value": value, "number": number}
        for seed, value, number in zip(winner.seeds, one.values, numbers, strict=True)
    ]
    about = {"id": winner.confirm_run if known else None, "study": winner.confirm_study, "metric": winner.metric}
    return about | {"chosen": trial.number == winner.chosen, "trials": found, "confirmed": confirmed_brief(one)}
