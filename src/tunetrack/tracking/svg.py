"""Knows how to write plain SVG: text, lines, axes with round ticks.

Every trial leaves two figures. matplotlib takes 70 to 110 ms for each, most of it holding the interpreter's lock that
the trainer needs too; these take under 1 ms, and MLflow's artifact viewer shows both kinds alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["GREY", "GRID", "INK", "Axis", "document", "line", "path", "text", "ticks"]

INK, GREY, GRID = "#1f2933", "#616e7c", "#e4e7eb"
_FONT = "font-family='Helvetica Neue,Helvetica,Arial,DejaVu Sans,sans-serif'"


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic map from values to pixels.

    Attributes:
        low, high: the values at the ends; positive where `log` is set, and low < high.
        start, end: the pixels at the ends.
        log: whether the axis is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the axis, about `count` of them."""
        if not self.log:
            return ticks(self.low, self.high, count)
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        decades = [10.0**power for power in range(first, last + 1)]
        return decades if len(decades) >= 2 else [self.low, math.sqrt(self.low * self.high), self.high]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], about `count` of them."""
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def text(x: float, y: float, content: str, size: float = 12, color: str = INK, extra: str = "") -> str:
    """One line of text; `extra` holds further attributes such as ``text-anchor='end'``."""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' fill='{color}' {extra}>{escape(content)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, color: str = GRID, width: float = 1) -> str:
    """One straight line."""
    return f"<path d='M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}' stroke='{color}' stroke-width='{width:g}'/>"


def path(points: Sequence[tuple[float, float]], color: str, width: float, extra: str = "") -> str:
    """A line through `points` (pixels)."""
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f"<path d='M{steps}' fill='none' stroke='{color}' stroke-width='{width:g}' stroke-linejoin='round' {extra}/>"


def document(width: float, height: float, title: str, parts: Sequence[str]) -> bytes:
    """The whole file, on white, with `title` as its accessible name."""
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{height:.0f}' "
        f"viewBox='0 0 {width:.0f} {height:.0f}' role='img' {_FONT}><title>{escape(title)}</title>"
        "<rect width='100%' height='100%' fill='#ffffff'/>"
    )
    return (head + "\n".join(parts) + "</svg>\n").encode()
