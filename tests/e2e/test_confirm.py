"""After a search the best configurations are trained again; the winner carries its interval, and is named once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import tiny
from tunetrack.api.finished import finished_study
from tunetrack.api.parity import check_parity
from tunetrack.api.studies import resume_spec
from tunetrack.errors import LedgerError, SpecError
from tunetrack.spec.winner import Winner
from tunetrack.stats import compare_answers
from tunetrack.study.place import Place
from tunetrack.tracking import File, connect, read_artifact, read_predictions, read_study

CONFIRM = {"top": 2, "seeds": 2, "first_seed": 50}


def searched(**changes: Any) -> dict[str, Any]:
    return tiny(budget={"trials": 3}, **changes)


def client(home: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{home.resolve()}/mlflow.db")


def is_finished(name: str, home: Path) -> bool:
    place = Place(home)
    return finished_study(name, place, resume_spec(name, place)) is not None


def test_a_study_ends_with_a_confirmed_winner(home: Path) -> None:
    result = tunetrack.run_study(searched(confirm=CONFIRM), home=home)
    won = result.winner
    assert won is not None
    assert result.name == won.study == "tiny"
    again = tunetrack.load_study(won.confirm_study, home)
    assert again.name == "tiny-confirm"
    # The best two of the search, seed by seed, with the searched values.
    best = [trial.number for trial in result.ranked()[:2]]
    assert [trial.confirms for trial in again.trials] == best * 2
    assert [trial.params["trainer.seed"] for trial in again.trials] == [50, 50, 51, 51]
    for trial in again.trials:
        original = result.trials[trial.confirms or 0]
        assert {path: trial.params[path] for path in original.params} == original.params
        assert trial.values != original.values  # another seed
    # What is said of them is what the answers to the images say.
    with connect(result.tracking_uri) as store:
        right = np.array(
            [
                [found.labels == found.predicted for run in one.runs if (found := answers(store, run))]
                for one in won.configurations
            ]
        )
        assert Winner.from_json(read_artifact(store, won.study_run, File.WINNER)) == won
        assert Winner.from_json(read_artifact(store, won.confirm_run, File.WINNER)) == won
        table = read_study(store, "tiny-confirm")
        assert table.study.confirms == won.study_run
        assert [trial.confirms for trial in table.trials] == best * 2
    expected = compare_answers(right)
    assert [one.mean for one in won.configurations] == [pytest.approx(row.mean) for row in expected.configurations]
    assert [one.low for one in won.configurations] == [
        pytest.approx(row.interval.low) for row in expected.configurations
    ]
    near = [won.configurations[place] for place in expected.near]
    assert won.winner.parameters == min(one.parameters or 0 for one in near)
    # The search has left the test images alone; the winner's replicates have seen them once.
    assert [(look.trial, look.confirmation) for look in result.looks] == [(won.chosen, "tiny-confirm")]
    assert won.test is not None
    assert (won.test.looks, won.test.images, len(won.test.values)) == (1, 100, 2)
    assert won.test.low <= won.test.mean <= won.test.high
    assert "looked at once" in result.test_in_words()
    # MLflow: the parent, and the numbers by which studies are found and sorted.
    run = client(home).get_run(won.study_run)
    assert run.data.tags["study.winner"] == str(won.chosen)
    assert run.data.metrics["confirmed/mean"] == pytest.approx(won.winner.mean)
    assert run.data.metrics["test/accuracy"] == pytest.approx(won.test.mean)
    assert run.data.tags["mlflow.note.content"].startswith(f"**Winner: trial {won.chosen}**, validation/accuracy")
    child = client(home).get_run(won.confirm_run)
    assert child.data.tags["mlflow.parentRunId"] == won.study_run
    assert child.info.experiment_id == run.info.experiment_id
    (model,) = client(home).search_logged_models([run.info.experiment_id])
    assert model.source_run_id == won.model_run
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    # Both records agree, nothing is left to do, and what is asked for again is not trained again.
    for name in ("tiny", "tiny-confirm"):
        assert check_parity(name, Place(home)).differences == ()
        assert is_finished(name, home)
    assert tunetrack.confirm_study("tiny", home=home).winner == won
    assert {study["name"]: study["confirms"] for study in tunetrack.list_studies(home)} == {
        "tiny": None,
        "tiny-confirm": "tiny",
    }
    with pytest.raises(LedgerError, match="'tiny-confirm' confirms 'tiny' already"):
        tunetrack.confirm_study("tiny-confirm", home=home)
    with pytest.raises(SpecError, match="follows from the 2 configurations and 2 seeds of tiny-confirm"):
        tunetrack.resume_study("tiny-confirm", home=home, trials=9)


def answers(store: Any, run: str) -> Any:
    return read_predictions(read_artifact(store, run, File.PREDICTIONS))


def test_a_larger_search_needs_a_new_confirmation(home: Path) -> None:
    first = tunetrack.run_study(searched(), home=home)
    assert first.winner is None
    assert [look.confirmation for look in first.looks] == [""]
    confirmed = tunetrack.confirm_study("tiny", top=1, seeds=2, home=home)
    assert confirmed.winner is not None
    assert confirmed.winner.reason == "the only configuration that was confirmed"
    assert confirmed.winner.test is not None
    assert confirmed.winner.test.looks == 2  # the search has looked before
    assert "were looked at 2 times" in confirmed.test_in_words()
    assert json.loads(json.dumps(confirmed.document()))["winner"]["current"] is True
    grown = tunetrack.resume_study("tiny", home=home, trials=6)
    assert not grown.winner_is_current
    assert "is out of date: it was chosen among 3 trials with a value, and now there are 6" in grown.outdated_in_words()
    again = tunetrack.confirm_study("tiny", top=3, seeds=2, home=home)
    assert again.winner is not None
    assert again.winner_is_current
    assert again.winner.confirm_study == "tiny-confirm-2"
    assert len(again.winner.configurations) == 3


def test_a_loss_is_compared_by_its_values(home: Path) -> None:
    document = searched(objective={"metric": "validation/loss"}, confirm={"top": 2, "seeds": 3})
    won = tunetrack.run_study(document, home=home).winner
    assert won is not None
    assert not won.by_image
    assert [one.mean for one in won.configurations] == [
        pytest.approx(np.mean(one.values)) for one in won.configurations
    ]
    assert won.configurations[0].mean == min(one.mean for one in won.configurations)


def test_a_study_that_has_not_ended_cannot_be_confirmed(home: Path) -> None:
    with pytest.raises(LedgerError, match="there is no study in"):
        tunetrack.confirm_study("tiny", home=home)
    place = Place(home)
    tunetrack.run_study(searched(), home=home)
    ledger = tunetrack.api.reading.place_of("tiny", place)[0]  # type: ignore[attr-defined]
    ledger.set_attribute("state", "INTERRUPTED")
    with pytest.raises(
        LedgerError, match=r"has not ended \(INTERRUPTED\); `tunetrack resume tiny` brings it to its end"
    ):
        tunetrack.confirm_study("tiny", home=home)
