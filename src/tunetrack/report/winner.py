"""Knows a confirmed winner in words and rows: its interval, who cannot be told apart from it, the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunetrack.report.values import label, ranked
from tunetrack.spec.winner import Confirmed, Winner
from tunetrack.tracking.queries import StudyState, StudyTable

__all__ = [
    "INTERVALS",
    "WinnerRow",
    "caution_words",
    "half_width",
    "interval_words",
    "outdated_words",
    "sample_words",
    "unconfirmed_words",
    "winner_heads",
    "winner_rows",
    "winner_sentence",
    "winner_words",
]

#: What the intervals of a confirmation are, for those who read its table.
INTERVALS = (
    "Intervals and differences hold for new training seeds and for new validation images. p is adjusted for the number "
    "of comparisons (Holm). The shrunken value is that of the search, corrected for the best of many being also the "
    "luckiest of many."
)
_SEEDS_ALONE = (
    "Intervals and differences hold for new training seeds; the metric is no share of images, so these are not drawn "
    "anew. p is adjusted for the number of comparisons (Holm). The shrunken value is that of the search, corrected for "
    "the best of many being also the luckiest of many."
)


@dataclass(frozen=True)
class WinnerRow:
    """One configuration in texts, in the order of `winner_heads`.

    Attributes:
        trial: of the searched study.
        chosen: whether it is the winner.
        tied: whether it cannot be told apart from the best one.
        cells: the texts.
    """

    trial: int
    chosen: bool
    tied: bool
    cells: tuple[str, ...]


def interval_words(low: float, high: float, level: float = 0.95) -> str:
    """``95 % interval 0.9052 to 0.9171``; decimals as the width makes sense of."""
    places = _places(high - low)
    return f"{_percent(level)} interval {low:.{places}f} to {high:.{places}f}"


def half_width(low: float, high: float) -> float:
    """Half of an interval, as it stands behind ±."""
    return (high - low) / 2.0


def sample_words(winner: Winner) -> str:
    """``5 seeds × 10,000 images``, or the seeds alone where images were not compared."""
    seeds = f"{len(winner.seeds)} seed{'' if len(winner.seeds) == 1 else 's'}"
    return f"{seeds} × {winner.images:,} images" if winner.by_image else seeds


def winner_sentence(winner: Winner, table: StudyTable) -> str:
    """Who has won, with its interval and what that rests on.

    Args:
        winner: the confirmed one.
        table: the study that shows it: the searched one, or its confirmation.
    """
    one = winner.winner
    whose = "" if table.study.run_id == winner.study_run else f" of {winner.study}"
    interval = interval_words(one.low, one.high, winner.level)
    value = _mean_text(one)
    return f"Winner{whose}: trial {one.trial}, {winner.metric} {value} ({interval}, {sample_words(winner)})."


def winner_words(winner: Winner) -> tuple[str, ...]:
    """Further sentences: why this one, what the search had said, and what the test images say."""
    one, best = winner.winner, winner.of(winner.best)
    others = [str(other.trial) for other in winner.tied if other.trial != one.trial]
    why = f"Chosen: {winner.reason}."
    if others:
        why += f" As good, as far as these numbers tell: trial{'s' if len(others) > 1 else ''} {', '.join(others)}."
    if best is not None and best is not one:
        why += f" The best mean is that of trial {best.trial}, {_mean_text(best)}."
    searched = f"The search, with one seed, had given it {one.raw:.4g}"
    if one.shrunken is not None:
        searched += f"; corrected for the choice among {winner.searched_trials:,} trials {one.shrunken:.4g}"
    return tuple(filter(None, (why, f"{searched}.", _test_words(winner))))


def outdated_words(winner: Winner, table: StudyTable) -> str:
    """That the search has gone on after the confirmation; empty where it has not."""
    if table.study.run_id != winner.study_run:
        return ""
    more = len(ranked(table)) - winner.searched_trials
    if more <= 0:
        return ""
    trials = "1 more trial has" if more == 1 else f"{more:,} more trials have"
    again = f"tunetrack confirm {winner.study}"
    return f"This winner is out of date: {trials} ended since it was named. To look again: {again}"


def unconfirmed_words(table: StudyTable) -> str:
    """What to do about values from a single seed; empty for studies that cannot be confirmed, or are not done."""
    study = table.study
    done = study.state is StudyState.COMPLETE
    if not done or study.confirms or len(study.info.objectives) != 1 or len(ranked(table)) < 2:
        return ""
    return (
        "No winner is confirmed: every value here is from one training seed. To train the best trials again on shared "
        f"seeds, and name a winner with its interval: tunetrack confirm {study.info.name}"
    )


def caution_words(winner: Winner) -> str:
    """What the table's intervals are, and where they are weak."""
    words = INTERVALS if winner.by_image else _SEEDS_ALONE
    if len(winner.seeds) < 3:
        words += f" {len(winner.seeds)} seeds tell little of the scatter between seeds: the intervals are wide."
    return words


