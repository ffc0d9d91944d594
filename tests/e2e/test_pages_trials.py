"""The pages of studies, trials and one trial in a real browser, on the real server."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracking_support import epoch, evaluation, study_info
from tunetrack.server import ServerSpec, running_server
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking import StudyState, TrialArtifacts, connect
from weight_support import Walk, walked_trial

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from synthetic import Size, open_study, plans, write_in_bulk

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

TRIALS = 300
HOSTILE = '</script><img src=x onerror="window.harmed = 1"> ‮quoted'
REASON = "below the median <b>of 4 trials</b> at epoch 2"


class Site:
    """A server with two studies.

    Attributes:
        url: where it is.
        large, small: ids of a synthetic study and of one with a hostile name, weights and every kind of ending.
    """

    def __init__(self, url: str, large: str, small: str) -> None:
        self.url = f"{url}/tunetrack"
        self.large, self.small = f"/studies/{large}", f"/studies/{small}"

    def api(self, path: str) -> Any:
        """An answer of the server as data."""
        with urllib.request.urlopen(f"{self.url}/api{path}") as response:
            return json.load(response)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("pages")
    shutil.copy(database_template, home / "mlflow.db")
    with connect(f"sqlite:///{home / 'mlflow.db'}") as store:
        size = Size(trials=TRIALS, epochs=3)
        large = open_study(store, size, home / "artifacts")
        write_in_bulk(store, large, plans(size))
        large.finish(StudyState.COMPLETE, "The study is made up.")
        small = store.open_study(study_info(HOSTILE), "experiment <i>", home / "artifacts")
        write_small(small)
        small.flush()
        ids = large.run_id, small.run_id
    with running_server(ServerSpec(home, port=0, environment=dict(os.environ))) as running:
        yield Site(running.base_url, *ids)


def write_small(study: Any) -> None:
    """Trial 0 is complete, with weights; 1 was pruned, 2 has failed; the study itself still runs."""
    config = {"model": {"name": "cnn", "filters": 64}}
    params = {"optimizer.lr": 0.01, "model.filters": 64, "optimizer.name": "adam"}
    complete = study.open_trial(0, params)
    for each in walked_trial(Walk(epochs=4)):
        complete.log_epoch(each)
    findings = [Finding("dead_units", 3, "7 of 10 units of block1.activation are dead")]
    complete.finish(
        TrialOutcome(TrialState.COMPLETE, (0.9,)),
        TrialArtifacts(config=config, confusion=evaluation(10), findings=findings),
    )
    pruned = study.open_trial(1, {**params, "optimizer.name": "sgd", "optimizer.momentum": 0.5})
    for number in (1, 2):
        pruned.log_epoch(epoch(number, 0.4))
    pruned.finish(TrialOutcome(TrialState.PRUNED, reason=REASON), TrialArtifacts(config=config))
    study.open_trial(2, params).finish(TrialOutcome(TrialState.FAILED, reason="the loss became NaN"))


class Watched:
    """A page and what went wrong on it: exceptions, messages of the console, requests to other machines."""

    def __init__(self, browser: Any, site: Site, **context: Any) -> None:
        self.wrong: list[str] = []
        size = {"width": 1366, "height": 768}
        self.context = browser.new_context(**{"viewport": size, "color_scheme": "light", **context})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        own = (site.url.removesuffix("/tunetrack"), "data:", "blob:")
        self.page.on("request", lambda asked: None if asked.url.startswith(own) else self.wrong.append(asked.url))


@pytest.fixture
def watched(browser: Any, site: Site) -> Iterator[Watched]:
    opened = Watched(browser, site)
    yield opened
    harmed = opened.page.evaluate("window.harmed")
    opened.context.close()
    assert harmed is None
    assert opened.wrong == []


def numbers(page: Any) -> list[int]:
    """The trials of the rows that are shown."""
    return [int(text) for text in page.locator("tbody th a").all_inner_texts()]


def wait_for_states(page: Any, state: str) -> None:
    """Until there are rows, and all of this state."""
    badges = page.locator("tbody .badge")
    sync_api.expect(badges.filter(has_not_text=state)).to_have_count(0)
    assert badges.count() > 0


def test_studies_are_listed_found_and_sorted(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}/")
    page.get_by_role("link", name=HOSTILE).wait_for()
    page.get_by_role("link", name="synthetic").wait_for()
    assert page.locator("tbody tr").count() == 2
    row = page.locator("tbody tr", has_text="experiment synthetic")
    assert f"{TRIALS} of {TRIALS} trials" in row.inner_text()
    answer = next(each for each in site.api("/studies")["studies"] if each["name"] == "synthetic")
    assert f"trial {answer['best']['number']}" in row.inner_text()
    assert f"{answer['trials']['PRUNED']}" in row.locator(".states").inner_text()
    page.get_by_role("button", name="Study").click()
    assert page.locator("tbody tr a").first.inner_text() == HOSTILE  # "<" comes before letters
    page.get_by_label("Find").fill("synth complete")
    assert page.locator("tbody tr").count() == 1
    page.reload()
    page.get_by_text("1 of 2").wait_for()
    page.get_by_role("link", name="synthetic").click()
    page.wait_for_url(f"**{site.large}")


def test_table_sorts_pages_and_keeps_chosen_trials_in_the_address(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}{site.large}/trials?size=25")
    page.locator("tbody tr").first.wait_for()
    best = site.api(f"{site.large}/trials?sort=values.0&order=desc&size=25")["rows"]
    assert numbers(page) == [row["number"] for row in best]
    assert page.locator("tbody tr").first.get_by_text("★").count() == 1
    page.get_by_role("button", name="lr", exact=True).click()
    page.locator("th[aria-sort=ascending] button", has_text="lr").wait_for()
    rows = site.api(f"{site.large}/trials?sort=params.optimizer.lr&order=asc&size=25&page=1")["rows"]
    page.get_by_role("checkbox", name="choose trial").nth(2).check()
    first = numbers(page)[2]
    page.get_by_role("button", name="next page").click()
    page.get_by_text(f"26 to 50 of {TRIALS} trials").wait_for()
    assert numbers(page) == [row["number"] for row in rows]
    # By keys: to the second row, choose it; the focus stays on it.
    page.locator("tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    second = numbers(page)[1]
    assert page.evaluate("document.activeElement.dataset.place") == f"row:{second}"
    address = page.url
    page.reload()
    page.get_by_text("2 chosen").wait_for()
    assert page.url == address
    assert page.get_by_role("checkbox", checked=True).count() == 1
    page.get_by_role("link", name="Compare").last.click()
    page.wait_for_url(f"**{site.large}/compare?trials={','.join(map(str, sorted((first, second))))}")


def test_filter_states_columns_and_csv(site: Site, watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    page.goto(f"{site.url}{site.large}/trials")
    page.get_by_role("button", name="pruned").click()
    wait_for_states(page, "pruned")
    page.get_by_role("searchbox", name="filter").fill("params.optimizer.name = sgd")
    page.get_by_role("searchbox", name="filter").press("Enter")
    term = "state+%3D+PRUNED+and+params.optimizer.name+%3D+sgd"
    wanted = site.api(f"{site.large}/trials?filter={term}")
    page.get_by_text(f"of {wanted['matched']} that match").wait_for()
    assert 0 < wanted["matched"] < site.api(f"{site.large}/trials?filter=state+%3D+PRUNED")["matched"]
    page.get_by_text("Columns (").click()
    page.get_by_label("Reason").check()
    page.get_by_label("Epochs").uncheck()
    assert page.locator("thead").get_by_text("Reason").count() == 1
    assert page.locator("thead").get_by_text("Epochs").count() == 0
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        assert len(list(csv.reader(file))) == wanted["matched"] + 1
    page.reload()
    page.locator("thead").get_by_text("Reason").wait_for()


def test_mistake_in_a_filter_is_said_and_can_be_mended(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}{site.large}/trials?filter=nonsense+%3C+3")
    said = page.get_by_role("alert")
    said.wait_for()
    assert "nonsense" in said.inner_text()
    page.get_by_text("How to filter").click()
    page.get_by_role("button", name="params.model.filters <").click()
    page.locator("tbody tr").first.wait_for()
    assert said.count() == 0
    # The browser itself says that the server answered 400; nothing else may have gone wrong.
    assert [text for text in watched.wrong if "400" not in text] == []
    watched.wrong.clear()


def test_one_trial_shows_figures_settings_and_commands(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}{site.small}/trials/0")
    page.get_by_role("heading", name="Trial 0").wait_for()
    assert page.get_by_text("best of the study").count() == 1
    assert "7 of 10 units of block1.activation are dead" in page.inner_text("main")
    for title in ("Loss", "Accuracy", "Histograms by epoch", "By depth", "By layer and epoch", "True class and answer"):
        figure = page.locator("figure", has=page.get_by_role("heading", name=title, exact=True))
        figure.scroll_into_view_if_needed()
        figure.locator("svg path").first.wait_for(state="attached")
    assert page.locator(".ridge").count() == 5  # the start and four epochs
    assert "900 of 990 images right" in page.inner_text("main")
    assert "class <3>" in page.locator("figure", has_text="True class and answer").inner_text()
    page.get_by_label("Statistic").select_option("l2")
    page.get_by_label("Histograms of").select_option("output.weight")
    page.reload()
    page.get_by_label("Statistic").wait_for()
    assert page.get_by_label("Statistic").input_value() == "l2"
    assert page.get_by_label("Histograms of").input_value() == "output.weight"
    assert "filters: 64" in page.get_by_label("configuration").inner_text()
    command = page.locator(".copyable pre").last
    assert "tunetrack train" in command.inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".copyable button").last.click()
    page.get_by_text("copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == command.inner_text()
    for ending, start in (("CSV", b"metric,epoch,value"), ("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            page.locator("figure", has_text="Loss").first.get_by_role("button", name=ending).click()
        assert Path(download.value.path()).read_bytes().startswith(start)
    page.get_by_role("link", name="next trial, 1").click()
    page.get_by_role("heading", name="Trial 1").wait_for()
    assert REASON[1:] in page.inner_text("main")
    assert "There are no weight statistics" in page.inner_text("main")
    assert page.locator("a", has_text="config.yaml").count() == 1


def test_narrow_and_dark_pages_fit_and_hold(site: Site, browser: Any) -> None:
    narrow = Watched(browser, site, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = narrow.page
    for path, ready in (
        ("/", "tbody tr"),
        (f"{site.large}/trials", "tbody tr"),
        (f"{site.small}/trials/0", "figure svg"),
    ):
        page.goto(f"{site.url}{path}")
        page.locator(ready).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Light").click()
    page.reload()
    page.locator("figure svg").first.wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    narrow.context.close()
    assert narrow.wrong == []


def test_table_of_a_single_file_sorts_without_a_server(site: Site, browser: Any) -> None:
    alone = Watched(browser, site)
    page = alone.page
    answers = {site.large: site.api(site.large)}
    held = {"answers": answers, "start": f"/tunetrack{site.large}/trials", "left_out": []}
    page.add_init_script(f"window.TUNETRACK = {json.dumps(held)}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto(f"{site.url}{site.large}/trials#/tunetrack{site.large}/trials?size=25")
    page.locator("tbody tr").first.wait_for()
    rows = site.api(f"{site.large}/trials?sort=values.0&order=desc&size=25")["rows"]
    assert numbers(page) == [row["number"] for row in rows]
    assert "The filter language needs the tracking server" in page.inner_text("main")
    page.get_by_role("button", name="failed").click()
    wait_for_states(page, "failed")
    assert asked == []
    alone.context.close()
    assert alone.wrong == []
