"""A study's report: as HTML on the study's run and on disk, or as a Markdown page with its figure on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunetrack.errors import TunetrackError
from tunetrack.report import build_markdown, build_report, importance_info
from tunetrack.study.place import Place
from tunetrack.tracking import File, StudyTable, TrackingStore, connect, read_study, write_artifact

__all__ = ["ranking", "report_files", "write_markdown", "write_report", "written"]


def ranking(table: StudyTable) -> tuple[str, ...]:
    """The paths of a study's searched parameters, the most important first; none where nothing can be said."""
    params = importance_info(table, resamples=0).params
    return tuple(param.path for param in params or ())


def report_files(store: TrackingStore, run_id: str) -> dict[str, bytes]:
    """The report of a study as a file for the study's run.

    Raises:
        TrackingError: the tracking store cannot be read.
    """
    return {File.REPORT: build_report(store, run_id).encode()}


def write_report(name: str, place: Place, output: Path | None = None) -> Path:
    """Builds the report of a study, puts it on the study's run and into a file.

    Args:
        name: the study, as MLflow has it.
        place: where its runs are.
        output: the file; default: the study's name with .html, in `place.home`.

    Returns:
        The file that was written.

    Raises:
        TrackingError: there is no such study, or the tracking store cannot be read or written.
        TunetrackError: the file cannot be written.
    """
    with connect(place.tracking) as store:
        html = build_report(store, name)
        run_id = read_study(store, name).study.run_id
        write_artifact(store, run_id, File.REPORT, html.encode())
    return written(output or place.home / f"{name}.html", html)


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


def written(target: Path, text: str) -> Path:
    """The file, with this text in it.

    Raises:
        TunetrackError: it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TunetrackError(f"the report cannot be written to {target}: {error.strerror}") from error
    return target
