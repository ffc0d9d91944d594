"""What can be wrong with the way a searched value is written, in words: ranges, choices, and near misses of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import Any

from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.domains import STEP_TOLERANCE

__all__ = ["RANGE_KEYS", "SEARCH_KEYS", "holds_search", "meant_list", "misspelt", "range_mistake"]

RANGE_KEYS = ("low", "high", "step", "log")
SEARCH_KEYS = (*RANGE_KEYS, "choices", "one_of")
FORMS = "a searched value is {low, high[, step][, log]}, {choices: [...]} or {one_of: [...]}"

#: What other programs call the keys of a range.
ALIASES = {
    "min": "low",
    "max": "high",
    "lower": "low",
    "upper": "high",
    "from": "low",
    "to": "high",
    "start": "low",
    "stop": "high",
    "end": "high",
    "q": "step",
    "log_scale": "log",
    "values": "choices",
    "options": "choices",
    "categories": "choices",
    "any_of": "one_of",
}


def holds_search(value: Any) -> bool:
    """Whether a range, choices or a one_of stands somewhere in a value."""
    if isinstance(value, Mapping):
        return not set(SEARCH_KEYS).isdisjoint(value) or any(map(holds_search, value.values()))
    return isinstance(value, list) and any(map(holds_search, value))


def misspelt(raw: Mapping[str, Any]) -> str:
    """A mapping stands where a value belongs and is no search: which keys were meant."""
    meant = {key: _nearest(key) for key in raw if key not in SEARCH_KEYS}
    hints = [f"{word} for {key}" for key, word in meant.items() if word and word not in raw]
    return FORMS + (f"; did you mean {' and '.join(hints)}?" if hints else "")


def meant_list(raw: Mapping[str, Any], fields: Set[str]) -> bool:
    """Whether a mapping at the place of a section has one key, which is none of its fields but nearly a choices."""
    return len(raw) == 1 and all(key not in fields and _nearest(key) in ("choices", "one_of") for key in raw)


def _nearest(key: str) -> str:
    if key.lower() in ALIASES:
        return ALIASES[key.lower()]
    hint = did_you_mean(key.replace("-", "_"), SEARCH_KEYS)
    return hint.removeprefix("; did you mean ").removesuffix("?")


def range_mistake(raw: Mapping[str, Any], as_float: bool) -> str:
    """What is wrong with a range; empty where nothing is.

    Args:
        raw: a mapping that has `low` or `high`.
        as_float: whether its place takes fractions.
    """
    if any(key not in RANGE_KEYS for key in raw):
        return misspelt(raw)
    for end in ("low", "high"):
        if end not in raw:
            return f"a range needs low and high; {end} is missing"
    for key in ("low", "high", "step"):
        value = raw.get(key)
        if key == "step" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            return f"{key} must be a finite number"
        if not as_float and not isinstance(value, int):
            return f"{key} must be a whole number" + (f"; write {int(value)}" if value.is_integer() else "")
    low, high, step, log = raw["low"], raw["high"], raw.get("step"), raw.get("log", False)
    if not isinstance(log, bool):
        return "log must be true or false"
    if low > high:
        return "low is greater than high; swap them"
    if log and low <= 0:
        return "a log range needs low > 0"
    return "" if step is None else _step_mistake(low, high, step, log)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int with more than 308 digits
        return False


def _step_mistake(low: float, high: float, step: float, log: bool) -> str:
    if log:
        return "step and log cannot be combined; drop one, or list the values with choices"
    if step <= 0:
        return "step must be greater than 0"
    count = (high - low) / step
    if abs(count - round(count)) > STEP_TOLERANCE * max(1.0, count):
        below = low + math.floor(count) * step
        return f"step does not divide the range: use high: {below:g} or high: {below + step:g}"
    return ""
