"""The one file: what stands in it, what cannot break out of it, and what is left out where it grows too large."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from tunetrack.report.single.file import Answer, render_single, static_modules

EVIL = "</script><script>alert(1)</script><!-- \u2028 & \" ' 𝔘𝔫𝔦"


def held(text: str) -> dict[str, Any]:
    """What the file's script finds in its data element."""
    found = re.search(r'<script type="application/json" id="tunetrack-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def modules(text: str) -> dict[str, str]:
    found = re.search(r'<script type="importmap">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    urls = json.loads(found[1])["imports"]
    assert all(url.startswith("data:text/javascript;charset=utf-8,") for url in urls.values())
    return {name: unquote(url.partition(",")[2]) for name, url in urls.items()}


def test_answers_come_back_as_they_were() -> None:
    answers = [Answer("/studies/1", {"name": EVIL, EVIL: [1, 2.5, None]}), Answer("/studies/1/compare", [EVIL])]

    file = render_single(EVIL, "/tunetrack/studies/1", answers, [EVIL], {"compared": [3], "made": EVIL})

    assert held(file.text) == {
        "facts": {"start": "/tunetrack/studies/1", "left_out": [], "compared": [3], "made": EVIL},
        "answers": {answer.path: answer.data for answer in answers},
    }


def test_names_cannot_end_a_script_or_begin_one() -> None:
    plain = render_single("plain", "/x", [Answer("/studies/1", {"name": "plain"})], ["plain"]).text

    evil = render_single(EVIL, "/x", [Answer(EVIL, {EVIL: EVIL})], [EVIL]).text

    assert evil.count("<script") == plain.count("<script")
    assert evil.count("</script") == plain.count("</script")
    assert evil.count("<!--") == 0
    assert "\u2028" not in held_text(evil)


def held_text(text: str) -> str:
    return text.partition('id="tunetrack-data">')[2].partition("</script>")[0]


def test_every_import_is_in_the_import_map() -> None:
    found = modules(render_single("study", "/x", []).text)

    assert set(found) == {f"tunetrack/{path}" for path in static_modules()[0]}
    for name, text in found.items():
        imported = re.findall(r'\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"', text, re.MULTILINE)
        assert {first or second for first, second in imported} <= set(found), name
    assert any("core/dom.js" in text for text in found.values())


def test_modules_are_as_they_lie_in_the_package_but_for_their_imports() -> None:
    found = modules(render_single("study", "/x", []).text)

    for path, text in static_modules()[0].items():
        ours = [line for line in text.splitlines() if " from " not in line and not line.startswith("import ")]
        theirs = [
            line
            for line in found[f"tunetrack/{path}"].splitlines()
            if " from " not in line and not line.startswith("import ")
        ]
        assert ours == theirs


def test_nothing_is_fetched() -> None:
    text = render_single("study", "/x", []).text

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    assert not re.search(r'<(?:link|img|iframe|script)[^>]*\s(?:src|href)="', text)


def test_the_last_answers_are_left_out_first() -> None:
    empty = len(render_single("study", "/x", []).text.encode())
    answers = [
        Answer("/first", "a" * 10_000),
        Answer("/second", "b" * 10_000, "the second"),
        Answer("/third", "c" * 10_000, "the third"),
    ]

    file = render_single("study", "/x", answers, limit=empty + 25_000)

    assert set(held(file.text)["answers"]) == {"/first", "/second"}
    assert file.left_out == ("the third (10 kB)",)
    assert held(file.text)["facts"]["left_out"] == list(file.left_out)
    assert len(file.text.encode()) <= empty + 25_000


def test_a_smaller_answer_still_finds_room() -> None:
    empty = len(render_single("study", "/x", []).text.encode())
    answers = [Answer("/large", "ü" * 10_000, "the large one"), Answer("/small", "b" * 1_000, "the small one")]

    file = render_single("study", "/x", answers, limit=empty + 15_000)

    assert set(held(file.text)["answers"]) == {"/small"}


def test_what_the_file_is_nothing_without_stays() -> None:
    file = render_single("study", "/x", [Answer("/first", "a" * 10_000)], limit=100)

    assert set(held(file.text)["answers"]) == {"/first"}
    assert file.left_out == ()


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render_single("study", "/x", [Answer("/first", float("nan"))])


def test_a_reader_without_javascript_reads_the_outcome() -> None:
    text = render_single("a <study>", "/x", [], ["Trial 3 is the best with 0.9 & more."]).text

    assert "<noscript><h1>a &lt;study&gt;</h1><p>Trial 3 is the best with 0.9 &amp; more.</p>" in text
