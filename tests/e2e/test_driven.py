"""Studies that the library's own driver drives: our trainer and our tracking under Optuna's and Hyperopt's loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
from hyperopt import Trials, fmin, rand, space_eval
from mlflow import MlflowClient

import tunetrack
from study_support import tiny


def _runs(home: Path) -> dict[str, list[object]]:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    kinds: dict[str, list[object]] = {"study": [], "trial": []}
    for run in client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]):
        kinds[run.data.tags["tunetrack.kind"]].append(run)
    return kinds


def test_optuna_optimize_trains_and_tracks(home: Path) -> None:
    with tunetrack.optuna_objective(tiny(), home=home) as objective:
        study = optuna.create_study(
            direction=objective.direction,
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.ThresholdPruner(lower=2.0, n_warmup_steps=1),
        )
        study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "PRUNED"]  # no accuracy is above 2
    assert set(study.trials[0].params) >= {"model.filters", "model.num_layers", "optimizer.name"}
    runs = _runs(home)
    assert [run.info.status for run in runs["study"]] == ["FINISHED"]
    assert [run.data.tags["trial.state"] for run in runs["trial"]] == ["PRUNED", "PRUNED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs["trial"]} == {runs["study"][0].info.run_id}


def test_a_trial_driven_by_optuna_gives_what_the_study_gives(home: Path) -> None:
    ours = tunetrack.run_study(tiny(), home=home, trials=1)
    with tunetrack.optuna_objective(tiny(), home=home) as objective:
        study = optuna.create_study(direction="maximize")
        params = ours.trials[0].record.values
        study.enqueue_trial(dict(params))
        study.optimize(objective, n_trials=1)
    assert study.best_value == ours.trials[0].value


def test_hyperopt_fmin_gets_real_values_and_a_loss(home: Path) -> None:
    trials = Trials()
    with tunetrack.hyperopt_objective(tiny(), home=home) as objective:
        best = fmin(
            objective,
            objective.space,
            algo=rand.suggest,
            max_evals=2,
            trials=trials,
            rstate=np.random.default_rng(0),
            show_progressbar=False,
        )
        config = space_eval(objective.space, best)
    assert config["model"]["filters"] in (4, 8, 12)
    assert type(config["model"]["filters"]) is int
    assert all(-1.0 <= result["loss"] <= 0.0 for result in trials.results)
    runs = _runs(home)["trial"]
    assert [-run.data.metrics["objective"] for run in runs] == [result["loss"] for result in trials.results]


def test_a_combination_that_breaks_a_rule_is_tracked_too(home: Path) -> None:
    document = tiny(
        optimizer={"name": "sgd", "momentum": {"choices": [0.5, 0.0]}, "nesterov": {"choices": [False, True]}}
    )
    with tunetrack.optuna_objective(document, home=home) as objective:
        study = optuna.create_study(direction="maximize")
        broken = {"model.filters": 4, "model.num_layers": 1, "optimizer.momentum": 0.0, "optimizer.nesterov": True}
        study.enqueue_trial(broken)
        study.optimize(objective, n_trials=1)
    assert study.trials[0].state.name == "PRUNED"
    (run,) = _runs(home)["trial"]
    assert run.data.tags["trial.state"] == "INFEASIBLE"
    assert "nesterov needs a momentum" in run.data.tags["trial.reason"]
