"""Studies with constraints, stop rules and a latency objective, and a race of samplers, as people see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import command, tiny, write_study
from tunetrack.api.race import race_samplers
from tunetrack.errors import SpecError, StudyFailedError
from tunetrack.report import build_document
from tunetrack.spec import TrialState
from tunetrack.study.place import Place
from tunetrack.tracking import connect, read_study
from tunetrack.tracking.reader import StudyReader


def limited(**changes: Any) -> dict[str, Any]:
    goals = [{"metric": "validation/accuracy"}, {"metric": "model/latency_ms"}]
    limits = ["model/parameters <= 2000", "best/validation/accuracy >= 0.2"]
    space = {"name": "cnn", "filters": {"low": 4, "high": 16, "step": 4}, "num_layers": {"low": 1, "high": 2}}
    return tiny(model=space, objective=goals, constraints=limits, budget={"trials": 9}, **changes)


def test_a_study_with_constraints_from_end_to_end(home: Path) -> None:
    result = tunetrack.run_study(limited(name="limited"), home=home)
    broken = {trial.number for trial in result.trials if trial.record.violates}
    untrained = {trial.number for trial in result.trials if trial.state is TrialState.INFEASIBLE}
    assert untrained
    assert untrained < broken, "this seed breaks both constraints"
    assert result.stopped == "it has its 9 trials (budget.trials)"
    ranked = {trial.number for trial in result.ranked()}
    assert not ranked & broken
    assert {trial.number for trial in result.front} <= ranked
    assert all((trial.values or (0, 0))[1] > 0 for trial in result.ranked())
    assert (
        f"broken by {len(untrained)} untrained and {len(broken - untrained)} trained" in result.constraints_in_words()
    )

    client = MlflowClient(result.tracking_uri)
    assert client.get_run(result.run_id or "").data.tags["study.stopped"] == result.stopped
    note = client.get_run(result.run_id or "").data.tags["mlflow.note.content"]
    assert "broken by" in note
    assert "Ended, since it has its 9 trials" in note
    assert "**Constraints**: `model/parameters <= 2000`, `best/validation/accuracy >= 0.2`" in note
    for trial in result.trials:
        data = client.get_run(trial.run_id or "").data
        assert ("trial.violates" in data.tags) == (trial.number in broken)
        assert ("model/latency_ms" in data.metrics) == (trial.state is TrialState.COMPLETE)
    with connect(result.tracking_uri) as store:
        table = read_study(store, "limited")
        assert {trial.number for trial in table.trials if trial.violates} == broken
        reader = StudyReader(store)
        (overview,) = reader.studies()
        assert overview.best in ranked
        page = build_document(store, "limited")
    assert page["front"]
    assert {page["trials"][index]["number"] for index in page["front"]} <= ranked
    assert {row["number"] for row in page["trials"] if row["violates"]} == broken
    assert any("Broken constraints (" in sentence for sentence in page["headline"])
    again = tunetrack.load_study("limited", home=home)
    assert again.document() == result.document()


def test_where_every_trial_breaks_a_constraint_nothing_wins(home: Path) -> None:
    document = tiny(name="none", constraints=["train_seconds >= 1000"])
    with pytest.raises(StudyFailedError, match="no trial of none keeps the constraint train_seconds >= 1000"):
        tunetrack.run_study(document, home=home)


def test_a_stop_rule_ends_a_study_and_a_resume_with_another_goes_on(home: Path) -> None:
    document = tiny(name="stopped", stop={"target": 0.05}, budget={"trials": 4})
    first = tunetrack.run_study(document, home=home)
    assert len(first.trials) == 1
    assert first.stopped.startswith("trial 0 reached validation/accuracy 0.")
    assert tunetrack.run_study(document, home=home, resume=True).document() == first.document()
    second = tunetrack.run_study({**document, "stop": {"no_improvement": 99}}, home=home, resume=True)
    assert len(second.trials) == 4
    assert second.stopped == "it has its 4 trials (budget.trials)"


def test_device_seconds_end_a_study(home: Path) -> None:
    document = tiny(name="spent", budget={"device_seconds": 1e-6})
    result = tunetrack.run_study(document, home=home)
    assert len(result.trials) == 1
    used = result.trials[0].record.device_seconds
    assert used is not None
    client = MlflowClient(result.tracking_uri)
    assert client.get_run(result.trials[0].run_id or "").data.metrics["train_seconds"] == pytest.approx(used)


def test_a_race_is_a_study_for_each_sampler_and_seed_and_goes_on(home: Path) -> None:
    told: list[str] = []
    document = tiny(name="duel", budget={"trials": 2})
    first = race_samplers(document, ["random", "hyperopt:tpe"], 1, home=home)
    race = race_samplers(document, ["random", "hyperopt:tpe"], 2, home=home, told=told.append)
    assert [line.split("  ")[1].split(":")[0] for line in told] == ["optuna", "hyperopt"] * 2
    assert race.run_id == first.run_id
    assert race.info.runs[:2] == first.info.runs, "what is finished is not run again"
    names = [study["name"] for study in tunetrack.list_studies(home)]
    assert sorted(names) == sorted(run.study for run in race.info.runs)
    assert set(names) == {f"duel-race-{arm}-{seed}" for arm in ("optuna-random", "hyperopt-tpe") for seed in (0, 1)}
    assert all(len(run.values) == 2 for run in race.info.runs)
    assert not any(tunetrack.load_study(name, home=home).looks for name in names)

    client = MlflowClient(Place(home).tracking)
    kept = client.get_run(race.run_id)
    assert kept.data.tags["tunetrack.kind"] == "race"
    numbers = json.loads(Path(client.download_artifacts(race.run_id, "race.json")).read_text())
    assert numbers == json.loads(json.dumps(race.info.document()))
    assert Path(client.download_artifacts(race.run_id, "race.html")).read_text() == race.page.read_text()
    for name in names:
        run_id = tunetrack.load_study(name, home=home).run_id
        assert client.get_run(run_id or "").data.tags["mlflow.parentRunId"] == race.run_id


@pytest.mark.parametrize(
    ("samplers", "changes", "said"),
    [
        (["tpe", "optuna:tpe"], {}, "names a sampler twice"),
        ([], {}, "a race has 1 to 8 samplers"),
        (["optuna:tpee"], {}, "did you mean tpe"),
        (["tpe"], {"objective": [{"metric": "validation/loss"}, {"metric": "model/flops"}]}, "a single objective"),
    ],
)
def test_what_cannot_race_is_refused_before_anything_is_written(
    samplers: list[str], changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=said):
        race_samplers(tiny(**changes), samplers, 1, home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_the_command_races(tmp_path: Path, home: Path) -> None:
    file = write_study(tmp_path / "duel.yaml", tiny(name="duel", budget={"trials": 2}))
    ran = command("race", file, "--samplers", "random,tpe", "--seeds", 1, "--home", home)
    assert ran.returncode == 0, ran.stderr
    assert "One seed tells nothing" in ran.stdout
    assert "optuna:random" in ran.stdout
    assert (home / "duel-race.html").exists()
    again = command("race", file, "--samplers", "random,tpe", "--seeds", 1, "--trials", 4, "--home", home, "--json")
    assert again.returncode == 0, again.stderr
    assert [len(run["values"]) for run in json.loads(again.stdout)["runs"]] == [4, 4]
    assert len(tunetrack.list_studies(home)) == 2
