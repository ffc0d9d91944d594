"""A study's model goes into the registry with its evidence, once; and its best trials start another study."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
import torch
from click.testing import CliRunner, Result
from mlflow import MlflowClient

import tunetrack
from study_support import tiny, write_study
from tunetrack.cli import main
from tunetrack.cli.app import ENVIRONMENT
from tunetrack.errors import LedgerError, SpecError

LR = {"low": 1e-3, "high": 1e-1, "log": True}


def tunetrack_says(*arguments: object) -> Result:
    """Runs `tunetrack` in this process, which takes less than one of its own."""
    found = CliRunner().invoke(main, list(map(str, arguments)), env=dict.fromkeys(ENVIRONMENT))
    assert found.exit_code == 0, found.output
    return found


def test_the_winner_is_registered_once_with_its_evidence(home: Path) -> None:
    tunetrack.run_study(tiny(), home=home)
    unconfirmed = tunetrack_says("promote", "tiny", "--home", home, "--alias", "", "--model-name", "plain")
    assert "plain has version 1: trial" in unconfirmed.stdout
    assert f"tunetrack confirm tiny --home {home} says by how much" in " ".join(unconfirmed.stderr.split())
    result = tunetrack.confirm_study("tiny", top=2, seeds=2, home=home)
    assert result.winner is not None
    done = tunetrack.promote_study("tiny", home=home)
    assert (done.model, done.version, done.uri) == ("tiny", 1, "models:/tiny@champion")
    assert tunetrack.promote_study("tiny", home=home) == done
    client = MlflowClient(f"sqlite:///{home.resolve()}/mlflow.db")
    version = client.get_model_version_by_alias("tiny", "champion")
    won = result.winner.winner
    assert version.run_id == result.winner.model_run
    assert version.tags == done.evidence
    assert version.tags["tunetrack.interval"] == f"{won.low:.6g} to {won.high:.6g} (95 %)"
    assert version.tags["test.looks"] == "2"
    assert str(version.description).startswith(f"**Winner: trial {won.trial}**")
    model = mlflow.pytorch.load_model(version.source)
    logits = model(torch.zeros(3, 1, 8, 8))
    assert tuple(logits.shape) == (3, 10)
    tunetrack.resume_study("tiny", home=home, trials=5)
    with pytest.raises(LedgerError, match=r"is out of date: .*`tunetrack confirm tiny` chooses again"):
        tunetrack.promote_study("tiny", home=home)
    with pytest.raises(LedgerError, match="`tunetrack promote tiny` registers the winner"):
        tunetrack.promote_study("tiny-confirm", home=home)


def test_a_study_starts_from_the_best_of_another(home: Path, tmp_path: Path) -> None:
    first = tunetrack.run_study(tiny(budget={"trials": 4}), home=home)
    # Only adam is left, a narrower net is no longer searched, and another optimiser's decay is new.
    document = tiny(
        name="next",
        model={"name": "cnn", "filters": {"low": 4, "high": 12, "step": 4}, "num_layers": 2},
        optimizer={"one_of": [{"name": "adam", "lr": LR}, {"name": "adamw", "lr": LR, "weight_decay": 0.01}]},
    )
    fits = [trial for trial in first.ranked() if trial.params["optimizer.name"] == "adam"]
    others = [trial for trial in first.ranked() if trial.params["optimizer.name"] == "sgd"]
    assert fits
    assert others
    file = write_study(tmp_path / "next.yaml", document)
    started = tunetrack_says("run", file, "--home", home, "--from", "tiny", "--trials", len(fits), "--no-supervisor")
    said = " ".join(started.stderr.split())
    assert (
        f"{len(fits)} points from tiny: the configurations of trials {', '.join(str(t.number) for t in fits)}" in said
    )
    for trial in others:
        why = 'optimizer.name: lies outside of what is searched: one of "adam", "adamw"'
        assert f"trial {trial.number} is left out: {why}" in said
    for old, new in zip(fits, tunetrack.load_study("next", home).trials, strict=True):
        for path in ("model.filters", "optimizer.name", "optimizer.lr"):
            assert new.params[path] == old.params[path]
    only_sgd = tiny(name="other", optimizer={"name": "sgd", "momentum": {"low": 0.95, "high": 0.99}})
    only_sgd["model"] = {"name": "cnn"}
    with pytest.raises(SpecError, match="none of the best 4 configurations of 'tiny' fits into this study"):
        tunetrack.run_study(only_sgd, home=home, from_study="tiny")
