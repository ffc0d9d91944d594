"""Knows how a trial's updates and gradients are drawn over depth: by layer, and by residual block where looked at."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import BlockSteps, TensorKind, WeightLayout, WeightStats
from tunetrack.tracking.figures import svg

__all__ = ["Profile", "depth_figure", "depth_profiles"]

_WIDTH, _TOP = 500.0, 60.0
_PANEL = svg.Box(84, 54, 390, 220)  # within a cell of the page
_COLOR = "#1f6fb2"
#: Square root of the smallest ratio of a value axis's ends.
_LENGTH = 3.0
#: Up to this many layers their names stand under the axis; beyond, their depths.
_NAMES_UP_TO = 16


@dataclass(frozen=True)
class Profile:
    """One number a layer or block, over depth.

    Attributes:
        title: what it is.
        about: how it was taken, in words.
        unit: of the values, in words.
        depths, names, values: of the same length, in order of depth; NaN where there is no value.
        deep: what `depths` counts.
    """

    title: str
    about: str
    unit: str
    depths: tuple[int, ...]
    names: tuple[str, ...]
    values: tuple[float, ...] = field(repr=False)
    deep: str = "layers with kernels from the input"


def depth_profiles(stats: Sequence[WeightStats]) -> list[Profile]:
    """Changes and gradients of all kernels, and distances of all residual blocks where they were taken.

    Args:
        stats: what the trial's epochs have yielded; at least one.
    """
    layout = stats[0].layout
    found = _layers(stats, layout) if any(t.kind is TensorKind.KERNEL for t in layout.tensors) else []
    steps = [one.block_steps for one in stats if one.block_steps is not None]
    return found + (_blocks(steps, layout) if steps and layout.blocks else [])


def depth_figure(title: str, stats: Sequence[WeightStats]) -> bytes:
    """Draw the profiles, two in a row, on logarithmic axes.

    Args:
        title: stands above the panels.
        stats: what the trial's epochs have yielded; at least one.

    Returns:
        An SVG document; its panels are those of `depth_profiles`.
    """
    parts = [svg.text(24, 32, f"{title}: updates and gradients by depth", 17, extra="font-weight='600'")]
    y = _TOP
    profiles = depth_profiles(stats)
    for first in range(0, len(profiles), 2):
        row = profiles[first : first + 2]
        for column, profile in enumerate(row):
            box = svg.Box(_WIDTH * column + _PANEL.x, y + _PANEL.y, _PANEL.width, _PANEL.height)
            parts += _panel(profile, box)
        y += _PANEL.y + _PANEL.height + 48 + max(_under(profile) for profile in row)
    if not profiles:
        parts.append(svg.text(24, y, "this network has no kernels", 13, svg.GREY))
    return svg.document(max(2 * _WIDTH, 380 + 8.6 * len(title)), max(y, 120.0), title, parts)


def _layers(stats: Sequence[WeightStats], layout: WeightLayout) -> list[Profile]:
    rows = sorted(
        (row for row, tensor in enumerate(layout.tensors) if tensor.kind is TensorKind.KERNEL and tensor.depth),
        key=lambda row: layout.tensors[row].depth,
    )
    depths = tuple(layout.tensors[row].depth for row in rows)
    names = tuple(layout.tensors[row].layer for row in rows)
    records = [record for one in stats for record in one.records if record.epoch > 0]
    changes = np.array([record.column("previous_minkowski_mean")[rows] for record in records])
    every = "epoch" if len(records) == len(stats) else "record"
    p = layout.minkowski_p
    mean = "mean |change| of a weight" if p == 1 else f"(mean |change|^p)^(1/p), p = {p:g}"
    last = stats[-1].records[-1]
    return [
        Profile(
            f"Change of kernels from {every} to {every}",
            f"median of {len(records):,} {every}{'s' if len(records) > 1 else ''}",
            mean,
            depths,
            names,
            _medians(changes, len(rows)),
        ),
        Profile(
            "Gradient of kernels",
            f"of the last step of epoch {last.epoch}",
            "root mean square",
            depths,
            names,
            tuple(last.column("gradient_rms")[rows].tolist()),
        ),
    ]


def _blocks(steps: Sequence[BlockSteps], layout: WeightLayout) -> list[Profile]:
    depths = tuple(block.depth for block in layout.blocks)
    names = tuple(block.name for block in layout.blocks)
    deep = "residual blocks from the input"
    number = sum(len(one.steps) for one in steps)
    p = layout.minkowski_p
    total = "sum of |change|" if p == 1 else f"Minkowski distance, p = {p:g}"
    return [
        Profile(what, f"median of {number:,} steps", total, depths, names, _medians(values, len(depths)), deep)
        for what, values in (
            ("Change of blocks in one step", np.concatenate([one.previous for one in steps])),
            ("Distance of blocks from their initial weights", np.concatenate([one.initial for one in steps])),
        )
    ]


def _medians(values: NDArray[np.float64], columns: int) -> tuple[float, ...]:
    """The median of each column's finite values; NaN where there is none."""
    known = np.where(np.isfinite(values), values, np.nan).reshape(len(values), columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": NaN is the answer then
        return tuple(np.nanmedian(known, axis=0).tolist())


def _panel(profile: Profile, box: svg.Box) -> list[str]:
    parts = [svg.text(box.x, box.y - 30, profile.title, 13, extra="font-weight='600'")]
    known = [math.isfinite(value) and value > 0 for value in profile.values]
    words = profile.about
    if missing := known.count(False):
        words += f"; {missing} of {len(known)} not shown: zero or not finite"
    parts.append(svg.text(box.x, box.y - 12, words, 11.5, svg.GREY))
    x = svg.Axis(min(profile.depths) - 0.5, max(profile.depths) + 0.5, box.x, box.x + box.width)
    at = box.x - 62, box.y + box.height / 2
    parts.append(svg.text(*at, profile.unit, 12, svg.GREY, svg.turned(*at, "middle", -90)))
    parts += _depths(profile, x, box)
    if not any(known):
        middle = box.x + box.width / 2, box.y + box.height / 2
        parts.append(svg.text(*middle, "no value above zero", 13, svg.GREY, "text-anchor='middle'"))
        return [*parts, box.frame()]
    y = _value_axis([value for value, there in zip(profile.values, known, strict=True) if there], box)
    for tick in y.ticks():
        parts.append(svg.line(box.x, y(tick), box.x + box.width, y(tick)))
        parts.append(svg.text(box.x - 8, y(tick) + 4, f"{tick:,.5g}", 11, svg.GREY, "text-anchor='end'"))
    spots = [
        (x(depth), y(value) if there else math.nan)
        for depth, value, there in zip(profile.depths, profile.values, known, strict=True)
    ]
    parts += [box.frame(), svg.path(spots, _COLOR, 1.6)]
    radius = 3.2 if len(spots) <= 60 else 2.0
    for (across, up), name, value in zip(spots, profile.names, profile.values, strict=True):
        if math.isfinite(up):
            tip = f"<title>{svg.escape(name)}: {value:.4g}</title>"
            parts.append(f"<circle cx='{across:.1f}' cy='{up:.1f}' r='{radius}' fill='{_COLOR}'>{tip}</circle>")
    return parts


def _value_axis(known: Sequence[float], box: svg.Box) -> svg.Axis:
    """Logarithmic, and long enough that what is level looks level."""
    pad = max(1.3, _LENGTH * math.sqrt(min(known) / max(known)))
    return svg.Axis(min(known) / pad, max(known) * pad, box.y + box.height, box.y, log=True)


def _depths(profile: Profile, x: svg.Axis, box: svg.Box) -> list[str]:
    """The horizontal axis: names where they have room, else depths."""
    bottom, parts = box.y + box.height, []
    middle = box.x + box.width / 2
    if _named(profile):
        for depth, name in zip(profile.depths, profile.names, strict=True):
            parts.append(svg.line(x(depth), bottom, x(depth), bottom + 4, svg.GREY))
            at = x(depth) + 3, bottom + 12
            parts.append(svg.text(*at, svg.short(name, 24), 10.5, svg.GREY, svg.turned(*at, "end", -50)))
    else:
        for tick in svg.ticks(x.low, x.high, 8):
            if tick == round(tick):
                parts.append(svg.line(x(tick), bottom, x(tick), bottom + 4, svg.GREY))
                parts.append(svg.text(x(tick), bottom + 17, f"{tick:g}", 11, svg.GREY, "text-anchor='middle'"))
    under = bottom + _under(profile) + 10
    return [*parts, svg.text(middle, under, profile.deep, 12, svg.GREY, "text-anchor='middle'")]


def _named(profile: Profile) -> bool:
    return len(profile.names) <= _NAMES_UP_TO and len(set(profile.depths)) == len(profile.depths)


def _under(profile: Profile) -> float:
    """Height of what stands between the axis and its name, pixels."""
    return 16 + 4.6 * min(24, max(map(len, profile.names))) if _named(profile) else 24.0
