"""A confirmation and a review of a made-up study, as they lie beside its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunetrack.spec.review import CheckedRule, Review, ReviewFinding, Severity
from tunetrack.spec.winner import Confirmed, FromBest, TestLook, Winner

SEEDS = (1000, 1001, 1002, 1003, 1004)
#: Differences of one seed from the mean of all.
SCATTER = (-0.0021, 0.0012, 0.0004, -0.0008, 0.0013)


def confirmed(trial: int, mean: float, group: int, params: Mapping[str, Any], **more: Any) -> Confirmed:
    """One configuration; its interval is 0.006 to both sides."""
    fields: dict[str, Any] = {
        "parameters": 91_722,
        "seconds": 12.34,
        "raw": mean + 0.004,
        "shrunken": mean + 0.001,
        "runs": tuple(f"{trial:02d}{place:030d}" for place in range(len(SEEDS))),
        "p_best": 0.1,
        "difference": FromBest(),
    } | more
    values = tuple(round(mean + step, 6) for step in SCATTER)
    low, high = round(mean - 0.006, 6), round(mean + 0.006, 6)
    return Confirmed(
        trial=trial, params=dict(params), values=values, mean=mean, low=low, high=high, group=group, **fields
    )


def winner(
    study: tuple[str, str],
    params: Sequence[tuple[int, Mapping[str, Any]]],
    confirmation: tuple[str, str] = ("", ""),
    **more: Any,
) -> Winner:
    """Four configurations: the first two cannot be told apart, and the second is the smaller of them.

    Args:
        study: name and run of the searched study.
        params: (number, searched values) of four of its trials, the best mean first.
        confirmation: name and run of the confirmation.
        more: fields of `Winner`.
    """
    (a, of_a), (b, of_b), (c, of_c), (d, of_d) = params
    rows = (
        confirmed(a, 0.9132, 1, of_a, p_best=0.61),
        confirmed(b, 0.9118, 1, of_b, p_best=0.33, parameters=23_106, seconds=5.1, difference=_away(0.0014, 0.31)),
        confirmed(c, 0.9051, 2, of_c, p_best=0.05, difference=_away(0.0081, 0.012)),
        confirmed(d, 0.8977, 3, of_d, p_best=0.01, shrunken=None, difference=_away(0.0155, 0.0002)),
    )
    fields: dict[str, Any] = {
        "metric": "validation/accuracy",
        "maximize": True,
        "level": 0.95,
        "images": 10_000,
        "seeds": SEEDS,
        "by_image": True,
        "searched_trials": 24,
        "reason": "the smallest of 2 that cannot be told apart at 95 %",
        "test": TestLook(b, tuple(0.905 + step for step in SCATTER), 0.905, 0.8987, 0.9113, 10_000, 1),
        "trials": 20,
        "train_seconds": 312.0,
    } | more
    name, run = confirmation
    return Winner(
        study=study[0], study_run=study[1], confirm_study=name or f"{study[0]}-confirm", confirm_run=run, chosen=b,
        best=a, configurations=rows, **fields,
    )  # fmt: skip


def _away(by: float, p: float) -> FromBest:
    return FromBest(-by, -by - 0.003, -by + 0.003, p / 2, p)


def review(study: str, findings: Sequence[ReviewFinding] = ()) -> Review:
    """One finding of each severity unless others are given, and a rule that could not be applied."""
    given = tuple(findings) or (
        ReviewFinding(
            "test_selection",
            Severity.HIGH,
            "Selection has seen the test images",
            "24 of 24 trials were validated on images of the official test set, so 0.9132 is no estimate of anything "
            "that was not looked at.",
            "Set data.faithful: false and confirm again.",
        ),
        ReviewFinding(
            "noise",
            Severity.MEDIUM,
            "The best 3 trials differ by less than 200 validation images can tell",
            "Their accuracies differ by 0.005; differences below 0.059 are noise at 95 %.",
            "Set data.validation to 13,000 or more.",
            (4, 9, 17),
        ),
        ReviewFinding(
            "boundary",
            Severity.LOW,
            "The best trials lie at the upper end of model.filters",
            "4 of the best 5 have 120 or 128, and 128 is the largest value.",
            "Extend model.filters beyond 128.",
            (1, 4, 9, 17),
        ),
        ReviewFinding("duplicates", Severity.NOTE, "2 trials repeat another one", "They took no time.", ""),
    )
    checked = (
        CheckedRule("test_selection", "selection on test images"),
        CheckedRule("noise", "differences below the noise of the validation set"),
        CheckedRule("boundary", "ranges whose end is the best"),
        CheckedRule("duplicates", "duplicates"),
        CheckedRule("pruning", "pruning that was too eager", "no trial was pruned"),
    )
    return Review(study, "2026-01-05T11:00:00+00:00", given, checked)


def review_text(found: Review) -> str:
    """The content of the file."""
    return json.dumps(found.to_json())
