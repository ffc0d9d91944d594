"""Knows how the reviewer says numbers: accuracies, sizes, parameters with their values."""

from __future__ import annotations

from collections.abc import Iterable

from tunetrack.report.values import label, short_name
from tunetrack.tracking.queries import ParamValue

__all__ = ["capital", "changed", "counted", "joined", "points", "share", "signed", "value_text"]


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def share(value: float) -> str:
    """An accuracy: four digits, fewer where they are zeros."""
    return f"{value:.4f}"


def points(value: float) -> str:
    """A difference of two accuracies in percentage points: ``3.3 points``."""
    shown = f"{100 * abs(value):.2g}"
    return f"{shown} percentage point{'' if shown == '1' else 's'}"


def signed(value: float) -> str:
    """A value of an objective, five digits."""
    return f"{value:.5g}"


def counted(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``, ``1,000 trials``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def joined(parts: Iterable[str]) -> str:
    """``a, b and c``."""
    known = list(parts)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}" if known else ""


def value_text(value: ParamValue) -> str:
    """A parameter's value as text."""
    return label(value)


def changed(path: str, before: ParamValue, after: ParamValue) -> str:
    """``filters 88 -> 64``."""
    return f"{short_name(path)} {value_text(before)} → {value_text(after)}"
