"""The winner and the review in a real browser: on the page of a study, in the lists, on trials and their replicates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evidence_support import SEEDS, review, review_text, winner
from tracking_support import epoch, study_info
from tunetrack.report import build_single
from tunetrack.server import TrackingServer
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.tracking import DatasetInfo, StudyRun, StudyState, TrackingStore, connect, write_artifact

pytestmark = pytest.mark.browser

NAME, TRIALS = "winner <b>of</b> a study", 6
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Studies:
    """A confirmed search, its confirmation, and a search that nobody has confirmed."""

    search: StudyRun
    confirmation: StudyRun
    single: StudyRun


@pytest.fixture(scope="module")
def store(server: TrackingServer) -> Iterator[TrackingStore]:
    with connect(server.base_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def studies(store: TrackingStore) -> Studies:
    search, single = written(store, NAME), written(store, "single-seed")
    confirms = Confirms(study=NAME, key="k", run=search.run_id, trials=(0, 1, 2, 3), seeds=SEEDS)
    confirmation = store.open_study(replace(study_info(f"{NAME}-confirm"), confirms=confirms), "winner-page")
    names = (NAME, search.run_id), (f"{NAME}-confirm", confirmation.run_id)
    found = winner(names[0], [(number, params(number)) for number in range(4)], names[1], searched_trials=TRIALS)
    for number in range(8):  # two seeds are enough to look at
        one = found.of(confirms.original(number))
        assert one is not None
        trial = confirmation.open_trial(number, params(number % 4))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (one.values[number // 4],)))
    confirmation.finish(StudyState.COMPLETE)
    confirmation.flush()
    for run in (search, confirmation):
        write_artifact(store, run.run_id, "winner.json", found.to_json().encode())
    hostile = ReviewFinding("hostile", Severity.HIGH, HOSTILE, HOSTILE, HOSTILE, (1, 2))
    write_artifact(store, search.run_id, "review.json", review_text(with_hostile(hostile)).encode())
    return Studies(search, confirmation, single)


def with_hostile(finding: ReviewFinding) -> Any:
    found = review(NAME)
    return replace(found, findings=(finding, *found.findings[1:]))


def params(number: int) -> dict[str, Any]:
    return {"optimizer.lr": 10.0 ** -(number + 1), "model.filters": 16, "optimizer.name": "adam"}


def written(store: TrackingStore, name: str) -> StudyRun:
    study = store.open_study(study_info(name), "winner-page")
    sizes = {"train": 100, "validation": 10_000, "test": 50}
    study.log_dataset(DatasetInfo("digits", "d1", sizes, (1, 8, 8), ("a", "b"), "here"))
    for number in range(TRIALS):
        trial = study.open_trial(number, params(number))
        trial.log_epoch(epoch(1, 0.9 - number / 100))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9 - number / 100,)))
    study.finish(StudyState.COMPLETE, best_trial=0)
    study.flush()
    return study


@pytest.fixture
def page(browser: Any, server: TrackingServer) -> Iterator[Any]:
    """A page; errors in it fail the test."""
    wrong: list[str] = []
    opened = browser.new_page(viewport={"width": 1366, "height": 900})
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield opened
    opened.close()
    assert wrong == []


def address(server: TrackingServer, run: StudyRun | None = None, below: str = "") -> str:
    return f"{server.base_url}/tunetrack/" + ("" if run is None else f"studies/{run.run_id}{below}")


def section(page: Any, title: str) -> Any:
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True, level=2))


def test_the_page_of_a_study_begins_with_the_winner_and_the_review(
    page: Any, server: TrackingServer, studies: Studies
) -> None:
    page.goto(address(server, studies.search))
    shown = section(page, "The winner")
    shown.locator("figure svg[role=img]").wait_for()

    lead = page.locator(".facts .lead").inner_text()
    assert lead.startswith(
        "Winner: trial 1, validation/accuracy 0.9118 (95 % interval 0.9058 to 0.9178, 5 seeds × 10,000"
    )
    assert "0.9118 ± 0.0060" in page.locator(".tiles").inner_text()
    rows = shown.locator("tbody tr")
    assert [row.locator("th").inner_text() for row in rows.all()] == ["trial 0", "★ trial 1", "trial 2", "trial 3"]
    assert rows.nth(1).get_attribute("class") == "chosen"
    assert "5 × 10,000" in rows.nth(1).inner_text()
    assert "−0.0044 to +0.0016, p 0.310" in rows.nth(1).inner_text()
    drawn = shown.locator("figure svg[role=img]")
    assert drawn.locator("rect.together").count() == 2
    assert drawn.locator("circle[r='2.4']").count() == 4 * len(SEEDS)
    assert "trial 1 ★ 0.9118" in (drawn.get_attribute("aria-label") or "")
    found = section(page, "Review")
    assert found.locator(".finding.is-high h3").inner_text().endswith(HOSTILE)
    assert not found.get_by_text("4 of the best 5 have 120").is_visible()
    found.get_by_text("2 of less weight").click()
    assert found.get_by_text("4 of the best 5 have 120").is_visible()
    found.get_by_text("What was looked for: 5 rules").click()
    assert found.get_by_text("not applied: no trial was pruned").is_visible()


def test_a_search_of_single_seeds_says_so(page: Any, server: TrackingServer, studies: Studies) -> None:
    page.goto(address(server, studies.single))
    shown = section(page, "The winner")
    shown.get_by_text("tunetrack confirm single-seed").wait_for()

    assert shown.locator("figure, table").count() == 0
    assert section(page, "Review").count() == 0 or not section(page, "Review").is_visible()
    assert "1 seed" in page.locator(".tiles").inner_text()


def test_the_lists_tell_one_seed_from_several(page: Any, server: TrackingServer, studies: Studies) -> None:
    page.goto(address(server))
    row = page.locator("tbody tr", has=page.get_by_role("link", name=NAME, exact=True)).filter(has_text="0.9118")
    row.wait_for()
    assert re.search(r"0\.9118 ± 0\.0060\s+trial 1, 5 seeds", row.inner_text())
    assert row.locator(".weight.high").inner_text().lower() == "1 high"
    assert row.locator(".confirmed .seed-mark").count() == 1
    confirms = page.locator("tbody tr", has=page.get_by_role("link", name=f"{NAME}-confirm", exact=True))
    assert f"confirms {NAME}" in confirms.inner_text()

    page.goto(address(server, studies.search, "/trials"))
    table = page.locator("table", has=page.get_by_text("mean of several seeds"))
    table.wait_for()
    lines = [line.inner_text() for line in table.locator("tbody tr").all()]
    assert ["★" in line for line in lines] == [False, True, False, False, False, False]
    assert ["5 seeds" in line for line in lines] == [True] * 4 + [False] * 2
    assert all(re.search(r"0\.\d{4} ± 0\.00\d\d", line) for line in lines)
    assert "1 seed" in lines[4]


def test_links_lead_from_a_trial_to_its_replicates_and_back(
    page: Any, server: TrackingServer, studies: Studies
) -> None:
    page.goto(address(server, studies.search, "/trials/1"))
    page.get_by_text("The confirmed winner of the study").wait_for()
    page.get_by_role("link", name="0.9130").click()
    page.get_by_text("Replicate of").wait_for()
    assert page.url.endswith(f"/studies/{studies.confirmation.run_id}/trials/5")
    assert f"Replicate of trial 1 of {NAME}, seed 1001." in page.locator(".facts").inner_text()
    page.get_by_role("link", name="trial 1", exact=True).click()
    page.get_by_text("The confirmed winner of the study").wait_for()
    assert page.url.endswith(f"/studies/{studies.search.run_id}/trials/1")

    page.goto(address(server, studies.confirmation, "/trials"))
    page.get_by_role("columnheader", name="Replicate of").wait_for()
    page.get_by_role("link", name="trial 3").first.click()
    page.get_by_text("Confirmed on several seeds").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_page(
    browser: Any, server: TrackingServer, studies: Studies, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page.goto(address(server, studies.search))
    section(page, "The winner").locator("figure svg[role=img]").wait_for()
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, client = page.evaluate(wide)
    tiles = page.evaluate("[...document.querySelectorAll('.tile')].filter((t) => t.scrollWidth > t.clientWidth).length")
    page.close()

    assert scroll <= client
    assert tiles == 0


def test_the_single_file_shows_the_winner_without_a_server(
    page: Any, store: TrackingStore, studies: Studies, tmp_path: Path
) -> None:
    file = tmp_path / "study.html"
    file.write_text(build_single(store, studies.search.run_id).text, encoding="utf-8")
    page.goto(file.as_uri())
    shown = section(page, "The winner")
    shown.locator("figure svg[role=img]").wait_for()

    assert "★ trial 1" in shown.inner_text()
    assert shown.get_by_role("link", name=f"{NAME}-confirm").count() == 0  # a file holds one study alone
    page.goto(f"{file.as_uri()}#/tunetrack/studies/{studies.search.run_id}/trials")
    page.get_by_text("mean of several seeds").wait_for()
    assert page.locator("tbody tr").nth(1).inner_text().count("5 seeds") == 1
    facts = json.loads(page.evaluate("JSON.stringify(window.TUNETRACK.compared)"))
    assert facts[0] == 1
