"""What a terminal shows of a confirmed winner: a line a configuration, what can be told apart, what the tests say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunetrack.cli.consoles import NOT_THERE, table_of
from tunetrack.cli.words import sure_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tunetrack.spec.winner import Confirmed, Winner
    from tunetrack.study.result import StudyResult

__all__ = ["print_winner"]

_CHOSEN, _TIED = "★", "≈"


def print_winner(console: Console, result: StudyResult) -> None:
    """The confirmed configurations, best mean first; nothing where nothing was confirmed."""
    winner = result.winner
    if winner is None:
        return
    console.print(_table(winner))
    ties = f"{_TIED} not told apart from the best, " if len(winner.tied) > 1 else ""
    seeds = "1 seed" if len(winner.seeds) == 1 else f"{len(winner.seeds)} seeds"
    sample = f"{seeds} x {winner.images:,} images" if winner.by_image else seeds
    console.print(f"{_CHOSEN} chosen, {ties}± half of the {100 * winner.level:g} % interval, {sample}.\n")


def _table(winner: Winner) -> Table:
    table = table_of("", "trial>", f"mean {winner.metric}>", "P(best)>", "to the best>", "p>", "parameters>", "search>")
    for one in winner.configurations:
        sign = _CHOSEN if one.trial == winner.chosen else _TIED if one.group == 1 else ""
        table.add_row(
            sign,
            str(one.trial),
            sure_text(one.mean, (one.high - one.low) / 2.0),
            f"{one.p_best:.0%}",
            *_difference(winner, one),
            NOT_THERE if one.parameters is None else f"{one.parameters:,}",
            f"{one.raw:.4g}",
            style="bold" if one.trial == winner.chosen else "",
        )
    return table


def _difference(winner: Winner, one: Confirmed) -> tuple[str, str]:
    apart = one.difference
    if one.trial == winner.best:
        return NOT_THERE, NOT_THERE
    p = NOT_THERE if apart.p_adjusted is None else "<0.001" if apart.p_adjusted < 0.001 else f"{apart.p_adjusted:.3f}"
    return sure_text(apart.estimate, (apart.high - apart.low) / 2.0), p
