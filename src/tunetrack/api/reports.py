"""A study's report as one HTML file: on the study's run, and on disk where it is asked for."""

from __future__ import annotations

from pathlib import Path

from tunetrack.errors import TunetrackError
from tunetrack.report import build_report
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult
from tunetrack.tracking import connect, read_study, write_artifact

__all__ = ["log_report", "write_report"]

REPORT_FILE = "report.html"


def log_report(result: StudyResult) -> None:
    """Builds the report of a study and puts it on the study's run.

    Raises:
        TrackingError: the tracking store cannot be read or written.
    """
    if result.run_id is None:
        return
    with connect(result.tracking_uri) as store:
        html = build_report(store, result.run_id)
        write_artifact(store, result.run_id, REPORT_FILE, html.encode())


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
        write_artifact(store, run_id, REPORT_FILE, html.encode())
    target = output or place.home / f"{name}.html"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(html, encoding="utf-8")
    except OSError as error:
        raise TunetrackError(f"the report cannot be written to {target}: {error.strerror}") from error
    return target
