"""Knows a trial's confusion matrix as plain data, from the table that the trial left."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

__all__ = ["compare_confusion", "confusion_payload"]


def confusion_payload(content: bytes | None) -> dict[str, Any] | None:
    """Classes and counts: rows the true class, columns the predicted one.

    Args:
        content: of ``confusion_matrix.csv``; None where the trial has none. What is no such table counts as none.
    """
    if content is None:
        return None
    try:
        lines = list(csv.reader(io.StringIO(content.decode(), newline="")))
        classes = lines[0][1:]
        counts = [[int(cell) for cell in line[1:]] for line in lines[1:]]
    except (UnicodeDecodeError, ValueError, IndexError, csv.Error):
        return None
    if not classes or [line[0] for line in lines[1:]] != classes or any(len(line) != len(classes) for line in counts):
        return None
    return {"classes": classes, "counts": counts}


def compare_confusion(contents: Mapping[int, bytes | None]) -> dict[str, Any]:
    """The confusion matrices of trials, by number."""
    return {"trials": {str(number): confusion_payload(content) for number, content in contents.items()}}
