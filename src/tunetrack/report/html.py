"""Knows how text, tables and figures become safe, self-contained HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from tunetrack.report.style import to_svg

__all__ = ["breakable", "bullets", "document", "paragraph", "picture", "section", "table"]

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1f2933; line-height: 1.5;
  font: 16px/1.5 "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .5rem; padding-top: .9rem; border-top: 1px solid #e4e7eb; }
h3 { font-size: .95rem; margin: 1.2rem 0 .2rem; }
p, li { margin: .35rem 0; max-width: 72ch; }
ul { margin: .2rem 0; padding-left: 1.2rem; }
li { margin: .15rem 0; }
.meta, .note, figcaption { color: #52606d; font-size: .875rem; }
.lead { font-size: 1.2rem; line-height: 1.4; margin: .9rem 0 .5rem; overflow-wrap: anywhere; }
.facts { border-left: 4px solid #1f6fb2; background: #f5f9fd; padding: .6rem 1rem; margin: 1rem 0; }
.facts p { max-width: none; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .65rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e7eb; }
th { color: #52606d; font-weight: 600; vertical-align: bottom; border-bottom-color: #9aa5b1; }
td.n, th.n { text-align: right; white-space: nowrap; }
th.n { white-space: normal; }
tr.best td { background: #f5f9fd; font-weight: 600; }
caption { text-align: left; padding-bottom: .4rem; }
td.t { min-width: 9rem; max-width: 20rem; overflow-wrap: anywhere; }
td.long { min-width: 14rem; max-width: 34rem; overflow-wrap: anywhere; }
figure { margin: .6rem 0; }
figure img { display: block; width: 100%; min-width: 680px; height: auto; }
pre { background: #f7f8fa; border: 1px solid #e4e7eb; padding: .8rem 1rem; overflow-x: auto; font-size: .8rem;
  line-height: 1.45; }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
summary { cursor: pointer; padding: .3rem 0; }
.remark { border-left: 4px solid #9aa5b1; padding: .1rem 0 .1rem .8rem; margin: .7rem 0; break-inside: avoid; }
.remark h3 { margin: 0; font-size: .95rem; }
.remark p { margin: .15rem 0; font-size: .9rem; }
.remark .advice { color: #52606d; }
.remark .weight { font-size: .72rem; text-transform: uppercase; letter-spacing: .04em; padding: .05rem .4rem;
  border-radius: 3px; background: #e4e7eb; color: #1f2933; vertical-align: .08em; margin-right: .25rem; }
.remark.is-high { border-color: #b3261e; } .remark.is-high .weight { background: #b3261e; color: #fff; }
.remark.is-medium { border-color: #d9822b; } .remark.is-medium .weight { background: #8a4b00; color: #fff; }
.remark.is-low { border-color: #1f6fb2; }
@media (max-width: 560px) { main { padding: 18px 12px 40px; } h1 { font-size: 1.35rem; } .lead { font-size: 1.08rem; } }
@media print { .scroll { overflow: visible; } figure img { min-width: 0; } details > pre { display: block; }
  main { padding: 0; max-width: none; } table { font-size: .6rem; } th, td { padding: .2rem .25rem; }
  td.t, td.long { min-width: 0; } th { overflow-wrap: anywhere; } pre { white-space: pre-wrap; }
  figure, tr, .facts { break-inside: avoid; } h2, caption { break-after: avoid; } }
""".strip()

#: What must be encoded in a data URI that stands in a double-quoted attribute; shorter than base64, above all where
#: the figure holds a picture that is base64 already.
_IN_URI = {"%": "%25", "#": "%23", "<": "%3C", ">": "%3E", "&": "%26", '"': "'", "\n": " "}

#: A cell: its text, and how it is set: "n" a number, "t" a name, "long" a sentence, "" anything else.
Cell = tuple[str, str]


def document(title: str, body: Sequence[str]) -> str:
    """The whole page. `title` is escaped here; the parts of `body` are HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(identity: str, title: str, *parts: str) -> str:
    """A section with its heading; empty parts are left out, and the parts are HTML already."""
    inner = "\n".join(part for part in parts if part)
    return (
        f'<section id="{identity}" aria-labelledby="{identity}-title">\n'
        f'<h2 id="{identity}-title">{escape(title)}</h2>\n{inner}\n</section>'
    )


def paragraph(text: str, kind: str = "") -> str:
    """One paragraph of plain text; empty text gives none."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>" if text else ""


def bullets(items: Sequence[str]) -> str:
    """A list of plain texts."""
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def table(heads: Sequence[Cell], rows: Sequence[Sequence[Cell]], best: int | None = None, caption: str = "") -> str:
    """A table that scrolls sideways where the page is narrower.

    Args:
        heads: the column titles.
        rows: cells as plain text.
        best: index of the row to stand out.
        caption: plain text above it, for people and screen readers.
    """
    top = f'<caption class="meta">{escape(caption)}</caption>' if caption else ""
    head = "".join(f'<th scope="col"{_kind(kind)}>{breakable(text)}</th>' for text, kind in heads)
    lines = []
    for index, row in enumerate(rows):
        cells = "".join(f"<td{_kind(kind)}>{escape(text)}</td>" for text, kind in row)
        lines.append(f"<tr{_kind('best' if index == best else '')}>{cells}</tr>")
    inner = f"{top}<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{inner}</table></div>'


def picture(drawn: Figure, alt: str, caption: str = "") -> str:
    """A figure as SVG inside the page, with words for those who cannot see it.

    It is an image and not inline SVG, so that the ids of several figures cannot meet in one document.
    """
    data = "".join(_IN_URI.get(mark, mark) for mark in to_svg(drawn))
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><div class="scroll" tabindex="0"><img alt="{escape(alt)}" src="data:image/svg+xml,{data}">'
        f"</div>{words}</figure>"
    )


def breakable(text: str) -> str:
    """Escaped text that may break after dots, slashes and underscores, as long parameter paths must."""
    return re.sub(r"([./_])", r"\1<wbr>", escape(text))


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
