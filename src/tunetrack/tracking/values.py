"""Knows how parameter values become MLflow's strings and come back with their types.

MLflow keeps every parameter as text. Everything but a string is written as JSON (``3``, ``0.001``, ``true``, ``null``),
and a string that JSON would read as something else is quoted, so reading back is exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

__all__ = [
    "LOG10_PREFIX",
    "ParamValue",
    "as_stored",
    "decode_param",
    "encode_param",
    "encode_params",
    "quote_filter_value",
]

ParamValue: TypeAlias = str | int | float | bool | tuple[int, ...] | list[int] | None

#: MLflow's charts have linear axes only, so a parameter searched on a log scale gets a companion under this prefix.
LOG10_PREFIX = "log10."


def encode_param(value: ParamValue) -> str:
    """The text that MLflow stores for `value`; `decode_param` gives the value back."""
    if isinstance(value, str):
        return value if _reads_as_itself(value) else json.dumps(value)
    return json.dumps(value)


def decode_param(text: str) -> ParamValue:
    """The value that `encode_param` wrote; text that it never writes (other tools' params) stays a string."""
    try:
        value: ParamValue = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


def as_stored(value: ParamValue) -> ParamValue:
    """The value that is read back where `value` was written: a list comes back as a tuple."""
    return decode_param(encode_param(value))


def encode_params(params: Mapping[str, ParamValue], log_scaled: frozenset[str] = frozenset()) -> dict[str, str]:
    """All params as text, each one in `log_scaled` with its decimal logarithm (4 digits) beside it.

    Args:
        params: value by dotted path.
        log_scaled: paths that are searched on a log scale; one that is absent or not positive has no companion.
    """
    encoded = {path: encode_param(value) for path, value in params.items()}
    for path in sorted(log_scaled & params.keys()):
        value = params[path]
        if isinstance(value, int | float) and value > 0:
            encoded[LOG10_PREFIX + path] = f"{math.log10(value):.4f}"
    return encoded


def quote_filter_value(value: str) -> str:
    """`value` as a string of MLflow's search language.

    Raises:
        ValueError: it holds both kinds of quotes, which the language cannot express.
    """
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    raise ValueError(f"MLflow cannot search for a text with both kinds of quotes: {value}")


def _reads_as_itself(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return True
    return False
