"""The saved view in a real browser: MLflow's UI reads the undocumented state that tunetrack writes."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tracking_support import epoch, evaluation, study_info
from tunetrack.server import TrackingServer, study_links
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import StudyState, TrackingStore, TrialArtifacts, TrialRun, connect
from tunetrack.tracking.runs import StudyRun

pytestmark = pytest.mark.browser

STUDY, TRIALS = "browser-study", 12
#: A server without accounts has no users/current; parallel axes are drawn before the card has a width; a
#: layout that goes on changing while it is observed.
MLFLOWS_OWN = ("Failed to load resource: the server responded with a status of 404", "Error: <", "ResizeObserver loop")


@pytest.fixture(scope="module")
def store(server: TrackingServer) -> Iterator[TrackingStore]:
    with connect(server.base_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def study(store: TrackingStore) -> StudyRun:
    """Twelve made-up trials: numeric, log-scaled, categorical and conditional params; some pruned, one failed."""
    study = store.open_study(replace(study_info(STUDY), weight_statistics=True), "browser")
    # Another study in the same experiment, which the view must not show.
    store.open_study(study_info("neighbour"), "browser").open_trial(99, {"model.filters": 1}).finish(
        TrialOutcome(TrialState.COMPLETE, (0.99,))
    )
    draw = random.Random(0)
    for number in range(TRIALS):
        run_trial(study, number, draw)
    study.rank_params(["model.filters", "optimizer.lr", "optimizer.name"])
    study.finish(StudyState.COMPLETE, "**Best: trial 1**.", 1, report=True)
    study.log_files({"report.html": b"<h1>The report itself</h1>"})
    study.flush()
    return study


def run_trial(study: StudyRun, number: int, draw: random.Random) -> TrialRun:
    params: dict[str, Any] = {
        "optimizer.lr": 10 ** draw.uniform(-5, -1),
        "model.filters": draw.randrange(16, 129, 8),
        "optimizer.name": draw.choice(["adam", "sgd"]),
    }
    if params["optimizer.name"] == "sgd":
        params["optimizer.momentum"] = draw.random()
    best = 0.93 - 0.03 * abs(math.log10(params["optimizer.lr"]) + 3) - 0.0002 * (128 - params["model.filters"])
    epochs = 3 if number % 4 == 3 else 8
    trial = study.open_trial(number, params)
    for index in range(1, epochs + 1):
        trial.log_epoch(epoch(index, best - 0.4 * 0.6**index))
        trial.log_metrics({"weights/norm": 10.0 + index, "weights/step_ratio": 0.01 / index}, index)
    if epochs == 3:
        trial.finish(TrialOutcome(TrialState.PRUNED, reason="below the median at epoch 3"))
    elif number == 5:
        trial.finish(TrialOutcome(TrialState.FAILED, reason="the loss became NaN"))
    else:
        trial.finish(TrialOutcome(TrialState.COMPLETE, (best,)), TrialArtifacts(confusion=evaluation(10)))
    return trial


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of the browser; an exception in the page, or an error in its console, fails the test."""
    errors: list[str] = []

    def said(message: Any) -> None:
        if message.type == "error" and not message.text.startswith(MLFLOWS_OWN):
            errors.append(message.text)

    opened = browser.new_page(viewport={"width": 1800, "height": 1400})
    opened.set_default_timeout(60_000)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", said)
    yield opened
    opened.close()
    assert errors == []


def link(store: TrackingStore, server: TrackingServer) -> str:
    return next(each.url for each in study_links(store, server.base_url) if each.study == STUDY)


