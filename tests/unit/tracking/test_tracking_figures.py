"""Figures are well-formed SVG for every size of problem and for broken numbers."""

from __future__ import annotations

import base64
import math
import re
from xml.etree import ElementTree

import pytest

from tracking_support import epoch, evaluation
from tunetrack.spec.records import EpochRecord
from tunetrack.tracking.artifacts import confusion_table
from tunetrack.tracking.figures import svg
from tunetrack.tracking.figures.confusion import confusion_figure
from tunetrack.tracking.figures.curves import curves_figure


def words(figure: bytes) -> list[str]:
    root = ElementTree.fromstring(figure)
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("classes", [2, 10, 20, 21, 100, 300])
def test_confusion_matrix(classes: int) -> None:
    figure = confusion_figure("study  trial-001", evaluation(classes))
    text = words(figure)
    assert {"study  trial-001", "true class", "predicted class", "class <0>", "100 %"} <= set(text)
    if classes <= 20:
        assert text.count("90") == classes
    else:
        picture = re.search(rb"base64,([^']+)'", figure)
        assert picture is not None
        assert base64.b64decode(picture[1]).startswith(b"\x89PNG")
    assert len(figure) < 100_000


def test_class_without_images_has_an_empty_row() -> None:
    empty = evaluation(3)
    rows = ((0, 0, 0), *empty.confusion[1:])
    assert "nan" not in confusion_figure("t", type(empty)(0.1, 0.9, rows, empty.classes)).decode().lower()


def test_confusion_table_quotes_names() -> None:
    table = confusion_table(type(evaluation(2))(0.1, 0.9, ((1, 2), (3, 4)), ('a,"b"', "c")))
    assert table.splitlines() == ['true \\ predicted,"a,""b""",c', '"a,""b""",1,2', "c,3,4"]


@pytest.mark.parametrize("count", [1, 2, 10, 200])
def test_curves_say_what_they_show(count: int) -> None:
    text = words(curves_figure("study  trial-001", [epoch(number, number / 250) for number in range(1, count + 1)]))
    assert {"Loss (cross-entropy)", "Accuracy (%)", "epoch", "train", "validation"} <= set(text)
    assert any(f"epoch {count}" in line for line in text)


def test_diverged_epochs_leave_a_gap_and_huge_losses_a_log_axis() -> None:
    records = [epoch(1), EpochRecord(2, math.nan, 0.1, math.inf, 0.1, 1e-3, 0.3, 1.0), epoch(3), epoch(4)]
    figure = curves_figure("t", records).decode()
    assert "nan" not in figure
    assert "inf" not in figure.replace("infinit", "")
    first = EpochRecord(1, 9000.0, 0.1, 8000.0, 0.1, 1e-3, 0.3, 1.0)
    assert "logarithmic axis" in curves_figure("t", [first, epoch(2)]).decode()


def test_no_finite_value_at_all() -> None:
    lost = EpochRecord(1, math.nan, math.nan, math.nan, math.nan, 1e-3, 0.3, 1.0)
    assert words(curves_figure("t", [lost])).count("no finite value") == 2


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.93, 0.931), (1, 2), (-5e4, 7e4), (1e-9, 2e-9)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    marks = svg.ticks(low, high)
    assert 2 <= len(marks) <= 11
    assert all(low - 1e-9 * abs(low) <= mark <= high * (1 + 1e-9) for mark in marks)
