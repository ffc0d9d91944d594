"""What a study teaches: effects, ablation path and pruning audit of made-up studies whose truth is known."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_samples import ACCURACY, FILTERS, LOSS, LR, OPTIMIZER, SearchedParam, history, realistic, study, trial
from scipy import stats

from tunetrack.report.understanding import words
from tunetrack.report.understanding.accounts import accounts_info
from tunetrack.report.understanding.effects import Effect, effects_info
from tunetrack.report.understanding.info import understanding
from tunetrack.report.understanding.path import Step, path_info
from tunetrack.report.understanding.pruning import audited_trials, pruning_info
from tunetrack.report.views.understanding import understanding_payload
from tunetrack.tracking.queries import StudyTable

MOMENTUM = SearchedParam("optimizer.momentum", conditional=True, where=({"optimizer.name": "sgd"},))
SEARCHED = (LR, FILTERS, OPTIMIZER, MOMENTUM)


def made(count: int, value: Callable[[Mapping[str, Any]], float], noise: float = 0.0, seed: int = 0) -> StudyTable:
    """Completed trials over four parameters, one of them conditional."""
    rng, trials = random.Random(seed), []
    for number in range(count):
        params: dict[str, Any] = {
            "optimizer.lr": 10 ** rng.uniform(-5, -1),
            "model.filters": rng.randrange(16, 129, 8),
            "optimizer.name": rng.choice(["adam", "sgd"]),
        }
        if params["optimizer.name"] == "sgd":
            params["optimizer.momentum"] = rng.uniform(0, 0.99)
        trials.append(trial(number, value(params) + rng.gauss(0, noise), params=params))
    return study(trials, SEARCHED)


def hill(params: Mapping[str, Any]) -> float:
    """Best at a learning rate of 0.001; filters do nothing; momentum helps sgd."""
    return 0.9 - 0.05 * (math.log10(params["optimizer.lr"]) + 3) ** 2 + 0.1 * params.get("optimizer.momentum", 0.0)


def by_path(table: StudyTable) -> dict[str, Effect]:
    effects = effects_info(table).effects
    assert effects is not None
    return {effect.feature.path: effect for effect in effects}


def test_effects_find_what_is_known() -> None:
    table = made(300, hill, noise=0.005)
    effects = by_path(table)
    assert list(effects) == ["optimizer.lr", "optimizer.momentum", "optimizer.name", "model.filters"]
    rate = effects["optimizer.lr"]
    assert rate.feature.log
    assert 4e-4 < rate.feature.grid[int(np.argmax(rate.middle))] < 2.5e-3
    flat = effects["model.filters"]
    assert max(flat.middle) - min(flat.middle) < 0.02 < 0.1 < max(rate.middle) - min(rate.middle)
    momentum = effects["optimizer.momentum"]
    assert momentum.trials == sum("optimizer.momentum" in one.params for one in table.trials) < rate.trials == 300
    assert 0.06 < momentum.middle[-1] - momentum.middle[0] < 0.13
    assert effects["optimizer.name"].feature.categories == ("adam", "sgd")
    for effect in effects.values():
        assert all(
            low <= middle <= high for low, middle, high in zip(effect.low, effect.middle, effect.high, strict=True)
        )
        assert len(effect.feature.grid) == len(effect.middle) > 1
    assert all(value.is_integer() and 16 <= value <= 128 for value in flat.feature.grid)


def test_the_share_that_is_explained_is_that_of_trials_not_seen() -> None:
    model = effects_info(made(200, hill, noise=0.02)).surrogate
    assert model is not None
    fresh = made(400, hill, noise=0.02, seed=9)
    told = np.mean(model.predicted([one.params for one in fresh.trials]), axis=0)
    true = np.array([(one.values or (math.nan,))[0] for one in fresh.trials])
    low = np.sort(true)[4]  # the worst are cut, as in figures
    r2 = 1 - ((true - told)[true > low] ** 2).sum() / ((true - true.mean())[true > low] ** 2).sum()
    assert model.r2 == pytest.approx(r2, abs=0.1)
    noise = effects_info(made(200, lambda params: 0.5, noise=0.01)).surrogate
    assert noise is not None
    assert noise.r2 < 0.1
    assert "cannot be relied on" in " ".join(words.effects_words(effects_info(made(60, lambda _: 0.5, 0.01)), "x"))


def test_nothing_is_drawn_below_ten_trials_or_without_differences() -> None:
    few = effects_info(made(9, hill))
    assert (few.effects, few.reason) == (None, "9 trials finished; at least 10 are needed")
    assert path_info(made(9, hill), few.surrogate, few.reason).reason == few.reason
    assert effects_info(made(30, lambda _: 0.5)).reason == "all finished trials have the same value"
    same = study([trial(number, number / 100, params={"optimizer.lr": 0.1}) for number in range(20)])
    assert effects_info(same).reason == "no searched parameter took more than one value"
    assert words.effects_words(few, "x") == ["No effects are given: 9 trials finished; at least 10 are needed."]


def test_values_that_are_few_or_no_numbers_stand_alone() -> None:
    kinds = [SearchedParam("a"), SearchedParam("b", numeric=False), SearchedParam("c", numeric=False)]
    choices = [(1, None, True), (2, 0.5, False), (4, "x", True)]
    trials = []
    for number in range(30):
        a, b, c = choices[number % 3][0], choices[number % 3][1], choices[(number // 3) % 2][2]
        trials.append(trial(number, 0.1 * a + 0.001 * number, params={"a": a, "b": b, "c": c}))
    effects = by_path(study(trials, kinds))
    assert effects["a"].feature.grid == (1.0, 2.0, 4.0)
    assert effects["b"].feature.categories == ("0.5", "null", "x")
    assert effects["c"].feature.categories == ("false", "true")
    assert all(effect.feature.few for effect in effects.values())


def steps_of(table: StudyTable) -> tuple[Step, ...]:
    info = path_info(table, effects_info(table).surrogate)
    assert info.steps is not None
    return info.steps


def test_the_path_makes_the_most_useful_change_first_and_takes_branches_along() -> None:
    table = made(300, hill)
    info, steps = path_info(table, effects_info(table).surrogate), steps_of(table)
    ranks = sorted(table.trials, key=lambda one: -(one.values or (0.0,))[0])
    assert info.end == ranks[0].number
    assert info.start == ranks[150].number
    assert info.measured == ((ranks[150].values or (0,))[0], (ranks[0].values or (0,))[0])
    changed = [change.path for step in steps for change in step.changes]
    differing = {
        path
        for path in {**ranks[0].params, **ranks[150].params}
        if ranks[0].params.get(path) != ranks[150].params.get(path)
    }
    assert sorted(changed) == sorted(differing)  # each once
    assert steps[0].changes == ()
    assert max(step.value for step in steps) == pytest.approx(steps[-1].value, abs=0.02)
    assert all(step.low <= step.value <= step.high for step in steps)
    if "optimizer.name" in differing:  # momentum comes with sgd
        together = next(step for step in steps if any(change.path == "optimizer.name" for change in step.changes))
        assert [change.path for change in together.changes] == ["optimizer.name", "optimizer.momentum"]
        assert together.changes[1].before == "not used"


def test_the_path_is_the_same_for_a_loss_turned_round() -> None:
    up = made(120, hill)
    down = study(
        [trial(one.number, -(one.values or (0.0,))[0], params=one.params) for one in up.trials], SEARCHED, (LOSS,)
    )
    first, second = (path_info(table, effects_info(table).surrogate) for table in (up, down))
    assert first.steps is not None
    assert second.steps is not None
    assert [step.changes for step in first.steps] == [step.changes for step in second.steps]
    assert (first.start, first.end) == (second.start, second.end)


def test_trials_that_break_a_constraint_are_learnt_from_but_never_the_best() -> None:
    table = made(60, hill)
    ranks = sorted(table.trials, key=lambda one: -(one.values or (0.0,))[0])
    best = replace(ranks[0], violates="model/parameters <= 9 (10)")
    some = replace(table, trials=tuple(best if one.number == best.number else one for one in table.trials))
    assert effects_info(some).effects == effects_info(table).effects
    assert path_info(some, effects_info(some).surrogate).end == ranks[1].number
    assert [row.trial for row in accounts_info(some).reach][-1] == ranks[1].number
    every = replace(table, trials=tuple(replace(one, violates="all") for one in table.trials))
    assert path_info(every, effects_info(every).surrogate).reason == "every completed trial breaks a constraint"
    assert accounts_info(every).reach == ()


def curved(ends: list[float], early: list[float], goal: Any = ACCURACY) -> tuple[StudyTable, pd.DataFrame]:
    trials = [trial(number, end, epochs=2) for number, end in enumerate(ends)]
    curves = {f"run{number}": [early[number], ends[number]] for number in range(len(ends))}
    metric = "validation/accuracy" if goal is ACCURACY else "validation/loss"
    return study(trials, goals=(goal,)), history(curves, metric)


def test_early_values_are_ranked_against_final_ones() -> None:
    rng = random.Random(1)
    ends = [rng.random() for _ in range(40)]
    early = [0.5 * end + 0.3 * rng.random() for end in ends]
    for goal in (ACCURACY, LOSS):
        table, curves = curved(ends, early, goal)
        (point,) = pruning_info(table, curves).points  # the last epoch is the end itself
        assert point.correlation == pytest.approx(float(stats.spearmanr(early, ends).statistic))
        assert (point.epoch, point.trials) == (1, 40)
        # Fisher's z by hand
        reach = 1.959964 * math.sqrt((1 + point.correlation**2 / 2) / 37)
        assert point.low == pytest.approx(math.tanh(math.atanh(point.correlation) - reach))
    assert not pruning_info(*curved(ends[:9], early[:9])).points
    assert pruning_info(table, pd.DataFrame(columns=curves.columns)).reason.startswith("at least 10 completed trials")
    many = study([trial(number, 0.5, epochs=2) for number in range(1000)])
    assert len(audited_trials(many)) == 100
    assert audited_trials(many)[-1].number == 990


@pytest.mark.parametrize(
    ("ends", "better", "interval", "closest"),
    [
        ([0.7] * 9 + [0.85], 0, (0.0, 0.308497), -0.05),  # scipy's own; Clopper & Pearson 1934, table for 0 of 10
        ([0.7] * 38 + [0.93, 0.92], 2, (0.006114, 0.169197), 0.03),
    ],
)
def test_the_control_sample_says_what_pruning_costs(
    ends: list[float], better: int, interval: tuple[float, float], closest: float
) -> None:
    more: dict[str, Any] = {"metrics": {"train_seconds": 20.0}, "epochs": 10}
    sample = [trial(100 + place, end, would_prune_at=5, **more) for place, end in enumerate(ends)]
    pruned = [trial(300, None, "PRUNED", reason="pruned after epoch 5 of 10"), ill(301)]
    info = pruning_info(study([trial(0, 0.9), trial(1, 0.8), *sample, *pruned]), history({}))
    control = info.control
    assert control is not None
    assert (control.trials, control.better, control.pruned, info.pruned) == (len(ends), better, 1, 1)
    assert (control.low, control.high) == pytest.approx(interval, abs=1e-6)
    assert control.closest == pytest.approx(closest)
    assert control.seconds == pytest.approx(10.0 * len(ends))
    said = " ".join(words.pruning_words(info))
    assert ("at most 31%" if better == 0 else "would have cost that much") in said


def ill(number: int) -> Any:
    return trial(number, None, "PRUNED", reason="pruned after epoch 1 of 10: dead_units: half of them")


def test_without_control_trials_the_cost_of_pruning_cannot_be_told() -> None:
    pruned = [trial(3, None, "PRUNED", reason="pruned after epoch 5 of 10")]
    info = pruning_info(study([trial(0, 0.9), *pruned]), history({}))
    assert info.control is None
    assert "What pruning 1 trial has cost cannot be told" in words.pruning_words(info)[-1]
    assert "pruner: {control: 0.05}" in words.pruning_words(info)[-1]
    unpruned = pruning_info(study([trial(0, 0.9)]), history({}))
    assert len(words.pruning_words(unpruned)) == 1


@pytest.mark.parametrize("count", [0, 3, 60])
def test_the_payload_is_plain_data(count: int) -> None:
    table, curves = realistic(count)
    payload = understanding_payload(table, understanding(table, curves))
    again = json.loads(json.dumps(payload, allow_nan=False))
    assert again == payload
    assert (payload["effects"]["parameters"] is None) == (count < 60)
    assert payload["effects"]["words"]
    assert payload["path"]["words"]
    assert payload["pruning"]["words"]