@pytest.mark.usefixtures("study")
def test_view_opens_with_the_charts_of_the_study(
    store: TrackingStore, server: TrackingServer, page: Any, tmp_path: Path
) -> None:
    page.goto(link(store, server))
    page.get_by_text("Parallel Coordinates").first.wait_for()
    page.get_by_text(f"{STUDY}: what was searched").wait_for()
    for title in (
        "model.filters vs. log10.optimizer.lr vs. objective",
        "log10.optimizer.lr vs. objective",
        "model.filters vs. objective",
    ):
        page.get_by_text(title, exact=True).first.wait_for()
    page.locator(".js-plotly-plot .barlayer .point").first.wait_for()
    page.get_by_text(f"{TRIALS} matching runs").wait_for()
    axes = page.locator(".parcoords .dimension .label")
    axes.first.wait_for()
    assert axes.all_text_contents() == ["model.filters", "log10.optimizer.lr", "optimizer.name", "objective"]
    page.screenshot(path=tmp_path / "view.png")
    assert page.locator(".js-plotly-plot .barlayer .point").count() >= 7
    assert page.get_by_text("#99").count() == 0
    assert page.get_by_text("viewing a shared view").count() == 1
    # MLflow's own mode switch says which mode the page is in; GenAI mode has no charts of runs.
    assert page.get_by_text("Model training").count() >= 1
    page.get_by_text(f"{STUDY}: learning curves").scroll_into_view_if_needed()
    for title in ("validation/accuracy", "validation/loss"):
        page.get_by_text(title, exact=True).first.wait_for()
    page.get_by_text(f"{STUDY}: weights").scroll_into_view_if_needed()
    for title in ("weights/norm", "weights/step_ratio"):
        page.get_by_text(title, exact=True).first.wait_for()
    assert page.get_by_text("weights/gamma_spread", exact=True).count() == 0  # what no trial logs has no chart


@pytest.mark.usefixtures("study")
def test_table_has_the_state_beside_the_objective_and_the_best_trial_first(
    store: TrackingStore, server: TrackingServer, page: Any
) -> None:
    page.goto(link(store, server).replace("compareRunsMode=CHART", "compareRunsMode=TABLE"))
    page.get_by_text("trial.state").first.wait_for()
    page.get_by_text("PRUNED").first.wait_for()
    # The grid positions columns by style, so their order in the document says nothing.
    columns = ("objective", "trial.state", "optimizer.lr")
    places = [page.locator(".ag-header-cell", has_text=name).first.bounding_box()["x"] for name in columns]
    assert places == sorted(places)
    table = page.inner_text("body")
    best = max(
        (run.data.metrics.get("objective", 0.0), run.info.run_name)
        for run in store.client.search_runs([store.experiment_id("browser")], f"tags.`study.name` = '{STUDY}'")
    )[1]
    trials = [line for line in table.splitlines() if re.match(r"#\d+ ", line)]
    assert trials[0] == best
    assert len(trials) == TRIALS


@pytest.mark.usefixtures("study")
def test_pruned_trials_are_found_by_a_filter(store: TrackingStore, server: TrackingServer, page: Any) -> None:
    experiment = store.experiment_id("browser")
    query = "workflowType=machine_learning&compareRunsMode=TABLE&searchFilter=" + quote("tags.trial.state = 'PRUNED'")
    page.goto(f"{server.base_url}/#/experiments/{experiment}/runs?{query}")
    page.get_by_text("4 matching runs").wait_for()  # three trials, and the study that they belong to


def test_description_begins_with_the_outcome_and_its_links_work(
    study: StudyRun, server: TrackingServer, page: Any
) -> None:
    here = f"{server.base_url}/#/experiments/{study.experiment_id}/runs"
    page.goto(f"{here}/{study.run_id}?workflowType=machine_learning")
    page.get_by_text("Best: trial 1").wait_for()
    titles = ("Compare the trials", "Charts in MLflow", "Report")
    links = {title: page.get_by_role("link", name=title, exact=True) for title in titles}
    targets = {title: link.evaluate("link => link.href") for title, link in links.items()}
    assert targets["Compare the trials"] == f"{server.base_url}/tunetrack/studies/{study.run_id}"
    assert targets["Charts in MLflow"].startswith(f"{here}?workflowType=machine_learning&compareRunsMode=CHART")
    with page.expect_popup() as opened:
        links["Report"].click()
    opened.value.frame_locator("iframe").get_by_text("The report itself").wait_for()


def test_figures_show_in_the_artifact_viewer(study: StudyRun, server: TrackingServer, page: Any) -> None:
    trial = study.calls.find_run(study.experiment_id, {"trial.key": f"{STUDY}/0"})
    page.goto(f"{server.base_url}/#/experiments/{study.experiment_id}/runs/{trial}/artifacts")
    for name in ("curves.svg", "confusion_matrix.svg"):
        page.get_by_text(name, exact=True).first.click()
        image = page.locator("img[src^='blob:']").first
        image.wait_for()
        page.wait_for_function(
            "Array.from(document.images).some(i => i.src.startsWith('blob:') && i.naturalWidth > 300)"
        )
