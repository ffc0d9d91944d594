"""Reviews studies of ours and experiments of anybody's, and keeps the review with the study's run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from tunetrack.report.review.foreign import read_foreign
from tunetrack.report.review.ours import read_reviewed
from tunetrack.report.review.rules import RULES, reviewed_by
from tunetrack.spec.review import CheckedRule, Review
from tunetrack.study.place import Place
from tunetrack.tracking import File, TrackingStore, connect, has_artifact, read_artifact, read_study, write_artifact
from tunetrack.tracking.reader import StudyReader

__all__ = ["last_review", "review_experiment", "review_files", "review_study"]

_logger = logging.getLogger(__name__)


def review_files(store: TrackingStore, run_id: str, reader: StudyReader | None = None) -> Mapping[str, bytes]:
    """The review of a study as a file for the study's run; none for a confirmation, whose study is reviewed itself.

    What cannot be reviewed is logged and said in the file: the end of a study must not fail by it.

    Args:
        store: where it is.
        run_id: the study's run.
        reader: of this store, which may have the study at hand; default: one of its own.
    """
    try:
        found = _reviewed(store, run_id, reader)
    except Exception as error:
        _logger.exception("the study run %s cannot be reviewed", run_id)
        why = f"the study cannot be read: {type(error).__name__}: {error}"
        skipped = tuple(CheckedRule(name, title, why) for name, (title, _) in RULES.items())
        found = Review(run_id, _now().isoformat(timespec="seconds"), checked=skipped)
    return {} if found is None else {File.REVIEW: _content(found)}


def review_study(name: str, place: Place) -> Review:
    """Looks for what readers of a study should know, and puts it on the study's run as ``review.json``.

    Args:
        name: the study, as MLflow has it.
        place: where its runs are.

    Raises:
        TrackingError: there is no such study, or the tracking store cannot be read or written.
    """
    with connect(place.tracking) as store:
        run_id = read_study(store, name).study.run_id
        found = _reviewed(store, run_id)
        if found is None:
            return Review(name, _now().isoformat(timespec="seconds"))
        write_artifact(store, run_id, File.REVIEW, _content(found))
    return found


def review_experiment(experiment: str, place: Place) -> Review:
    """The same for runs that tunetrack has not written, as far as params and metrics tell; nothing is written.

    Args:
        experiment: its name in MLflow, or its id.
        place: where it is.

    Raises:
        TrackingError: there is no such experiment, it has no runs but ours, or the tracking store cannot be read.
    """
    with connect(place.tracking) as store:
        return reviewed_by(read_foreign(store, experiment), _now())


def last_review(run_id: str, place: Place) -> Review | None:
    """The review that is stored with a study's run; None where there is none.

    Raises:
        TrackingError: the tracking store cannot be read.
    """
    with connect(place.tracking) as store:
        if not has_artifact(store, run_id, File.REVIEW):
            return None
        return Review.from_json(json.loads(read_artifact(store, run_id, File.REVIEW)))


def _reviewed(store: TrackingStore, run_id: str, reader: StudyReader | None = None) -> Review | None:
    seen = read_reviewed(store, run_id, reader)
    return None if seen.document.get("confirms") else reviewed_by(seen, _now())


def _content(review: Review) -> bytes:
    return (json.dumps(review.to_json(), ensure_ascii=False, indent=1) + "\n").encode()


def _now() -> datetime:
    return datetime.now(UTC)
