"""Seeds and repetitions as a study sees them: what is trained again, what comes out, what MLflow is told."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

import tunetrack
from study_support import tiny
from tunetrack.spec import TrialState


def test_repetitions_with_and_without_a_seed(home: Path) -> None:
    trainer = {"epochs": 1, "batch_size": 50, "deterministic": True, "device": "cpu", "threads": 1}
    searched = {"seed": {"choices": [None, 42]}, "repeat": {"low": 1, "high": 3}}
    document = tiny(
        model={"filters": 4, "num_layers": 1, "conv_dropout": 0.2},
        optimizer={"name": "adam", "lr": 0.01},
        trainer=trainer | searched,
        sampler={"name": "grid"},
        budget={"trials": 20},
    )
    study = tunetrack.run_study(document, home=home)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6  # nothing counts as a duplicate
    client = MlflowClient(study.tracking_uri)
    runs = [client.get_run(trial.run_id).data for trial in study.trials]
    fixed = [run for run in runs if run.params["trainer.seed"] == "42"]
    free = [run for run in runs if run.params["trainer.seed"] == "null"]
    assert sorted(run.params["trainer.repeat"] for run in fixed) == ["1", "2", "3"]
    assert len({run.metrics["final/train/loss"] for run in fixed}) == 1
    assert len({run.metrics["final/train/loss"] for run in free}) == 3
    assert len({run.tags["seed.init"] for run in fixed}) == 1
    for run in runs:
        assert run.tags["seed.split"] == "0"
        assert (run.tags["used.device"], run.tags["used.threads"]) == ("cpu", "1")
        assert run.tags["used.precision"] in ("fp32", "bf16")
        assert "used.micro_batch" not in run.tags
        assert run.metrics["memory/peak_mb"] >= 0.0

    # The seeds that MLflow was told repeat an unfixed trial to the last bit.
    seeds = {
        f"trainer__{stream}_seed": int(free[0].tags[f"seed.{stream}"]) for stream in ("init", "order", "augmentation")
    }
    again = tunetrack.train(
        {key: document[key] for key in ("name", "data", "model", "optimizer")} | {"trainer": trainer},
        home=home,
        **seeds,
    )
    repeated = client.get_run(again.trials[0].run_id).data
    for metric in ("final/train/loss", "final/validation/loss", "final/validation/accuracy"):
        assert repeated.metrics[metric] == free[0].metrics[metric]
    assert repeated.params["trainer.init_seed"] == free[0].tags["seed.init"]


def test_a_micro_batch_is_told(home: Path) -> None:
    result = tunetrack.train(
        tiny(
            model={"filters": 4, "num_layers": 1}, optimizer={"name": "adam"}, trainer={"epochs": 1, "batch_size": 50}
        ),
        home=home,
        trainer__micro_batch=20,
    )
    run = MlflowClient(result.tracking_uri).get_run(result.trials[0].run_id).data
    assert run.tags["used.micro_batch"] == "20"
    assert run.params["trainer.micro_batch"] == "20"
