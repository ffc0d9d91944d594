"""Knows what is stored with a study beside its trials, read once for each state of the study."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tunetrack.errors import SpecError
from tunetrack.report.views.study import StudyFacts
from tunetrack.spec.reading import read_yaml
from tunetrack.tracking.names import File
from tunetrack.tracking.queries import StudyRow, TrackingStore, image_counts
from tunetrack.tracking.reader import StudyReader

__all__ = ["Facts"]

_log = logging.getLogger("mlflow.server")

Fact = TypeVar("Fact")


class Facts:
    """Study files and data sets, which change only when a study is resumed or ends.

    Args:
        store: where the studies are.
        reader: of that store.
    """

    def __init__(self, store: TrackingStore, reader: StudyReader) -> None:
        self._store = store
        self._reader = reader
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[str, Any]] = {}

    def of(self, study: StudyRow) -> StudyFacts:
        """All of them.

        Raises:
            TrackingError: the store failed.
        """
        images = self._once("images", study, lambda: image_counts(self._store, study))
        view = self._once("view", study, lambda: self._view(study))
        return StudyFacts(self.document(study), images, view)

    def document(self, study: StudyRow) -> Mapping[str, Any]:
        """The stored study file; empty where there is none, or it cannot be read.

        Raises:
            TrackingError: the store failed.
        """
        return self._once("document", study, lambda: self._document(study))

    def _document(self, study: StudyRow) -> Mapping[str, Any]:
        content = self._reader.artifact(study.run_id, File.STUDY)
        try:
            read = read_yaml((content or b"").decode(), File.STUDY)
        except (SpecError, UnicodeDecodeError) as error:
            _log.warning("tunetrack: the file stored with study %s cannot be read: %s", study.run_id, error)
            read = None
        return dict(read) if isinstance(read, Mapping) else {}

    def _view(self, study: StudyRow) -> str | None:
        found = (each for each in self._reader.studies() if each.study.run_id == study.run_id)
        return next((each.saved_view for each in found), None)

    def _once(self, name: str, study: StudyRow, read: Callable[[], Fact]) -> Fact:
        state = f"{study.state} {study.end}"
        with self._lock:
            known = self._known.get((name, study.run_id))
        if known is not None and known[0] == state:
            found: Fact = known[1]
            return found
        fact = read()
        with self._lock:
            self._known[name, study.run_id] = (state, fact)
        return fact
