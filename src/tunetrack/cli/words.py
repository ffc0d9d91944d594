"""How states, numbers and parameters look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunetrack.spec import TrialState

__all__ = ["STATE_SIGNS", "metric_text", "params_text", "value_text"]

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
    """A metric: four decimals where it is of the order of one, else four digits."""
    return f"{value:.4f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.4g}"


def value_text(value: Any) -> str:
    """A parameter's value, floats in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line, each under the last part of its path."""
    return "  ".join(f"{path.rpartition('.')[2]}={value_text(value)}" for path, value in params.items())
