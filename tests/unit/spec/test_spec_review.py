"""What the reviewer says survives JSON, and says which findings weigh most."""

from __future__ import annotations

import json

import pytest

from tunetrack.spec.review import CheckedRule, Review, ReviewFinding, Severity

FOUND = ReviewFinding("one_seed", Severity.MEDIUM, "One seed", "All 9 trials: seed 0.", "tunetrack confirm x", (3, 7))
NOTED = ReviewFinding("duplicates", Severity.NOTE, "Twins", "Trial 4 is trial 1.", "Nothing.")


def test_a_review_comes_back_from_json() -> None:
    checked = (CheckedRule("one_seed", "seeds"), CheckedRule("health", "weights", "no weight statistics"))
    review = Review("x", "2026-01-02T03:04:05+00:00", (FOUND, NOTED), checked, ("accuracy: metric val_acc",))

    assert Review.from_json(json.loads(json.dumps(review.to_json()))) == review


def test_only_findings_that_weigh_enough() -> None:
    review = Review("x", "2026-01-02T03:04:05+00:00", (FOUND, NOTED))

    assert review.at_least(Severity.HIGH) == ()
    assert review.at_least(Severity.MEDIUM) == (FOUND,)
    assert review.at_least(Severity.NOTE) == (FOUND, NOTED)


def test_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        Review.from_json({"version": 2, "reviewed": "", "findings": [], "checked": []})
