"""How a study file differs from the one that a study began with, in words and as a record that is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tunetrack.spec.config import DATA_PLACES
from tunetrack.spec.study import WORDS_AND_BUDGET

__all__ = ["CHANGES", "Change", "changes_of", "differences", "in_words", "recorded"]

#: Name of the study attribute in which accepted changes are kept.
CHANGES = "tunetrack:changes"

#: More differences than these are counted, not listed.
_LISTED = 8


@dataclass(frozen=True)
class Change:
    """One value of a study file that was changed after the study had begun.

    Attributes:
        when: when that was accepted, ISO in UTC.
        path: dotted path of the value, with the keys of ranges and `one_of` (``model.filters.high``).
        before: the value then; None where nothing stood there.
        after: the value now; None where nothing stands there.
    """

    when: str
    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What two study documents say differently, in the order of the second one; words, budget and places left out."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return tuple(Change(now, ".".join(path), one, other) for path, one, other in _differing(before, after, ()))


def in_words(changes: Iterable[Change]) -> str:
    """Each change as ``path: before -> after``, the first eight of them."""
    said = [str(change) for change in changes]
    more = [f"and {len(said) - _LISTED} more"] if len(said) > _LISTED else []
    return "; ".join(said[:_LISTED] + more)


def changes_of(attributes: Mapping[str, Any]) -> tuple[Change, ...]:
    """The changes that were kept with a study."""
    return tuple(Change(**one) for one in attributes.get(CHANGES, ()))


def recorded(attributes: Mapping[str, Any], changes: Iterable[Change]) -> list[dict[str, Any]]:
    """What is to be kept with a study: the changes so far and some more, as JSON data."""
    return [*attributes.get(CHANGES, ()), *map(asdict, changes)]


def _differing(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if path in _MAY_DIFFER or _text(before) == _text(after):
        return
    one, other = _children(before), _children(after)
    # Lists of another length have their entries elsewhere, so they are told whole.
    if one is None or other is None or (isinstance(before, list) and len(one) != len(other)):
        yield path, before, after
        return
    for key in {**other, **one}:
        yield from _differing(one.get(key), other.get(key), (*path, key))


_MAY_DIFFER = frozenset({*((name,) for name in WORDS_AND_BUDGET), *(("data", place) for place in DATA_PLACES)})


def _children(node: Any) -> dict[str, Any] | None:
    """The parts of a section or of a list of sections; None for a plain value."""
    if isinstance(node, Mapping):
        return dict(node)
    if isinstance(node, list) and any(isinstance(entry, Mapping) for entry in node):
        return {str(number): entry for number, entry in enumerate(node)}
    return None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
