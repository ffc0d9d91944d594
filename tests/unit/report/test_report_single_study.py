"""A stored study as one file, as data, and as figures: what is read, and what is left where there is little to read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from view_samples import HOSTILE, small_study

from tracking_support import study_info
from tunetrack.errors import TrackingError
from tunetrack.report import build_document, build_figures, build_single
from tunetrack.report.single.columns import fitted_study, json_size
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrackingStore


def answers(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and answers of a file."""
    found = re.search(r'id="tunetrack-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    return data["facts"], data["answers"]


def test_the_file_holds_the_study_and_its_best_trials(store: TrackingStore, tmp_path: Path) -> None:
    study = small_study(store, tmp_path)

    single = build_single(store, study.run_id)

    facts, found = answers(single.text)
    start = f"/studies/{study.run_id}"
    assert facts["start"] == f"/tunetrack{start}"
    assert facts["compared"] == [1, 0]
    assert single.left_out == ()
    compared = ("/compare", "/compare/confusion", "/compare/models", "/compare/weights", "/compare/images?a=0&b=1")
    assert set(found) == {start + each for each in ("", "/history", "/trials/1", "/trials/0", "/images.png", *compared)}
    assert found[start]["trials"]["number"] == [0, 1, 2, 3, 4, 5]
    assert [row["number"] for row in found[f"{start}/compare"]["trials"]] == [1, 0]
    assert found[f"{start}/trials/1"]["weights"]["histogram"] is not None
    assert found[f"{start}/compare/weights"]["trials"]["1"]["stats"] == found[f"{start}/trials/1"]["weights"]["stats"]
    assert found[f"{start}/compare/weights"]["trials"]["1"]["histogram"] is None
    counts = found[f"{start}/compare/images?a=0&b=1"]["counts"]
    assert sum(counts.values()) == 20
    assert counts["only_b"] > 0
    assert found[f"{start}/images.png"] == "data:image/png;base64,iVBORw=="
    assert HOSTILE in json.dumps(found[start], ensure_ascii=False)
    assert "</script><b>" not in single.text


def test_a_study_whose_first_trial_runs_has_a_file_too(store: TrackingStore, tmp_path: Path) -> None:
    study = store.open_study(study_info(), "images", tmp_path)
    study.open_trial(0, {"optimizer.lr": 0.1})
    study.flush()

    facts, found = answers(build_single(store, study.run_id).text)

    assert facts["compared"] == []
    assert set(found) == {f"/studies/{study.run_id}", f"/studies/{study.run_id}/history"}


def test_pruned_trials_are_compared_where_too_few_were_completed(store: TrackingStore, tmp_path: Path) -> None:
    study = store.open_study(study_info(), "images", tmp_path)
    for number, state in enumerate((TrialState.PRUNED, TrialState.FAILED, TrialState.COMPLETE)):
        values = (0.5,) if state is TrialState.COMPLETE else None
        study.open_trial(number, {"optimizer.lr": 0.1}).finish(TrialOutcome(state, values, "so it was"))
    study.flush()

    facts, found = answers(build_single(store, study.run_id).text)

    assert facts["compared"] == [2, 0]
    assert found[f"/studies/{study.run_id}/compare/images?a=0&b=2"]["reason"]


def test_what_is_too_large_is_left_out_and_said(store: TrackingStore, tmp_path: Path) -> None:
    study = small_study(store, tmp_path)
    whole = build_single(store, study.run_id)
    limit = len(whole.text.encode()) - 5_000

    single = build_single(store, study.run_id, limit)

    facts, found = answers(single.text)
    assert len(single.text.encode()) <= limit
    assert facts["left_out"] == list(single.left_out) != []
    assert f"/studies/{study.run_id}" in found


def test_a_study_of_very_many_trials_keeps_the_best_and_some_of_all(store: TrackingStore, tmp_path: Path) -> None:
    study = store.open_study(study_info(), "images", tmp_path)
    for number in range(60):
        value = 0.5 + (number % 7) / 100 + (0.4 if number == 33 else 0)
        trial = study.open_trial(number, {"optimizer.lr": 0.1, "model.filters": number})
        trial.finish(TrialOutcome(TrialState.COMPLETE, (value,), metrics={"test/loss": 1.0}))
    study.flush()
    payload = answers(build_single(store, study.run_id).text)[1][f"/studies/{study.run_id}"]
    size = json_size(payload)

    whole, nothing = fitted_study(payload, size)
    slim, metrics = fitted_study(payload, size - 1_000)
    few, both = fitted_study(payload, size // 2)

    assert (whole, nothing) == (payload, ())
    assert (slim["trials"]["metrics"], len(slim["trials"]["number"]), len(metrics)) == ({}, 60, 1)
    assert json_size(few) <= size // 2
    kept = few["trials"]["number"]
    assert len(both) == 2
    assert f"{60 - len(kept)} of 60 trials" in both[1]
    assert [kept[index] for index in few["best_so_far"][0]] == [0, 1, 2, 3, 4, 5, 6, 33]
    assert few["trials"]["params"]["model.filters"] == kept
    assert few["trials"]["values"][0][kept.index(33)] == pytest.approx(0.95)
    assert any(number > 50 for number in kept)


def test_a_study_that_is_not_there_is_said_to_be_missing(store: TrackingStore) -> None:
    with pytest.raises(TrackingError, match="there is no study 'nowhere'"):
        build_single(store, "nowhere")


def test_the_data_has_every_trial_with_all_its_parameters(store: TrackingStore, tmp_path: Path) -> None:
    study = small_study(store, tmp_path)

    document = build_document(store, study.run_id)

    json.dumps(document, allow_nan=False)
    assert document["study"]["id"] == study.run_id
    assert [trial["number"] for trial in document["trials"]] == [0, 1, 2, 3, 4, 5]
    assert document["trials"][0]["params"]["trainer.epochs"] == 3  # not searched
    assert document["trials"][0]["metrics"]["model/parameters"] == 690.0


def test_figures_are_pictures(store: TrackingStore, tmp_path: Path) -> None:
    study = small_study(store, tmp_path)

    files = build_figures(store, study.run_id)

    assert {name.partition(".")[0] for name in files} >= {"history", "learning-curves", "parameters", "states"}
    for name, content in files.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert content.startswith(b"\x89PNG\r\n")
            assert len(content) > 2_000
