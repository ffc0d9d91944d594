"""The saved view as data: what it shows, when it is left out. The browser test shows that MLflow reads it."""

from __future__ import annotations

import base64
import json
import logging
import zlib

import pytest

from tracking_support import study_info
from tunetrack.server import study_links
from tunetrack.tracking import Objective, SearchedParam, StudyInfo, TrackingStore, view_id, write_view
from tunetrack.tracking import views as views_module
from tunetrack.tracking.views import view_state, view_url


def stored_state(store: TrackingStore, experiment_id: str, key: str) -> dict[str, object]:
    tag = json.loads(store.client.get_experiment(experiment_id).tags[f"mlflow.sharedViewState.{key}"])
    state = json.loads(zlib.decompress(base64.b64decode(tag["state"].removeprefix("deflate;"))))
    assert isinstance(state, dict)
    return state


def test_view_is_written_once_per_study(store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    first = write_view(store, study.info, study.experiment_id)
    assert first == write_view(store, study.info, study.experiment_id)
    assert first.view_id == view_id(study.experiment_id, "fashion-cnn")
    assert stored_state(store, study.experiment_id, first.view_id) == view_state(study.info)
    (link,) = study_links(store, "http://127.0.0.1:5000/")
    assert link.url == view_url("http://127.0.0.1:5000", study.experiment_id, first.view_id)
    assert study.run_id in link.run_url


def test_charts_of_a_study() -> None:
    state = view_state(study_info())
    kinds = [chart["type"] for chart in state["compareRunCharts"]]
    assert kinds == ["PARALLEL", "BAR", "CONTOUR", *["SCATTER"] * 4, *["LINE"] * 4]
    parallel, _, contour = state["compareRunCharts"][:3]
    assert parallel["selectedParams"] == ["log10.optimizer.lr", "model.filters", "optimizer.name"]
    assert (contour["xaxis"]["key"], contour["yaxis"]["key"]) == ("log10.optimizer.lr", "model.filters")
    assert state["searchFilter"] == "tags.`study.name` = 'fashion-cnn' and tags.`tunetrack.kind` = 'trial'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`objective`", False)
    assert state["selectedColumns"][:2] == ["metrics.`objective`", "tags.`trial.state`"]


def test_minimised_objective_sorts_the_other_way() -> None:
    assert view_state(study_info(maximize=False))["orderByAsc"] is True


def test_two_objectives_are_plotted_against_each_other() -> None:
    goals = (Objective("validation/accuracy", True), Objective("model/parameters", False))
    charts = view_state(StudyInfo("two", {}, (SearchedParam("a"),), goals))["compareRunCharts"]
    pairs = [(c["xaxis"]["key"], c["yaxis"]["key"]) for c in charts if c["type"] == "SCATTER"]
    assert pairs[0] == ("objective/validation/accuracy", "objective/model/parameters")


def test_nothing_searched_leaves_the_curves() -> None:
    charts = view_state(StudyInfo("fixed", {}, (), (Objective("validation/loss", False),)))["compareRunCharts"]
    assert [chart["type"] for chart in charts] == ["BAR", *["LINE"] * 4]


def test_large_search_space_fits_into_the_tag(store: TrackingStore) -> None:
    searched = tuple(SearchedParam(f"model.blocks.{index}.parameter_{index * 7919 % 1000}") for index in range(60))
    study = store.open_study(StudyInfo("large", {}, searched, study_info().objectives), "images")
    assert write_view(store, study.info, study.experiment_id).view_id


def test_unknown_version_leaves_the_view_out_with_a_warning(
    store: TrackingStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = store.open_study(study_info(), "images")
    monkeypatch.setattr(views_module, "VERIFIED_VERSIONS", ((2, 0),))
    with caplog.at_level(logging.WARNING):
        view = write_view(store, study.info, study.experiment_id)
    assert view.view_id is None
    assert "verified for MLflow 2.0" in view.skipped
    assert view.skipped in caplog.text
    (link,) = study_links(store, "http://127.0.0.1:5000")
    assert link.url.endswith("/runs?workflowType=machine_learning")
    assert link.note == view.skipped
