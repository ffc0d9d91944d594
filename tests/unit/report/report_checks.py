"""What holds for every report: well-formed, self-contained, small."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from urllib.parse import unquote

VOID = {"meta", "img", "wbr", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects text, ids, images and addresses, and checks that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.images: list[tuple[str, str]] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.addresses += [value for name, value in given.items() if name in ("src", "href", "action", "data")]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "img":
            self.images.append((given["alt"], given["src"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words += data


def check(text: str) -> Page:
    """Everything that holds for every report."""
    page = Page(text)
    assert len(text) < 1_000_000
    assert len(page.ids) == len(set(page.ids))
    assert not page.tags & {"script", "link", "iframe", "object", "embed"}
    assert all(address.startswith(("#", "data:image/svg+xml,")) for address in page.addresses)
    assert "http" not in re.sub(r'src="data:[^"]*"', "", text)
    assert "@import" not in text
    for alt, source in page.images:
        assert len(alt) > 10
        picture = unquote(source.removeprefix("data:image/svg+xml,"))
        ElementTree.fromstring(picture)  # well-formed
        outside = re.findall(r"(?:href|src)=['\"](?!#|data:image/png)[^'\"]*", picture)
        assert outside == []
    return page
