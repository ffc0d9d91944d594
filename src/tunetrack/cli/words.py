"""How states, numbers and parameters look in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tunetrack.spec import TrialState

__all__ = ["STATE_SIGNS", "metric_text", "params_text", "short_name", "sure_text", "value_text"]

#: Sign and colour; the sign alone tells the states apart where there is no colour.
STATE_SIGNS = {
    TrialState.RUNNING: ("▸", "cyan"),
    TrialState.COMPLETE: ("●", "green"),
    TrialState.PRUNED: ("◐", "yellow"),
    TrialState.FAILED: ("✗", "red"),
    TrialState.INFEASIBLE: ("○", "magenta"),
    TrialState.DUPLICATE: ("=", "blue"),
    TrialState.KILLED: ("■", "red"),
}


def metric_text(value: float) -> str:
    """A metric: four decimals where it is of the order of one, else four digits; large counts in full."""
    if abs(value) >= 100 and value.is_integer():
        return f"{value:,.0f}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.4g}"


def sure_text(value: float, half: float | None) -> str:
    """A value with half of its interval, both with as many decimals as that makes sense of: ``0.9132 ± 0.0060``."""
    if half is None or half <= 0.0:
        return metric_text(value)
    places = max(0, min(6, 1 - math.floor(math.log10(half))))
    return f"{value:.{places}f} ± {half:.{places}f}"


def value_text(value: Any) -> str:
    """A parameter's value, floats in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short_name(path: str) -> str:
    """The last part of a path; of ``optimizer.name``, the first; of an entry of a list, the list and its number."""
    first, _, last = path.rpartition(".")
    if last.isdecimal():
        return f"{short_name(first)}.{last}"
    return first if last == "name" else last


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line, each under its short name."""
    return "  ".join(f"{short_name(path)}={value_text(value)}" for path, value in params.items())
