"""Knows one page of the table of trials: filtered, sorted, and which columns there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunetrack.report.views.evidence import confirmed_brief
from tunetrack.report.views.query import QueryError, getter, matching, ordered, parse_filter
from tunetrack.report.views.rows import row
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable, TrialRow
from tunetrack.tracking.reader import Versioned

__all__ = ["MOST_ROWS", "PageQuery", "asked_trials", "metric_names", "trials_page"]

#: Rows of one page at most.
MOST_ROWS = 500


@dataclass(frozen=True)
class PageQuery:
    """What part of the table is wanted.

    Attributes:
        page: from 0.
        size: rows of a page, 1 to `MOST_ROWS`.
        sort: a name of the filter language; empty: by number.
        order: ``asc`` or ``desc``.
        filter: terms joined by `` and ``.
    """

    page: int = 0
    size: int = 50
    sort: str = ""
    order: str = "asc"
    filter: str = ""


def trials_page(
    now: Versioned, query: PageQuery, winner: Winner | None = None, images: int | None = None
) -> dict[str, Any]:
    """One page of trials; a page beyond the last one has no rows.

    Args:
        now: the study.
        query: what is wanted.
        winner: what was confirmed; None where nothing was. ``confirmed`` has its configurations by trial number.
        images: number of validation images, where the trials' own parameters do not say.

    Raises:
        QueryError: it cannot be understood.
    """
    if not 1 <= query.size <= MOST_ROWS:
        raise QueryError(f"a page has 1 to {MOST_ROWS} rows, not {query.size}")
    if query.page < 0:
        raise QueryError(f"pages are counted from 0; there is no page {query.page}")
    table = now.table
    found = asked_trials(table, query)
    of_this = winner is not None and winner.study_run == table.study.run_id
    confirmed = {one.trial: confirmed_brief(one) for one in winner.configurations} if winner and of_this else {}
    shown = found[query.page * query.size : (query.page + 1) * query.size]
    return {
        "version": now.version,
        "total": len(table.trials),
        "matched": len(found),
        "page": query.page,
        "size": query.size,
        "columns": {
            "params": [param.path for param in table.study.info.searched],
            "metrics": metric_names(table.trials),
        },
        "confirmed": {str(number): brief for number, brief in confirmed.items()},
        "rows": [row(table, trial, images=images) for trial in shown],
    }


def asked_trials(table: StudyTable, query: PageQuery) -> list[TrialRow]:
    """All trials that a filter lets through, in the order that is asked for.

    Raises:
        QueryError: filter, sort or order cannot be understood.
    """
    if query.order not in ("asc", "desc"):
        raise QueryError(f"order is asc or desc, not {query.order[:60]!r}")
    found = matching(table, parse_filter(query.filter))
    return ordered(found, getter(query.sort or "number", table), query.order == "desc")


def metric_names(trials: Sequence[TrialRow]) -> list[str]:
    """Names of all metrics that occur, in order."""
    return sorted(set().union(*(trial.metrics for trial in trials)))
