"""Makes up studies of known truth, by good practice or with one mistake, as the reviewer would read them.

A trial's true accuracy is a smooth function of its learning rate, width and weight decay; seeds and the drawing of the
validation images scatter around it; losses follow from accuracies, and training metrics are means over an epoch while
the weights move. None of this looks at the reviewer's rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from tunetrack.report.review.ours import reviewed_table
from tunetrack.report.review.reviewed import Answers, Reviewed
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Confirmed, FromBest, Winner
from tunetrack.stats import shrunken
from tunetrack.tracking.names import StudyState
from tunetrack.tracking.queries import StudyRow, StudyTable, TrialRow
from tunetrack.tracking.study_info import Objective, SearchedParam, StudyInfo

__all__ = ["MISTAKES", "Practice", "made_up"]

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SEED_SCATTER = 0.002
CLASSES = 10


@dataclass(frozen=True)
class Practice:
    """How a study is run; the defaults are good practice.

    Attributes:
        trials: budget.
        images: validation images.
        epochs: of each trial.
        confirmed: the best five are trained again on five seeds.
        best_epoch: the objective is the best epoch's accuracy.
        faithful: validation images are test images.
        augmented: validation images of every second trial are augmented.
        seeds_fixed: whether trials have a seed.
        high_lr: upper end of the learning rate.
        best_lr: where the truth has its peak.
        peak_gain: how much accuracy lies beyond the upper end.
        split_searched: the split's seed is searched.
        idle_choice: a parameter is searched that nothing reads, on a grid.
        by_hand: two runs by hand that differ in two factors.
        again: share of the trials that propose what was trained before.
        infeasible: share of the trials that cannot be built.
        overfits: the validation loss rises from a third of the epochs on.
        lags: the training loss, a mean over the epoch, stays above the validation loss: a short training.
        sick: the best trial's weights are found to explode.
        pruner: by the median at a third of the epochs; ``blind``: where early accuracies are luck; ``none``: none.
        imbalanced: nine tenths of the images are of one class, and others are missed.
        looks: trials whose test accuracy is known.
        idle_layers: parameters of layers that are never called.
        swings: accuracies of late epochs swing.
        unequal: repeats with one seed that give different results.
    """

    trials: int = 60
    images: int = 10_000
    epochs: int = 15
    confirmed: bool = True
    best_epoch: bool = False
    faithful: bool = False
    augmented: bool = False
    seeds_fixed: bool = True
    high_lr: float = 2e-2
    best_lr: float = 1e-3
    split_searched: bool = False
    idle_choice: bool = False
    by_hand: bool = False
    again: float = 0.0
    infeasible: float = 0.0
    overfits: bool = False
    lags: bool = False
    sick: bool = False
    pruner: str = "none"
    imbalanced: bool = False
    looks: int = 1
    idle_layers: int = 0
    swings: bool = False
    unequal: bool = False


#: Name of the mistake: how it is made, and the rules of which one should see it.
MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "validation on test images": ({"faithful": True}, ("test_selection",)),
    "100 validation images": ({"images": 100, "confirmed": False}, ("noise",)),
    "no confirmation": ({"confirmed": False}, ("one_seed",)),
    "best of the epochs": ({"best_epoch": True}, ("best_epoch",)),
    "augmented validation images": ({"augmented": True}, ("augmented_validation",)),
    "no seed": ({"seeds_fixed": False}, ("seeds",)),
    "other images for every trial": ({"split_searched": True}, ("different_images",)),
    "two factors at once": ({"by_hand": True, "confirmed": False}, ("confounded",)),
    "a parameter that nothing reads": ({"idle_choice": True}, ("unused_parameter",)),
    "a fifth is proposed again": ({"again": 0.2}, ("duplicates",)),
    "nine trials for TPE": ({"trials": 9}, ("startup",)),
    "the optimum is outside": ({"best_lr": 0.2}, ("boundary",)),
    "a quarter cannot be built": ({"infeasible": 0.25}, ("wasted",)),
    "learning rates up to 1": ({"high_lr": 1.0}, ("divergence",)),
    "over-fitting": ({"overfits": True}, ("fit",)),
    "a third of the epochs": ({"epochs": 4}, ("fit",)),
    "training loss above validation loss": ({"lags": True, "epochs": 6}, ("running_average",)),
    "exploding weights": ({"sick": True}, ("health",)),
    "pruning by noise": ({"pruner": "blind"}, ("pruning",)),
    "nine tenths in one class": ({"imbalanced": True}, ("imbalance",)),
    "five looks at the test images": ({"looks": 5}, ("test_looks",)),
    "layers without input": ({"idle_layers": 8448}, ("idle_layers",)),
    "last epochs that swing": ({"swings": True}, ("jumps",)),
    "equal seeds, other results": ({"unequal": True}, ("deterministic",)),
}


def made_up(practice: Practice, seed: int) -> Reviewed:
    """A study of 60 trials or so, as `tunetrack.report.review.ours.read_reviewed` would read it."""
    rng = np.random.default_rng(seed)
    maker = _Maker(practice, rng)
    rows = maker.rows()
    metric = "best/validation/accuracy" if practice.best_epoch else "validation/accuracy"
    info = StudyInfo(
        f"made-up-{seed}",
        {},
        tuple(SearchedParam(path) for path in ("optimizer.lr", "model.filters", "optimizer.weight_decay")),
        (Objective(metric, True),),
        validates_on_test_images=practice.faithful,
    )
    parent = StudyRow(info, StudyState.COMPLETE, "parent", "1", info.name, START, START + timedelta(hours=2))
    seen = reviewed_table(StudyTable(parent, tuple(rows)), maker.document(metric))
    trials = tuple(replace(trial, curves=maker.curves.get(trial.number, {})) for trial in seen.trials)
    seen = replace(seen, trials=trials, test_images=10_000, answers=maker.answers())
    idle = {seen.ranked[0].number: practice.idle_layers} if seen.ranked else {}
    return replace(seen, idle_parameters=idle, winner=maker.winner(seen) if practice.confirmed else None)


class _Maker:
    """Draws one study."""

    def __init__(self, practice: Practice, rng: np.random.Generator) -> None:
        self.practice, self.rng = practice, rng
        self.curves: dict[int, dict[str, tuple[float, ...]]] = {}
        self.truth: dict[int, float] = {}
        self._best: tuple[float, dict[str, Any]] | None = None
        self._early: list[float] = []

    def document(self, metric: str) -> dict[str, Any]:
        """The study file."""
        p = self.practice
        lr: Any = {"low": 1e-4, "high": p.high_lr, "log": True}
        decay: Any = {"low": 1e-6, "high": 1e-2, "log": True}
        filters: Any = {"low": 8, "high": 64, "step": 8}
        sampler = "brute_force" if p.by_hand or p.idle_choice else "tpe"
        if sampler == "brute_force":
            lr, decay, filters = {"choices": [1e-4, 1e-3, 1e-2]}, 1e-4, {"choices": [16, 32, 48, 64]}
        return {
            "name": "made-up",
            "data": {"name": "fashion_mnist", "validation": p.images},
            "model": {"name": "cnn", "filters": filters},
            "optimizer": {"name": "adamw", "lr": lr, "weight_decay": decay},
            "objective": {"metric": metric},
            "sampler": {"name": sampler},
            "budget": {"trials": p.trials},
        }

    def rows(self) -> list[TrialRow]:
        """The trials."""
        p, rows = self.practice, list[TrialRow]()
        for number, point in enumerate(self._points()):
            if rows and self.rng.random() < p.again:
                twin = rows[int(self.rng.integers(len(rows)))]
                if twin.values is not None and twin.duplicate_of is None:
                    rows.append(
                        replace(twin, number=number, run_id=f"r{number}", state=TrialState.DUPLICATE,
                                duplicate_of=twin.number)
                    )  # fmt: skip
                    continue
            if self.rng.random() < p.infeasible:
                rows.append(self._row(number, point, TrialState.INFEASIBLE, reason="the map is exhausted"))
                continue
            rows.append(self._trained(number, point))
        return self._marked(rows)

    def _points(self) -> list[dict[str, Any]] | Any:
        """Ten draws at random, then mostly around the best so far, as a sampler that learns."""
        p, rng = self.practice, self.rng
        if p.by_hand:
            yield from ({"lr": 1e-3, "filters": 32, "decay": 1e-4}, {"lr": 1e-2, "filters": 64, "decay": 1e-4})
            return
        if p.idle_choice:
            grid = [(lr, width, idle) for lr in (1e-4, 1e-3, 1e-2) for width in (16, 32, 48, 64) for idle in (3, 5)]
            yield from ({"lr": lr, "filters": width, "decay": 1e-4, "idle": idle} for lr, width, idle in grid)
            return
        for number in range(p.trials):
            lr = 10 ** rng.uniform(-4, math.log10(p.high_lr))
            width, decay = int(8 * rng.integers(1, 9)), 10 ** rng.uniform(-6, -2)
            if number >= 10 and self._best is not None and rng.random() < 0.7:
                near = self._best[1]
                lr = float(np.clip(near["lr"] * 10 ** rng.normal(0, 0.3), 1e-4, p.high_lr))
                width = int(np.clip(near["filters"] + 8 * rng.integers(-2, 3), 8, 64))
            yield {"lr": lr, "filters": width, "decay": decay}

    def _top(self, point: dict[str, Any]) -> float:
        distance = math.log10(point["lr"]) - math.log10(self.practice.best_lr)
        return 0.93 - 0.015 * distance**2 - 1.5e-5 * (point["filters"] - 40) ** 2

    def _trained(self, number: int, point: dict[str, Any]) -> TrialRow:
        p, rng = self.practice, self.rng
        key = (point["lr"], point["filters"]) if p.idle_choice else None
        state = np.random.default_rng([abs(hash(key)) % 2**32]) if key else rng
        top = self._top(point) + state.normal(0, SEED_SCATTER)
        self.truth[number] = self._top(point)
        if p.high_lr > 0.1 and point["lr"] > 0.1:
            return self._row(number, point, TrialState.FAILED, reason="TrainingDivergedError: the loss became NaN")
        curves = self._curves(top, state)
        accuracy = curves["validation/accuracy"]
        done, third = p.epochs, max(1, p.epochs // 3)
        early = accuracy[third - 1]
        if p.pruner != "none" and len(self._early) >= 5 and early < float(np.median(self._early)):
            done = third
        self._early.append(early)
        curves = {name: values[:done] for name, values in curves.items()}
        self.curves[number] = curves
        final = {name: values[-1] for name, values in curves.items()}
        best = max(curves["validation/accuracy"])
        metrics = {
            **final, "best/validation/accuracy": best, "final/validation/accuracy": final["validation/accuracy"],
            "train_seconds": 10.0 * done, "model/parameters": 1000.0 * point["filters"],
        }  # fmt: skip
        if done < p.epochs:
            reason = f"pruned after epoch {done} of {p.epochs}"
            return self._row(number, point, TrialState.PRUNED, metrics=metrics, reason=reason)
        value = best if p.best_epoch else final["validation/accuracy"]
        if self._best is None or value > self._best[0]:
            self._best = (value, point)
        return self._row(number, point, TrialState.COMPLETE, metrics=metrics, values=(value,))

    def _curves(self, top: float, rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
        """Accuracies that approach their end, and losses in step with them; training metrics belong to mid-epoch."""
        p = self.practice
        start, pace = 0.3, 2.0

        def share(epoch: Any) -> Any:
            return top - (top - start) * np.exp(-np.asarray(epoch) / pace)

        epochs = np.arange(1, p.epochs + 1)
        held = rng.binomial(p.images, np.clip(share(epochs), 0, 1)) / p.images
        if p.swings:
            held[p.epochs // 2 :: 2] -= 0.08
            held[-1] -= 0.08 if p.epochs % 2 else 0.0
        if p.pruner == "blind":  # every network finds its start by luck
            held[: p.epochs // 3 + 1] = rng.uniform(0.3, 0.6, p.epochs // 3 + 1)
        scale = 3.0
        loss = scale * (1 - share(epochs)) + 0.01 * rng.normal(size=p.epochs) * (1 - top)
        learned = share(epochs - 0.5) + (0.0 if p.lags else 0.004 * np.minimum(epochs, 10) / 2)
        train = scale * (1 - learned)
        if p.overfits:
            rise = np.maximum(0, epochs - p.epochs // 3)
            loss, train, learned = loss * 1.06**rise, train * 0.8**rise, np.minimum(0.999, learned + 0.015 * rise)
        named = {
            "train/loss": train, "train/accuracy": np.minimum(learned, 0.9995), "validation/loss": loss,
            "validation/accuracy": np.clip(held, 0, 1),
        }  # fmt: skip
        return {name: tuple(float(value) for value in values) for name, values in named.items()}

    def _row(self, number: int, point: dict[str, Any], state: TrialState, **more: Any) -> TrialRow:
        p = self.practice
        params = {
            "data.name": "fashion_mnist", "data.validation": p.images, "data.faithful": p.faithful,
            "data.seed": int(self.rng.integers(3)) if p.split_searched else 0,
            "data.augment.validation": p.augmented and number % 2 == 0,
            "model.name": "cnn", "model.filters": point["filters"], "optimizer.name": "adamw",
            "optimizer.lr": point["lr"], "optimizer.weight_decay": point["decay"], "schedule.name": "cosine",
            "trainer.epochs": p.epochs, "trainer.batch_size": 64, "trainer.deterministic": True,
            "trainer.seed": 0 if p.seeds_fixed else None,
        }  # fmt: skip
        if "idle" in point:
            params["model.kernel_size"] = point["idle"]
        values = {"reason": "", "metrics": {}, "values": None, "health": {}} | more
        end = START + timedelta(minutes=number + 1)
        return TrialRow(
            number=number, state=state, run_id=f"r{number}", params=params, duplicate_of=None,
            start=START + timedelta(minutes=number), end=end, **values,
        )  # fmt: skip

    def _marked(self, rows: list[TrialRow]) -> list[TrialRow]:
        """What is known of the best: test accuracies, health, a repetition."""
        p = self.practice
        order = sorted((row for row in rows if row.values), key=lambda row: -(row.values or (0,))[0])
        for row in order[: p.looks]:
            rows[row.number] = replace(row, metrics={**row.metrics, "test/accuracy": self.truth.get(row.number, 0.9)})
        if p.sick and order:
            best = rows[order[0].number]
            rows[best.number] = replace(best, health={"exploding": "weights of layer 3 are 60 times their first size"})
        if p.unequal and order:
            first = rows[order[0].number]
            loss = first.metrics["train/loss"]
            again = {**first.metrics, "train/loss": loss * 1.0001}
            rows.append(replace(first, number=len(rows), run_id="again", metrics=again))
        return rows

    def answers(self) -> Answers:
        """The best trial's confusion matrix."""
        names = tuple(str(n) for n in range(CLASSES))
        if not self.practice.imbalanced:
            sizes, recalls = [1000] * CLASSES, [0.93] * CLASSES
        else:
            sizes, recalls = [9100, *[100] * (CLASSES - 1)], [0.99, *[0.3] * (CLASSES - 1)]
        rows = []
        for at, (size, recall) in enumerate(zip(sizes, recalls, strict=True)):
            right = int(self.rng.binomial(size, recall))
            rest = self.rng.multinomial(size - right, [1 / (CLASSES - 1)] * (CLASSES - 1))
            rows.append(tuple(int(count) for count in (*rest[:at], right, *rest[at:])))
        return Answers(names, tuple(rows))

    def winner(self, seen: Reviewed) -> Winner | None:
        """The best five on five seeds."""
        top, p = seen.ranked[:5], self.practice
        if len(top) < 2:
            return None
        means = [self.truth.get(trial.number, trial.value or 0.0) for trial in top]
        values = np.asarray([
            self.rng.binomial(p.images, np.clip(mean + self.rng.normal(0, SEED_SCATTER, 5), 0, 1)) / p.images
            for mean in means
        ])  # fmt: skip
        best = int(np.argmax(values.mean(axis=1)))
        tied = [
            at == best or float(ttest_rel(values[best], values[at]).pvalue) * (len(top) - 1) > 0.05
            for at in range(len(top))
        ]
        raw = [trial.value or 0.0 for trial in top]
        shrunk = shrunken(raw, [math.sqrt(0.93 * 0.07 / p.images)] * len(raw)).values
        order = sorted(range(len(top)), key=lambda at: -float(values[at].mean()))
        configurations = tuple(_confirmed(top[at].number, values[at], raw[at], shrunk[at], tied[at]) for at in order)
        chosen = min((one for one in configurations if one.group == 1), key=lambda one: one.parameters or 0)
        return Winner(
            seen.name, "parent", f"{seen.name}-confirm", "confirm", "validation/accuracy", True, 0.95, p.images,
            (1000, 1001, 1002, 1003, 1004), False, len(seen.finished), chosen.trial, configurations[0].trial,
            "the smallest that cannot be told apart at 95 %", configurations, None, 25, 2500.0,
        )  # fmt: skip


def _confirmed(trial: int, values: Sequence[float], raw: float, shrunk: float, tied: bool) -> Confirmed:
    mean, half = float(np.mean(values)), 2.78 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Confirmed(
        trial, {}, 1000 * (trial + 1), 100.0, raw, shrunk, tuple(map(float, values)), (), mean, mean - half,
        mean + half, 0.0, 1 if tied else 2, FromBest(),
    )  # fmt: skip
