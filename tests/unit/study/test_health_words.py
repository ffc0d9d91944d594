"""Places and sizes in words."""

from __future__ import annotations

import math

import pytest

from tunetrack.study.health_words import Place, factor, percent, span, where

ORDER = [Place(row, f"conv{row + 1}", row + 1) for row in range(9)]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([8], "layer 9 (conv9)"),
        ([0, 1, 2], "layers 1-3 (conv1 to conv3)"),
        ([2, 0, 1, 8], "layers 1-3 (conv1 to conv3) and layer 9 (conv9)"),
        ([0, 2, 4, 6, 8], "layer 1 (conv1), layer 3 (conv3), layer 5 (conv5) and 2 more"),
    ],
)
def test_neighbours_are_a_range(rows: list[int], text: str) -> None:
    assert where([ORDER[row] for row in rows], ORDER) == text


def test_two_of_the_same_depth() -> None:
    pair = [Place(0, "block.conv", 3), Place(1, "block.shortcut", 3)]
    assert where(pair, pair) == "layer 3 (block.conv to block.shortcut)"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.00123, "0.12 %"), (0.5, "50 %"), (0.9999, "99 %"), (1.0, "100 %"), (12.0, "1,200 %")],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("times", "text"),
    [(1.234, "1.2"), (40.0, "40"), (99.7, "100"), (3456.0, "3,500"), (2e7, "2e+07"), (math.inf, "infinitely many")],
)
def test_factors(times: float, text: str) -> None:
    assert factor(times) == text


def test_spans() -> None:
    assert span([0.5, 0.9], percent) == "50 to 90 %"
    assert span([0.5, 0.501], percent) == "50 %"
    assert span([12.0, 34.0], factor) == "12 to 34"
