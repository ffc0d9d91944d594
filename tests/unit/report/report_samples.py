"""Hand-made studies of known answers, and larger ones that look like real ones."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from tunetrack.spec.records import TrialState
from tunetrack.tracking.names import StudyState
from tunetrack.tracking.queries import StudyRow, StudyTable, TrialRow
from tunetrack.tracking.study_info import Objective, SearchedParam, StudyInfo

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LR = SearchedParam("optimizer.lr", log=True, text="float 1e-05 to 0.1, log")
FILTERS = SearchedParam("model.filters", text="int 16 to 128, step 8")
OPTIMIZER = SearchedParam("optimizer.name", numeric=False, text='one of "adam", "adamw", "sgd"')
MOMENTUM = SearchedParam("optimizer.momentum", text="float 0 to 0.99", conditional=True)
ACCURACY = Objective("validation/accuracy", True)
LOSS = Objective("validation/loss", False)
SECONDS = Objective("train_seconds", False)


def trial(number: int, value: float | Sequence[float] | None = None, state: str = "", **more: Any) -> TrialRow:
    """One trial, COMPLETE where it has a value, else FAILED; `more` are fields of TrialRow, and `seconds`."""
    values = None if value is None else ((value,) if isinstance(value, int | float) else tuple(value))
    seconds = more.pop("seconds", 10.0)
    end = None if seconds is None else START + timedelta(minutes=number, seconds=seconds)
    fields: dict[str, Any] = {
        "reason": "",
        "params": {},
        "metrics": {},
        "duplicate_of": None,
        "start": START + timedelta(minutes=number),
        "end": end,
        "run_id": f"run{number}",
    } | more
    kind = TrialState(state) if state else (TrialState.COMPLETE if values else TrialState.FAILED)
    return TrialRow(number=number, state=kind, values=values, **fields)


def study(
    trials: Sequence[TrialRow],
    searched: Sequence[SearchedParam] = (LR,),
    goals: Sequence[Objective] = (ACCURACY,),
    name: str = "fashion-cnn",
    validates_on_test_images: bool = False,
) -> StudyTable:
    """A study of these trials."""
    info = StudyInfo(name, {}, tuple(searched), tuple(goals), validates_on_test_images=validates_on_test_images)
    tags = {"tunetrack.version": "0.1"}
    end = START + timedelta(hours=2)
    row = StudyRow(info, StudyState.COMPLETE, "parent", "1", "images", START, end, tags)
    return StudyTable(row, tuple(trials))


def history(curves: Mapping[str, Sequence[float]], metric: str = "validation/accuracy") -> pd.DataFrame:
    """Values by run id, from epoch 1 on."""
    rows = [(run, metric, step, value) for run, values in curves.items() for step, value in enumerate(values, 1)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def realistic(
    count: int, extra: int = 0, goals: Sequence[Objective] = (ACCURACY,), seed: int = 0
) -> tuple[StudyTable, pd.DataFrame]:
    """A study whose best learning rate is near 0.002, with pruned, failed, infeasible and duplicate trials.

    Args:
        count: number of trials.
        extra: further parameters without any influence.
        goals: one or two objectives; what accuracy or loss, and seconds, are named by.
        seed: of all draws.
    """
    rng = random.Random(seed)
    unused = [SearchedParam(f"trainer.schedule.unused_option_{index}", text="float 0 to 1") for index in range(extra)]
    rows, curves = [], {}
    for number in range(count):
        params: dict[str, Any] = {
            "optimizer.name": rng.choice(
                ["adam", "adamw with decoupled weight decay, warm-up and cosine annealing", "sgd"]
            ),
            "optimizer.lr": 10 ** rng.uniform(-5, -1),
            "model.filters": rng.randrange(16, 129, 8),
            "trainer.batch_size": rng.choice([32, 64, 128]),
        } | {param.path: rng.random() for param in unused}
        if params["optimizer.name"] == "sgd":
            params["optimizer.momentum"] = rng.uniform(0, 0.99)
        goodness = 0.93 - 0.035 * (math.log10(params["optimizer.lr"]) + 2.7) ** 2 + 0.0003 * params["model.filters"]
        top = min(0.99, max(0.1, goodness - 0.02 + rng.gauss(0, 0.004)))
        chance = rng.random()
        pruned = chance > 0.6 and number > 5 and top < 0.92
        epochs = rng.choice([1, 3]) if pruned else 10
        metric, curve = "validation/accuracy", [top * (1 - 0.5 * math.exp(-0.6 * e)) for e in range(1, epochs + 1)]
        if goals[0].metric.endswith("loss"):
            metric, curve = "validation/loss", [3 * (1 - value) + 0.02 for value in curve]
        seconds = epochs * (2 + params["model.filters"] / 16)
        rows.append(_row(number, params, curve, (metric, goals), (pruned, chance, seconds)))
        if rows[-1].state in (TrialState.COMPLETE, TrialState.PRUNED):
            curves[f"run{number}"] = curve
    searched = [
        LR,
        FILTERS,
        OPTIMIZER,
        MOMENTUM,
        SearchedParam("trainer.batch_size", text="one of 32, 64, 128"),
        *unused,
    ]
    return study(rows, searched, goals), history(curves, metric if count else "validation/accuracy")


def _row(
    number: int,
    params: Mapping[str, Any],
    curve: Sequence[float],
    what: tuple[str, Sequence[Objective]],
    fate: tuple[bool, float, float],
) -> TrialRow:
    metric, goals = what
    pruned, chance, seconds = fate
    metrics = {metric: curve[-1], "train_seconds": seconds, "model/parameters": 1000.0 * params["model.filters"]}
    if chance < 0.05:
        reason = "TrainingDivergedError: the loss became NaN in epoch 2" if chance < 0.03 else "CUDA out of memory"
        return trial(number, None, "FAILED", reason=reason, params=params)
    if chance < 0.07:
        return trial(
            number, None, "INFEASIBLE", reason="12 layers of pooling need 4096 pixels", params=params, seconds=0.1
        )
    if pruned:
        return trial(number, None, "PRUNED", params=params, metrics=metrics, reason=f"pruned after {len(curve)} epochs")
    metrics |= {"best/validation/accuracy": max(curve), "best/epoch": 9.0, "final/validation/accuracy": curve[-1]}
    values = (curve[-1], seconds)[: len(goals)]
    return trial(number, values, params=params, metrics=metrics)