def winner_heads(winner: Winner) -> tuple[str, ...]:
    """Titles of the columns of `winner_rows`,; those of the searched parameters come last."""
    heads = ["trial", f"mean {winner.metric}", f"{_percent(winner.level)} interval"]
    heads += ["seeds\u00a0× images" if winner.by_image else "seeds", "P(best)", "difference to the best", "adjusted p"]
    heads += ["model parameters", "train seconds", "in the search, 1 seed", "shrunken"]
    return (*heads, *_paths(winner))


def winner_rows(winner: Winner) -> tuple[WinnerRow, ...]:
    """The configurations, best mean first."""
    paths = _paths(winner)
    return tuple(
        WinnerRow(one.trial, one.trial == winner.chosen, one.group == 1, (*_cells(winner, one), *_params(one, paths)))
        for one in winner.configurations
    )


def _cells(winner: Winner, one: Confirmed) -> list[str]:
    places = _places(one.high - one.low)
    seeds = f"{len(one.values)} × {winner.images:,}" if winner.by_image else str(len(one.values))
    apart, p = "–", "–"
    if one.trial != winner.best:
        by = one.difference
        digits = _places(by.high - by.low)
        apart = f"{_signed(by.estimate, digits)} ({_signed(by.low, digits)} to {_signed(by.high, digits)})"
        p = "–" if by.p_adjusted is None else _p_text(by.p_adjusted)
    return [
        f"{one.trial}" + (" ★" if one.trial == winner.chosen else ""),
        _mean_text(one),
        f"{one.low:.{places}f} to {one.high:.{places}f}",
        seeds,
        f"{one.p_best:.0%}",
        apart,
        p,
        "–" if one.parameters is None else f"{one.parameters:,}",
        f"{one.seconds:,.1f}",
        f"{one.raw:.{places}f}",
        "–" if one.shrunken is None else f"{one.shrunken:.{places}f}",
    ]


def _mean_text(one: Confirmed) -> str:
    return f"{one.mean:.{_places(one.high - one.low)}f}"


def _paths(winner: Winner) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for one in winner.configurations for path in one.params))


def _params(one: Confirmed, paths: Sequence[str]) -> list[str]:
    return [label(one.params[path]) if path in one.params else "–" for path in paths]


def _test_words(winner: Winner) -> str:
    look = winner.test
    if look is None:
        return ""
    places = _places(look.high - look.low)
    often = "looked at once" if look.looks == 1 else f"looked at {look.looks} times, so no longer untouched"
    seeds = f"{len(look.values)} seed{'' if len(look.values) == 1 else 's'} × {look.images:,} images"
    interval = interval_words(look.low, look.high, winner.level)
    return f"On the test images, {often}: {look.mean:.{places}f} ({interval}, {seeds})."


def _signed(value: float, places: int) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.{places}f}"


def _p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _percent(level: float) -> str:
    return f"{100 * level:g} %"


def _places(width: float) -> int:
    """Decimals that show about two digits of an interval's half width."""
    for places in range(7):
        if width / 2.0 >= 10.0 ** (1 - places):
            return places
    return 6
