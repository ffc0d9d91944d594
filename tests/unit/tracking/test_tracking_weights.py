"""Weight statistics of stored trials: their files, their tags, and how they are read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tracking_support import epoch, study_info
from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialConditions, TrialOutcome, TrialState
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking import TrackingStore, TrialArtifacts, TrialRun
from tunetrack.tracking.queries import read_weight_stats
from tunetrack.tracking.runs import StudyRun
from tunetrack.tracking.weight_table import weight_frame, write_table
from weight_support import Walk, walked_trial

FILES = {"weight_stats.parquet", "weights_histograms.svg", "weights_depth.svg", "weights_layers.svg"}
EPOCHS = walked_trial(Walk(epochs=2, block_steps=True))
STATS = [record.weights for record in EPOCHS if record.weights is not None]
FINDINGS = (
    Finding("dead_units", 2, "60 % of the units of block1.activation are dead", ("block1.activation",)),
    Finding("stalled_layer", 3, "output moves 2000 times less than the median layer", ("output",)),
    Finding("dead_units", 4, "all units of block2.activation are dead", ("block2.activation",), prune=True),
)


@pytest.fixture
def study(store: TrackingStore, tmp_path: Path) -> StudyRun:
    return store.open_study(study_info(), "images", tmp_path / "artifacts")


def finished(study: StudyRun, state: TrialState, artifacts: TrialArtifacts | None = None, notes: str = "") -> TrialRun:
    trial = study.open_trial(3, {})
    trial.log_conditions(TrialConditions({}, "cpu", "fp32", 1, notes=(notes,) if notes else ()))
    for record in EPOCHS:
        trial.log_epoch(record)
    trial.finish(TrialOutcome(state, (0.5,) if state.has_value else None), artifacts)
    study.flush()
    return trial


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED])
def test_every_trained_trial_leaves_table_and_figures(store: TrackingStore, study: StudyRun, state: TrialState) -> None:
    trial = finished(study, state)
    assert {file.path for file in store.client.list_artifacts(trial.run_id)} >= FILES
    pd.testing.assert_frame_equal(read_weight_stats(store, trial.run_id), weight_frame(write_table(STATS)))
    metrics = store.client.get_run(trial.run_id).data.metrics
    assert metrics["weights/norm"] == pytest.approx(np.sqrt((STATS[-1].records[-1].column("l2") ** 2).sum()))


def test_findings_are_tags_and_stand_in_the_description(store: TrackingStore, study: StudyRun) -> None:
    trial = finished(study, TrialState.PRUNED, TrialArtifacts(findings=FINDINGS), "The batch is divided by 2.")
    tags = store.client.get_run(trial.run_id).data.tags
    assert {key: value for key, value in tags.items() if key.startswith("weights.health")} == {
        "weights.health": "dead_units,stalled_layer",
        "weights.health.dead_units": f"{FINDINGS[0].text}; {FINDINGS[2].text}",
        "weights.health.stalled_layer": FINDINGS[1].text,
    }
    for wanted, found in (("LIKE '%dead_units%'", 1), ("= 'ok'", 0)):
        assert len(store.client.search_runs([study.experiment_id], f"tags.`weights.health` {wanted}")) == found
    assert tags["mlflow.note.content"] == (
        "The batch is divided by 2.\n\nFound in the weights:\n\n"
        f"- **dead_units** (epoch 2): {FINDINGS[0].text}\n"
        f"- **stalled_layer** (epoch 3): {FINDINGS[1].text}\n"
        f"- **dead_units** (epoch 4): {FINDINGS[2].text}"
    )


def test_a_healthy_trial_is_ok_and_keeps_its_notes(store: TrackingStore, study: StudyRun) -> None:
    tags = store.client.get_run(finished(study, TrialState.COMPLETE, notes="As it is.").run_id).data.tags
    assert (tags["weights.health"], tags["mlflow.note.content"]) == ("ok", "As it is.")


def test_an_interrupted_trial_is_not_judged(store: TrackingStore, study: StudyRun) -> None:
    tags = store.client.get_run(finished(study, TrialState.KILLED).run_id).data.tags
    assert "weights.health" not in tags


def test_without_statistics_there_is_neither_table_nor_judgement(store: TrackingStore, study: StudyRun) -> None:
    trial = study.open_trial(3, {})
    trial.log_epoch(epoch(1))
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.flush()
    assert {file.path for file in store.client.list_artifacts(trial.run_id)} == {"curves.svg"}
    assert "weights.health" not in store.client.get_run(trial.run_id).data.tags
    with pytest.raises(TrackingError, match=r"trial 3 \(COMPLETE, run .*\) has no weight statistics.*weights.record"):
        read_weight_stats(store, trial.run_id)


def test_reading_what_has_no_statistics(store: TrackingStore, study: StudyRun) -> None:
    with pytest.raises(TrackingError, match="is no trial of a study"):
        read_weight_stats(store, study.run_id)
    with pytest.raises(TrackingError, match=r"cannot read the weight statistics of run 0+"):
        read_weight_stats(store, "0" * 32)
    running = study.open_trial(0, {})
    with pytest.raises(TrackingError, match="written when it ends"):
        read_weight_stats(store, running.run_id)
    twin = study.open_trial(1, {})
    twin.finish(TrialOutcome(TrialState.DUPLICATE, (0.5,), duplicate_of=7))
    study.flush()
    with pytest.raises(TrackingError, match="those of trial 7, its twin, are the same"):
        read_weight_stats(store, twin.run_id)
