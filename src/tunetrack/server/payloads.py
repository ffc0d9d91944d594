"""Knows which numbers stand behind which address: checks what is asked for, and lets `report.views` answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tunetrack.server.answers import Body, json_body, png_body
from tunetrack.server.asked import MissingError
from tunetrack.tracking.reader import StudyOverview, StudyReader, Versioned

__all__ = ["PLANS", "Asked", "Plan", "Planned", "studies"]


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know of a study.

    Attributes:
        reader: of the store.
        now: the study.
        query: of the address.
        path: the parts of the address that vary.
    """

    reader: StudyReader
    now: Versioned
    query: Mapping[str, str]
    path: Mapping[str, str]


@dataclass(frozen=True)
class Planned:
    """An answer that can be computed.

    Attributes:
        version: another text where the answer may be another one.
        compute: called in a thread.
    """

    version: str
    compute: Callable[[], Body]


Plan = Callable[[Asked], Planned]


def studies(found: Sequence[StudyOverview]) -> Body:
    """All studies."""
    return json_body([each.study.run_id for each in found])


def _sprite(given: Asked) -> Planned:
    def compute() -> Body:
        content = given.reader.artifact(given.now.table.study.run_id, "validation_images.png")
        if content is None or not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise MissingError("this study has no validation images")
        return png_body(content)

    return Planned(given.now.version, compute)


PLANS: Mapping[str, Plan] = {"/images.png": _sprite}
