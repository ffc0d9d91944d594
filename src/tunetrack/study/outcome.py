"""Reads a study's result from ledger and tracking store, and says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tunetrack.ledger import Ledger
from tunetrack.spec import TrialState
from tunetrack.spec.records import pruning_rule
from tunetrack.spec.study import Budget
from tunetrack.spec.winner import Winner
from tunetrack.spec.words import duration
from tunetrack.study.place import Place
from tunetrack.study.result import HeldOut, StudyResult, StudyTrial
from tunetrack.tracking import TrackingStore, trial_runs

__all__ = ["ended_by", "in_words", "read_result", "so_far_in_words"]


def read_result(ledger: Ledger, store: TrackingStore | None, place: Place) -> StudyResult:
    """A study as it stands.

    Args:
        ledger: the study's search state.
        store: where its runs are; None leaves the run ids out.
        place: names the tracking store in the result.

    Raises:
        LedgerError: the search state cannot be read.
        TrackingError: the tracking store cannot be read.
    """
    attributes = ledger.attributes()
    run_id = attributes.get("mlflow_run_id")
    runs = trial_runs(store, run_id) if store is not None and run_id else {}
    searched, confirms = ledger.spec.searched_paths, ledger.spec.head.confirms
    return StudyResult(
        name=ledger.name,
        objectives=ledger.spec.objectives,
        searched=searched,
        trials=tuple(
            StudyTrial(
                record,
                runs.get(record.number),
                searched,
                place.tracking,
                None if confirms is None else confirms.original(record.number),
            )
            for record in ledger.trials()
        ),
        run_id=run_id,
        experiment_id=attributes.get("mlflow_experiment_id"),
        tracking_uri=place.tracking,
        validation_images=attributes.get("validation_images"),
        looks=tuple(HeldOut.of(look) for look in attributes.get("test_looks", ())),
        validates_on_test_images=ledger.spec.validates_on_test_images,
        winner=Winner.from_json(attributes["winner"]) if "winner" in attributes else None,
        confirms=confirms,
        constraints=tuple(map(str, ledger.spec.constraints)),
        stopped=attributes.get("stopped", ""),
    )


def ended_by(ledger: Ledger) -> str:
    """Why a study that has come to its end gets no further trial, in words without a full stop.

    Raises:
        LedgerError: the search state cannot be read.
    """
    seconds = ledger.spec.head.budget.seconds
    return ledger.ended_by() or ("" if seconds is None else f"its {duration(seconds)} are over (budget.seconds)")


def in_words(result: StudyResult) -> str:
    """The outcome as a paragraph of Markdown: the winner, how sure one can be, and what became of the others."""
    best = result.best
    if best is None or best.value is None:
        reasons = sorted({trial.record.reason for trial in result.trials if trial.record.reason})
        if any(trial.values for trial in result.trials):
            limits = " and ".join(result.constraints)
            return f"no trial of {result.name} keeps the constraint {limits}; loosen it, or search elsewhere"
        return f"no trial of {result.name} gave a value" + (f": {'; '.join(reasons[:3])}" if reasons else "")
    if result.winner is not None and result.winner_is_current:
        lines = [result.winner.in_words(), result.winner.cost_in_words()]
    else:
        lines = [_best_in_words(result, "Best"), *filter(None, [result.outdated_in_words()])]
    ties = "" if result.winner_is_current else result.ties_in_words()
    if ties:
        lines.append(f"{ties[0].upper()}{ties[1:]}.")
    if result.test is not None:
        lines.append(f"{result.test_in_words()}.")
    if result.validates_on_test_images:
        lines.append(f"{result.protocol_in_words()}.")
    if result.constraints:
        lines.append(f"{result.constraints_in_words()}.")
    if result.stopped:
        lines.append(f"Ended, since {result.stopped}.")
    lines.append(f"Trials: {_states_in_words(result, result.counts())}; {_time_in_words(result)} in all.")
    return " ".join(lines)


def so_far_in_words(result: StudyResult, budget: Budget, now: datetime) -> str:
    """How a running study stands, as a paragraph of Markdown.

    Args:
        result: the study, with or without the ids of its runs.
        budget: what it may use.
        now: in UTC.
    """
    counts = result.counts()
    waiting = {state: counts.pop(state, 0) for state in (TrialState.RUNNING, TrialState.KILLED)}
    ended, planned = sum(counts.values()), f" of {budget.trials:,}" if budget.trials is not None else ""
    states = f" ({_states_in_words(result, counts)})" if ended else ""
    lines = [f"**Running**: {ended:,}{planned} trial{'' if ended == 1 and not planned else 's'} ended{states}."]
    if result.best is not None:
        lines.append(_best_in_words(result, "Best so far"))
    if waiting[TrialState.KILLED]:
        were = "trials were" if waiting[TrialState.KILLED] > 1 else "trial was"
        lines.append(f"{waiting[TrialState.KILLED]} {were} interrupted and will be run again.")
    limit = f" of {duration(budget.seconds)}" if budget.seconds is not None else ""
    lines.append(f"{_time_in_words(result)}{limit} so far. As of {now:%Y-%m-%d %H:%M} UTC.")
    return " ".join(lines)


def _best_in_words(result: StudyResult, title: str) -> str:
    best = result.best
    if len(result.objectives) > 1 or best is None or best.value is None:
        return result.front_in_words()
    interval = result.interval(best)
    exact = ""
    if interval is not None:
        sample = f"1 seed x {result.validation_images:,} images"
        exact = f" (95 % interval {interval.low:.4f} to {interval.high:.4f}, {sample})"
    return f"**{title}: trial {best.number}** with {result.objectives[0].metric} {best.value:.4f}{exact}."


def _states_in_words(result: StudyResult, counts: Mapping[TrialState, int]) -> str:
    sick = sum(pruning_rule(trial.record.reason) is not None for trial in result.trials)
    by_health = {TrialState.PRUNED: f" ({sick} by health rules)" if sick else ""}
    return ", ".join(f"{counts[s]} {s.value}{by_health.get(s, '')}" for s in TrialState if s in counts)


def _time_in_words(result: StudyResult) -> str:
    return f"{duration(sum(trial.record.seconds or 0.0 for trial in result.trials))} of trials"
