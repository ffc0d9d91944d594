"""Knows the list of all studies as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunetrack.report.evidence import Evidence
from tunetrack.report.views.evidence import evidence_brief
from tunetrack.report.views.plain import finite
from tunetrack.report.views.study import budget_limits, study_head
from tunetrack.tracking.reader import StudyOverview

__all__ = ["studies_payload"]

_NONE: Mapping[str, Evidence] = {}


def studies_payload(
    found: Sequence[StudyOverview],
    documents: Mapping[str, Mapping[str, Any]],
    evidence: Mapping[str, Evidence] = _NONE,
) -> dict[str, Any]:
    """All studies, in the order in which they are given.

    Args:
        found: the studies.
        documents: the stored study files by the id of the study's run; one may be missing.
        evidence: what was confirmed and reviewed, by the same id; one may be missing.

    Returns:
        ``version`` is a digest of all the rest.
    """
    names = {one.study.run_id: one.study.info.name for one in found}
    studies = [
        _entry(one, documents.get(one.study.run_id, {}), names)
        | evidence_brief(evidence.get(one.study.run_id, Evidence()))
        for one in found
    ]
    digest = hashlib.sha256(json.dumps(studies, sort_keys=True).encode()).hexdigest()[:16]
    return {"version": digest, "studies": studies}


def _entry(one: StudyOverview, document: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    searched = one.study.confirms
    return study_head(one.study, one.saved_view) | {
        "trials": {state.value: count for state, count in one.trials.items()},
        "budget": budget_limits(document),
        "best": None if one.best is None else {"number": one.best, "values": [finite(value) for value in one.values]},
        "seconds": finite(one.seconds),
        "confirms": None if searched is None else {"id": searched, "name": names.get(searched)},
    }
