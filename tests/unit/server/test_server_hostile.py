"""Addresses that nobody sends by accident: they change nothing, leak nothing, and are answered in a sentence."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages_support import API, HOSTILE, Pages

from tunetrack.server import asked

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NASTY = [
    "..",
    "../..",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/pyproject.toml",
    "....//",
    "..\\..\\",
    "%5c..%5c",
    "%00",
    "%0d%0aSet-Cookie:x=1",
    "%ff%fe",
    "/etc/passwd",
    "//evil.example/",
    "mlflow.db",
    "app.js/../../routes.py",
    "-1",
    "NaN",
    "1e400",
    "9" * 400,
    "0x10",
    "١٢",
    "x" * 10_000,
    quote(HOSTILE),
    quote("\u202e\u2066\ufeff\U0010ffff"),
    quote("' OR 1=1 --"),
]
nasty = st.sampled_from(NASTY) | st.text(max_size=40).map(lambda text: quote(text, safe=""))
words = st.sampled_from(
    ["api", "studies", "static", "trials", "compare", "history.csv", "images.png", "index.html", ""]
)
names = st.sampled_from(["trials", "metrics", "page", "size", "sort", "order", "filter", "a", "b"])
TAILS = ["", "/trials", "/trials.csv", "/history", "/compare", "/compare/weights", "/compare/images", "/images.png"]
#: What would stand in an answer that shows a file of another place, or a defect.
SECRETS = ("root:", "[project]", "SQLite format", "Traceback", "def ", "import ")


def check(status: int, kind: str, text: str) -> None:
    assert status in (200, 400, 404), text
    if status == 200:
        assert kind.startswith(("application/json", "text/html", "text/csv", "image/png"))
    else:
        assert kind == "application/json"
        assert '{"error": ' in text
        assert len(text) < 1000
    assert not any(secret in text for secret in SECRETS)
    if kind.startswith("application/json"):
        assert "<" not in text


@SETTINGS
@given(parts=st.lists(words | nasty, max_size=6))
def test_paths(pages: Pages, parts: list[str]) -> None:
    # The client makes "a/../b" to "b" before it asks; %2f and %2e stay as they are, and are read by the server.
    answer = pages.client.get("/tunetrack/" + "/".join(parts).lstrip("/"), follow_redirects=False)
    if answer.url.path.startswith("/tunetrack/") and "\n" not in answer.url.path:
        check(answer.status_code, answer.headers.get("content-type", ""), answer.text)


@SETTINGS
@given(tail=st.sampled_from(TAILS), query=st.lists(st.tuples(names, nasty), max_size=4))
def test_queries(pages: Pages, tail: str, query: list[tuple[str, str]]) -> None:
    answer = pages.get(f"{tail}?" + "&".join(f"{name}={value}" for name, value in query))
    check(answer.status_code, answer.headers["content-type"], answer.text)


@SETTINGS
@given(
    term=st.lists(
        st.sampled_from(
            ["number", "state", "values.0", "value", "params.optimizer.lr", "metrics.x", "=", "~", "<=", "and"]
        )
        | st.text(string.printable, max_size=12),
        max_size=7,
    )
)
def test_filters(pages: Pages, term: list[str]) -> None:
    answer = pages.get(f"/trials?filter={quote(' '.join(term))}")
    check(answer.status_code, answer.headers["content-type"], answer.text)


@given(value=st.text(max_size=30) | st.integers(-10, 2000).map(str))
def test_numbers_are_whole_or_refused(value: str) -> None:
    if value.isascii() and value.isdigit() and len(value) < 10 and int(value) <= 1000:
        assert asked.number({"page": value}, "page", 0, 1000) == int(value)
    else:
        with pytest.raises(asked.AskedError) as error:
            asked.number({"page": value}, "page", 0, 1000)
        assert str(error.value).isprintable()


@given(values=st.lists(st.integers(0, 99), min_size=1, max_size=30))
def test_lists_of_numbers_keep_their_order(values: list[int]) -> None:
    text = ",".join(map(str, values))
    assert asked.numbers({"trials": text}, "trials", 1, 50) == tuple(dict.fromkeys(values))


def test_names_of_files_never_leave_the_run(pages: Pages) -> None:
    for name in ("../../mlflow.db", "..%2f..%2fmlflow.db", "/etc/passwd", "images.png%00"):
        for path in (f"/{name}", f"/images.png?path={name}", f"/trials/0/{name}"):
            answer = pages.client.get(f"{API}/studies/{pages.study.run_id}{path}")
            assert answer.status_code == 404
            assert "SQLite" not in answer.text
