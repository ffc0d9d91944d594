"""Options of samplers and pruners, checked against the signature of what they are passed to; nothing is re-declared."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optuna.exceptions import ExperimentalWarning

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.annotations import did_you_mean

__all__ = ["building", "check"]

#: Annotations of values that a study file can hold, and which Python types fit them.
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
}


def check(
    where: str, target: Callable[..., Any], options: Mapping[str, Any], owned: Mapping[str, str]
) -> list[Problem]:
    """What is wrong with the options of one sampler or pruner.

    Args:
        where: the section, such as "sampler", for the paths of the problems.
        target: the class or function that will receive the options.
        options: the options as the study file gives them.
        owned: parameters of the target that are not for the user -> the reason why.

    Returns:
        The problems; empty where all is well.
    """
    parameters = inspect.signature(target).parameters
    open_ones = {name: p for name, p in parameters.items() if name not in owned and _types(p) is not None}
    problems = []
    for name, value in options.items():
        message = _mistake(name, value, parameters, open_ones, owned)
        if message:
            problems.append(Problem(f"{where}.{name}", message, repr(value)))
    for name, parameter in open_ones.items():
        if parameter.default is parameter.empty and name not in options:
            problems.append(Problem(f"{where}.{name}", f"is missing; {_kind(parameter)} is required"))
    return problems


@contextmanager
def building(where: str) -> Iterator[None]:
    """For the call that builds a sampler or pruner: what it refuses becomes a SpecError.

    Optuna's warning that something is experimental is kept quiet: the study file asked for it by name.

    Raises:
        SpecError: the constructor refused the options.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    except (ValueError, TypeError) as error:
        raise SpecError([Problem(where, str(error))]) from error


def _mistake(
    name: str,
    value: Any,
    parameters: Mapping[str, inspect.Parameter],
    open_ones: Mapping[str, inspect.Parameter],
    owned: Mapping[str, str],
) -> str:
    if name in owned:
        return f"cannot be set: {owned[name]}"
    if name not in parameters:
        allowed = f"allowed: {', '.join(open_ones)}" if open_ones else "there are no options here"
        return f"unknown option{did_you_mean(name, open_ones)}; {allowed}"
    if name not in open_ones:
        return "takes a Python object, which a study file cannot hold; leave it out"
    types = _types(open_ones[name]) or ()
    if (isinstance(value, bool) and bool not in types) or not isinstance(value, types):
        return f"must be {_kind(open_ones[name])}"
    return ""


def _types(parameter: inspect.Parameter) -> tuple[type, ...] | None:
    """The Python types that fit a parameter; None where it takes something that no study file can hold."""
    if parameter.annotation is parameter.empty:  # Hyperopt annotates nothing: its defaults say what fits
        return _PLAIN.get(type(parameter.default).__name__)
    words = [word.strip() for word in _annotation(parameter).split("|")]
    # What remains, such as "Callable[[int], int]", is for Python callers; beside None alone nothing is left to set.
    if any(word not in _PLAIN for word in words):
        return None
    return tuple(fitting for word in words for fitting in _PLAIN[word])


def _kind(parameter: inspect.Parameter) -> str:
    if parameter.annotation is parameter.empty:
        return type(parameter.default).__name__
    return _annotation(parameter).replace(" | ", " or ").replace("None", "null")


def _annotation(parameter: inspect.Parameter) -> str:
    """The annotation as text; some of Optuna's modules postpone evaluating theirs, some do not."""
    given = parameter.annotation
    return given if isinstance(given, str) else inspect.formatannotation(given)
