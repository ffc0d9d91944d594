"""The page of a comparison on the real server, and a study's pages in one file, both in a real browser."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tracking_support import epoch, evaluation, study_info
from tunetrack.report import build_single
from tunetrack.server import ServerSpec, TrackingServer, running_server
from tunetrack.spec.records import Evaluation, ModelSummary, TrialOutcome, TrialState
from tunetrack.tracking import StudyRun, TrackingStore, TrialArtifacts, TrialRun, connect, write_artifact
from weight_support import Walk, walked_trial

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

HOSTILE = '</script><img src=x onerror="window.harmed = 1"> \u202equoted'
#: Trials 0 to 14 are complete, the higher the better; 15 was pruned; 16 runs.
COMPLETE, PRUNED, RUNNING = 15, 15, 16
IMAGES = 60
SPRITE = {"tile": [8, 8], "columns": 10, "count": 40, "digest": "made up"}


@dataclass
class Site:
    """A server with one study.

    Attributes:
        server: MLflow's, with our pages.
        store: where the study is.
        study: its run.
        running: the trial that is under way.
    """

    server: TrackingServer
    store: TrackingStore
    study: StudyRun
    running: TrialRun

    @property
    def page(self) -> str:
        """Address of the comparison."""
        return f"{self.server.base_url}/tunetrack/studies/{self.study.run_id}/compare"

    def api(self, path: str) -> Any:
        """An answer of the server as data."""
        address = f"{self.server.base_url}/tunetrack/api/studies/{self.study.run_id}{path}"
        with urllib.request.urlopen(address) as response:
            return json.load(response)


def predictions(number: int) -> tuple[bytes, Evaluation]:
    """What a trial answers: the file about single images, and its confusion matrix. Higher numbers err less."""
    labels = [index % 3 for index in range(IMAGES)]
    answers = [label if index % (2 + number) else (label + 1) % 3 for index, label in enumerate(labels)]
    columns = {"index": range(IMAGES), "label": labels, "predicted": answers}
    file = io.BytesIO()
    parquet.write_table(pa.table({name: pa.array(list(values), pa.int32()) for name, values in columns.items()}), file)
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (labels, answers), 1)
    rows = tuple(tuple(map(int, row)) for row in counts)
    return file.getvalue(), Evaluation(0.3, float(np.trace(counts)) / IMAGES, rows, evaluation(3).classes)


def network(number: int) -> ModelSummary:
    """Trial 12 has half the filters; trial 13 has one layer more."""
    filters = 16 if number == 12 else 32
    layers = [("conv1", "Conv2d", (filters, 6, 6), 10 * filters), ("output", "Linear", (10,), 0)]
    if number == 13:
        layers.insert(1, ("extra", "ReLU", (filters, 6, 6), 0))
    return ModelSummary(10 * filters, 0, 1000, 2000, (1, 8, 8), tuple(layers))


def write_trials(study: StudyRun) -> TrialRun:
    for number in range(COMPLETE):
        params = {"optimizer.lr": 10.0 ** -(number % 4), "optimizer.name": "adam" if number % 2 else HOSTILE}
        params |= {"optimizer.momentum": 0.9} if number % 3 == 0 else {}
        trial = study.open_trial(number, params | {"model.filters": 32, "trainer.epochs": 3})
        for record in walked_trial(Walk(epochs=3)) if number > 11 else [epoch(index + 1) for index in range(3)]:
            trial.log_epoch(record)
        content, look = predictions(number)
        stored = {"predictions.parquet": content}
        model = network(number) if number > 11 else None
        files = TrialArtifacts({"model": {"name": "cnn"}}, confusion=look, files=stored, model=model)
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.6 + number / 100,), metrics={"test/loss": 1.0}), files)
    pruned = study.open_trial(PRUNED, {"optimizer.lr": 0.3, "model.filters": 16})
    pruned.log_epoch(epoch(1, 0.2))
    pruned.finish(TrialOutcome(TrialState.PRUNED, reason="below the median"))
    running = study.open_trial(RUNNING, {"optimizer.lr": 0.5, "model.filters": 16})
    running.log_epoch(epoch(1, 0.3))
    return running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("compare")
    shutil.copy(database_template, home / "mlflow.db")
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 80), dtype=np.uint8)).save(picture, "png")
    with connect(f"sqlite:///{home / 'mlflow.db'}") as store:
        study = store.open_study(study_info(HOSTILE), "images", home / "artifacts")
        running = write_trials(study)
        study.log_files(
            {"validation_images.png": picture.getvalue(), "validation_images.json": json.dumps(SPRITE).encode()}
        )
        study.flush()
        with running_server(ServerSpec(home, port=0, environment=dict(os.environ))) as server:
            yield Site(server, store, study, running)


@pytest.fixture(scope="module")
def single(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study as one file."""
    file = tmp_path_factory.mktemp("file") / "report.html"
    file.write_text(build_single(site.store, site.study.run_id).text, encoding="utf-8")
    return file


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    """A page; exceptions, errors of ours on the console and requests to elsewhere fail the test."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    # MLflow's own pages ask for things that are not there.
    mlflow = f"{site.server.base_url}/ajax-api", f"{site.server.base_url}/static-files"
    opened.on(
        "console",
        lambda said: (
            wrong.append(said.text) if said.type == "error" and not said.location["url"].startswith(mlflow) else None
        ),
    )
    own = (site.server.base_url, "data:", "blob:", "file:")
    opened.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
    yield opened
    harmed = opened.evaluate("window.harmed")
    context.close()
    assert harmed is None
    assert wrong == []


def heads(page: Any) -> list[str]:
    """The trials of the table of settings, in order."""
    return list(page.locator("table.compared").first.locator(".who").all_inner_texts())


def rows(page: Any) -> dict[str, list[str]]:
    """The rows of the table of settings where each trial is a column."""
    table = page.locator("table.compared").first
    found = {}
    for line in table.locator("tbody tr:not(.group)").all():
        found[line.locator("th").inner_text()] = [
            " ".join(text.split()) for text in line.locator("td").all_inner_texts()
        ]
    return found


def named(numbers: Sequence[int]) -> list[str]:
    return [f"trial {number}" for number in numbers]


def test_the_best_are_compared_where_nobody_says_which(site: Site, page: Any) -> None:
    page.goto(site.page)
    page.locator("table.compared").first.wait_for()
    assert heads(page) == named([14, 13, 12, 11, 10])
    page.get_by_label("how many of the best").fill("3")
    page.get_by_role("button", name="Take them").click()
    sync_api.expect(page.locator(".chip")).to_have_count(3)
    assert page.url.endswith("compare?trials=14,13,12")
    page.get_by_role("button", name="without trial 13").click()
    sync_api.expect(page.locator(".chip")).to_have_count(2)
    page.go_back()
    sync_api.expect(page.locator(".chip")).to_have_count(3)


def test_what_is_typed_is_compared_or_said_to_be_wrong(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=14,13")
    box = page.get_by_role("textbox", name="Trials")
    for text, sentence in (
        ("3 x", '"x" is no trial number'),
        ("3", "two trial numbers or more"),
        ("3, 99", "no trial 99"),
    ):
        box.fill(text)
        box.press("Enter")
        page.locator(".wrong", has_text=sentence).wait_for()
    box.fill("2-4 0")
    page.get_by_role("button", name="Compare", exact=True).click()
    sync_api.expect(page.locator(".chip")).to_have_count(4)
    assert heads(page) == named([2, 3, 4, 0])


def test_the_table_has_what_differs_and_only_that(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=3,4")
    page.locator("table.compared").first.wait_for()
    found = rows(page)
    assert found["optimizer.name"] == ["adam", HOSTILE]
    assert found["optimizer.momentum"] == ["0.9", "–"]
    assert found["validation/accuracy (highest is best)"] == ["0.63", "0.64 ★ best"]
    expected = {row["path"] for row in site.api("/compare?trials=3,4")["differs"]}
    assert set(found) - {"validation/accuracy (highest is best)", "state", "epochs", "time"} == expected
    page.get_by_text("2 settings are the same in all of them").click()
    assert page.locator(".same tr").all_inner_texts() == ["model.filters\t32", "trainer.epochs\t3"]


def test_many_trials_stand_in_rows_below_a_head_that_stays(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials={','.join(map(str, range(COMPLETE)))}")
    table = page.locator("table.compared").first
    table.wait_for()
    assert heads(page) == named(range(COMPLETE))
    box = page.locator(".scroll.sticky").first
    box.evaluate("box => { box.style.maxHeight = '200px'; box.scrollTop = 150; }")
    top = box.bounding_box()["y"]
    assert table.locator("thead th").first.bounding_box()["y"] == pytest.approx(top, abs=2)
    assert table.locator("tbody th").first.bounding_box()["y"] < top
    chip = page.locator(".chip", has_text="trial 7")
    chip.hover()
    drawn = "path.curve[data-trial]"
    page.locator(drawn).first.wait_for(state="attached")
    assert page.locator(f"{drawn}[data-trial='7']:not(.out)").count() > 0
    assert page.locator(f"{drawn}:not([data-trial='7']):not(.out)").count() == 0
    page.get_by_role("heading", level=1).hover()
    assert page.locator(".out").count() == 0


def test_weights_stand_side_by_side_and_the_address_says_which(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=14,13,12,11&stat=rms")
    figure = page.locator("figure", has_text="By depth, one figure a trial")
    figure.scroll_into_view_if_needed()
    figure.locator(".panel").first.wait_for()
    assert figure.locator(".panel").count() == 4
    assert "root mean square, by depth" in figure.inner_text()
    assert "Without weight statistics: trial 11." in page.inner_text("main")
    page.get_by_label("Statistic", exact=True).select_option("std")
    figure.get_by_text("standard deviation, by depth").wait_for()
    assert "stat=std" in page.url
    page.get_by_label("of the", exact=True).select_option("bias")
    sync_api.expect(page).to_have_url(re.compile("kind=bias"))


def test_models_are_laid_side_by_side_and_so_are_dead_units(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=14,13,12,11&stat=dead_share")
    section = page.locator("section", has=page.get_by_role("heading", name="Models", exact=True))
    section.locator("table").wait_for()
    lines = [" | ".join(line.locator("th, td").all_inner_texts()) for line in section.locator("tbody tr").all()]
    assert lines == [
        "parameters of the model | 320 | 320 | 160",
        "conv1 | Conv2d 32 × 6 × 6, 320 | Conv2d 32 × 6 × 6, 320 | Conv2d 16 × 6 × 6, 160",
        "extra | – | ReLU 32 × 6 × 6 | –",
    ]
    assert "2 layers of 3 differ" in section.inner_text()
    assert "Without layers: trial 11." in section.inner_text()
    figure = page.locator("figure", has_text="By depth, after the last epoch")
    figure.scroll_into_view_if_needed()
    figure.locator("path.curve").first.wait_for(state="attached")
    assert "share of dead units" in figure.inner_text()
    assert page.get_by_label("of the", exact=True).locator("option").all_inner_texts() == ["activation layers"]


def test_two_trials_face_to_face(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=1,5,9&pair=1,9")
    page.get_by_role("heading", name="Confusion of trial 9 minus that of trial 1").scroll_into_view_if_needed()
    answer = site.api("/compare/images?a=1&b=9")
    sentence = page.get_by_text("validation images both get")
    sentence.wait_for()
    counts = answer["counts"]
    assert f"only trial 1 gets {counts['only_a']} right, only trial 9 {counts['only_b']}" in sentence.inner_text()
    assert page.locator(".tile-image").count() == min(20, counts["only_a"]) + min(20, counts["only_b"])
    shown = sum(image["tile"] is not None for image in answer["only_a"][:20] + answer["only_b"][:20])
    assert page.locator(".picture").count() == shown > 0
    assert page.locator(".unpictured").count() == page.locator(".tile-image").count() - shown
    page.get_by_label("Compare", exact=True).select_option("9")
    page.get_by_text(f"only trial 9 gets {counts['only_b']} right, only trial 1 {counts['only_a']}").wait_for()
    assert "pair=9,1" in page.url
    page.get_by_label("with", exact=True).select_option("5")
    page.get_by_role("heading", name="Confusion of trial 5 minus that of trial 9").wait_for()


def test_a_trial_that_runs_is_followed(site: Site, page: Any) -> None:
    page.goto(f"{site.page}?trials=14,{RUNNING}")
    table = page.locator("table.compared").first
    sync_api.expect(table).to_contain_text("running")
    epochs = table.locator("tbody tr", has=page.locator("th", has_text=re.compile("^epochs$"))).locator("td").last
    sync_api.expect(epochs).to_have_text("1")
    site.running.log_epoch(epoch(2, 0.35))
    site.study.flush()
    sync_api.expect(epochs).to_have_text("2", timeout=20_000)


def test_one_file_opens_without_server_and_network(site: Site, single: Path, page: Any) -> None:
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(single.as_uri())
    page.get_by_role("heading", level=1, name=HOSTILE).wait_for()
    page.get_by_text("trial 14 is the best with 0.74").first.wait_for()
    page.locator("figure svg").first.wait_for()
    page.get_by_role("link", name="Compare", exact=True).click()
    page.locator("table.compared").first.wait_for()
    assert heads(page) == named([14, 13, 12, 11, 10])
    page.get_by_text("validation images both get").wait_for()
    assert page.locator(".picture").count() > 0
    page.get_by_role("textbox", name="Trials").fill("14, 3")
    page.get_by_role("textbox", name="Trials").press("Enter")
    page.get_by_text("This file does not hold the comparison of trial 3").wait_for()
    page.go_back()
    page.locator(".chip a", has_text="trial 12").click()
    page.get_by_role("heading", level=1, name="Trial 12").wait_for()
    page.get_by_role("link", name="Trials", exact=True).click()
    page.get_by_role("link", name=f"{RUNNING}", exact=True).wait_for()


def test_one_file_opens_in_the_artifact_viewer(site: Site, single: Path, page: Any) -> None:
    run_id = site.study.run_id
    write_artifact(site.store, run_id, "report.html", single.read_bytes())
    page.goto(f"{site.server.base_url}/#/experiments/{site.study.experiment_id}/runs/{run_id}/artifacts/report.html")
    frame = page.frame_locator("iframe#html")
    frame.get_by_text("trial 14 is the best with 0.74").first.wait_for()
    frame.locator("figure").first.scroll_into_view_if_needed()
    frame.locator("figure svg").first.wait_for()
    frame.get_by_role("link", name="Compare", exact=True).click()
    frame.locator("table.compared").first.wait_for()
    box = frame.get_by_role("textbox", name="Trials")
    box.fill("14, 12")
    box.press("Enter")
    frame.locator(".chip").nth(1).wait_for()
    assert frame.locator(".chip").count() == 2
    frame.get_by_role("button", name="Dark").click()
    assert frame.locator("html").get_attribute("data-theme") == "dark"
