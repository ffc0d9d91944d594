"""Knows what a page can be made of, and how the same parts become HTML or Markdown with figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.figure import Figure

from tunetrack.report import html, markdown
from tunetrack.report.style import to_svg

__all__ = [
    "Drawing",
    "Grid",
    "Items",
    "Page",
    "Part",
    "Remark",
    "Section",
    "Words",
    "page_html",
    "page_markdown",
    "section_html",
    "section_markdown",
]


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
        best: index of the row that stands out in HTML; None: no row does.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: tuple[int, ...] = ()
    folded: str = ""
    best: int | None = None


@dataclass(frozen=True)
class Remark:
    """Something that was noticed.

    Attributes:
        weight: how much it weighs, in one word: ``high``, ``medium``, ``low`` or ``note``.
        title: what it is, in a sentence.
        text: what it rests on.
        advice: what to do; may be empty.
    """

    weight: str
    title: str
    text: str
    advice: str = ""


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


Part = Words | Items | Grid | Remark | Drawing


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
    return html.document(page.title, [head, *map(section_html, page.sections)])


def section_html(section: Section) -> str:
    """One section of a page; empty where it has no parts."""
    return html.section(section.name, section.title, *map(_html, section.parts)) if section.parts else ""


def _html(part: Part) -> str:
    match part:
        case Words(text, note):
            return html.paragraph(text, "note" if note else "")
        case Items(items, title):
            return (f"<h3>{escape(title)}</h3>\n" if title else "") + html.bullets(items)
        case Grid(heads, rows, names, folded, best):
            kinds = ["t" if index in names else "n" for index in range(len(heads))]
            made = html.table(
                list(zip(heads, kinds, strict=True)), [list(zip(row, kinds, strict=True)) for row in rows], best
            )
            return f"<details><summary>{escape(folded)}</summary>{made}</details>" if folded else made
        case Remark(weight, title, text, advice):
            more = html.paragraph(text) + html.paragraph(advice, "advice")
            badge = f'<span class="weight">{escape(weight)}</span>'
            return f'<div class="remark is-{escape(weight)}"><h3>{badge} {escape(title)}</h3>{more}</div>'
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
    parts += [section_markdown(section, stem, figures) for section in page.sections]
    return markdown.document(parts), figures


def section_markdown(section: Section, stem: str, figures: dict[str, str]) -> str:
    """One section of a page; empty where it has no parts.

    Args:
        section: what to write.
        stem: what the names of the figures' files begin with.
        figures: gets the section's figures, SVG by file name.
    """
    return markdown.section(section.title, *(_markdown(part, stem, figures) for part in section.parts))


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
        case Remark(weight, title, text, advice):
            said = markdown.line(f"{title}. {text} {advice}")
            return f"- **{markdown.line(weight)}**: {said}"
        case Drawing(name, drawn, alt, caption):
            file = f"{stem}-{name}.svg"
            figures[file] = to_svg(drawn)
            return f"![{markdown.line(alt)}]({file})" + (f"\n\n*{markdown.line(caption)}*" if caption else "")
