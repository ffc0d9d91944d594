"""Knows the filter language of the table of trials: which values have names, and which terms a trial fulfils."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tunetrack.report.values import label, number, score, seconds_of
from tunetrack.report.views.plain import provisional_value
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["Getter", "MissingTrialError", "QueryError", "Term", "getter", "matching", "ordered", "parse_filter"]

#: What may be asked at once.
_MOST_CHARACTERS, _MOST_TERMS = 2000, 20
_NAMES = (
    "number, state, reason, violates, seconds, epochs, worker, health, value, values.N, provisional, params.PATH, "
    "metrics.NAME"
)
_OPERATORS = "=, !=, <, <=, >, >= and ~ (contains)"
_TERM = re.compile(r"\s*(?P<name>[^=!<>~\"]+?)\s*(?P<op>!=|<=|>=|=|<|>|~)\s*(?P<value>\"(?:[^\"\\]|\\.)*\"|[^\"]*?)\s*")
#: Pieces of a filter: text in quotes is one piece, whatever stands in it.
_AND = re.compile(r"(\"(?:[^\"\\]|\\.)*\")|\s+and(?:\s+|$)", re.IGNORECASE)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Value = float | str | None
Getter = Callable[[TrialRow], Value | list[str]]


class QueryError(ValueError):
    """What was asked for cannot be understood; its text is a sentence for whoever asked."""


class MissingTrialError(QueryError):
    """A trial was asked for that is not there."""


@dataclass(frozen=True)
class Term:
    """``NAME OP VALUE``; a `quoted` value is text, whatever stands in it."""

    name: str
    op: str
    value: str
    quoted: bool = False


def parse_filter(text: str) -> tuple[Term, ...]:
    """The terms of ``NAME OP VALUE and NAME OP VALUE …``; none for an empty text.

    Raises:
        QueryError: it is not of this form.
    """
    if len(text) > _MOST_CHARACTERS:
        raise QueryError(f"the filter has {len(text):,} characters; at most {_MOST_CHARACTERS:,} are read")
    if not text.strip():
        return ()
    pieces = _pieces(text)
    if len(pieces) > _MOST_TERMS:
        raise QueryError(f"the filter has {len(pieces)} terms; at most {_MOST_TERMS} are read")
    terms = []
    for piece in pieces:
        found = _TERM.fullmatch(piece)
        if found is None or not found["value"]:
            raise QueryError(
                f"the filter term {_shown(piece)} cannot be read; a term is NAME OP VALUE, such as state = COMPLETE or "
                f'reason ~ "out of memory", with OP one of {_OPERATORS}'
            )
        value = found["value"]
        if quoted := value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        terms.append(Term(found["name"].strip(), found["op"], value, quoted))
    return tuple(terms)


def _pieces(text: str) -> list[str]:
    pieces, start = [], 0
    for found in _AND.finditer(text):
        if found[1] is None:
            pieces.append(text[start : found.start()])
            start = found.end()
    return [*pieces, text[start:]]


def getter(name: str, table: StudyTable) -> Getter:
    """What reads a value by its name.

    Raises:
        QueryError: there is no such value.
    """
    simple: dict[str, Getter] = {
        "number": lambda trial: trial.number,
        "state": lambda trial: trial.state.value,
        "reason": lambda trial: trial.reason,
        "violates": lambda trial: trial.violates,
        "seconds": seconds_of,
        "epochs": lambda trial: trial.epochs,
        "worker": lambda trial: trial.worker or None,
        "health": lambda trial: None if trial.health is None else list(trial.health) or ["ok"],
        "value": score,
        "provisional": lambda trial: provisional_value(trial, table.study.info.objectives[0].metric),
    }
    if name in simple:
        return simple[name]
    kind, _, rest = name.partition(".")
    if kind == "values" and rest.isascii() and rest.isdecimal():
        count = len(table.study.info.objectives)
        if len(rest) > 3 or int(rest) >= count:
            raise QueryError(f"there is no {_shown(name)}; the study has {count} objective{'s' if count > 1 else ''}")
        return lambda trial: score(trial, int(rest))
    if kind == "metrics":
        _must_occur(rest, "metric", any(rest in trial.metrics for trial in table.trials), table)
        return lambda trial: trial.metrics.get(rest)
    if kind == "params":
        searched = any(param.path == rest for param in table.study.info.searched)
        _must_occur(rest, "parameter", searched or any(rest in trial.params for trial in table.trials), table)
        return lambda trial: _param(trial, rest)
    raise QueryError(f"there is no {_shown(name)} to sort or filter by; there are {_NAMES}")


def _must_occur(name: str, kind: str, occurs: bool, table: StudyTable) -> None:
    if not occurs and table.trials:
        raise QueryError(f"no trial of this study has the {kind} {_shown(name)}")


def _param(trial: TrialRow, path: str) -> Value:
    if path not in trial.params:
        return None
    found = number(trial.params[path])
    return label(trial.params[path]) if found is None else found


def matching(table: StudyTable, terms: Sequence[Term]) -> list[TrialRow]:
    """The trials that fulfil all terms, by number. A value that a trial does not have is ``none``, and no other.

    Raises:
        QueryError: a term names something that is not there, or orders what has no order.
    """
    trials = list(table.trials)
    for term in terms:
        read, test = getter(term.name, table), _test(term)
        trials = [trial for trial in trials if test(read(trial))]
    return trials


def _test(term: Term) -> Callable[[Value | list[str]], bool]:
    wanted = _number(term.value)
    if term.op in _ORDER:
        if wanted is None:
            raise QueryError(f"{_shown(term.name)} {term.op} needs a number, and {_shown(term.value)} is none")
        compare = _ORDER[term.op]
        return lambda value: isinstance(value, int | float) and not math.isnan(value) and compare(value, wanted)
    if term.op == "~":
        part = term.value.casefold()
        return lambda value: value is not None and part in _text(value).casefold()

    none = term.value == "none" and not term.quoted

    def equal(value: Value | list[str]) -> bool:
        if value is None:
            return none
        if isinstance(value, list):
            return term.value in value
        if isinstance(value, int | float):
            return wanted is not None and value == wanted
        return value == term.value

    return equal if term.op == "=" else lambda value: not equal(value)


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _text(value: Value | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else label(value)


def ordered(trials: Sequence[TrialRow], read: Getter, descending: bool) -> list[TrialRow]:
    """The trials by a value, equals by number; those that do not have it come last either way."""

    def key(pair: tuple[Value | list[str], TrialRow]) -> tuple[bool, float, str]:
        value = pair[0]
        return (False, value, "") if isinstance(value, int | float) else (True, 0.0, _text(value).casefold())

    pairs = [(read(trial), trial) for trial in trials]
    known = [pair for pair in pairs if not (pair[0] is None or (isinstance(pair[0], float) and math.isnan(pair[0])))]
    kept = {trial.run_id for _, trial in known}
    known.sort(key=key, reverse=descending)
    return [trial for _, trial in known] + [trial for trial in trials if trial.run_id not in kept]


def _shown(text: str) -> str:
    """What somebody has written, short enough for a message."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
