"""Knows how the pages and the answers that they ask for become one file that needs neither server nor network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import quote

__all__ = ["LIMIT", "Answer", "SingleFile", "render_single", "static_modules"]

#: Bytes of a file that mail and MLflow's artifact viewer still take without trouble.
LIMIT = 5_000_000

_IMPORT = re.compile(
    r"""(?P<head>^\s*(?:import|export|\})[^"'\n]*\bfrom\s+|^\s*import\s+)"(?P<name>\.[^"\n]+)";""", re.MULTILINE
)

#: What may stand in a data: URL as it is. Tabs and line ends may not: the browser leaves them out.
_IN_URL = " !$&'()*+,-./:;<=>?@[]^_`{|}~\"\\"

#: Nothing is fetched, whatever a name in the study may contain: scripts are those in the file, pictures are data.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Answer:
    """What the pages get where they ask for a path.

    Attributes:
        path: below ``/tunetrack/api``, such as ``/studies/ID``; it answers questions with a query too, unless there is
            an answer for exactly those.
        data: ready for JSON, without NaN and infinity.
        about: what it is, for the sentence that says that it was left out; empty where the file is nothing without it.
    """

    path: str
    data: Any
    about: str = ""


@dataclass(frozen=True)
class SingleFile:
    """One file.

    Attributes:
        text: HTML.
        left_out: what had no room, one sentence each.
    """

    text: str
    left_out: tuple[str, ...]


def render_single(
    title: str,
    start: str,
    answers: Sequence[Answer],
    words: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    limit: int = LIMIT,
) -> SingleFile:
    """The pages as one HTML file, with all that they show inside it.

    It works from a mail attachment, from ``file://``, and inside frames that have no origin, such as that of MLflow's
    artifact viewer: every module stands in an import map as a ``data:`` URL.

    Args:
        title: the study's name.
        start: the page that it opens with, such as ``/tunetrack/studies/ID``.
        answers: the most important first; the last ones are left out where all are too large together.
        words: the outcome in sentences, for readers without JavaScript.
        facts: what the pages need to know of the file: `made`, when; `compared`, the trials whose comparison it holds;
            `left_out`, what was left out before.
        limit: bytes of the file; answers without `about` are kept even where they alone are larger.

    Returns:
        The file, and what was left out of it, which it says itself too.

    Raises:
        ValueError: a number among the answers is NaN or infinite.
    """
    frame = _frame(title, words)
    room = limit - len(frame.encode()) - 2_000
    kept: dict[str, str] = {}
    left: list[str] = list((facts or {}).get("left_out", ()))
    for answer in answers:
        text = _json(answer.data)
        if answer.about and len(text.encode()) > room:
            left.append(f"{answer.about} ({_size(len(text.encode()))})")
            continue
        room -= len(text.encode()) + len(answer.path) + 4
        kept[answer.path] = text
    inner = ",\n".join(f"{_json(path)}: {text}" for path, text in kept.items())
    about = _json({"start": start, "compared": [], **(facts or {}), "left_out": left})
    data = f'{{"facts": {about}, "answers": {{\n{inner}\n}}}}'
    return SingleFile(frame.replace(_DATA, data, 1), tuple(left))


def static_modules() -> tuple[dict[str, str], str]:
    """The pages' modules by path, and their style sheet, as they lie in the package."""
    # By the package's name and not as a module: a report needs the files of the server's folder, not its code.
    root = files("tunetrack").joinpath("server", "static")
    found = {path: file.read_text(encoding="utf-8") for path, file in _below(root, PurePosixPath())}
    return {path: text for path, text in found.items() if path.endswith(".js")}, found["style.css"]


_DATA = "@@answers@@"
_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="tunetrack">
<title>{title}</title>
<style>
{style}
</style>
<script type="importmap">{modules}</script>
</head>
<body>
<noscript><h1>{title}</h1>{words}<p>The figures need JavaScript.</p></noscript>
<script type="application/json" id="tunetrack-data">{data}</script>
<script>
{{
  const held = document.getElementById("tunetrack-data");
  const {{ facts, answers }} = JSON.parse(held.textContent);
  window.TUNETRACK = {{ ...facts, answers }};
  held.remove();
}}
</script>
<script type="module">import "tunetrack/app.js";</script>
</body>
</html>
"""


def _frame(title: str, words: Sequence[str]) -> str:
    """The file, with `_DATA` where the answers shall stand."""
    modules, style = static_modules()
    urls = {f"tunetrack/{path}": _data_url(_absolute(path, text)) for path, text in sorted(modules.items())}
    return _TEMPLATE.format(
        policy=_POLICY,
        title=escape(title),
        style=style.replace("</", "<\\/"),
        modules=_json({"imports": urls}),
        words="".join(f"<p>{escape(word)}</p>" for word in words),
        data=_DATA,
    )


def _absolute(path: str, text: str) -> str:
    """A module whose imports are names of the import map: relative ones mean nothing in a ``data:`` URL."""
    folder = PurePosixPath(path).parent

    def named(found: re.Match[str]) -> str:
        return f'{found["head"]}"tunetrack/{normpath(str(folder / found["name"]))}";'

    return _IMPORT.sub(named, text)


def _data_url(text: str) -> str:
    return "data:text/javascript;charset=utf-8," + quote(text, safe=_IN_URL)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{max(1, round(count / 1000))} kB"


def _json(data: Any) -> str:
    """JSON that may stand in a script element: no ``<`` can end it or begin a comment in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _below(folder: Traversable, path: PurePosixPath) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        here = path / entry.name
        found += _below(entry, here) if entry.is_dir() else [(str(here), entry)]
    return [(name, file) for name, file in found if name.endswith((".js", ".css"))]
