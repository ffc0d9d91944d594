"""Knows how the comparison with an original is written: a list or a grid, how much agrees, and what noise allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunetrack.report.claims import NoiseClaim
from tunetrack.report.markdown import line, number_text, signed_text, table
from tunetrack.report.reference import Comparison, ReferenceCell, ReferenceInfo, Verdict, value_text
from tunetrack.report.values import number
from tunetrack.report.words import plural
from tunetrack.spec.reference import ReferenceTable

__all__ = ["claim_words", "comparison_tables", "comparison_words"]

NONE = Verdict.NO_TRIAL.value
#: Rows without any trial that a table still shows.
_MOST_UNTRIED = 6

_COUNTED = {
    Verdict.AGREES: "agree",
    Verdict.DIFFERS: "differ",
    Verdict.UNKNOWN: "scatter unknown",
    Verdict.NO_TRIAL: "no finished trial",
}

Writer = Callable[[ReferenceCell], str]


def comparison_words(info: ReferenceInfo) -> list[str]:
    """How many numbers agree, a sentence a study."""
    words = []
    for place, study in enumerate(info.studies):
        counts = {verdict: info.count(verdict, place) for verdict in Verdict}
        parts = [f"{text}: {counts[verdict]}" for verdict, text in _COUNTED.items() if counts[verdict]]
        numbers = plural(sum(counts.values()), "number")
        words.append(f"**{line(study)}** beside the original's {numbers}: {', '.join(parts)}.")
    return words


def comparison_tables(info: ReferenceInfo) -> list[str]:
    """The tables: grids where the reference asks for them, else one list a metric."""
    tables, axes = [], info.reference.table
    for metric in info.reference.metrics:
        tables.append(f"### {line(metric)}")
        tables += _list(info, metric) if axes is None else _grids(info, axes, metric)
    return tables


def claim_words(claims: Sequence[NoiseClaim]) -> list[str]:
    """A sentence a claim."""
    words = []
    for claim in claims:
        whose = "the original's" if claim.study is None else f"{line(claim.study)}'s"
        best = f"{number_text(claim.metric, claim.value, claim.error)} ({line(claim.best)})"
        others = "no other one lies" if claim.near == 1 else f"{claim.near} lie"
        start = f"`{claim.metric}`: of {whose} {plural(claim.configurations, 'configuration')}, "
        end = "" if claim.near == 1 else ", the best one counted in: these numbers alone do not tell them apart"
        words.append(f"{start}{others} within two standard errors of the best, {best}{end}.")
    return words


def _list(info: ReferenceInfo, metric: str) -> list[str]:
    """The rows; where many have no trial, as in a smaller rerun of a large experiment, those are counted only."""
    heads = ["configuration", "original"]
    for study in info.studies:
        heads += [line(study), "n", "spread", "difference", "verdict"]
    rows = []
    cells = [(one, cell) for one in info.lines if (cell := one.cell(metric)) is not None]
    tried = [(one, cell) for one, cell in cells if any(comparison.ours for comparison in cell.comparisons)]
    left_out = len(cells) - len(tried) if tried and len(cells) - len(tried) > _MOST_UNTRIED else 0
    for one, cell in tried if left_out else cells:
        row = [line(one.label), number_text(metric, cell.original, cell.error)]
        for comparison in cell.comparisons:
            row += _cells(metric, comparison)
        rows.append(row)
    kept = [index for index in range(len(heads)) if heads[index] != "spread" or any(row[index] != NONE for row in rows)]
    numbers = [place for place, index in enumerate(kept) if heads[index] not in ("configuration", "verdict")]
    written = table([heads[index] for index in kept], [[row[index] for index in kept] for row in rows], numbers)
    return [written, f"{left_out} more configurations of the original have no trial here."] if left_out else [written]


def _cells(metric: str, comparison: Comparison) -> list[str]:
    ours = comparison.ours
    if ours is None:
        return [NONE, "0", NONE, NONE, NONE]
    spread = NONE if ours.spread is None else f"{ours.spread:.2g}"
    value = number_text(metric, ours.mean, ours.error)
    return [value, str(len(ours.trials)), spread, _difference(metric, comparison), _verdict(comparison)]


def _difference(metric: str, comparison: Comparison) -> str:
    difference, error = comparison.difference, comparison.error
    return NONE if difference is None else signed_text(metric, difference, error)


def _verdict(comparison: Comparison) -> str:
    return f"**{comparison.verdict.value}**" if comparison.verdict is Verdict.DIFFERS else comparison.verdict.value


def _grids(info: ReferenceInfo, axes: ReferenceTable, metric: str) -> list[str]:
    parts = ["Original:", _grid(info, axes, metric, lambda cell: number_text(metric, cell.original, cell.error))]
    for place, study in enumerate(info.studies):
        parts += [f"{line(study)}:", _grid(info, axes, metric, _mean(metric, place))]
        parts += [f"{line(study)}, difference:", _grid(info, axes, metric, _with_verdict(metric, place))]
    return parts


def _mean(metric: str, place: int) -> Writer:
    def write(cell: ReferenceCell) -> str:
        ours = cell.comparisons[place].ours
        if ours is None:
            return NONE
        repeats = f" (n={len(ours.trials)})" if len(ours.trials) > 1 else ""
        return number_text(metric, ours.mean, ours.error) + repeats

    return write


def _with_verdict(metric: str, place: int) -> Writer:
    def write(cell: ReferenceCell) -> str:
        comparison = cell.comparisons[place]
        return NONE if comparison.ours is None else f"{_difference(metric, comparison)} {_verdict(comparison)}"

    return write


def _grid(info: ReferenceInfo, axes: ReferenceTable, metric: str, write: Writer) -> str:
    """One grid; what several rows of the reference say of one place stands together."""
    places: dict[tuple[str, str], list[str]] = {}
    sides: dict[str, object] = {}
    tops: dict[str, object] = {}
    for one in info.lines:
        cell = one.cell(metric)
        if cell is None:
            continue
        side, top = one.row.when[axes.rows], one.row.when[axes.columns]
        sides[value_text(side)], tops[value_text(top)] = side, top
        places.setdefault((value_text(side), value_text(top)), []).append(write(cell))
    columns = _ordered(tops)
    rows = [
        [f"**{line(side)}**", *("; ".join(places.get((side, top), [NONE])) for top in columns)]
        for side in _ordered(sides)
    ]
    corner = f"{line(axes.rows)} ↓ {line(axes.columns)} →"
    return table([corner, *map(line, columns)], rows, range(1, len(columns) + 1))


def _ordered(values: dict[str, object]) -> list[str]:
    """Numbers by size, anything else in the order of the file."""
    numbers = {text: number(value) for text, value in values.items()}
    if any(value is None for value in numbers.values()):
        return list(values)
    return sorted(values, key=lambda text: numbers[text] or 0.0)
