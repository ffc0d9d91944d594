"""Knows how what an original found in its weights compares with the trials here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunetrack.report.weights.trials import ComparedTrial
from tunetrack.report.weights.words import number, signed
from tunetrack.report.words import plural
from tunetrack.spec.reference import WeightsClaim, row_matches

__all__ = ["claim_rows"]

#: Trials that are listed one by one; of more, only the range is said.
_LISTED = 2


def claim_rows(claims: Sequence[WeightsClaim], trials: Sequence[ComparedTrial]) -> list[tuple[str, str]]:
    """Each claim of the original, and beside it what the trials say that it is about."""
    return [(claim.text, _here(claim, [trial for trial in trials if _is_about(claim, trial)])) for claim in claims]


def _is_about(claim: WeightsClaim, trial: ComparedTrial) -> bool:
    return not claim.when or any(row_matches(when, trial.all_params) for when in claim.when)


def _here(claim: WeightsClaim, trials: Sequence[ComparedTrial]) -> str:
    if not trials:
        return "no such trial"
    found = _steps(trials) if claim.about == "block_steps" else _spreads(claim.about, trials)
    if not found:
        return f"{plural(len(trials), 'trial')}, nothing recorded of it"
    counted = ""
    if claim.trend is not None:
        same = sum((way > 0) if claim.trend == "grows" else (way < 0) for way, _ in found)
        counted = f"{claim.trend} in {same} of {len(found)}; "
    return counted + _together(claim, found)


def _together(claim: WeightsClaim, found: Sequence[tuple[float, str]]) -> str:
    if len(found) <= _LISTED:
        return "; ".join(words for _, words in found)
    ways = [way for way, _ in found]
    if claim.about == "block_steps":
        return f"Spearman {signed(min(ways))} to {signed(max(ways))}"
    return f"spread times {number(float(np.exp(min(ways))))} to {number(float(np.exp(max(ways))))}"


def _steps(trials: Sequence[ComparedTrial]) -> list[tuple[float, str]]:
    found = []
    for trial in trials:
        if trial.blocks is not None and trial.blocks.trend is not None:
            rows, way = trial.blocks.rows, trial.blocks.trend.correlation
            first, second, last = (number(row.step) for row in (rows[0], rows[1], rows[-1]))
            ends = f"{first} in block 1, {second} in block 2, {last} in block {rows[-1].depth}"
            found.append((way, f"trial {trial.number}: Spearman {signed(way)}, {ends}"))
    return found


def _spreads(about: str, trials: Sequence[ComparedTrial]) -> list[tuple[float, str]]:
    found = []
    for trial in trials:
        for kind in trial.kinds:
            if kind.kind != about or kind.spread_ends is None or min(kind.spread_ends) <= 0:
                continue
            before, after = kind.spread_ends
            turned = f", turned {kind.turned[-1]:.0%}" if np.isfinite(kind.turned[-1]) else ""
            words = f"trial {trial.number}: {number(before)} to {number(after)} (epochs 1 to {trial.epochs}){turned}"
            found.append((float(np.log(after / before)), words))
    return found
