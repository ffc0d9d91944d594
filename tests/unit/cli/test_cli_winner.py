"""What a terminal says of the winner: how many seeds a value has, and which configurations are as good."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from evidence_support import winner
from tunetrack.cli.winner_tables import print_winner
from tunetrack.cli.words import sure_text
from tunetrack.ledger import TrialRecord
from tunetrack.spec import Objective, TrialState
from tunetrack.study.result import StudyResult, StudyTrial

FOUND = winner(("tiny", "run"), [(number, {"optimizer.lr": 0.1}) for number in (12, 7, 30, 4)])


def result(*values: float, images: int | None = 100, metric: str = "validation/accuracy") -> StudyResult:
    objective = Objective(metric=metric, direction="maximize")
    records = [
        TrialRecord(number, TrialState.COMPLETE, {}, {}, (value,), "", None) for number, value in enumerate(values)
    ]
    trials = tuple(StudyTrial(record, None) for record in records)
    return StudyResult("tiny", (objective,), (), trials, "run", None, "", validation_images=images)


def printed(found: StudyResult) -> list[str]:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    print_winner(console, found)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_the_configurations_stand_best_first_and_are_not_wide() -> None:
    head, *rows, legend, _ = printed(replace(result(0.9), winner=FOUND))

    assert max(map(len, [head, *rows])) <= 92
    assert [row.split()[:3] for row in rows] == [
        ["≈", "12", "0.9132"], ["★", "7", "0.9118"], ["30", "0.9051", "±"], ["4", "0.8977", "±"],
    ]  # fmt: skip
    assert "-0.0014 ± 0.0030   0.310      23,106  0.9158" in rows[1]
    assert "<0.001" in rows[3]
    assert "★ chosen, ≈ not told apart from the best, ± half of the 95 % interval, 5 seeds x 10,000 images" in legend


def test_nothing_is_printed_where_nothing_was_confirmed() -> None:
    assert printed(result(0.9)) == []


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.91321, 0.006, "0.9132 ± 0.0060"),
        (0.9, 0.05, "0.900 ± 0.050"),
        (120.4, 35.0, "120 ± 35"),
        (0.9, None, "0.9000"),
    ],
)
def test_a_value_has_the_decimals_that_its_interval_makes_sense_of(value: float, half: float, text: str) -> None:
    assert sure_text(value, half) == text


def test_one_seeds_values_have_wilsons_interval_where_they_are_accuracies() -> None:
    found = result(0.9, 0.85, 0.5)

    interval = found.interval(found.trials[0])
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(0.8256, abs=1e-4), pytest.approx(0.9448, abs=1e-4))
    assert found.ties_in_words() == "1 other trial cannot be told apart from it"
    assert result(0.9, 0.5).ties_in_words() == "by these images every other trial can be told apart from it"
    assert result(0.9).ties_in_words() == ""
    for other in (result(0.9, 0.8, images=None), result(0.9, 0.8, metric="validation/loss")):
        assert other.interval(other.trials[0]) is None
        assert other.ties_in_words() == ""
