"""Measures what ending trials by `weights.health` saves, and what it costs: trials that would have been good.

Run it with `python benchmarks/health.py --data-dir DIR` (DIR holds FashionMNIST/raw); about six minutes. The result
goes to `benchmarks/results/health.json`. Learning rates from 1e-5 to 1 are crossed with two optimisers and three small
networks. Every trial is trained to the end, once, and judged in passing, so it is known what each rule would have ended
and what would have become of it. Optuna's median pruner is replayed on the same curves, over shuffled orders, since it
depends on the order of trials. Epochs are counted and nothing is timed, so other load does not matter.

The default thresholds were chosen on other data (digits), not on these trials.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from _machine import describe_machine, today
from _numbers import spread

from tunetrack import training
from tunetrack.errors import TrainingDivergedError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.weights import HealthConfig
from tunetrack.study.health import HealthJudge

TRAIN, VALIDATION, EPOCHS = 4000, 2000, 5
RATES = np.logspace(-5, 0, 12)
OPTIMIZERS = ({"name": "adam"}, {"name": "sgd", "momentum": 0.9})
NETS = {
    "2 layers": {"filters": 16, "num_layers": 2},
    "3 layers, batch norm, head of 64": {"filters": 16, "num_layers": 3, "batch_norm": True, "head": [64]},
    "3 x 2 layers": {"filters": 16, "num_layers": 3, "convs_per_layer": 2},
}
ORDERS = 50


@dataclass(frozen=True)
class Case:
    """A trial that was trained to the end.

    Attributes:
        name: what it was.
        curve: validation accuracy after each epoch; shorter where it diverged.
        found: epoch by rule, with the default patience.
        found_at_once: the same with a patience of one epoch.
    """

    name: str
    curve: list[float]
    found: dict[str, int]
    found_at_once: dict[str, int]

    @property
    def final(self) -> float:
        """Validation accuracy at the end; 0 where it diverged."""
        return self.curve[-1] if len(self.curve) == EPOCHS else 0.0

    @property
    def epochs(self) -> int:
        """Epochs that it costs; the one in which it diverges counts."""
        return min(len(self.curve) + 1, EPOCHS)


#: After how many epochs a trial is ended; None: not at all.
Ending = Callable[[Case], int | None]


def impatient() -> HealthConfig:
    """The default rules with a patience of one epoch."""
    return HealthConfig.model_validate({rule: {"patience": 1} for rule in HealthConfig.model_fields})


def trained(data: training.ResidentData, data_dir: str, number: int, sections: dict[str, Any], name: str) -> Case:
    """One trial, judged in passing."""
    config = TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": data_dir, "train": TRAIN, "validation": VALIDATION},
            "trainer": {"epochs": EPOCHS, "batch_size": 64, "threads": 1, "device": "cpu", "seed": number},
            **sections,
        }
    )
    judges, curve = (HealthJudge(HealthConfig()), HealthJudge(impatient())), []
    try:
        for record in training.fit(config, data):
            curve.append(record.validation_accuracy)
            for judge in judges:
                judge.see(record)
    except TrainingDivergedError:
        pass  # a trial that diverges ends there with any pruner; `Case` counts it so
    found = [{finding.rule: finding.epoch for finding in judge.findings} for judge in judges]
    case = Case(name, [round(value, 4) for value in curve], *found)
    print(f"{number:3d}  {name:55s} {case.final:.4f}  {case.found}", flush=True)
    return case


def all_cases(data: training.ResidentData, data_dir: str) -> list[Case]:
    """Every network with every optimiser and learning rate."""
    cases = []
    for net, model in NETS.items():
        for optimizer in OPTIMIZERS:
            for lr in RATES:
                sections = {"model": model, "optimizer": optimizer | {"lr": float(lr)}}
                name = f"{net}, {optimizer['name']} {lr:.2g}"
                cases.append(trained(data, data_dir, len(cases), sections, name))
    return cases


def by_health(found: str, rules: Sequence[str]) -> Ending:
    """Ended by the first of these rules; a trial that is done is not ended."""

    def ending(case: Case) -> int | None:
        epochs = [epoch for rule, epoch in getattr(case, found).items() if rule in rules and epoch < EPOCHS]
        return min(epochs, default=None)

    return ending


def with_median(cases: Sequence[Case], warm_up: int, health: Ending) -> Ending:
    """Optuna's median pruner on the curves, trials in this order; a trial that health ends counts as pruned."""
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.MedianPruner(n_warmup_steps=warm_up), sampler=None
    )
    ended: dict[str, int | None] = {}
    for case in cases:
        trial, by_rule = study.ask(), health(case)
        for epoch, value in enumerate(case.curve, 1):
            trial.report(value, epoch)
            if trial.should_prune() or epoch == by_rule:
                ended[case.name] = epoch
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            done = len(case.curve) == EPOCHS
            study.tell(trial, *([case.final] if done else []), state=None if done else optuna.trial.TrialState.FAIL)
    return lambda case: ended.get(case.name)


