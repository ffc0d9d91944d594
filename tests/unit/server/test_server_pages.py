"""The data behind the pages, in process: what is given, how it is cached, and how mistakes are said."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pages_support import API, HOSTILE, Pages
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import tunetrack.server.static as static_module
from tracking_support import epoch
from tunetrack.errors import TrackingError
from tunetrack.report.views import Views
from tunetrack.spec.records import TrialOutcome, TrialState


def test_studies_are_listed(pages: Pages) -> None:
    (study,) = pages.client.get(f"{API}/studies").json()["studies"]
    assert (study["id"], study["name"]) == (pages.study.run_id, f"a{HOSTILE}")
    assert study["trials"] == {"COMPLETE": 3, "PRUNED": 1, "RUNNING": 1}
    assert study["budget"]["trials"] == 12  # of the stored study file
    assert study["best"] == {"number": 2, "values": [0.62]}


def test_a_study_is_given_as_columns(pages: Pages) -> None:
    study = pages.get("").json()
    assert study["study"]["id"] == pages.study.run_id
    assert study["trials"]["number"] == [0, 1, 2, 3, 4]
    assert study["trials"]["values"] == [[0.6, 0.61, 0.62, None, None]]
    assert study["budget"]["trials"] == {"used": 4, "limit": 12}


def test_trials_are_paged_sorted_and_filtered(pages: Pages) -> None:
    page = pages.get("/trials?size=2&page=0&sort=values.0&order=desc&filter=state = COMPLETE").json()
    assert (page["total"], page["matched"], [row["number"] for row in page["rows"]]) == (5, 3, [2, 1])


def test_curves_are_given_for_the_trials_asked_for(pages: Pages) -> None:
    curves = pages.get("/history?trials=1,4&metrics=validation/accuracy").json()["metrics"]["validation/accuracy"]
    assert {number: curve["steps"] for number, curve in curves.items()} == {"1": [1, 2], "4": [1]}


def test_a_trial_is_given_whole(pages: Pages) -> None:
    trial = pages.get("/trials/3").json()
    assert (trial["trial"]["number"], trial["trial"]["reason"]) == (3, HOSTILE)
    assert trial["curves"]["metrics"]["validation/accuracy"]["3"]["steps"] == [1, 2]
    assert pages.get("/trials/99").status_code == 404
    assert pages.get("/trials/-1").status_code == 400


@pytest.mark.parametrize(
    ("path", "first"),
    [("/trials.csv?sort=number", "number"), ("/history.csv?trials=0,1", ""), ("/compare.csv?trials=0,1", "")],
)
def test_tables_are_given_for_download(pages: Pages, path: str, first: str) -> None:
    table = pages.get(path)
    assert table.status_code == 200
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    name = path.partition("?")[0].strip("/")
    assert table.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert table.text.startswith(first)
    assert len(table.text.splitlines()) > 2


def test_trials_are_compared(pages: Pages) -> None:
    compared = pages.get("/compare?trials=2,0").json()
    assert [row["number"] for row in compared["trials"]] == [2, 0]
    assert [each["path"] for each in compared["differs"]] == ["optimizer.lr"]
    confusion = pages.get("/compare/confusion?trials=0,4").json()["trials"]
    assert confusion["4"] is None
    assert confusion["0"]["counts"] == [[90, 1, 1], [1, 90, 1], [1, 1, 90]]
    assert pages.get("/compare/weights?trials=0,4").json()["trials"] == {"0": None, "4": None}
    assert "no answers" in pages.get("/compare/images?a=0&b=1").json()["reason"]


def test_pictures_are_pictures(pages: Pages) -> None:
    assert pages.get("/images.png").status_code == 404
    content = b"\x89PNG\r\n\x1a\n and so on"
    pages.study.log_files({"validation_images.png": content})
    pages.study.flush()
    answer = pages.get("/images.png?")
    assert (answer.content, answer.headers["content-type"]) == (content, "image/png")


def test_a_browser_that_has_the_version_gets_no_body(pages: Pages) -> None:
    first = pages.get("")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = pages.get("", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert pages.get("", headers={"If-None-Match": '"x"'}).status_code == 200


def test_large_answers_are_compressed_for_those_who_can_read_that(pages: Pages) -> None:
    packed = pages.get("", headers={"Accept-Encoding": "gzip"})
    plain = pages.get("", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.json() == plain.json()


def test_many_who_ask_at_once_are_answered_by_one_computation(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, enough = [], threading.Event()
    compare = Views.compare

    def slow(*given: Any) -> Any:
        begun.append(given)
        enough.wait(5)
        return compare(*given)

    monkeypatch.setattr(Views, "compare", slow)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(pages.get, "/compare?trials=0,1,3") for _ in range(8)]
        # The event loop is free meanwhile.
        assert pages.client.get(f"{API}/studies").status_code == 200
        enough.set()
        found = {each.result().text for each in asked}
    assert (len(begun), len(found)) == (1, 1)


def test_what_changes_is_seen_and_the_rest_stays_cached(pages: Pages) -> None:
    before = pages.get("/compare?trials=0,1").headers["etag"]
    version = pages.get("").headers["etag"]
    trial = pages.study.open_trial(5, {"optimizer.lr": 0.25})
    trial.log_epoch(epoch(1))
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.7,)))
    pages.study.flush()
    found = _until_changed(pages, version)
    assert found["trials"]["values"][0][5] == 0.7
    assert pages.get("/compare?trials=0,1").headers["etag"] == before
    pages.store.client.delete_run(trial.run_id)
    _until_changed(pages, pages.get("").headers["etag"])


def _until_changed(pages: Pages, tag: str) -> Any:
    for _ in range(200):
        answer = pages.get("", headers={"If-None-Match": tag})
        if answer.status_code == 200:
            return answer.json()
        threading.Event().wait(0.05)
    raise AssertionError("the study did not change")


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/trials?size=501", 400, "size is '501'; allowed: whole numbers from 0 to 500"),
        ("/trials?size=0", 400, "1 to 500 rows"),
        ("/trials?page=-1", 400, "page is '-1'"),
        ("/trials?page=1e9", 400, "page is '1e9'"),
        ("/trials?page=%EF%BC%91", 400, "page is '１'"),
        ("/trials?filter=<b>", 400, "cannot be read"),
        ("/trials?sort=params.nothing", 400, "nothing"),
        ("/trials?order=up", 400, "asc or desc"),
        ("/trials?filter=" + "x" * 2001, 400, "2001 characters"),
        ("/history", 400, "1 to 200 trial numbers"),
        ("/history?trials=1,a", 400, "trials is '1,a'"),
        ("/history?trials=1&metrics=" + ",".join(map(str, range(61))), 400, "61 names"),
        ("/history?trials=77", 404, "no trial 77"),
        ("/compare?trials=1", 400, "2 to 50"),
        ("/compare?trials=" + ",".join(map(str, range(51))), 400, "2 to 50"),
        ("/compare/images?a=1", 400, "b is ''"),
        ("/compare/images?a=1&b=1", 400, "2 to 50 different trials"),
        ("/compare/images?a=1&b=nan", 400, "b is 'nan'"),
        ("/nothing", 404, "nothing at this address"),
    ],
)
def test_mistakes_are_said_in_a_sentence(pages: Pages, path: str, status: int, sentence: str) -> None:
    answer = pages.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert sentence in answer.json()["error"]
    assert "<" not in answer.text


@pytest.mark.parametrize("study", ["0" * 32, "x", "..%2f", "a" * 10_000, "%00"])
def test_studies_that_are_not_there(pages: Pages, study: str) -> None:
    answer = pages.client.get(f"{API}/studies/{study}/trials")
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_failures_of_the_store_name_no_address(pages: Pages, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: Any) -> Any:
        raise TrackingError("cannot read postgresql://somebody:secret@host/name")

    monkeypatch.setattr(Views, "trials", broken)
    answer = pages.get("/trials?size=7")
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert "secret" in caplog.text


def test_a_defect_shows_no_traceback(pages: Pages, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(Views, "trials", lambda *_: 1 / 0)
    answer = pages.get("/trials?size=8")
    assert (answer.status_code, list(answer.json())) == (500, ["error"])
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/", "/studies/x", "/studies/x/trials", "/studies/x/compare?trials=1,2", "/studies/x/trials/3"],
)
def test_every_page_is_the_same_file(pages: Pages, path: str) -> None:
    page = pages.client.get(f"/tunetrack{path}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == (static_module.FOLDER / "index.html").read_bytes()
    assert page.headers["cache-control"] == "no-cache"


def test_the_shell_runs_no_script_of_its_own() -> None:
    page = (static_module.FOLDER / "index.html").read_text()
    scripts = [part.split("</script>")[0] for part in page.split("<script")[1:]]
    assert scripts
    assert all(script.partition(">")[2] == "" and 'src="/tunetrack/static/' in script for script in scripts)


def test_static_files_have_their_types(tmp_path: Path) -> None:
    files = static_module.PageFiles(tmp_path)
    for name in ("a.js", "b.css", "c.svg", "d.py", ".e.js", "f"):
        (tmp_path / name).write_text("x")
    (tmp_path.parent / "outside.js").write_text("secret")
    (tmp_path / "link.js").symlink_to(tmp_path.parent / "outside.js")
    client = TestClient(Starlette(routes=[Mount("/static", files)]))
    kinds = {"a.js": "text/javascript", "b.css": "text/css", "c.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        answer = client.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
        tag = answer.headers["etag"]
        assert client.get(f"/static/{name}", headers={"If-None-Match": tag}).status_code == 304
    for name in (
        "d.py",
        ".e.js",
        "f",
        "link.js",
        "..%2foutside.js",
        "%2e%2e/outside.js",
        "a.js%00",
        "x" * 5000 + ".js",
    ):
        assert client.get(f"/static/{name}").status_code == 404, name


@pytest.mark.parametrize("path", ["/", "/api/studies", "/nothing", "/static/index.html", "/api/studies/x"])
def test_every_answer_has_the_careful_headers(pages: Pages, path: str) -> None:
    headers = pages.client.get(f"/tunetrack{path}").headers
    assert headers["content-security-policy"].startswith(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(pages: Pages, method: str) -> None:
    for path in ("/", "/api/studies", f"/api/studies/{pages.study.run_id}", "/static/index.html"):
        answer = pages.client.request(method, f"/tunetrack{path}")
        assert (answer.status_code, answer.json()["error"]) == (405, "this address can only be read: GET")


def test_hostile_names_come_back_as_text_only(pages: Pages) -> None:
    for path in ("", "/trials", "/compare?trials=0,3"):
        answer = pages.get(path)
        assert answer.status_code == 200
        assert "<" not in answer.text
        assert HOSTILE in json.dumps(answer.json(), ensure_ascii=False)
