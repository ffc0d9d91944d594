"""Keeps what MLflow's own UI shows of a study up to date while it runs: description, saved view, table statistics.

A thread does it beside the training, at most every `PAUSE_SECONDS` and in at most `SHARE` of the time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from tunetrack.spec import StudySpec
from tunetrack.study.outcome import so_far_in_words
from tunetrack.study.result import StudyResult, StudyTrial
from tunetrack.tracking import StudyInfo, StudyRow, StudyRun, StudyState, StudyTable, TrialRow

__all__ = ["Bulletin", "Ranking", "table_of"]

_logger = logging.getLogger(__name__)

#: From a study's trials to the paths of its searched parameters, the most important first; none where nothing is known.
Ranking = Callable[[StudyTable], tuple[str, ...]]

#: Seconds between two bulletins, at least.
PAUSE_SECONDS = 20.0
#: Most of the time that they may take; each is paid for before the next one.
SHARE = 0.01
#: Seconds that the end of a study waits for one that is being made.
PATIENCE_SECONDS = 2.0


class Bulletin:
    """Says how a study stands. A context manager: nothing is written after its end.

    Args:
        spec: the study.
        run: its run.
        standing: the study as it now stands.
        ranking: orders the searched parameters by importance.
        housekeeping: called after every doubling of the number of trials, with that number.
    """

    def __init__(
        self,
        spec: StudySpec,
        run: StudyRun,
        standing: Callable[[], StudyResult],
        ranking: Ranking,
        housekeeping: Callable[[int], None],
    ) -> None:
        self._spec, self._run = spec, run
        self._standing, self._ranking, self._housekeeping = standing, ranking, housekeeping
        self._next_at = 0.0
        self._kept_house_at = 1
        self._rows: dict[int, TrialRow] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Lock()
        self._closed = False

    def trial_ended(self) -> None:
        """Begins a new bulletin where one is due, and returns at once."""
        if time.monotonic() < self._next_at or (self._thread is not None and self._thread.is_alive()):
            return
        began = time.monotonic()
        result = self._standing()
        self._thread = threading.Thread(target=self._make, args=(result, began), name="tunetrack-bulletin", daemon=True)
        self._thread.start()

    def rank(self, result: StudyResult) -> None:
        """Writes the saved view once more where the order of importance has changed."""
        order = self._ranking(table_of(result, self._run, self._rows))
        if order and order != self._run.info.important:
            self._run.rank_params(order)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._closing:
            self._closed = True
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _make(self, result: StudyResult, began: float) -> None:
        try:
            words = so_far_in_words(result, self._spec.head.budget, datetime.now(UTC))
            order = self._ranking(table_of(result, self._run, self._rows))
            with self._closing:  # what is said at the study's end must come last
                if self._closed:
                    return
                self._run.describe(words)
                if order and order != self._run.info.important:
                    self._run.rank_params(order)
            if len(result.trials) >= 2 * self._kept_house_at:
                self._kept_house_at = len(result.trials)
                self._housekeeping(len(result.trials))
        except Exception:  # nobody's trial is to fail for it
            _logger.exception("the description of the study %s could not be renewed", result.name)
        finally:
            now = time.monotonic()
            self._next_at = now + max(PAUSE_SECONDS, (now - began) / SHARE)


def table_of(result: StudyResult, run: StudyRun, known: dict[int, TrialRow]) -> StudyTable:
    """A study as the report reads it from MLflow, made of what the ledger knows: searched parameters and values.

    Args:
        result: the study.
        run: its run.
        known: rows of trials that have ended, by number; new ones are added.
    """
    rows = []
    for trial in result.trials:
        row = known.get(trial.number) or _row(trial, run.info)
        if row.end is not None:
            known[trial.number] = row
        rows.append(row)
    start = min((row.start for row in rows), default=datetime.now(UTC))
    study = StudyRow(run.info, StudyState.RUNNING, run.run_id, run.experiment_id, "", start, None)
    return StudyTable(study, tuple(rows))


def _row(trial: StudyTrial, info: StudyInfo) -> TrialRow:
    record = trial.record
    params: Mapping[str, Any] = trial.params
    return TrialRow(
        number=record.number,
        state=record.state,
        reason=record.reason,
        run_id=trial.run_id or "",
        params={param.path: params[param.path] for param in info.searched if param.is_searched(params)},
        metrics={},
        values=record.objectives,
        duplicate_of=record.duplicate_of,
        start=record.started or datetime.now(UTC),
        end=record.finished,
        violates="; ".join(record.violates),
    )
