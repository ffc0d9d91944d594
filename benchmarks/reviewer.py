"""Counts the reviewer's false alarms on studies by good practice, and how often it finds a mistake that was planted.

    python benchmarks/reviewer.py

20 made-up studies of known truth (`_practice.py`), half of them with a median pruner; then the same 20 with one mistake
each, for every mistake. The time is that of all rules on a study of 10,000 trials, without reading it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _machine import describe_machine, today
from _practice import MISTAKES, Practice, made_up

from tunetrack.report.review.rules import reviewed_by
from tunetrack.spec.review import Review, Severity

STUDIES = 20
LARGE = 10_000


def reviewed(practice: Practice, seed: int) -> Review:
    """The review of one made-up study."""
    return reviewed_by(made_up(practice, seed), datetime.now(UTC))


def good(seed: int) -> Practice:
    """Good practice, with a pruner in every second study."""
    return Practice(pruner="good" if seed % 2 else "none")


def false_alarms() -> dict[str, Any]:
    """What is found in studies without a mistake: by severity and rule, how many of the studies have it."""
    found: dict[str, Counter[str]] = {severity.value: Counter() for severity in Severity}
    failed = 0
    for seed in range(STUDIES):
        review = reviewed(good(seed), seed)
        failed += sum("failed" in (rule.skipped or "") for rule in review.checked)
        for severity, rule in {(finding.severity.value, finding.rule) for finding in review.findings}:
            found[severity][rule] += 1
    return {"rules_that_failed": failed, **{name: dict(counts) for name, counts in found.items()}}


def sensitivity() -> dict[str, dict[str, Any]]:
    """How many of the studies with a planted mistake have the finding that names it."""
    counts = {}
    for name, (changes, rules) in MISTAKES.items():
        hits = 0
        for seed in range(STUDIES):
            practice = replace(good(seed), **changes)
            hits += any(finding.rule in rules for finding in reviewed(practice, seed).findings)
        counts[name] = {"rule": ", ".join(rules), "found": hits, "of": STUDIES}
    return counts


def seconds(trials: int = LARGE) -> float:
    """How long all rules take on a large study that breaks many of them."""
    study = made_up(Practice(trials=trials, confirmed=False, pruner="good", again=0.05, infeasible=0.05), 0)
    begin = time.perf_counter()
    reviewed_by(study, datetime.now(UTC))
    return time.perf_counter() - begin


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "reviewer.json")
    given = parser.parse_args()
    result = {
        "what": f"{STUDIES} made-up studies of 60 trials of known truth, 10,000 validation images, confirmed winners; "
        "the same with one planted mistake each",
        "date": today(),
        "machine": describe_machine(),
        "false_alarms_by_severity": false_alarms(),
        "planted": sensitivity(),
        f"seconds_for_{LARGE}_trials": round(seconds(), 2),
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
