"""Knows what is stored with a study about how far its winner can be trusted: its confirmation, and its review."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tunetrack.errors import TrackingError
from tunetrack.spec.review import Review, Severity
from tunetrack.spec.winner import Winner

__all__ = ["REVIEW_FILE", "WINNER_FILE", "Evidence", "read_evidence", "review_of"]

#: Artifacts of the study's run.
WINNER_FILE, REVIEW_FILE = "winner.json", "review.json"


@dataclass(frozen=True)
class Evidence:
    """What a study's run has beside its trials.

    Attributes:
        winner: the confirmed winner; None where nothing was confirmed.
        review: what the reviewer has found; None where nobody has looked.
        troubles: why a file that is there is not shown, one sentence each.
    """

    winner: Winner | None = None
    review: Review | None = None
    troubles: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """Number of findings that weigh as much as this."""
        return 0 if self.review is None else sum(one.severity is severity for one in self.review.findings)


def read_evidence(read: Callable[[str], bytes | None]) -> Evidence:
    """What a study has; a file of a later version, or one that somebody has changed, counts as trouble.

    Args:
        read: gives the content of an artifact of the study's run by its name; None where there is none.
    """
    winner, review, troubles = None, None, list[str]()
    if (content := read(WINNER_FILE)) is not None:
        try:
            winner = Winner.from_json(content)
        except TrackingError as error:
            troubles.append(str(error))
    if (content := read(REVIEW_FILE)) is not None:
        try:
            review = review_of(content)
        except TrackingError as error:
            troubles.append(str(error))
    return Evidence(winner, review, tuple(troubles))


def review_of(content: bytes) -> Review:
    """The review in a file.

    Raises:
        TrackingError: it is none, or one of a later version.
    """
    try:
        return Review.from_json(json.loads(content))
    except (KeyError, TypeError, ValueError) as error:
        raise TrackingError(
            f"{REVIEW_FILE} is not what this tunetrack writes ({type(error).__name__}: {error}); review the study again"
        ) from error