def outcome(cases: Sequence[Case], ending: Ending) -> dict[str, float]:
    """What a way of ending trials saves, and what it loses. Shares and accuracies in per cent."""
    finals = sorted(case.final for case in cases)
    quarter, near = finals[-len(finals) // 4], finals[-1] - 0.02
    ends = [(case, ending(case)) for case in cases]
    ended = [case for case, epoch in ends if epoch is not None]
    spent = sum(case.epochs if epoch is None else epoch for case, epoch in ends)
    return {
        "trials_ended": len(ended),
        "epochs_saved_percent": 100.0 * (1.0 - spent / sum(case.epochs for case in cases)),
        "best_accuracy_percent": 100.0 * max(case.final for case, epoch in ends if epoch is None),
        "ended_of_the_best_quarter": sum(case.final >= quarter for case in ended),
        "ended_within_2_points_of_the_best": sum(case.final >= near for case in ended),
        "best_of_those_ended_percent": 100.0 * max((case.final for case in ended), default=0.0),
    }


def over_orders(cases: Sequence[Case], warm_up: int, health: Ending) -> dict[str, dict[str, float]]:
    """The outcomes with the median pruner: median, smallest and largest over shuffled orders."""
    rows = []
    for seed in range(ORDERS):
        order = list(cases)
        random.Random(seed).shuffle(order)
        rows.append(outcome(cases, with_median(order, warm_up, health)))
    return {name: spread([row[name] for row in rows], 1) for name in rows[0]}


def one_digit(numbers: dict[str, float]) -> dict[str, float]:
    """Rounded as the other numbers are."""
    return {name: round(value, 1) for name, value in numbers.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "health.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = TrialConfig.model_validate(
        {"data": {"name": "fashion_mnist", "dir": given.data_dir, "train": TRAIN, "validation": VALIDATION}}
    )
    cases = all_cases(training.load_data(config.data), given.data_dir)
    rules = list(HealthConfig.model_fields)
    health, at_once, none = by_health("found", rules), by_health("found_at_once", rules), by_health("found", ())
    result = {
        "what": f"Fashion-MNIST, {TRAIN} images, {EPOCHS} epochs, {VALIDATION} validation images; {len(cases)} trials: "
        f"{len(RATES)} learning rates from 1e-5 to 1, {len(OPTIMIZERS)} optimisers, {len(NETS)} networks",
        "date": today(),
        "machine": describe_machine(),
        "to_the_end": one_digit(outcome(cases, none)) | {"epochs": sum(case.epochs for case in cases)},
        "health": one_digit(outcome(cases, health)),
        "health_patience_1": one_digit(outcome(cases, at_once)),
        "by_rule": {rule: one_digit(outcome(cases, by_health("found", [rule]))) for rule in rules},
        "by_rule_patience_1": {rule: one_digit(outcome(cases, by_health("found_at_once", [rule]))) for rule in rules},
        f"median_pruner_over_{ORDERS}_orders": over_orders(cases, 0, none),
        f"median_pruner_from_epoch_2_over_{ORDERS}_orders": over_orders(cases, 2, none),
        f"median_pruner_and_health_over_{ORDERS}_orders": over_orders(cases, 0, health),
        f"median_pruner_from_epoch_2_and_health_over_{ORDERS}_orders": over_orders(cases, 2, health),
        "trials": [{"trial": case.name, "accuracy": case.curve, "found": case.found} for case in cases],
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
