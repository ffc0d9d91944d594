"""Knows a study's confirmed winner and its review as plain data, and when to look for them again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunetrack.report.evidence import Evidence, read_evidence
from tunetrack.report.findings import counts_words
from tunetrack.report.winner import caution_words, outdated_words, unconfirmed_words, winner_sentence, winner_words
from tunetrack.spec.review import Severity
from tunetrack.spec.winner import Confirmed
from tunetrack.tracking.queries import StudyRow, StudyTable
from tunetrack.tracking.reader import StudyReader

__all__ = ["KnownEvidence", "confirmed_brief", "evidence_brief", "evidence_payload"]

#: Seconds after which the page of a study looks again: files come after the last word on the run itself.
_FRESH = 15.0
#: Studies of which something is kept.
_STUDIES = 500
_NONE: Mapping[str, bytes] = {}


def evidence_payload(table: StudyTable, evidence: Evidence) -> dict[str, Any]:
    """What was confirmed and reviewed, with the sentences that go with it.

    ``winner`` and ``review`` are the contents of ``winner.json`` and ``review.json``, or None; ``winner_words`` begins
    with who has won, and says how to confirm where nobody has.
    """
    winner, review = evidence.winner, evidence.review
    if winner is None:
        said = [unconfirmed_words(table)]
    else:
        said = [winner_sentence(winner, table), *winner_words(winner), outdated_words(winner, table)]
    return {
        "winner": None if winner is None else winner.document(),
        "winner_words": [words for words in said if words],
        "winner_note": "" if winner is None else caution_words(winner),
        "review": None if review is None else review.to_json(),
        "review_words": "" if review is None else counts_words(review),
        "troubles": list(evidence.troubles),
    }


def evidence_brief(evidence: Evidence) -> dict[str, Any]:
    """The same in the list of all studies."""
    winner = evidence.winner
    found: dict[str, Any] | None = None
    if winner is not None:
        found = {"study": winner.study_run, "trial": winner.chosen, **confirmed_brief(winner.winner)}
    findings = {level.value: evidence.count(level) for level in (Severity.HIGH, Severity.MEDIUM)}
    return {"winner": found, "findings": None if evidence.review is None else findings}


def confirmed_brief(one: Confirmed) -> dict[str, Any]:
    """What several seeds say of a configuration, in a table of trials."""
    return {"mean": one.mean, "low": one.low, "high": one.high, "seeds": len(one.values)}


@dataclass(frozen=True)
class _Kept:
    study: StudyRow
    evidence: Evidence
    at: float


class KnownEvidence:
    """The evidence of the studies that were looked at last. Methods may be called by several threads.

    Args:
        reader: of the store.
        files: contents by name that count as artifacts of every study, because they are about to be written.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        reader: StudyReader,
        files: Mapping[str, bytes] = _NONE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._files, self._clock = reader, files, clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Kept] = OrderedDict()

    def of(self, study: StudyRow, fresh: bool = False) -> Evidence:
        """What a study's run has; read again where the study's own row has changed.

        Args:
            study: whose.
            fresh: read again also where the last look is a while ago.
        """
        with self._lock:
            kept = self._known.get(study.run_id)
        now = self._clock()
        if kept is None or kept.study != study or (fresh and now - kept.at > _FRESH):
            kept = _Kept(study, read_evidence(lambda name: self._read(study, name)), now)
        with self._lock:
            self._known[study.run_id] = kept
            self._known.move_to_end(study.run_id)
            while len(self._known) > _STUDIES:
                self._known.popitem(last=False)
        return kept.evidence

    def _read(self, study: StudyRow, name: str) -> bytes | None:
        return self._files[name] if name in self._files else self._reader.artifact(study.run_id, name)
