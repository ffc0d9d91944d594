"""Knows the section about the confirmed winner, for paper and as Markdown."""

from __future__ import annotations

from tunetrack.report.draw_winner import draw_winner
from tunetrack.report.evidence import Evidence
from tunetrack.report.parts import Drawing, Grid, Part, Section, Words
from tunetrack.report.winner import (
    caution_words,
    interval_words,
    outdated_words,
    unconfirmed_words,
    winner_heads,
    winner_rows,
    winner_words,
)
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable

__all__ = ["winner_section"]

_TITLE = "The winner"
_CAPTION = (
    "Shaded: cannot be told apart from the best. ★: chosen. The values of the search are from one seed and were chosen "
    "among many, so they stand apart from the means."
)


def winner_section(table: StudyTable, evidence: Evidence, figure: bool = True) -> Section:
    """What was confirmed, or how to confirm; without parts where there is nothing to say.

    Args:
        table: the study; of a confirmation, the section is that of the study that it confirms.
        evidence: what is stored beside the trials.
        figure: whether it is drawn, too.
    """
    troubles: tuple[Part, ...] = tuple(Words(trouble, note=True) for trouble in evidence.troubles)
    if evidence.winner is None:
        words = unconfirmed_words(table)
        return Section("winner", _TITLE, (*troubles, *([Words(words)] if words else [])))
    return Section("winner", _TITLE, (*troubles, *_parts(table, evidence.winner, figure)))


def _parts(table: StudyTable, winner: Winner, figure: bool) -> list[Part]:
    rows, heads = winner_rows(winner), winner_heads(winner)
    parts: list[Part] = [Words(text) for text in (outdated_words(winner, table), *winner_words(winner)) if text]
    if figure:
        means = "; ".join(
            f"trial {one.trial} {one.mean:.4g}, {interval_words(one.low, one.high, winner.level)}"
            for one in winner.configurations
        )
        parts.append(Drawing("winner", draw_winner(winner), f"Confirmed configurations: {means}.", _CAPTION))
    chosen = next((place for place, row in enumerate(rows) if row.chosen), None)
    parts.append(Grid(heads, tuple(row.cells for row in rows), best=chosen))
    parts.append(Words(caution_words(winner), note=True))
    where = f"The confirmation is the study {winner.confirm_study}: {winner.trials} trials"
    parts.append(Words(f"{where}, {winner.train_seconds:,.1f} s of training.", note=True))
    return parts
