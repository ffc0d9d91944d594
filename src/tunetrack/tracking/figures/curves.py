"""Knows how a trial's epochs are drawn: loss on the left, accuracy on the right, train and validation in both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tunetrack.spec.records import EpochRecord
from tunetrack.tracking.figures import svg

__all__ = ["curves_figure"]

_WIDTH, _HEIGHT = 960.0, 400.0
_TOP, _BOTTOM = 98.0, 346.0
_TRAIN, _VALIDATION = "#d9822b", "#1f6fb2"
#: Beyond this ratio of the largest to the smallest loss a linear axis shows nothing but the first epoch.
_LOG_FROM = 30.0

Reader = Callable[[EpochRecord], float]


def curves_figure(title: str, epochs: Sequence[EpochRecord]) -> bytes:
    """Draw one trial's epochs.

    Args:
        title: stands above both panels.
        epochs: at least one; values that are not finite are left out, and the line has a gap there.

    Returns:
        An SVG document.
    """
    parts = [svg.text(24, 32, title, 17, extra="font-weight='600'")]
    parts += _panel(
        (64.0, 464.0), "Loss (cross-entropy)", epochs, (lambda e: e.train_loss, lambda e: e.validation_loss), False
    )
    parts += _panel(
        (548.0, 936.0),
        "Accuracy (%)",
        epochs,
        (lambda e: 100 * e.train_accuracy, lambda e: 100 * e.validation_accuracy),
        True,
    )
    return svg.document(_WIDTH, _HEIGHT, title, parts)


def _panel(
    span: tuple[float, float], label: str, epochs: Sequence[EpochRecord], readers: tuple[Reader, Reader], rising: bool
) -> list[str]:
    left, right = span
    steps = [record.epoch for record in epochs]
    series = [[reader(record) for record in epochs] for reader in readers]
    known = [value for values in series for value in values if math.isfinite(value)]
    parts = [svg.text(left, 64, label, 13, svg.INK, "font-weight='600'"), *_legend(right)]
    if not known:
        return [*parts, svg.text((left + right) / 2, 220, "no finite value", 13, svg.GREY, "text-anchor='middle'")]
    x = svg.Axis(min(steps) - 0.3, max(steps) + 0.3, left, right)
    y = _value_axis(known)
    parts += _grid(x, y, steps)
    for values, color, width in zip(series, (_TRAIN, _VALIDATION), (1.8, 2.4), strict=True):
        points = list(zip(steps, values, strict=True))
        parts += _curve(points, x, y, color, width)
    return parts + _best(list(zip(steps, series[1], strict=True)), x, y, rising)


def _value_axis(known: Sequence[float]) -> svg.Axis:
    low, high = min(known), max(known)
    if low > 0 and high / low > _LOG_FROM:
        return svg.Axis(low / 1.15, high * 1.15, _BOTTOM, _TOP, log=True)
    pad = 0.06 * (high - low) or max(abs(high) * 0.05, 1e-3)
    return svg.Axis(low - pad, high + pad, _BOTTOM, _TOP)


def _grid(x: svg.Axis, y: svg.Axis, steps: Sequence[int]) -> list[str]:
    parts = []
    for value in y.ticks():
        parts.append(svg.line(x.start, y(value), x.end, y(value)))
        parts.append(svg.text(x.start - 8, y(value) + 4, f"{value:.4g}", 11, svg.GREY, "text-anchor='end'"))
    parts.append(svg.line(x.start, _BOTTOM, x.end, _BOTTOM, svg.GREY))
    # Epochs are whole: no tick between them.
    for step in {round(value) for value in svg.ticks(min(steps), max(max(steps), min(steps) + 1), 8)} & set(steps):
        parts.append(svg.line(x(step), _BOTTOM, x(step), _BOTTOM + 4, svg.GREY))
        parts.append(svg.text(x(step), _BOTTOM + 18, str(step), 11, svg.GREY, "text-anchor='middle'"))
    parts.append(svg.text((x.start + x.end) / 2, _BOTTOM + 38, "epoch", 12, svg.GREY, "text-anchor='middle'"))
    return parts


def _legend(right: float) -> list[str]:
    names = (("train", _TRAIN, right - 152), ("validation", _VALIDATION, right - 84))
    return [
        mark
        for name, color, x in names
        for mark in (svg.line(x, 60, x + 18, 60, color, 2.4), svg.text(x + 24, 64, name, 12, svg.GREY))
    ]


def _curve(points: Sequence[tuple[int, float]], x: svg.Axis, y: svg.Axis, color: str, width: float) -> list[str]:
    known = [math.isfinite(value) and (value > 0 or not y.log) for _, value in points]
    spots = [(x(step), y(value) if there else math.nan) for (step, value), there in zip(points, known, strict=True)]
    dots = [f"<circle cx='{at:.1f}' cy='{up:.1f}' r='2.6' fill='{color}'/>" for at, up in spots if math.isfinite(up)]
    return [*(dots if len(points) <= 40 else ()), svg.path(spots, color, width)]


def _best(points: Sequence[tuple[int, float]], x: svg.Axis, y: svg.Axis, rising: bool) -> list[str]:
    """A ring around the best validation value, which stands in words under the panel's name."""
    known = [(value if rising else -value, step) for step, value in points if math.isfinite(value)]
    if not known:
        return []
    step = max(known, key=lambda pair: pair[0])[1]
    value = dict(points)[step]
    words = f"best validation value {value:.4g}, epoch {step}" + ("; logarithmic axis" if y.log else "")
    return [
        f"<circle cx='{x(step):.1f}' cy='{y(value):.1f}' r='6' fill='none' stroke='{_VALIDATION}' stroke-width='1.8'/>",
        svg.text(x.start, 82, words, 11.5, _VALIDATION),
    ]
