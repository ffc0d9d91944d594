"""Knows the order of the page that compares trials' weights: numbers, what was found, by depth, over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunetrack.report.parts import Drawing, Grid, Items, Page, Part, Section, Words
from tunetrack.report.values import label
from tunetrack.report.weights.claims import claim_rows
from tunetrack.report.weights.draw import draw_depth, draw_histograms, draw_kinds, draw_ratios
from tunetrack.report.weights.draw_blocks import draw_block_depth, draw_block_series
from tunetrack.report.weights.kinds import NAMED
from tunetrack.report.weights.layers import LayerRow
from tunetrack.report.weights.trials import MOST, ComparedTrial, named_params, ranges
from tunetrack.report.weights.words import found_words, number, signed
from tunetrack.report.words import plural
from tunetrack.spec.reference import Reference
from tunetrack.spec.weight_records import SUMMARY_METRICS

__all__ = ["WeightsSource", "weights_page"]

Trials = Sequence[ComparedTrial]

#: Layers with dead units that are listed.
_DEAD = 12
#: Shares outside a histogram's range that are worth a word.
_OUTSIDE = 1e-4


@dataclass(frozen=True)
class WeightsSource:
    """What is compared.

    Attributes:
        study: its name.
        run_id: its MLflow run.
        trials: at least one.
        reference: the study file's; None where it has none.
    """

    study: str
    run_id: str
    trials: tuple[ComparedTrial, ...]
    reference: Reference | None = None


def weights_page(source: WeightsSource) -> Page:
    """The page. It says nothing that changes from call to call, and names no folder of this machine."""
    trials = source.trials
    figured = trials[:MOST]
    about = f"Weight statistics of {plural(len(trials), 'trial')} of the study {source.study}, from its stored runs."
    if len(figured) < len(trials):
        about += f" Figures and sentences are about the first {len(figured)} of them, tables about all."
    sections = (
        Section("numbers", "At the end of training", tuple(_numbers(trials))),
        Section("original", "Beside the original", tuple(_original(source))),
        Section("found", "What was found", tuple(Items(found_words(trial), trial.label) for trial in figured)),
        Section("depth", "By depth", tuple(_depth(trials, figured))),
        Section("blocks", "Steps of residual blocks", tuple(_blocks(trials, figured))),
        Section("layers", "Layers over the epochs", tuple(_ratios(figured))),
        Section("kinds", "Spread and oscillation", tuple(_kinds(trials, figured))),
        Section("histograms", "Histograms", tuple(_histograms(figured))),
        Section("dead", "Dead units", tuple(_dead(trials))),
        Section("again", "Make this page again", tuple(_again(source))),
    )
    return Page(f"{source.study}: weights", about, sections)


def _numbers(trials: Trials) -> list[Part]:
    paths = named_params(trials)
    metrics = [name for name in SUMMARY_METRICS if any(name in trial.numbers for trial in trials)]
    judged = any(trial.health is not None for trial in trials)
    heads = ["trial", *paths, *(name.removeprefix("weights/") for name in metrics), *(["found"] if judged else [])]
    rows = []
    for trial in trials:
        params = [label(trial.params[path]) if path in trial.params else "–" for path in paths]
        numbers = [number(trial.numbers[name]) if name in trial.numbers else "–" for name in metrics]
        rules = "–" if trial.health is None else ", ".join(trial.health) or "ok"
        rows.append((str(trial.number), *params, *numbers, *([rules] if judged else [])))
    parts: list[Part] = [Grid(tuple(heads), tuple(rows), (len(heads) - 1,) if judged else ())]
    if metrics:
        meanings = "; ".join(f"{name.removeprefix('weights/')}: {SUMMARY_METRICS[name]}" for name in metrics)
        parts.append(Words(f"{meanings}.", note=True))
    return parts


def _original(source: WeightsSource) -> list[Part]:
    if source.reference is None or not source.reference.weights:
        return []
    rows = claim_rows(source.reference.weights, source.trials)
    parts: list[Part] = [Grid(("original", "here"), tuple(rows), (0, 1))]
    if source.reference.reduced:
        parts.append(Words(f"Made smaller here: {source.reference.reduced}", note=True))
    return parts


def _depth(trials: Trials, figured: Trials) -> list[Part]:
    if not any(trial.layers.rows for trial in figured):
        return []
    parts: list[Part] = [
        Drawing(
            "depth",
            draw_depth(figured),
            f"Update per weight and gradient by layer, {_named(figured)}.",
            f"Medians over the records after the initial state ({_records(figured)}). An update is the distance to the "
            "record before (Minkowski), per weight; a gradient is that of the record's last step.",
        )
    ]
    for trial in trials:
        cells = [(str(row.depth), row.layer, f"{row.size:,}", *_measured(row)) for row in trial.layers.rows]
        heads = ("depth", "layer", "weights", "update per weight", "update", "gradient", "drift")
        parts.append(Grid(heads, tuple(cells), (1,), f"Layers of {trial.label}"))
    return parts


def _measured(row: LayerRow) -> tuple[str, ...]:
    return tuple(map(number, (row.update_mean, row.update, row.gradient_rms, row.drift)))


def _records(trials: Trials) -> str:
    """How many records each trial has, said once where all have one an epoch."""
    if all(trial.layers.records == trial.epochs for trial in trials):
        return "one an epoch"
    counts: dict[str, list[int]] = {}
    for trial in trials:
        words = f"{plural(trial.layers.records, 'record')} in {plural(trial.epochs, 'epoch')}"
        counts.setdefault(words, []).append(trial.number)
    return "; ".join(f"trial {ranges(numbers)}: {words}" for words, numbers in counts.items())


def _blocks(trials: Trials, figured: Trials) -> list[Part]:
    rows = []
    for trial in trials:
        if trial.blocks is None:
            continue
        deeper, trend = trial.blocks.rows[1:2], trial.blocks.trend
        second = number(deeper[0].step) if deeper else "–"
        way = ("–", "–") if trend is None else (signed(trend.correlation), _chance(trend.chance))
        ends = (number(trial.blocks.rows[0].step), second, number(trial.blocks.rows[-1].step))
        rows.append((trial.label, str(len(trial.blocks.rows)), f"{len(trial.blocks.steps):,}", *ends, *way))
    if not rows:
        return []
    heads = ("trial", "blocks", "steps", "block 1", "block 2", "last block", "Spearman", "p")
    parts: list[Part] = [
        Words(
            "Median over all optimiser steps of each block's distance to its weights one step earlier: a sum over its "
            "tensors, not per weight. Spearman: rank correlation of that median with the block's number, without "
            "block 1, which has another size. p: how often unrelated blocks would be ordered as strictly."
        ),
        Grid(heads, tuple(rows), (0,)),
    ]
    if any(trial.blocks is not None for trial in figured):
        alt = f"Median distance of blocks to one step earlier and to the initial weights, {_named(figured)}."
        parts.append(Drawing("blocks", draw_block_depth(figured), alt))
        caption = "Each line is a block: blue near the input, red near the output. Limits are shared by all trials."
        alt = f"Distance of every block over the optimiser steps, {_named(figured)}."
        parts.append(Drawing("steps", draw_block_series(figured), alt, caption))
    return parts


def _chance(chance: float) -> str:
    return "< 0.001" if chance < 0.001 else f"{chance:.2g}"


def _ratios(figured: Trials) -> list[Part]:
    if not any(trial.layers.ratios.size for trial in figured):
        return []
    caption = (
        "Update ratio: L2 distance to the record before / L2 norm there. White: nothing recorded, or no change. "
        f"Records: {_records(figured)}."
    )
    return [Drawing("layers", draw_ratios(figured), f"Update ratio by layer and epoch, {_named(figured)}.", caption)]


def _kinds(trials: Trials, figured: Trials) -> list[Part]:
    rows = []
    for trial in trials:
        for kind in trial.kinds:
            before, after = kind.spread_ends or (float("nan"), float("nan"))
            ratio = f"{after / before:.2f}" if before > 0 else "–"
            turned = f"{kind.turned[-1]:.0%}" if kind.turned[-1] == kind.turned[-1] else "–"
            about = (trial.name, NAMED[kind.kind], str(kind.tensors), f"{kind.size:,}")
            rows.append((*about, number(before), number(after), ratio, turned))
    if not rows:
        return []
    heads = ("trial", "kind", "tensors", "weights", "spread, epoch 1", "spread, end", "ratio", "turned, end")
    caption = (
        "All tensors of a kind taken as one. Change: root mean square since the record before. Turned: weights whose "
        "change has the opposite sign of the one before: half of them in a random walk. Records: "
        f"{_records(figured)}."
    )
    alt = f"Spread, change and share of turned weights by kind and epoch, {_named(figured)}."
    parts: list[Part] = [Grid(heads, tuple(rows), (0, 1))]
    if any(trial.kinds for trial in figured):
        parts.append(Drawing("kinds", draw_kinds(figured), alt, caption))
    return parts


def _histograms(figured: Trials) -> list[Part]:
    if not any(trial.kinds for trial in figured):
        return []
    caption = (
        "The darker, the more weights; lines: 5th, 50th and 95th percentile, read off the bins. Epoch 0 is the initial "
        "state. Axes and colours are the same along a row. Kernels and biases in units of each tensor's initial root "
        "mean square."
    )
    outside = []
    for trial in figured:
        for kind in trial.kinds:
            below, above = float(kind.histogram.below[-1]), float(kind.histogram.above[-1])
            if max(below, above) > _OUTSIDE:
                outside.append(f"{trial.name}, {NAMED[kind.kind]}: {below:.2%} below, {above:.2%} above")
            if kind.histogram.left_out:
                left = plural(kind.histogram.left_out, "tensor")
                outside.append(f"{trial.name}, {NAMED[kind.kind]}: {left} with another range not shown")
    parts: list[Part] = [
        Drawing(
            "histograms", draw_histograms(figured), f"Histograms by kind over the epochs, {_named(figured)}.", caption
        )
    ]
    if outside:
        parts.append(Words(f"Outside the range at the end: {'; '.join(outside)}.", note=True))
    return parts


def _dead(trials: Trials) -> list[Part]:
    found = [(row.share, trial, row) for trial in trials for row in trial.dead if row.share > 0]
    if not found:
        return []
    worst = sorted(found, key=lambda one: -one[0])[:_DEAD]
    rows = [(trial.name, row.layer, str(row.depth), f"{row.units:,}", f"{share:.1%}") for share, trial, row in worst]
    parts: list[Part] = [Grid(("trial", "layer", "depth", "units", "dead"), tuple(rows), (0, 1))]
    if len(found) > len(worst):
        parts.append(Words(f"{plural(len(found) - len(worst), 'further layer')} with fewer dead units.", note=True))
    return parts


def _again(source: WeightsSource) -> list[Part]:
    numbers = ",".join(str(trial.number) for trial in source.trials)
    return [
        Words(f"tunetrack weights {source.study} --trials {numbers}"),
        Words("Every number is in the artifact weight_stats.parquet of each trial's run.", note=True),
    ]


def _named(trials: Trials) -> str:
    return f"{'trial' if len(trials) == 1 else 'trials'} {ranges([trial.number for trial in trials])}"
