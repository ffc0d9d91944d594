"""The judge on trials made of random walks: each rule fires where it should, once, and says so in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tunetrack.errors import TrainingDivergedError
from tunetrack.spec import EpochRecord, Finding
from tunetrack.spec.weight_records import STATISTICS, WeightLayout
from tunetrack.spec.weights import HealthConfig
from tunetrack.study.health import HealthJudge
from weight_support import TENSORS, Walk, walked_trial

COLUMNS = [column.name for column in STATISTICS]


def judged(records: Sequence[EpochRecord], **rules: Mapping[str, object]) -> list[tuple[Finding, ...]]:
    """What is newly found after each epoch, with these settings and else the defaults."""
    judge = HealthJudge(HealthConfig.model_validate(rules))
    return [judge.see(record) for record in records]


def changed(
    record: EpochRecord, values: Mapping[tuple[str, str, str], float], sizes: Mapping[str, int] | None = None
) -> EpochRecord:
    """A record with other numbers at the end of its epoch: by (layer, kind, column); and other sizes by kind."""
    stats = record.weights
    assert stats is not None
    last = stats.records[-1]
    numbers = last.values.copy()
    for (layer, kind, column), value in values.items():
        (row,) = (i for i, (name, _, own, *_) in enumerate(TENSORS) if (name, own.value) == (layer, kind))
        numbers[row, COLUMNS.index(column)] = value
    tensors = tuple(dataclasses.replace(t, size=(sizes or {}).get(t.kind.value, t.size)) for t in stats.layout.tensors)
    layout = WeightLayout(tensors, stats.layout.activations, stats.layout.blocks)
    records = (*stats.records[:-1], dataclasses.replace(last, values=numbers))
    return dataclasses.replace(record, weights=dataclasses.replace(stats, layout=layout, records=records))


def rules_of(findings: Sequence[tuple[Finding, ...]]) -> list[list[str]]:
    return [[finding.rule for finding in new] for new in findings]


def only(findings: Sequence[tuple[Finding, ...]]) -> Finding:
    (found,) = (finding for new in findings for finding in new)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_walk_has_no_findings(seed: int) -> None:
    assert rules_of(judged(walked_trial(Walk(epochs=8, seed=seed)))) == [[]] * 8


def test_without_statistics_nothing_is_found() -> None:
    assert judged([dataclasses.replace(record, weights=None) for record in walked_trial(Walk())]) == [()] * 4


def test_a_layer_that_moves_far_explodes() -> None:
    found = only(judged(walked_trial(Walk(epochs=3, speed={"block1": 2.0}))))
    assert (found.rule, found.epoch, found.layers, found.prune) == ("exploding", 2, ("block1.conv1",), False)
    assert found.text.startswith("the epoch's last step changed layer 2 (block1.conv1) by 6")
    assert found.text.endswith(" % of the weights' norm (about 0.1 % is usual)")


def test_weights_that_outgrow_their_start_explode() -> None:
    values = {("output", "kernel", "l2"): 900.0, ("block2.conv1", "kernel", "l2"): 900.0}
    first, second = (changed(record, values) for record in walked_trial(Walk(epochs=2)))
    found = only(judged([first, second]))
    assert (found.rule, found.layers) == ("exploding", ("block2.conv1", "output"))
    assert found.text == "layers 3-4 (block2.conv1 to output) have grown to 290 to 300 times the initial norm"


def test_steps_and_growth_are_said_together() -> None:
    values = {("output", "kernel", "l2"): 900.0, ("output", "kernel", "step_ratio"): 0.6}
    (record,) = (changed(record, values) for record in walked_trial(Walk(epochs=1)))
    found = only(judged([record], exploding={"patience": 1}))
    assert found.text == (
        "the epoch's last step changed layer 4 (output) by 60 % of the weights' norm (about 0.1 % is usual), and "
        "layer 4 (output) has grown to 300 times the initial norm"
    )


def test_gradients_that_fade_vanish() -> None:
    found = only(judged(walked_trial(Walk(epochs=2, gradient={"stem": 1e-6}))))
    assert (found.rule, found.epoch, found.layers) == ("vanishing_gradients", 2, ("stem.conv",))
    assert found.text.startswith("layer 1 (stem.conv) receives ")
    assert found.text.endswith("00x smaller gradients than layer 4 (output)")


def test_no_gradient_at_all_in_the_first_layers() -> None:
    values = {("stem.conv", "kernel", "gradient_rms"): 0.0, ("stem.conv", "kernel", "gradient_l2"): 0.0}
    (record,) = (changed(record, values) for record in walked_trial(Walk(epochs=1)))
    found = only(judged([record], vanishing_gradients={"patience": 1}))
    assert found.text == "layer 1 (stem.conv) receives no gradient, while layer 4 (output) does"


def test_dead_units() -> None:
    found = only(judged(walked_trial(Walk(epochs=3, dead=((9, 0), (9, 5), (9, 5))))))
    assert (found.rule, found.epoch, found.layers) == ("dead_units", 2, ("block1.activation",))
    assert found.text == (
        "9 of 10 units after layer 2 (block1.activation) (90 %) are not above zero for any validation image"
    )


def test_units_that_learn_below_zero_too_are_not_dead() -> None:
    records = walked_trial(Walk(epochs=2, dead=((10, 10),)))
    leaky = []
    for record in records:
        assert record.weights is not None
        layout = record.weights.layout
        layers = tuple(dataclasses.replace(layer, kind="LeakyReLU") for layer in layout.activations)
        stats = dataclasses.replace(record.weights, layout=dataclasses.replace(layout, activations=layers))
        leaky.append(dataclasses.replace(record, weights=stats))
    assert rules_of(judged(records)) == [[], ["dead_units"]]
    assert rules_of(judged(leaky)) == [[], []]


def oscillating(epochs: int, turned: float, growth: float, size: int) -> list[EpochRecord]:
    """Gammas of one layer turn and spread from epoch to epoch; each of the two kinds has so many weights."""
    records = []
    for record in walked_trial(Walk(epochs=epochs)):
        wide = {("stem.norm", "gamma", "std"): 0.1 * growth**record.epoch}
        if record.epoch > 1:
            wide[("stem.norm", "gamma", "turned_share")] = turned
        records.append(changed(record, wide, {"gamma": size, "beta": size}))
    return records


def test_gammas_that_turn_back_and_spread_oscillate() -> None:
    found = only(judged(oscillating(4, turned=0.9, growth=1.5, size=64)))
    assert (found.rule, found.epoch, found.layers) == ("oscillation", 3, ("stem.norm",))
    assert found.text == (
        "90 % of the gammas of layer 1 (stem.norm) turn back from one epoch to the next, and they spread"
    )


@pytest.mark.parametrize(
    ("turned", "growth", "size"),
    [(0.6, 1.5, 64), (0.9, 1.0, 64), (0.9, 1.5, 10), (1.0, 1.5, 8)],
    ids=["mere noise", "no spread", "too few to be sure", "less than nine"],
)
def test_what_is_not_oscillation(turned: float, growth: float, size: int) -> None:
    assert rules_of(judged(oscillating(4, turned, growth, size))) == [[]] * 4


def test_a_layer_that_stands_still_has_stalled() -> None:
    found = only(judged(walked_trial(Walk(epochs=2, speed={"block1": 1e-7}))))
    assert (found.rule, found.epoch, found.layers) == ("stalled_layer", 2, ("block1.conv1",))
    assert found.text.startswith("layer 2 (block1.conv1) receives 2")
    assert "0,000x smaller updates than layer " in found.text


def test_a_layer_that_does_not_move_at_all() -> None:
    found = only(judged(walked_trial(Walk(epochs=2, speed={"block1": 0.0}))))
    assert found.text.startswith("layer 2 (block1.conv1) does not move, while layer ")


def test_a_layer_without_a_gradient_is_no_part_of_the_net() -> None:
    unused = {("block1.conv1", "kernel", column): math.nan for column in ("gradient_l2", "gradient_rms")}
    records = [changed(record, unused) for record in walked_trial(Walk(epochs=3, speed={"block1": 0.0}))]
    assert rules_of(judged(records)) == [[]] * 3


def test_numbers_that_are_none() -> None:
    values = {
        ("stem.conv", "kernel", "l2"): math.nan,
        ("stem.norm", "gamma", "l2"): math.inf,
        ("output", "bias", "gradient_l2"): math.inf,
    }
    found = only(judged([changed(record, values) for record in walked_trial(Walk(epochs=1))]))
    assert (found.rule, found.epoch, found.layers) == ("non_finite", 1, ("stem.conv", "stem.norm", "output"))
    assert found.text == (
        "the weights of layer 1 (stem.conv to stem.norm) are NaN, or too large to be numbers, and the gradients of "
        "layer 4 (output) are NaN, or too large to be numbers"
    )


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_a_net_of_zeros_or_nan_raises_nothing(value: float) -> None:
    records = []
    for record in walked_trial(Walk(epochs=4)):
        assert record.weights is not None
        flat = tuple(
            dataclasses.replace(moment, values=np.full_like(moment.values, value)) for moment in record.weights.records
        )
        records.append(dataclasses.replace(record, weights=dataclasses.replace(record.weights, records=flat)))
    assert {rule for new in rules_of(judged(records)) for rule in new} == ({"non_finite"} if value else set())


def test_patience_is_of_one_layer_at_a_time() -> None:
    one, other = (("stem.conv", "kernel", "step_ratio"), ("output", "kernel", "step_ratio"))
    records = walked_trial(Walk(epochs=4))
    turns = [changed(record, {(one, other)[record.epoch % 2]: 0.6}) for record in records]
    assert rules_of(judged(turns)) == [[]] * 4
    assert rules_of(judged(turns, exploding={"patience": 1})) == [["exploding"], [], [], []]


def test_a_rule_reports_once_and_its_worst_state_is_kept() -> None:
    judge = HealthJudge(HealthConfig.model_validate({"dead_units": {"share": 0.5}}))
    new = [judge.see(record) for record in walked_trial(Walk(epochs=4, dead=((6, 0), (6, 0), (8, 0), (7, 0))))]
    assert rules_of(new) == [[], ["dead_units"], [], []]
    (found,) = judge.findings
    assert found.epoch == 2
    assert found.text == (
        "8 of 10 units after layer 2 (block1.activation) (80 %) are not above zero for any validation image "
        "(worst in epoch 3)"
    )


def test_actions() -> None:
    records = walked_trial(Walk(epochs=2, dead=((9, 0),)))
    assert only(judged(records, dead_units={"action": "prune"})).prune
    assert not only(judged(records, dead_units={"action": "tag"})).prune
    assert rules_of(judged(records, dead_units={"action": "off"})) == [[], []]


def test_divergence_is_a_finding() -> None:
    error = TrainingDivergedError("the training loss became nan in epoch 3. Lower optimizer.lr, or do something else.")
    judge = HealthJudge(HealthConfig.model_validate({"non_finite": {"action": "prune"}}))
    assert judge.diverged(error, 3) == (Finding("non_finite", 3, "the training loss became nan in epoch 3"),)
    assert judge.findings == (Finding("non_finite", 3, "the training loss became nan in epoch 3"),)
    off = HealthJudge(HealthConfig.model_validate({"non_finite": {"action": "off"}}))
    assert off.diverged(error, 3) == ()
    assert off.findings == ()
