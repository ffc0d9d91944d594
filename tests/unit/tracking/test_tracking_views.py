"""The saved view as data: what it shows, when it is left out. The browser test shows that MLflow reads it."""

from __future__ import annotations

import base64
import json
import logging
import random
import string
import zlib
from dataclasses import replace

import pytest

from tracking_support import study_info
from tunetrack.server import study_links
from tunetrack.spec.weight_records import SUMMARY_METRICS
from tunetrack.tracking import (
    Objective,
    SearchedParam,
    StudyInfo,
    TrackingStore,
    list_studies,
    view_id,
    write_view,
)
from tunetrack.tracking import views as views_module
from tunetrack.tracking.view_charts import WEIGHTS_SECTION
from tunetrack.tracking.views import view_state, view_tag, view_url


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


def test_what_is_important_comes_first() -> None:
    info = replace(study_info(), important=("optimizer.name", "model.filters", "optimizer.momentum", "optimizer.lr"))
    state = view_state(info)
    parallel, _, contour, *rest = state["compareRunCharts"]
    assert parallel["selectedParams"] == ["optimizer.name", "model.filters", "log10.optimizer.lr"]
    assert (contour["xaxis"]["key"], contour["yaxis"]["key"]) == ("model.filters", "log10.optimizer.lr")
    scatters = [chart["xaxis"]["key"] for chart in rest if chart["type"] == "SCATTER"]
    assert scatters == ["model.filters", "optimizer.momentum", "log10.optimizer.lr", "optimizer.name"]
    assert state["selectedColumns"][2:4] == ["params.`optimizer.name`", "params.`model.filters`"]


def test_weights_have_charts_where_trials_log_them() -> None:
    without, info = view_state(study_info()), replace(study_info(), weight_statistics=True)
    state = view_state(info)
    assert [section["uuid"] for section in state["compareRunSections"]][-1] == WEIGHTS_SECTION
    lines = [c["metricKey"] for c in state["compareRunCharts"] if c["metricSectionId"] == WEIGHTS_SECTION]
    assert lines == list(SUMMARY_METRICS)
    assert WEIGHTS_SECTION not in [section["uuid"] for section in without["compareRunSections"]]


def test_the_order_is_stored_with_the_study_and_a_view_made_from_there_is_the_same(store: TrackingStore) -> None:
    study = store.open_study(replace(study_info(), weight_statistics=True), "images")
    study.rank_params(["optimizer.momentum", "model.filters"])
    study.flush()
    (row,) = list_studies(store)
    assert row.info.important == ("optimizer.momentum", "model.filters")
    key = view_id(study.experiment_id, study.info.name)
    written = stored_state(store, study.experiment_id, key)
    assert written == view_state(study.info)
    study_links(store, "http://127.0.0.1:5000/")  # writes it once more, from what is stored
    assert stored_state(store, study.experiment_id, key) == written
    again = store.open_study(study_info(), "images")  # resumed: nothing is known yet, and nothing is forgotten
    again.flush()
    assert list_studies(store)[0].info.important == ("optimizer.momentum", "model.filters")


def test_no_view_is_sent_to_a_version_that_was_not_tested(
    store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_module, "VERIFIED_VERSIONS", ((2, 0),))
    study = store.open_study(study_info(), "images")
    study.rank_params(["model.filters"])
    study.flush()
    assert not any("sharedViewState" in key for key in store.client.get_experiment(study.experiment_id).tags)
    assert store.status.refused == 0


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


def test_names_without_any_pattern_cost_plots_and_columns_first() -> None:
    draw = random.Random(0)
    letters = string.ascii_letters + string.digits
    searched = tuple(SearchedParam("".join(draw.choices(letters, k=120))) for _ in range(200))
    info = StudyInfo("wild", {}, searched, study_info().objectives, weight_statistics=True)
    tag = view_tag(replace(info, important=(searched[150].path,)), "1")
    assert tag is not None
    assert len(tag[1]) <= 5000
    state = json.loads(zlib.decompress(base64.b64decode(json.loads(tag[1])["state"].removeprefix("deflate;"))))
    assert state["compareRunCharts"][0]["selectedParams"][0] == searched[150].path


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
