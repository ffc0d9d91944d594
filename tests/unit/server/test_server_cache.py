"""What is computed once, what is kept, and when the store is looked at again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pages_support import Pages

from tunetrack.server.answers import Body, etag, json_body
from tunetrack.server.asked import MissingError
from tunetrack.server.cache import Kept, Once
from tunetrack.server.looks import Looks


@dataclass(frozen=True)
class Thing:
    size: int


def test_the_same_work_is_done_once_at_a_time() -> None:
    once, begun, enough = Once(2), [], threading.Event()

    def work() -> int:
        begun.append(1)
        enough.wait(5)
        return len(begun)

    async def many() -> list[int]:
        waiting = [asyncio.ensure_future(once.run("key", work)) for _ in range(20)]
        other = await once.run("other", lambda: 7)
        gone = waiting.pop()
        gone.cancel()  # somebody leaves, and the others are answered all the same
        enough.set()
        return [other, *await asyncio.gather(*waiting)]

    assert asyncio.run(many()) == [7] + [1] * 19
    assert asyncio.run(once.run("key", work)) == 2  # later it is done again
    once.close()


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    once, calls, enough = Once(1), [], threading.Event()

    def work() -> int:
        calls.append(1)
        enough.wait(5)
        if len(calls) == 1:
            raise ValueError("first")
        return 2

    async def two() -> list[Any]:
        waiting = [asyncio.ensure_future(once.run("key", work)) for _ in range(2)]
        await asyncio.sleep(0)
        enough.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [str(each) for each in asyncio.run(two())] == ["first", "first"]
    assert asyncio.run(once.run("key", work)) == 2
    once.close()


def test_the_least_recently_used_goes_first() -> None:
    kept: Kept[Thing] = Kept(10)
    for key, size in (("a", 4), ("b", 4)):
        kept.put(key, Thing(size))
    assert kept.get("a") is not None
    kept.put("c", Thing(4))
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]
    kept.put("a", Thing(6))
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]
    kept.put("huge", Thing(11))
    assert kept.get("huge") is None
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def looks(pages: Pages, clock: Clock) -> Iterator[Looks]:
    found = Looks(pages.app.state.looks.reader, clock)
    yield found
    found._once.close()  # its threads alone: the reader is every test's


def test_a_study_is_looked_at_once_a_second(
    pages: Pages, looks: Looks, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, reader = [], looks.reader
    table = reader.table
    monkeypatch.setattr(reader, "table", lambda study: asked.append(study) or table(study))
    study = pages.study.run_id
    for now, expected in ((100.0, 1), (100.9, 1), (101.0, 2), (101.5, 2)):
        clock.now = now
        assert asyncio.run(looks.study(study)).table.study.run_id == study
        assert len(asked) == expected
    clock.now = 110.0
    with pytest.raises(MissingError):
        asyncio.run(looks.study("0" * 32))


def test_what_took_long_is_not_computed_again_at_once(looks: Looks, clock: Clock) -> None:
    def compute(text: str) -> Body:
        clock.now += 2.0
        return json_body(text)

    def body(version: str) -> str:
        return asyncio.run(looks.body("key", version, lambda: compute(version))).version

    assert body("1") == "1"
    assert body("2") == "1"  # for four times as long as it took
    clock.now += 7.9
    assert body("3") == "1"
    clock.now += 0.2
    assert body("4") == "4"


def test_json_holds_no_markup_and_no_nan() -> None:
    body = json_body({"a": "<b>", "c": [float("nan"), float("inf"), 1.5]})
    assert body.raw == b'{"a":"\\u003cb>","c":[null,null,1.5]}'
    assert body.packed is None
    assert json_body("x" * 3000).packed is not None


def test_versions_have_tags_of_their_own() -> None:
    assert etag("1") != etag("2")
    assert etag('"\r\n').isprintable()
