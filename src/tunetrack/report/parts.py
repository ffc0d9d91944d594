"""Knows what a page can be made of, and how the same parts become HTML or Markdown with figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.figure import Figure

from tunetrack.report import html, markdown
from tunetrack.report.style import to_svg

__all__ = ["Drawing", "Grid", "Items", "Page", "Part", "Section", "Words", "page_html", "page_markdown"]


@dataclass(frozen=True)
class Words:
    """A paragraph of plain text; `note`: small print."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Items:
    """A list of plain sentences, under a heading of its own where there is one."""

    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of plain texts.

    Attributes:
        heads: column titles.
        rows: as many cells each.
        names: indices of the columns that stand left; the others are numbers.
        folded: where not empty, HTML shows it only on demand, under these words, and Markdown not at all.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: tuple[int, ...] = ()
    folded: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: tells its file apart from those of the page's other figures.
        drawn: the figure.
        alt: words for those who cannot see it.
        caption: what is to be seen, in small print below.
    """

    name: str
    drawn: Figure
    alt: str
    caption: str = ""


Part = Words | Items | Grid | Drawing


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    name: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Page:
    """A page: its title, a line about what it is, and its sections; those without parts are left out."""

    title: str
    about: str
    sections: tuple[Section, ...]


def page_html(page: Page) -> str:
    """One self-contained HTML page."""
    head = f"<header>\n<h1>{html.breakable(page.title)}</h1>\n{html.paragraph(page.about, 'meta')}\n</header>"
    body = [html.section(part.name, part.title, *map(_html, part.parts)) for part in page.sections if part.parts]
    return html.document(page.title, [head, *body])


def _html(part: Part) -> str:
    match part:
        case Words(text, note):
            return html.paragraph(text, "note" if note else "")
        case Items(items, title):
            return (f"<h3>{escape(title)}</h3>\n" if title else "") + html.bullets(items)
        case Grid(heads, rows, names, folded):
            kinds = ["t" if index in names else "n" for index in range(len(heads))]
            made = html.table(
                list(zip(heads, kinds, strict=True)), [list(zip(row, kinds, strict=True)) for row in rows]
            )
            return f"<details><summary>{escape(folded)}</summary>{made}</details>" if folded else made
        case Drawing():
            return html.picture(part.drawn, part.alt, part.caption)


def page_markdown(page: Page, stem: str) -> tuple[str, dict[str, str]]:
    """A Markdown page, and its figures as SVG by the name of their file beside it.

    Args:
        page: what to write.
        stem: what the names of the figures' files begin with.
    """
    figures: dict[str, str] = {}
    parts = [f"# {markdown.line(page.title)}", markdown.line(page.about)]
    for section in page.sections:
        inner = [_markdown(part, stem, figures) for part in section.parts]
        parts.append(markdown.section(section.title, *inner))
    return markdown.document(parts), figures


def _markdown(part: Part, stem: str, figures: dict[str, str]) -> str:
    match part:
        case Words(text):
            return markdown.line(text)
        case Items(items, title):
            head = f"### {markdown.line(title)}\n\n" if title else ""
            return head + markdown.bullets([markdown.line(item) for item in items])
        case Grid(heads, rows, names, folded):
            numbers: Sequence[int] = [index for index in range(len(heads)) if index not in names]
            cells = [[markdown.line(cell) for cell in row] for row in rows]
            return "" if folded else markdown.table([markdown.line(head) for head in heads], cells, numbers)
        case Drawing(name, drawn, alt, caption):
            file = f"{stem}-{name}.svg"
            figures[file] = to_svg(drawn)
            return f"![{markdown.line(alt)}]({file})" + (f"\n\n*{markdown.line(caption)}*" if caption else "")
