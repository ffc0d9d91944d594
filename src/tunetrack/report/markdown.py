"""Knows how text and tables become Markdown, and how a measured number is written with its standard error."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = ["bullets", "document", "line", "number_text", "section", "signed_text", "table"]

_SPECIAL = re.compile(r"([\\`*_<>\[\]|])")


def line(text: str) -> str:
    """A user's text as one line that is shown as it is written."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def document(parts: Sequence[str]) -> str:
    """The page from its parts; empty ones are left out."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def section(title: str, *parts: str) -> str:
    """A section with its heading; empty where all parts are."""
    inner = [part for part in parts if part]
    return "\n\n".join([f"## {title}", *inner]) if inner else ""


def bullets(items: Sequence[str]) -> str:
    """A list, each entry Markdown of one line."""
    return "\n".join(f"- {item}" for item in items)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; its cells are Markdown without line breaks.

    Args:
        heads: column titles.
        rows: as many cells each.
        numbers: indices of the columns that stand right.
    """
    ruler = ["---:" if index in numbers else "---" for index in range(len(heads))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ruler, *rows))


def number_text(metric: str, value: float, error: float | None = None) -> str:
    """A value with as many decimals as its standard error makes sense of, and the error behind it."""
    if error is not None and error > 0:
        places = _places(error)
        return f"{value:.{places}f} ± {error:.{places}f}"
    return _plain(metric, value)


def signed_text(metric: str, value: float, error: float | None = None) -> str:
    """A difference with its sign."""
    sign = "−" if value < 0 else "+"
    if error is not None and error > 0:
        return f"{sign}{abs(value):.{_places(error)}f}"
    return sign + _plain(metric, abs(value))


def _places(error: float) -> int:
    """Decimals that show two digits of an error, at most one of an error of 10 and more."""
    return max(0, min(6, 1 - math.floor(math.log10(error))))


def _plain(metric: str, value: float) -> str:
    if metric.endswith("parameters"):
        return f"{value:,.0f}"
    if "accuracy" in metric:
        return f"{value:.4f}"
    return f"{value:.4g}"
