"""Knows what a reader asks of a tracking store, whatever kind of store it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tunetrack.tracking.rows import StoredRun, StudyRow

__all__ = ["GRACE_MS", "Changes", "Head", "Source", "must_read"]

#: A run is read again at the first look that is later than this after its end: what was queued for it may come after.
GRACE_MS = 60_000


@dataclass(frozen=True)
class Head:
    """What tells at little cost whether a run may have changed."""

    name: str
    status: str
    start: int
    end: int | None

    @property
    def running(self) -> bool:
        """Whether the run has not ended, or was taken up again."""
        return self.end is None or self.status == "RUNNING"


@dataclass(frozen=True)
class Changes:
    """What has happened to the trials of a study.

    Attributes:
        gone: ids of runs that are not there any more.
        runs: new runs, and those that may have changed.
    """

    gone: frozenset[str]
    runs: tuple[StoredRun, ...]


def must_read(known: Head | None, now: Head | None, since: int) -> bool:
    """Whether a run must be read again.

    Args:
        known: as it was at the last look; None: it was not there.
        now: as it is; None where that is not known.
        since: when the last look was, ms since 1970.
    """
    if known is None or known.running or (now is not None and now != known):
        return True
    return known.end is not None and known.end > since - GRACE_MS


class Source(ABC):
    """Reads from one store. All methods may be called by several threads, and raise what the store raises."""

    @abstractmethod
    def pulse(self) -> int | None:
        """A number that is another one whenever anything in the store has changed; None where there is none."""

    @abstractmethod
    def studies(self) -> tuple[StudyRow, ...]:
        """All studies, newest first, as `tunetrack.tracking.queries.list_studies` gives them."""

    @abstractmethod
    def overviews(self, studies: Sequence[StudyRow]) -> dict[str, list[StoredRun]] | None:
        """The runs of the trials of these studies, by study run, each with the tags and metrics that an overview needs.

        None where that is no cheaper than reading the trials whole.
        """

    @abstractmethod
    def study(self, run_id: str) -> StudyRow | None:
        """A study by its run; None where it is not there (any more)."""

    @abstractmethod
    def trials(self, study: StudyRow) -> list[StoredRun]:
        """All runs of its trials."""

    @abstractmethod
    def changes(self, study: StudyRow, known: Mapping[str, Head], since: int) -> Changes:
        """What has happened since a look at `since`, ms since 1970, that found the `known` runs."""

    @abstractmethod
    def history(self, run_ids: Sequence[str], metrics: Sequence[str] | None) -> pd.DataFrame:
        """As `tunetrack.tracking.queries.read_history`."""

    @abstractmethod
    def artifact_location(self, run_id: str) -> str | None:
        """Where a run's artifacts are; None where there is no such run."""

    @abstractmethod
    def tags(self, run_id: str) -> dict[str, str]:
        """All tags of one run; none where there is no such run."""

    @abstractmethod
    def views(self, experiments: Sequence[str]) -> set[tuple[str, str]]:
        """(experiment id, id of a saved view) of all views in these experiments."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""
