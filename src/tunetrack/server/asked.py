"""Knows what may stand in the address of a request, and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tunetrack.errors import TunetrackError

__all__ = ["AskedError", "MissingError", "names", "number", "numbers", "study_id", "text"]

_RUN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_MOST_NAMES = 60
_LONGEST = 2000


class AskedError(TunetrackError):
    """The address asks for something that cannot be given: HTTP 400."""


class MissingError(TunetrackError):
    """The address names something that is not there: HTTP 404."""


def study_id(text: str) -> str:
    """The id of a study's run.

    Raises:
        MissingError: no run can have this id.
    """
    if not _RUN_ID.fullmatch(text):
        raise MissingError(
            "there is no study with this id; the id of a study is that of its run, 32 hexadecimal digits"
        )
    return text


def text(query: Mapping[str, str], name: str, default: str = "") -> str:
    """One parameter as it is.

    Raises:
        AskedError: it is too long.
    """
    given = query.get(name, default)
    if len(given) > _LONGEST:
        raise AskedError(f"{name} has {len(given)} characters; allowed: up to {_LONGEST}")
    return given


def number(query: Mapping[str, str], name: str, default: int | None = None, most: int = 10**9) -> int:
    """One whole number from 0 on; it must be given where there is no default.

    Raises:
        AskedError: it is none, or larger than `most`.
    """
    given = text(query, name, "" if default is None else str(default))
    if not _NUMBER.fullmatch(given) or int(given) > most:
        raise AskedError(f"{name} is {shown(given)}; allowed: whole numbers from 0 to {most}")
    return int(given)


def numbers(query: Mapping[str, str], name: str, least: int, most: int) -> tuple[int, ...]:
    """Numbers with commas, such as ``3,7``; each once, in the order given.

    Raises:
        AskedError: one is no whole number, or there are too few or too many.
    """
    given = query.get(name, "")
    parts = [] if not given or len(given) > 11 * most else given.split(",")
    found = tuple(dict.fromkeys(int(part) for part in parts if _NUMBER.fullmatch(part)))
    if any(not _NUMBER.fullmatch(part) for part in parts) or not least <= len(found) <= most:
        raise AskedError(
            f"{name} is {shown(given)}; allowed: {least} to {most} trial numbers with commas, such as {name}=3,7"
        )
    return found


def names(query: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """Names with commas, each once; None where none is given.

    Raises:
        AskedError: there are too many.
    """
    given = text(query, name)
    found = tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    if len(found) > _MOST_NAMES:
        raise AskedError(f"{name} has {len(found)} names; allowed: up to {_MOST_NAMES}")
    return found or None


def shown(given: str) -> str:
    """What was given, short enough for a sentence and without signs that do not show."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in given[:60])
    return f"'{plain}…'" if len(given) > 60 else f"'{plain}'"
