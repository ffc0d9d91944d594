"""Knows how a race is shown: who leads and how sure that is, the curves with their bands, every run."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tunetrack.report.parts import Drawing, Grid, Items, Page, Section, Words
from tunetrack.report.race.numbers import Arm, Band, RaceInfo
from tunetrack.report.style import SERIES, dress, figure, legend, plain_ticks, units
from tunetrack.report.values import unit, window
from tunetrack.report.words import duration, plural

__all__ = ["in_words", "race_page", "table_rows"]

_STYLES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")


def race_page(info: RaceInfo) -> Page:
    """The page of a race."""
    seeds, samplers = max(arm.seeds for arm in info.arms), plural(len(info.arms), "sampler")
    about = f"{samplers}, {plural(seeds, 'seed')} each, {plural(info.trials, 'trial')} a run; {info.metric}, "
    about += "larger is better" if info.maximize else "smaller is better"
    heads, rows = table_rows(info)
    runs = [
        (run.sampler, str(run.seed), run.study, _value(_best(run.values, info.maximize)), duration(sum(run.seconds)))
        for run in info.runs
    ]
    curves = Drawing(
        "curves",
        _draw(info),
        f"The best {info.metric} so far by trial and by time, one line a sampler.",
        "Lines: median over the seeds. Bands: from the 10 % to the 90 % quantile. A line begins where all seeds have a "
        "value. Time: the trials' own, with their proposals; pauses between them are left out.",
    )
    sections = (
        Section("standing", "Who leads", (Words(in_words(info)), Grid(heads, tuple(rows), (0,)))),
        Section("curves", "The best so far", (curves,)),
        Section("runs", "Every run", (Grid(("sampler", "seed", "study", "best", "time"), tuple(runs), (0, 2)),)),
        Section("how", "How it was compared", (Items(_method(info)),)),
    )
    return Page(f"{info.name}: race", f"{about}.", sections)


def in_words(info: RaceInfo) -> str:
    """Who leads, and who cannot be told apart from the leader, in one to three sentences."""
    leader, *others = info.arms
    if info.first is None or leader.area is None:
        return "There is a run without any value, so the samplers are not compared."
    words = f"{leader.sampler} leads: on average over the trials its best value so far was {_value(leader.area)}."
    if not others:
        return words
    if leader.seeds < 2:
        return f"{words} One seed tells nothing of how much of that is luck."
    apart = [arm.sampler for arm in others if arm.behind_interval is not None and arm.behind_interval[0] > 0.0]
    close = [arm.sampler for arm in others if arm.sampler not in apart]
    if apart:
        words += f" It is ahead of {_listed(apart)}."
    if close:
        words += f" It cannot be told apart from {_listed(close)} with {plural(leader.seeds, 'seed')}."
    return " ".join([words, *_twins(info)])


def _twins(info: RaceInfo) -> list[str]:
    """Which samplers have found the very same values: they had not begun to learn."""
    groups: dict[tuple[tuple[int, tuple[float | None, ...]], ...], list[str]] = {}
    for arm in info.arms:
        found = tuple((run.seed, run.values) for run in info.runs if run.sampler == arm.sampler)
        groups.setdefault(found, []).append(arm.sampler)
    return [
        f"{_listed(names)} found the same values in every trial: with so few trials they all drew at random."
        for names in groups.values()
        if len(names) > 1
    ]


def table_rows(info: RaceInfo) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Titles and rows of the table of samplers, the best area first."""
    heads = (
        "sampler", "seeds", f"best after {info.trials}", "10 % to 90 %", "area under the curve", "95 % interval",
        "behind the first", "95 %, all together", "time",
    )  # fmt: skip
    return heads, [_row(arm) for arm in info.arms]


def _row(arm: Arm) -> tuple[str, ...]:
    median, low, high = arm.final if arm.final is not None else (None, None, None)
    return (
        arm.sampler,
        str(arm.seeds),
        _value(median),
        _range((low, high) if low is not None and high is not None else None),
        _value(arm.area),
        _range(arm.area_interval),
        "–" if arm.behind is None else f"{arm.behind:.3g}",
        _range(arm.behind_interval),
        duration(arm.seconds),
    )


def _method(info: RaceInfo) -> tuple[str, ...]:
    start = "" if info.first is None else f", from trial {info.first} on, when every run has a value"
    return (
        "Every run is a study of its own with the same budget, space, data, trainer and trainer seed; the sampler's "
        "seed differs.",
        f"Area under the curve: mean of the best value so far over the number of trials{start}.",
        "Its interval: percentile bootstrap over the seeds (Efron & Tibshirani 1993), too narrow with few seeds.",
        "Behind the first: difference of the mean areas, with an interval by Welch's t that holds for all of them "
        "together (Bonferroni). Where it holds 0, the two cannot be told apart.",
        "Pruned, failed and infeasible trials, and those that break a constraint, take their turn and have no value.",
    )


def _draw(info: RaceInfo) -> Figure:
    drawn = figure(9.2, 4.2)
    by_trial, by_time = drawn.subplots(1, 2, sharey=True)
    title = units(info.metric, unit(info.metric))
    dress(by_trial, "trials", title)
    dress(by_time, "seconds", "")
    ends = [value for arm in info.arms for band in (arm.by_trial,) for value in (*band.low, *band.high)]
    for index, arm in enumerate(info.arms):
        _line(by_trial, arm.by_trial, index)
        _line(by_time, arm.by_seconds, index)
    if ends:
        low, high = window(ends, info.maximize)
        pad = 0.04 * (high - low) or 0.01
        by_trial.set_ylim(low - pad, high + pad)
    plain_ticks(by_trial, whole=True)
    plain_ticks(by_time)
    legend(drawn, [], [_handle(index, arm.sampler) for index, arm in enumerate(info.arms)])
    return drawn


def _line(axes: Axes, band: Band, index: int) -> None:
    color = SERIES[index % len(SERIES)]
    axes.plot(
        band.at,
        band.median,
        color=color,
        linewidth=1.8,
        linestyle=_STYLES[index % len(_STYLES)],
        drawstyle="steps-post",
    )
    axes.fill_between(band.at, band.low, band.high, step="post", color=color, alpha=0.14, linewidth=0)


def _handle(index: int, name: str) -> Line2D:
    style = _STYLES[index % len(_STYLES)]
    return Line2D([], [], color=SERIES[index % len(SERIES)], linewidth=1.8, linestyle=style, label=name)


def _best(values: tuple[float | None, ...], maximize: bool) -> float | None:
    known = [value for value in values if value is not None]
    return (max if maximize else min)(known) if known else None


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _range(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:.3g} … {ends[1]:.3g}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
