"""Knows how weight statistics read in sentences: what was found, in numbers, and nothing where there is too little."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunetrack.report.weights.blocks import BlocksInfo
from tunetrack.report.weights.kinds import NAMED
from tunetrack.report.weights.layers import DeadRow, LayerRow, LayersInfo, Trend
from tunetrack.report.weights.trials import ComparedTrial, ranges
from tunetrack.report.words import plural

__all__ = ["found_words", "number", "signed", "trend_words"]

#: Layers whose updates are so many times smaller than the largest are named.
_APART = 10.0
#: Changes of a spread below this are called none.
_SAME = 1.05
#: A p-value below it is called a trend.
_CHANCE = 0.05


def found_words(trial: ComparedTrial) -> tuple[str, ...]:
    """What was found, the rules of health first; at least one sentence."""
    sentences = [*_health(trial), *_not_finite(trial)]
    if trial.blocks is not None:
        sentences += _blocks(trial.blocks)
    sentences += _layers(trial.layers, "epoch" if trial.layers.records == trial.epochs else "record")
    sentences += _kinds(trial)
    sentences += _dead(trial.dead)
    return tuple(sentences) or ("Nothing can be said of so little.",)


def trend_words(trend: Trend | None, what: str) -> str:
    """``shrink with depth: Spearman -0.93 over blocks 2 to 8 (p = 0.003)``; empty for too few."""
    if trend is None:
        return ""
    verb = "show no clear trend with depth" if trend.chance >= _CHANCE else _verb(trend)
    chance = "< 0.001" if trend.chance < 0.001 else f"= {trend.chance:.2g}"
    return f"{verb}: Spearman {signed(trend.correlation)} over {what} {trend.first} to {trend.last} (p {chance})"


def signed(value: float) -> str:
    """Two decimals with a proper minus."""
    return f"{value:.2f}".replace("-", "−")


def times(ratio: float) -> str:
    """``1.4``, ``14``, ``1,400``."""
    return f"{ratio:.2g}" if ratio < 100 else f"{float(f'{ratio:.2g}'):,.0f}"


def _verb(trend: Trend) -> str:
    return "grow with depth" if trend.correlation > 0 else "shrink with depth"


def _health(trial: ComparedTrial) -> list[str]:
    if trial.health is None:
        return []
    if not trial.health:
        return ["No rule of health has found anything."]
    return [f"{rule}: {text}." for rule, text in trial.health.items()]


def _not_finite(trial: ComparedTrial) -> list[str]:
    bad = [f"{kind.kind} ({plural(kind.tensors, 'tensor')})" for kind in trial.kinds if math.isnan(kind.std[-1])]
    return [f"Weights are not finite in the last record: {', '.join(bad)}."] if bad else []


def _blocks(blocks: BlocksInfo) -> list[str]:
    deeper = [row for row in blocks.rows if row.depth >= 2]
    way = trend_words(blocks.trend, "blocks")
    if not way:
        return []
    ends = f"{number(deeper[0].step)} in block {deeper[0].depth}, {number(deeper[-1].step)} in block {deeper[-1].depth}"
    return [f"Steps of blocks {way}; median of {plural(len(blocks.steps), 'step')}: {ends}."]


def _layers(info: LayersInfo, record: str) -> list[str]:
    rows = [row for row in info.rows if row.update_mean > 0 and math.isfinite(row.update_mean)]
    sentences = []
    if len(rows) >= 2:
        largest = max(rows, key=lambda row: row.update_mean)
        small = [row for row in rows if row.update_mean * _APART <= largest.update_mean]
        over = f"median over {plural(info.records, record)}"
        if small:
            ratio = largest.update_mean / _middle([row.update_mean for row in small])
            sentences.append(
                f"{_place(small)} {'receive' if len(small) > 1 else 'receives'} {times(ratio)} times smaller updates "
                f"per weight than {_place([largest], lower=True)} ({over})."
            )
        else:
            ratio = largest.update_mean / min(row.update_mean for row in rows)
            sentences.append(
                f"Updates per weight of the {len(rows)} layers are within a factor of {times(ratio)} ({over})."
            )
    way = trend_words(info.trend, "layers")
    if way:
        sentences.append(f"Updates per weight {way}.")
    if info.idle:
        has = "has" if len(info.idle) == 1 else "have"
        sentences.append(f"{', '.join(info.idle)} {has} no gradient and never moved; left out of the depth profile.")
    return sentences


def _place(rows: Sequence[LayerRow], lower: bool = False) -> str:
    """``Layers 1-3 (stem.conv … block1.conv2)``."""
    depths = sorted({row.depth for row in rows})
    names = rows[0].layer if len(rows) == 1 else f"{rows[0].layer} … {rows[-1].layer}"
    noun = "layer" if len(depths) == 1 else "layers"
    return f"{noun if lower else noun.capitalize()} {ranges(depths)} ({names})"


def _kinds(trial: ComparedTrial) -> list[str]:
    """Spreads that have changed, a sentence each; those that have not, in one."""
    sentences, same = [], []
    for kind in trial.kinds:
        ends = kind.spread_ends
        if trial.epochs < 2 or ends is None:
            continue
        before, after = ends
        if after > _SAME * before or after * _SAME < before:
            way = "grows" if after > before else "shrinks"
            turned = f"; their change turned in {kind.turned[-1]:.0%} of cases in the {_last(trial)}"
            turned = turned if math.isfinite(kind.turned[-1]) else ""
            name = NAMED[kind.kind].capitalize()
            sentences.append(
                f"{name}: spread {way} from {number(before)} to {number(after)} (epochs 1 to {trial.epochs}){turned}."
            )
        else:
            same.append(NAMED[kind.kind])
    if same:
        some = " and ".join(filter(None, [", ".join(same[:-1]), same[-1]]))
        sentences.append(f"Spread of {some} is within 5 % of that after epoch 1.")
    return sentences


def _last(trial: ComparedTrial) -> str:
    return "last epoch" if trial.layers.records == trial.epochs else "last record"


def _dead(rows: Sequence[DeadRow]) -> list[str]:
    known = [row for row in rows if math.isfinite(row.share)]
    units = sum(row.units for row in known)
    if not units:
        return []
    share = sum(row.share * row.units for row in known) / units
    if not share:
        return [f"None of the {units:,} units is dead."]
    worst = max(known, key=lambda row: row.share)
    return [
        f"{share:.1%} of the {units:,} units are dead, most in {worst.layer} ({worst.share:.0%} of {worst.units:,})."
    ]


def number(value: float) -> str:
    """Three digits."""
    return "–" if not math.isfinite(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
