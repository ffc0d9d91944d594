"""What is said of weight statistics: right numbers, in words, and nothing where there is too little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from weight_samples import of_epochs, walked

from tunetrack.report.weights.claims import claim_rows
from tunetrack.report.weights.layers import Trend
from tunetrack.report.weights.trials import ComparedTrial
from tunetrack.report.weights.words import found_words, number, trend_words
from tunetrack.spec.records import EpochRecord
from tunetrack.spec.reference import WeightsClaim
from weight_support import Walk, walked_trial


def words_of(walk: Walk) -> str:
    return "\n".join(found_words(walked(0, walk)))


def test_layers_with_much_smaller_updates_are_named() -> None:
    slow = {"stem": 0.0005, "block1": 0.0005}
    trial = walked(0, Walk(speed={**slow, "block2": 0.02, "output": 0.02}))
    rows = trial.layers.rows
    # Of two the larger stands for both, so that the sentence does not say too much.
    ratio = rows[3].update_mean / max(row.update_mean for row in rows[:2])
    (sentence,) = [text for text in found_words(trial) if "receive" in text]
    assert sentence == (
        f"Layers 1-2 (stem.conv … block1.conv1) receive {ratio:.2g} times smaller updates per weight than "
        "layer 4 (output) (median over 4 epochs)."
    )


def test_layers_alike_are_said_to_be_so_and_records_are_counted() -> None:
    text = words_of(Walk(epochs=2, steps_per_epoch=3))
    assert "Updates per weight of the 4 layers are within a factor of " in text
    assert "(median over 6 records)" in text
    assert "in the last record" in text
    assert "Spearman" not in text  # four layers


def test_spreads_that_grow_are_said_with_their_ends_and_turns() -> None:
    trial = walked(0, Walk(epochs=6, speed={"stem": 0.3, "block1": 0.3, "block2": 0.3}))
    gamma = next(kind for kind in trial.kinds if kind.kind == "gamma")
    first, last = gamma.std[1], gamma.std[-1]
    assert (
        f"Gammas: spread grows from {first:.3g} to {last:.3g} (epochs 1 to 6); their change turned in "
        f"{gamma.turned[-1]:.0%} of cases in the last epoch."
    ) in found_words(trial)
    still = words_of(Walk(epochs=3, speed=dict.fromkeys(("stem", "block1", "block2", "output"), 1e-6)))
    assert "Spread of kernels and biases is within 5 % of that after epoch 1." in still


def test_one_epoch_says_nothing_of_growth() -> None:
    text = words_of(Walk(epochs=1))
    assert "pread" not in text
    assert "turned" not in text
    assert "None of the 20 units is dead." in text


def test_dead_units_are_counted_with_the_worst_layer() -> None:
    text = words_of(Walk(epochs=2, dead=((0, 0), (1, 4))))
    assert "25.0% of the 20 units are dead, most in block2.activation (40% of 10)." in text


def test_findings_of_health_come_first() -> None:
    found = found_words(walked(0, health={"dead_units": "block2 has 40 % dead units"}))
    assert found[0] == "dead_units: block2 has 40 % dead units."
    assert found_words(walked(0, health={}))[0] == "No rule of health has found anything."
    assert "health" not in " ".join(found_words(walked(0)))


def with_nan(epochs: list[EpochRecord]) -> list[EpochRecord]:
    """The last record has lost all numbers of the network's kernels."""
    stats = epochs[-1].weights
    assert stats is not None
    values, counts = stats.records[-1].values.copy(), stats.records[-1].histograms.copy()
    values[[0, 3, 6, 9]] = np.nan
    counts[[0, 3, 6, 9], :-1] = 0
    counts[[0, 3, 6, 9], -1] = [90, 900, 900, 100]
    record = replace(stats.records[-1], values=values, histograms=counts)
    return [*epochs[:-1], replace(epochs[-1], weights=replace(stats, records=(*stats.records[:-1], record)))]


def test_weights_that_are_not_finite_are_said_first() -> None:
    trial = of_epochs(0, with_nan(walked_trial(Walk())))
    found = found_words(trial)
    assert found[0] == "Weights are not finite in the last record: kernel (4 tensors)."
    assert not any("nan" in sentence.lower() for sentence in found[1:])
    kernel = trial.kinds[0].histogram
    assert kernel.above[-1] == 1.0
    assert kernel.quantiles[-1] == pytest.approx([8.0] * 3)  # beyond the range


@pytest.mark.parametrize(
    ("trend", "expected"),
    [
        (None, ""),
        (Trend(-0.93, 0.0025, 2, 8, 7), "shrink with depth: Spearman −0.93 over blocks 2 to 8 (p = 0.0025)"),
        (Trend(1.0, 0.0, 2, 33, 32), "grow with depth: Spearman 1.00 over blocks 2 to 33 (p < 0.001)"),
        (Trend(0.2, 0.6, 2, 8, 7), "show no clear trend with depth: Spearman 0.20 over blocks 2 to 8 (p = 0.6)"),
    ],
)
def test_trends_in_words(trend: Trend | None, expected: str) -> None:
    assert trend_words(trend, "blocks") == expected


def test_numbers_in_words() -> None:
    assert [number(value) for value in (0.0, 0.012345, 12.345, 12345.6, float("nan"), float("inf"))] == [
        "0", "0.0123", "12.3", "12,346", "–", "–",
    ]  # fmt: skip


def with_trend(number: int, correlation: float, residual: bool) -> ComparedTrial:
    made = walked(number, Walk(epochs=2, steps_per_epoch=2, block_steps=True), {"model.residual": residual})
    assert made.blocks is not None
    return replace(made, blocks=replace(made.blocks, trend=Trend(correlation, 0.01, 2, 8, 7)))


def test_claims_of_the_original_are_counted() -> None:
    trials = [with_trend(0, -0.9, True), with_trend(1, -0.5, True), with_trend(2, 0.1, True), with_trend(3, 1.0, False)]
    claims = [
        WeightsClaim(text="residual shrinks", trend="shrinks", when=({"model.residual": True},)),
        WeightsClaim(text="plain", when=({"model.residual": False}, {"model.residual": None})),
        WeightsClaim(text="deep", when=({"model.size": 101},)),
        WeightsClaim(text="gammas", about="gamma", trend="grows", when=({"model.residual": False},)),
        WeightsClaim(text="all betas", about="beta"),
    ]
    first, second, third, fourth, fifth = claim_rows(claims, trials)
    assert first == ("residual shrinks", "shrinks in 2 of 3; Spearman −0.90 to 0.10")
    rows = trials[3].blocks.rows if trials[3].blocks else ()
    assert second[1] == (
        f"trial 3: Spearman 1.00, {number(rows[0].step)} in block 1, {number(rows[1].step)} in block 2, "
        f"{number(rows[1].step)} in block 2"
    )
    assert third == ("deep", "no such trial")
    gamma = next(kind for kind in trials[3].kinds if kind.kind == "gamma")
    before, after = gamma.spread_ends or (0.0, 0.0)
    assert fourth[1].startswith(
        f"grows in 1 of 1; trial 3: {number(before)} to {number(after)} (epochs 1 to 2), turned"
    )
    assert fifth[1].startswith("spread times ")
    unmeasured = [walked(5, Walk(epochs=1))]
    assert claim_rows([WeightsClaim(text="steps")], unmeasured) == [("steps", "1 trial, nothing recorded of it")]
