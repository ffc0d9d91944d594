"""Signs of ill health in one epoch: what each rule of `weights.health` measures, and how it says what it has found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import TensorInfo, TensorKind, WeightStats
from tunetrack.spec.weights import (
    DeadUnitsRule,
    ExplodingRule,
    HealthConfig,
    HealthRule,
    OscillationRule,
    StalledLayerRule,
    VanishingGradientsRule,
)
from tunetrack.study.health_words import Place, factor, percent, span, where

__all__ = ["Rule", "Sign", "rules_of"]

#: Fewer layers have no first and last third, and no median worth the name.
LEAST_LAYERS = 3
#: Activations whose slope goes to zero below zero; a unit of LeakyReLU or ELU goes on learning there.
FLAT_BELOW_ZERO = ("ReLU", "ReLU6", "GELU", "SiLU", "Mish", "Hardswish")


@dataclass(frozen=True)
class Sign:
    """What a rule sees in one place at the end of one epoch.

    Attributes:
        place: where.
        aspect: which of the rule's measures.
        value: the number found.
        degree: how bad it is; 1.0 at the threshold, more beyond it.
    """

    place: Place
    aspect: str
    value: float
    degree: float


class Rule(Protocol):
    """One rule, over one trial."""

    def look(self, stats: WeightStats) -> list[Sign]:
        """Everything that is beyond its threshold at the end of this epoch. Called once an epoch, in their order."""
        ...

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        """What these signs say, at least one: a sentence without a full stop."""
        ...


def rules_of(config: HealthConfig) -> dict[str, tuple[HealthRule, Rule]]:
    """Settings and a fresh rule by name, without those that are off."""
    rules: dict[str, tuple[HealthRule, Rule]] = {
        "non_finite": (config.non_finite, _NonFinite()),
        "exploding": (config.exploding, _Exploding(config.exploding)),
        "vanishing_gradients": (config.vanishing_gradients, _VanishingGradients(config.vanishing_gradients)),
        "dead_units": (config.dead_units, _DeadUnits(config.dead_units)),
        "oscillation": (config.oscillation, _Oscillation(config.oscillation)),
        "stalled_layer": (config.stalled_layer, _StalledLayer(config.stalled_layer)),
    }
    return {name: pair for name, pair in rules.items() if pair[0].action != "off"}


class _NonFinite:
    """NaN or infinite weights; infinite gradients (a gradient of NaN stands for one that there is not)."""

    def look(self, stats: WeightStats) -> list[Sign]:
        last = stats.records[-1]
        norms, gradients = last.column("l2"), last.column("gradient_l2")
        signs = []
        for row, tensor in enumerate(stats.layout.tensors):
            if not math.isfinite(norms[row]):
                signs.append(Sign(_place(row, tensor), "weights", float(norms[row]), 1.0))
            elif math.isinf(gradients[row]):
                signs.append(Sign(_place(row, tensor), "gradients", math.inf, 1.0))
        return signs

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        order = [_place(row, tensor) for row, tensor in enumerate(stats.layout.tensors)]
        parts = (
            f"the {aspect} of {where(_places(group), order)} are NaN, or too large to be numbers"
            for aspect, group in _by_aspect(signs).items()
        )
        return ", and ".join(parts)


class _Exploding:
    """Kernels whose last step was large beside them, or which have outgrown their initial state."""

    def __init__(self, config: ExplodingRule) -> None:
        self._config = config
        self._initial: NDArray[np.float64] | None = None

    def look(self, stats: WeightStats) -> list[Sign]:
        last = stats.records[-1]
        if self._initial is None:  # the first epoch's records begin with the initial state
            self._initial = stats.records[0].column("l2")
        steps, growths = last.column("step_ratio"), _ratios(last.column("l2"), self._initial)
        signs = []
        for row, tensor in _kernels(stats):
            place = _place(row, tensor)
            for aspect, value, limit in (
                ("step", steps[row], self._config.step_ratio),
                ("growth", growths[row], self._config.growth),
            ):
                if value >= limit:
                    signs.append(Sign(place, aspect, float(value), float(value) / limit))
        return signs

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        order = [_place(row, tensor) for row, tensor in _kernels(stats)]
        groups, parts = _by_aspect(signs), []
        if steps := groups.get("step"):
            size = span([sign.value for sign in steps], percent)
            parts.append(
                f"the epoch's last step changed {where(_places(steps), order)} by {size} of the weights' norm "
                "(about 0.1 % is usual)"
            )
        if grown := groups.get("growth"):
            size = span([sign.value for sign in grown], factor)
            verb = "has" if len(grown) == 1 else "have"
            parts.append(f"{where(_places(grown), order)} {verb} grown to {size} times the initial norm")
        return ", and ".join(parts)


class _VanishingGradients:
    """Gradients of the third of the kernels that is nearest to the input, beside those of the last third."""

    def __init__(self, config: VanishingGradientsRule) -> None:
        self._config = config

    def look(self, stats: WeightStats) -> list[Sign]:
        kernels = _with_gradient(stats)
        third = len(kernels) // 3
        if len(kernels) < LEAST_LAYERS:
            return []
        sizes = stats.records[-1].column("gradient_rms")
        first = float(np.median([sizes[row] for row, _ in kernels[:third]]))
        last = float(np.median([sizes[row] for row, _ in kernels[-third:]]))
        if not last > 0.0 or not first <= self._config.ratio * last:
            return []
        ratio = first / last
        degree = self._config.ratio / ratio if ratio else math.inf
        return [Sign(_place(row, tensor), "", ratio, degree) for row, tensor in kernels[:third]]

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        kernels = _with_gradient(stats)
        order = [_place(row, tensor) for row, tensor in kernels]
        third = order[-(len(order) // 3) :]
        first, last = where(_places(signs), order), where(third, order)
        ratio = signs[0].value
        verb = "receives" if len(signs) == 1 else "receive"
        if ratio == 0.0:
            return f"{first} {verb} no gradient, while {last} {'does' if len(third) == 1 else 'do'}"
        return f"{first} {verb} {factor(1.0 / ratio)}x smaller gradients than {last}"


class _DeadUnits:
    """Units of rectifiers that no validation image brings above zero."""

    def __init__(self, config: DeadUnitsRule) -> None:
        self._config = config

    def look(self, stats: WeightStats) -> list[Sign]:
        signs = []
        layers = stats.layout.activations if stats.dead is not None else ()
        for index, (layer, dead) in enumerate(zip(layers, stats.dead or (), strict=True)):
            share = dead / layer.units
            if layer.kind in FLAT_BELOW_ZERO and share >= self._config.share:
                signs.append(Sign(Place(index, layer.layer, layer.depth), "", share, share / self._config.share))
        return signs

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        layers = stats.layout.activations
        order = [Place(index, layer.layer, layer.depth) for index, layer in enumerate(layers)]
        dead = sum((stats.dead or ())[sign.place.row] for sign in signs)
        units = sum(layers[sign.place.row].units for sign in signs)
        share = span([sign.value for sign in signs], percent)
        return (
            f"{dead:,} of {units:,} units after {where(_places(signs), order)} ({share}"
            f"{'' if len(signs) == 1 else ' of a layer'}) are not above zero for any validation image"
        )


class _Oscillation:
    """Gammas and betas of which most turn back, while they spread.

    Where there is no direction in a weight's changes, it turns in every other epoch; of n such weights the share that
    turn has a standard error of 0.5 / sqrt(n). What is not three of them above one half is taken for chance, so of less
    than nine weights nothing is said.
    """

    def __init__(self, config: OscillationRule) -> None:
        self._config = config
        self._spread: NDArray[np.float64] | None = None

    def look(self, stats: WeightStats) -> list[Sign]:
        last = stats.records[-1]
        before, self._spread = self._spread, last.column("std")
        if before is None:
            return []
        turned, growth = last.column("turned_share"), _ratios(self._spread, before)
        signs = []
        for row, tensor in enumerate(stats.layout.tensors):
            limit = max(self._config.turned, 0.5 + 1.5 / math.sqrt(tensor.size))
            oscillates = growth[row] >= self._config.growth and turned[row] >= limit
            if oscillates and tensor.kind in (TensorKind.GAMMA, TensorKind.BETA):
                degree = float(turned[row]) / self._config.turned
                signs.append(Sign(_place(row, tensor), tensor.kind.value, float(turned[row]), degree))
        return signs

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        parts = []
        for aspect, group in _by_aspect(signs).items():
            kind = TensorKind(aspect)
            order = [_place(row, tensor) for row, tensor in enumerate(stats.layout.tensors) if tensor.kind is kind]
            share = span([sign.value for sign in group], percent)
            parts.append(f"{share} of the {aspect}s of {where(_places(group), order)}")
        return " and ".join(parts) + " turn back from one epoch to the next, and they spread"


class _StalledLayer:
    """Kernels that have a gradient and hardly move, beside the median kernel."""

    def __init__(self, config: StalledLayerRule) -> None:
        self._config = config

    def look(self, stats: WeightStats) -> list[Sign]:
        ratios, median = self._updates(stats)
        if len(ratios) < LEAST_LAYERS or not median > 0.0:
            return []
        signs = []
        for place, ratio in ratios.items():
            if ratio <= self._config.ratio * median:
                degree = self._config.ratio * median / ratio if ratio else math.inf
                signs.append(Sign(place, "", ratio, degree))
        return signs

    def words(self, signs: Sequence[Sign], stats: WeightStats) -> str:
        ratios, _ = self._updates(stats)
        fastest = max(ratios, key=lambda place: ratios[place])
        layers, other = where(_places(signs), list(ratios)), where([fastest], list(ratios))
        largest, single = max(sign.value for sign in signs), len(signs) == 1
        if largest == 0.0:
            return f"{layers} {'does' if single else 'do'} not move, while {other} does"
        times = factor(ratios[fastest] / largest)
        return f"{layers} {'receives' if single else 'receive'} {times}x smaller updates than {other}"

    def _updates(self, stats: WeightStats) -> tuple[dict[Place, float], float]:
        """Update ratio by kernel, and their median; without those that have none."""
        updates = stats.records[-1].column("update_ratio")
        known = {
            _place(row, tensor): float(updates[row])
            for row, tensor in _with_gradient(stats)
            if math.isfinite(updates[row])
        }
        return known, float(np.median(list(known.values()))) if known else math.nan


def _kernels(stats: WeightStats) -> list[tuple[int, TensorInfo]]:
    """Rows and kernels from the input on."""
    rows = ((row, tensor) for row, tensor in enumerate(stats.layout.tensors) if tensor.kind is TensorKind.KERNEL)
    return sorted(rows, key=lambda pair: pair[1].depth)


def _with_gradient(stats: WeightStats) -> list[tuple[int, TensorInfo]]:
    """The kernels that the loss depends on: those of unused or frozen layers never get a gradient."""
    norms = stats.records[-1].column("gradient_l2")
    return [(row, tensor) for row, tensor in _kernels(stats) if math.isfinite(norms[row])]


def _place(row: int, tensor: TensorInfo) -> Place:
    return Place(row, tensor.layer, tensor.depth)


def _places(signs: Iterable[Sign]) -> list[Place]:
    return [sign.place for sign in signs]


def _by_aspect(signs: Iterable[Sign]) -> Mapping[str, list[Sign]]:
    groups: dict[str, list[Sign]] = {}
    for sign in signs:
        groups.setdefault(sign.aspect, []).append(sign)
    return groups


def _ratios(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """`above / below`, NaN where `below` is zero."""
    return np.divide(above, below, out=np.full_like(above, math.nan), where=below != 0.0)
