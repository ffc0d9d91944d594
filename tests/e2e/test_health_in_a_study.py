"""Health rules in a study: what they end is PRUNED with its last value, whoever proposes, and is told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import tiny
from tunetrack.cli.display import progress
from tunetrack.spec import TrialState
from tunetrack.study.outcome import in_words

ILL, WELL = -30.0, 0.0


def sick(sampler: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Some trials of this study are dead from the start, and are ended after their first epoch."""
    sections = {
        "model": {"import": "health_nets:dead", "bias": {"choices": [ILL, WELL]}},
        "optimizer": {"name": "adam", "lr": {"low": 1e-3, "high": 1e-2, "log": True}},
        "trainer": {"epochs": 3, "batch_size": 50, "deterministic": True},
        "weights": {"health": {"dead_units": {"action": "prune", "patience": 1}}},
        "budget": {"trials": 8},
    }
    return tiny(sampler=sampler, **sections | changes)


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "tpe", "seed": 0, "n_startup_trials": 3},
        {"engine": "hyperopt", "name": "tpe", "seed": 0, "n_startup_jobs": 3},
    ],
    ids=["optuna", "hyperopt"],
)
def test_what_health_ends_keeps_its_last_value_for_the_sampler(home: Path, sampler: dict[str, Any]) -> None:
    result = tunetrack.run_study(sick(sampler), home=home)

    ended = [trial for trial in result.trials if trial.params["model.bias"] == ILL]
    assert 0 < len(ended) < 8
    for trial in result.trials:
        expected = {TrialState.PRUNED} if trial in ended else {TrialState.COMPLETE}
        assert trial.state in expected
    assert all(trial.record.reason.startswith("pruned after epoch 1 of 3: dead_units: ") for trial in ended)
    (study,) = optuna.get_all_study_names(f"sqlite:///{home / 'ledger.db'}")
    kept = optuna.load_study(study_name=study, storage=f"sqlite:///{home / 'ledger.db'}").trials
    for trial in ended:
        assert kept[trial.number].state is optuna.trial.TrialState.PRUNED
        assert kept[trial.number].value == kept[trial.number].intermediate_values[1]
    assert result.best is not None
    assert result.best.params["model.bias"] == WELL
    assert f"{len(ended)} PRUNED ({len(ended)} by health rules)" in in_words(result)

    client = MlflowClient(result.tracking_uri)
    run = client.get_run(ended[0].run_id)
    assert (run.data.tags["trial.state"], run.info.status) == ("PRUNED", "FINISHED")
    assert run.data.tags["weights.health"] == "dead_units"
    assert run.data.tags["trial.reason"].endswith(run.data.tags["weights.health.dead_units"])
    assert client.get_run(result.best.run_id).data.tags["weights.health"] == "ok"
    page = next(file.path for file in client.list_artifacts(result.run_id) if file.path.endswith(".html"))
    text = Path(client.download_artifacts(result.run_id, page, str(home))).read_text()
    assert f"health rules ended {len(ended)} trial" in text


def test_with_several_objectives_a_health_rule_still_ends_trials(home: Path) -> None:
    goals = [{"metric": "validation/accuracy"}, {"metric": "model/parameters"}]
    result = tunetrack.run_study(sick({"name": "nsgaii", "seed": 1}, objective=goals, budget={"trials": 4}), home=home)
    assert {trial.state for trial in result.trials if trial.params["model.bias"] == ILL} == {TrialState.PRUNED}


def test_divergence_in_the_first_epoch_is_found_too(home: Path) -> None:
    rates = {"name": "sgd", "lr": {"choices": [0.01, 1e30]}}
    fixed = {"import": "health_nets:dead", "bias": WELL}
    result = tunetrack.run_study(sick({"name": "grid"}, model=fixed, optimizer=rates, budget={"trials": 2}), home=home)
    (failed,) = (trial for trial in result.trials if trial.state is TrialState.FAILED)
    tags = MlflowClient(result.tracking_uri).get_run(failed.run_id).data.tags
    assert tags["weights.health"] == "non_finite"
    assert tags["weights.health.non_finite"].startswith("the training loss became ")


def test_optunas_own_loop_sees_it_as_pruned(home: Path) -> None:
    with tunetrack.optuna_objective(sick({"name": "random"}), home=home) as objective:
        study = optuna.create_study(direction="maximize")
        study.enqueue_trial({"model.bias": ILL, "optimizer.lr": 1e-3})
        study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert trial.value == trial.intermediate_values[1]


def test_the_terminal_marks_what_was_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mark where a trial goes on; where it is ended, the reason says it."""
    study = sick({"name": "grid"}, optimizer={"name": "adam"}, budget={"trials": 2})
    for name, action in (("ended", "prune"), ("marked", "tag")):
        study["weights"] = {"health": {"dead_units": {"action": action, "patience": 1}}}
        with progress() as display:
            tunetrack.run_study(study | {"name": name}, home=home, progress=display)
    lines = [line for line in capsys.readouterr().err.splitlines() if line[2:].startswith("trial ")]
    (pruned,) = (line for line in lines if "PRUNED" in line)
    assert "  pruned after epoch 1 of 3: dead_units: 32 of 32 units after layer 1 (2) (100 %) are not " in pruned
    assert " ! " not in pruned
    (marked,) = (line for line in lines if " ! " in line)
    assert marked.endswith("  ! dead_units  bias=-30")
