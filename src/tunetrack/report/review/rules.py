"""Knows all rules of the reviewer, and how they become a review."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from tunetrack.report.review.choosing import (
    augmented_validation,
    best_epoch,
    different_images,
    test_looks,
    test_selection,
)
from tunetrack.report.review.comparing import confounded, duplicates, idle_layers, same_names, unused_parameter
from tunetrack.report.review.noise import noise, one_seed, repeats_disagree
from tunetrack.report.review.reviewed import NotJudged, Reviewed
from tunetrack.report.review.searching import boundary, pruning, startup, wasted
from tunetrack.report.review.settings import deterministic, imbalance, seeds, unlogged
from tunetrack.report.review.training import divergence, epoch_size, fit, health, jumps, running_average
from tunetrack.spec.review import CheckedRule, Review, ReviewFinding

__all__ = ["RULES", "Rule", "reviewed_by"]

_logger = logging.getLogger(__name__)

#: Raises `NotJudged` where nothing can be said.
Rule = Callable[[Reviewed], Iterable[ReviewFinding]]

#: By name, with what each looks for; findings of equal weight stay in this order.
RULES: dict[str, tuple[str, Rule]] = {
    "test_selection": ("test images chose the winner", test_selection),
    "different_images": ("trials answered different images", different_images),
    "augmented_validation": ("validation images were augmented", augmented_validation),
    "noise": ("differences below the noise of the validation set", noise),
    "one_seed": ("one training of each configuration", one_seed),
    "repeats_disagree": ("repetitions that disagree", repeats_disagree),
    "best_epoch": ("best of the epochs instead of the last", best_epoch),
    "test_looks": ("several looks at the test images", test_looks),
    "confounded": ("several factors changed at once", confounded),
    "unused_parameter": ("parameters without effect", unused_parameter),
    "startup": ("too few trials for the sampler", startup),
    "boundary": ("best trials at the end of a range", boundary),
    "pruning": ("pruning that was too eager", pruning),
    "wasted": ("failed and infeasible trials", wasted),
    "divergence": ("trainings that diverged, and the learning rate", divergence),
    "jumps": ("results that rest on a bad last epoch", jumps),
    "fit": ("over- and under-fitting", fit),
    "running_average": ("training loss above validation loss", running_average),
    "health": ("sick weights", health),
    "seeds": ("seeds that were not fixed", seeds),
    "unlogged": ("settings that nobody logged", unlogged),
    "deterministic": ("equal seeds, different results", deterministic),
    "imbalance": ("classes that accuracy hides", imbalance),
    "duplicates": ("the same training twice", duplicates),
    "idle_layers": ("layers that are never called", idle_layers),
    "same_names": ("different runs of the same name", same_names),
    "epoch_size": ("epochs that are no whole pass", epoch_size),
}


def reviewed_by(study: Reviewed, now: datetime, rules: dict[str, tuple[str, Rule]] = RULES) -> Review:
    """What the rules have found. A rule that fails is logged and listed as skipped: a review must not end a study.

    Args:
        study: what they see.
        now: in UTC.
        rules: by name; default: all.
    """
    findings: list[ReviewFinding] = []
    checked = []
    for name, (title, rule) in rules.items():
        skipped = None
        try:
            findings += rule(study)
        except NotJudged as nothing:
            skipped = str(nothing)
        except Exception as error:
            _logger.exception("the rule %s of the reviewer failed on %s", name, study.name)
            skipped = f"the rule failed: {type(error).__name__}: {error}"
        checked.append(CheckedRule(name, title, skipped))
    findings.sort(key=lambda finding: finding.severity.rank)
    return Review(study.name, now.isoformat(timespec="seconds"), tuple(findings), tuple(checked), study.guessed)
