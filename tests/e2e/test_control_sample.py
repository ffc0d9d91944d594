"""Trials that the pruner would have stopped, run to their end all the same: in the ledger and in MLflow."""

from __future__ import annotations

from pathlib import Path

import tunetrack
from study_support import tiny
from tunetrack.api.study_files import describe_study_file, load_study_file
from tunetrack.ledger import Ledger
from tunetrack.spec import TrialState
from tunetrack.spec.study import PrunerConfig
from tunetrack.tracking import connect, read_study

# No accuracy reaches the lower limit, so that the pruner stops whatever it may stop.
PRUNER = {"name": "threshold", "lower": 1.5, "control": 0.5}


def test_a_control_sample_is_shown_with_the_pruner() -> None:
    assert describe_study_file(load_study_file(tiny(pruner=PRUNER)))["pruner"] == "threshold lower=1.5 control=0.5"


def test_the_control_sample_is_drawn_by_seed_and_number_and_recorded(home: Path) -> None:
    study = tunetrack.run_study(tiny(pruner=PRUNER, budget={"trials": 6}), home=home)
    controls = {number for number in range(6) if PrunerConfig(**PRUNER).is_control(3, number)}  # type: ignore[arg-type]
    assert 0 < len(controls) < 6
    kept = {trial.number for trial in study.trials if trial.state is TrialState.COMPLETE}
    assert kept == controls
    assert {trial.state for trial in study.trials if trial.number not in controls} == {TrialState.PRUNED}
    with connect(study.tracking_uri) as store:
        rows = {row.number: row for row in read_study(store, study.name).trials}
    records = {record.number: record for record in Ledger.load(f"sqlite:///{home}/ledger.db", study.name).trials()}
    for number in range(6):
        expected = 1 if number in controls else None
        assert (rows[number].would_prune_at, records[number].would_prune_at) == (expected, expected)
        assert rows[number].epochs == (2 if number in controls else 1)
        assert rows[number].device in ("cpu", "cuda", "mps")
        assert rows[number].threads is not None
