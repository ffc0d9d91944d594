"""A study's report: all pages in one file, on the study's run and on disk; and on disk for print, Markdown, scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from tunetrack.api.review import review_files
from tunetrack.errors import TunetrackError
from tunetrack.report import (
    build_document,
    build_figures,
    build_markdown,
    build_report,
    build_single,
    importance_info,
)
from tunetrack.study.place import Place
from tunetrack.tracking import File, StudyTable, TrackingStore, connect, read_study, write_artifact
from tunetrack.tracking.reader import StudyReader

__all__ = ["Form", "ranking", "report_files", "write_figures", "write_markdown", "write_report", "written"]


#: What a report may be, and how its file's name ends.
Form = Literal["html", "print", "json"]
_ENDINGS: dict[Form, str] = {"html": ".html", "print": "-print.html", "json": ".json"}


def ranking(table: StudyTable) -> tuple[str, ...]:
    """The paths of a study's searched parameters, the most important first; none where nothing can be said."""
    params = importance_info(table, resamples=0).params
    return tuple(param.path for param in params or ())


def report_files(store: TrackingStore, run_id: str) -> dict[str, bytes]:
    """The report of a study and its review, as files for the study's run.

    Raises:
        TrackingError: the tracking store cannot be read.
    """
    with closing(StudyReader(store)) as reader:  # reads a large study once
        review = review_files(store, run_id, reader)
        return {**review, File.REPORT: build_single(store, run_id, files=review, reader=reader).text.encode()}


def write_report(name: str, place: Place, output: Path | None = None, form: Form = "html") -> Path:
    """Builds the report of a study and writes it into a file; the form ``html`` is put on the study's run, too.

    Args:
        name: the study, as MLflow has it.
        place: where its runs are.
        output: the file; default: the study's name with .html, -print.html or .json, in `place.home`.
        form: ``html``: the pages of the tracking server with their data; ``print``: one page of text and pictures
            without scripts, which prints well; ``json``: the numbers behind them.

    Returns:
        The file that was written.

    Raises:
        TrackingError: there is no such study, or the tracking store cannot be read or written.
        TunetrackError: the file cannot be written.
    """
    with connect(place.tracking) as store:
        text = _built(store, name, form)
        if form == "html":
            write_artifact(store, read_study(store, name).study.run_id, File.REPORT, text.encode())
    return written(output or place.home / f"{name}{_ENDINGS[form]}", text)


def write_figures(name: str, place: Place, folder: Path) -> tuple[Path, ...]:
    """Writes the figures of a study into a folder, each as SVG and as PNG.

    Raises:
        TrackingError: there is no such study, or the tracking store cannot be read.
        TunetrackError: a file cannot be written.
    """
    with connect(place.tracking) as store:
        files = build_figures(store, name)
    return tuple(written(folder / file, content) for file, content in files.items())


def write_markdown(name: str, place: Place, output: Path | None = None, beside: Sequence[str] = ()) -> Path:
    """Builds the report of a study as a Markdown page, with the learning curves as ``<page>-curves.svg`` beside it.

    Args:
        name: the study, as MLflow has it.
        place: where its runs are.
        output: the page; default: the study's name with .md, in `place.home`.
        beside: further studies that are compared with the reference of the first one.

    Returns:
        The page that was written.

    Raises:
        TrackingError: there is no such study, or the tracking store cannot be read.
        TunetrackError: a file cannot be written.
    """
    target = output or place.home / f"{name}.md"
    figure = target.with_name(f"{target.stem}-curves.svg")
    with connect(place.tracking) as store:
        page = build_markdown(store, name, figure.name, beside)
    if page.figure:
        written(figure, page.figure)
    return written(target, page.text)


def _built(store: TrackingStore, name: str, form: Form) -> str:
    if form == "print":
        return build_report(store, name)
    if form == "json":
        return json.dumps(build_document(store, name), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    return build_single(store, name).text


def written(target: Path, content: str | bytes) -> Path:
    """The file, with this content.

    Raises:
        TunetrackError: it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise TunetrackError(f"the report cannot be written to {target}: {error.strerror}") from error
    return target
