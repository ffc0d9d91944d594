"""Knows what a trial's run is called, so that a person knows it: its number, and the values that were searched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tunetrack.tracking.study_info import SearchedParam
from tunetrack.tracking.values import ParamValue

__all__ = ["trial_name"]

#: Characters of a name, and of a single value in it; MLflow's tables cut what is longer, in the middle of a word.
_NAME, _VALUE = 80, 24


def trial_name(number: int, params: Mapping[str, ParamValue], searched: Sequence[SearchedParam]) -> str:
    """``#12 sgd lr=0.03 filters=64``: a trial's number, then what was searched: texts, what has a log scale, the rest.

    MLflow's lists show some twenty characters, so what most often matters comes first.

    Args:
        number: from 0.
        params: value by dotted path.
        searched: in the order of the study file; parameters that the trial does not search are left out, and so are
            the last ones where there is no more room.
    """
    ordered = sorted(searched, key=lambda param: not param.log)
    paths, own = [param.path for param in ordered], [param.path for param in ordered if param.is_searched(params)]
    texts = [_cut(str(params[path])) for path in own if isinstance(params[path], str)]
    numbers = [
        f"{_cut(_short(path, paths))}={_cut(_value(params[path]))}" for path in own if not isinstance(params[path], str)
    ]
    name = f"#{number}"
    for part in (*texts, *numbers):
        if len(name) + 1 + len(part) > _NAME:
            return f"{name} …"
        name += f" {part}"
    return name


def _short(path: str, paths: Sequence[str]) -> str:
    """The last part of a path, or as many of the last parts as no other path ends with."""
    parts = path.split(".")
    for count in range(2 if parts[-1].isdecimal() else 1, len(parts)):
        end = ".".join(parts[-count:])
        if not any(other != path and f".{other}".endswith(f".{end}") for other in paths):
            return end
    return path


def _value(value: ParamValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _VALUE else f"{line[: _VALUE - 1]}…"
