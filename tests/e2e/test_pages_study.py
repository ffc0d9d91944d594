"""The page of a study in a real browser: figures, brushes, addresses, downloads, and a study that grows."""

from __future__ import annotations

import csv
import math
import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tracking_support import epoch, study_info
from tunetrack.server import TrackingServer
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrackingStore, TrialRun, connect
from tunetrack.tracking.runs import StudyRun

pytestmark = pytest.mark.browser

STUDY, TRIALS = "page <b>of</b> a study", 16
HOSTILE = "<img src=x onerror=alert(1)>"
FIGURES = (
    "History",
    "Parameters of all trials",
    "Importance of parameters",
    "Parameters that act together",
    "Two parameters together",
    "Learning curves",
    "From the median trial to the best",
    "Workers over time",
    "Where the time went",
    "What the last bit cost",
)
Params = dict[int, dict[str, Any]]


@pytest.fixture(scope="module")
def store(server: TrackingServer) -> Iterator[TrackingStore]:
    with connect(server.base_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def params() -> Params:
    draw = random.Random(3)
    found: Params = {}
    for number in range(TRIALS + 1):
        found[number] = {
            "optimizer.lr": 10 ** draw.uniform(-5, -1),
            "model.filters": draw.randrange(16, 129, 8),
            "optimizer.name": ("adam", "sgd", HOSTILE)[number % 3],
        }
        if number % 3 == 1:
            found[number]["optimizer.momentum"] = draw.random()
    return found


@pytest.fixture(scope="module")
def study(store: TrackingStore, params: Params) -> StudyRun:
    """Sixteen made-up trials: every fourth pruned, one failed, one with a value far from the others."""
    study = store.open_study(study_info(STUDY), "study-page")
    for number in range(TRIALS):
        run_trial(study, number, params[number])
    study.flush()
    return study


def run_trial(study: StudyRun, number: int, params: dict[str, Any]) -> TrialRun:
    best = 0.05 if number == 6 else 0.93 - 0.03 * abs(math.log10(params["optimizer.lr"]) + 3)
    pruned = number % 4 == 3
    trial = study.open_trial(number, params)
    for index in range(1, 3 if pruned else 5):
        trial.log_epoch(epoch(index, best - 0.3 * 0.6**index))
    if pruned:
        trial.finish(TrialOutcome(TrialState.PRUNED, reason="below the median at epoch 2"))
    elif number == 5:
        trial.finish(TrialOutcome(TrialState.FAILED, reason=HOSTILE))
    else:
        trial.finish(TrialOutcome(TrialState.COMPLETE, (best,)))
    return trial


@pytest.fixture
def page(browser: Any, server: TrackingServer) -> Iterator[Any]:
    """A page; errors in it, and requests that go elsewhere, fail the test."""
    wrong: list[str] = []
    opened = browser.new_page(viewport={"width": 1366, "height": 900})
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("dialog", lambda dialog: wrong.append(dialog.message))
    here = (server.base_url, "data:", "blob:")
    opened.on("request", lambda asked: None if asked.url.startswith(here) else wrong.append(asked.url))
    yield opened
    opened.close()
    assert wrong == []


def address(server: TrackingServer, study: StudyRun, query: str = "") -> str:
    return f"{server.base_url}/tunetrack/studies/{study.run_id}{query}"


def figure(page: Any, title: str) -> Any:
    heading = page.get_by_role("heading", name=title, exact=True, level=3)
    return page.locator("figure", has=heading)


def drawing(page: Any, title: str) -> Any:
    """The figure's picture, once it is in sight and drawn."""
    shown = figure(page, title)
    shown.scroll_into_view_if_needed()
    picture = shown.locator(".plot > svg")
    picture.wait_for()
    return picture


def axis(page: Any, path: str) -> Any:
    drawing(page, "Parameters of all trials")
    return page.locator(f".axis-group[data-path='{path}']")


def query(page: Any) -> dict[str, str]:
    page.wait_for_timeout(50)
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def picked(page: Any) -> int:
    return int(page.locator(".picked b").inner_text().split()[0])


def within(params: Params, low: float, high: float) -> int:
    return sum(low <= each["optimizer.lr"] <= high for number, each in params.items() if number < TRIALS)


def test_page_says_the_outcome_and_draws_every_figure(page: Any, server: TrackingServer, study: StudyRun) -> None:
    page.goto(address(server, study))
    page.get_by_role("heading", name=STUDY, exact=True).wait_for()
    assert f"{TRIALS} of 12" in page.locator(".tiles").inner_text()
    for title in FIGURES:
        shown = figure(page, title)
        shown.scroll_into_view_if_needed()
        shown.locator(".plot > svg, .nothing").first.wait_for()
    for path in ("optimizer.lr", "model.filters", "optimizer.name", "optimizer.momentum"):
        assert drawing(page, path).locator("path.marks").count() >= 1
    labels = axis(page, "optimizer.name").evaluate("element => element.textContent")
    assert HOSTILE.replace(" ", "") in labels.replace(" ", "")
    # One trial lies far off: it does not flatten the others, and is not passed over in silence.
    assert "1 trial with a value far from the others" in figure(page, "History").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_brush_picks_trials_for_all_figures_and_stands_in_the_address(
    page: Any, server: TrackingServer, study: StudyRun, params: Params
) -> None:
    page.goto(address(server, study))
    grip = axis(page, "optimizer.lr").locator(".grip").bounding_box()
    middle = grip["x"] + grip["width"] / 2
    page.mouse.move(middle, grip["y"] + 60)
    page.mouse.down()
    page.mouse.move(middle, grip["y"] + 160, steps=4)
    page.mouse.up()
    low, high = map(float, query(page)["b.optimizer.lr"].split(":"))
    expected = within(params, low, high)
    assert 0 < expected < TRIALS
    assert picked(page) == expected
    history = figure(page, "History")
    history.scroll_into_view_if_needed()
    history.locator("path.marks.dimmed").first.wait_for()
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    assert picked(page) == expected
    page.get_by_role("button", name="Show in table").click()
    assert query(page)["filter"] == f"params.optimizer.lr >= {low:.12g} and params.optimizer.lr <= {high:.12g}"
    page.go_back()
    page.get_by_role("button", name="Compare these").click()
    assert len(query(page)["trials"].split(",")) == expected


def test_brush_by_keys_and_on_those_that_do_not_use_a_parameter(
    page: Any, server: TrackingServer, study: StudyRun, params: Params
) -> None:
    page.goto(address(server, study))
    rate = axis(page, "optimizer.lr")
    rate.focus()
    page.keyboard.press("ArrowUp")
    first = query(page)["b.optimizer.lr"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    now = query(page)["b.optimizer.lr"]
    assert now != first
    assert picked(page) == within(params, *map(float, now.split(":")))
    assert f"{picked(page)} of {TRIALS} trials" in rate.get_attribute("aria-valuetext")
    page.keyboard.press("Delete")
    axis(page, "optimizer.momentum").focus()
    page.keyboard.press("n")
    assert query(page) == {"b.optimizer.momentum": "none"}
    without = sum("optimizer.momentum" not in params[number] for number in range(TRIALS))
    assert picked(page) == without
    page.get_by_role("button", name="Show in table").click()
    assert query(page)["filter"] == "params.optimizer.momentum = none"
    page.get_by_text(f"of {without} that match ({TRIALS} in all)").wait_for()
    page.go_back()
    axis(page, "optimizer.momentum").focus()
    shown = page.locator(".axis-group").evaluate_all("groups => groups.slice(0, -1).map((each) => each.dataset.path)")
    place = shown.index("optimizer.momentum")
    to = place - 1 if place else 1
    page.keyboard.press("ArrowLeft" if place else "ArrowRight")
    shown[place], shown[to] = shown[to], shown[place]
    assert query(page)["order"] == ",".join(shown)
    assert page.evaluate("document.activeElement.dataset.path") == "optimizer.momentum"


def test_figures_out_of_sight_are_there_for_paper_and_pictures(
    page: Any, server: TrackingServer, study: StudyRun
) -> None:
    page.add_init_script("window.requestIdleCallback = (work) => (window.idleWork ??= []).push(work);")
    page.goto(address(server, study))
    drawing(page, "History")
    missing = """() => [...document.querySelectorAll("figure.card")]
      .filter((one) => !one.querySelector(".plot > svg, .nothing")).length"""
    before = page.evaluate(missing)
    assert before > 0
    page.evaluate("idleWork.shift()()")  # one figure at a time, while the browser has nothing else to do
    assert page.evaluate(missing) == before - 1
    page.evaluate("while (idleWork.length) idleWork.shift()()")
    assert page.evaluate(missing) == 0
    page.reload()
    drawing(page, "History")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(missing) == 0


def test_hidden_states_stand_in_the_address(page: Any, server: TrackingServer, study: StudyRun) -> None:
    page.goto(address(server, study, "?hide=PRUNED"))
    drawing(page, "History")
    chip = page.get_by_role("button", name=re.compile("^pruned"))
    assert chip.get_attribute("aria-pressed") == "false"
    pruned = figure(page, "History").locator("path.marks[stroke='var(--pruned)']")
    assert pruned.count() == 0
    chip.click()
    pruned.wait_for()
    assert "hide" not in query(page)


def test_running_study_grows_on_the_page_without_losing_what_one_did(
    page: Any, server: TrackingServer, study: StudyRun, params: Params
) -> None:
    page.goto(address(server, study, "?b.model.filters=8:200"))
    picture = drawing(page, "History")
    picture.focus()
    page.keyboard.press("ArrowRight")
    tip = figure(page, "History").locator(".tip")
    said, scrolled = tip.inner_text(), page.evaluate("scrollY")
    before = picked(page)
    run_trial(study, TRIALS, params[TRIALS])
    study.flush()
    page.locator(".picked b", has_text=f"{TRIALS + 1} of {TRIALS + 1} trials").wait_for()
    assert before == TRIALS
    assert tip.inner_text() == said
    assert page.evaluate("scrollY") == scrolled
    assert page.evaluate("document.activeElement.tagName") == "svg"


def test_downloads_are_numbers_and_pictures(
    page: Any, server: TrackingServer, study: StudyRun, params: Params, tmp_path: Path
) -> None:
    page.goto(address(server, study))
    drawing(page, "Parameters of all trials")
    files = {}
    for ending in ("CSV", "SVG", "PNG"):
        with page.expect_download() as download:
            figure(page, "Parameters of all trials").get_by_role("button", name=ending).click()
        files[ending] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[ending])
    rows = list(csv.DictReader(files["CSV"].read_text().splitlines()))
    assert [float(row["optimizer.lr"]) for row in rows[:TRIALS]] == [
        pytest.approx(params[number]["optimizer.lr"]) for number in range(TRIALS)
    ]
    drawn = ElementTree.parse(files["SVG"]).getroot()
    lines = [each for each in drawn.iter("{http://www.w3.org/2000/svg}path") if each.get("d", "").count("M") >= 1]
    assert sum(each.get("d", "").count("M") for each in lines) >= TRIALS
    assert files["PNG"].read_bytes().startswith(b"\x89PNG")
    assert unquote(files["PNG"].name).endswith("parallel.png")


def test_what_a_study_teaches_is_drawn_as_the_data_says(page: Any, server: TrackingServer, study: StudyRun) -> None:
    page.goto(address(server, study))
    told = page.request.get(f"{server.base_url}/tunetrack/api/studies/{study.run_id}").json()
    known = told["understanding"]
    assert {one["path"] for one in known["effects"]["parameters"]} >= {"optimizer.lr", "optimizer.name"}
    for one in known["effects"]["parameters"]:
        picture = drawing(page, f"Effect of {one['path']}")
        if one["few"]:
            assert picture.locator(".effect-dot").count() == len(one["at"])
        else:
            assert picture.locator(".effect-band").get_attribute("d").count("L") == 2 * len(one["at"]) - 1
    for sentence in known["effects"]["words"]:
        assert page.get_by_text(sentence, exact=True).is_visible()
    steps = known["path"]["steps"]
    path = drawing(page, "From the median trial to the best")
    assert (path.locator(".effect-dot").count(), path.locator(".measured").count()) == (len(steps), 2)
    with page.expect_download() as download:
        figure(page, "From the median trial to the best").get_by_role("button", name="CSV").click()
    rows = list(csv.reader(Path(download.value.path()).read_text(encoding="utf-8").splitlines()))
    assert [float(row[1]) for row in rows[1:]] == pytest.approx([step["value"] for step in steps], rel=1e-5)
    ranks = known["pruning"]["points"]
    assert [point["epoch"] for point in ranks] == [1, 2, 3]
    assert drawing(page, "Do early epochs foretell the end?").locator(".curve").get_attribute("d").count("L") == 2
    bars = drawing(page, "What the last bit cost").locator("rect.bar")
    assert bars.count() == len(told["cost"]["reach"]) == 5
    table = page.get_by_role("table", name="Cost of trials by state")
    assert table.locator("tbody tr").count() == len(told["cost"]["rows"]) == 3
    # A click on an effect shows the trials behind it.
    drawing(page, "Effect of optimizer.lr").click(position={"x": 120, "y": 120})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator("figure.revealed").get_by_role("heading", name="optimizer.lr", exact=True).wait_for()
