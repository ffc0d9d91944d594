"""Knows how a study's outcome reads in sentences: what was searched, what won, and how sure that is."""

from __future__ import annotations

from tunetrack.report.certainty import CertaintyInfo
from tunetrack.report.leaderboard import LeaderboardInfo
from tunetrack.report.states import StatesInfo
from tunetrack.report.values import ranked, score
from tunetrack.report.winner import interval_words, winner_sentence
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Winner
from tunetrack.spec.words import duration
from tunetrack.stats import share_interval
from tunetrack.tracking.queries import StudyTable

__all__ = [
    "certainty_words",
    "cost_words",
    "duration",
    "ending_words",
    "headline",
    "measured_words",
    "outcome_words",
    "plural",
    "protocol_words",
]

#: When two trials count as equal.
_HOLDS_ZERO = "the 95 % interval of the difference holds 0"


def headline(table: StudyTable, info: CertaintyInfo, confirmed: bool = False) -> str:
    """One sentence: how much was searched for what, and what was best there; `confirmed`: the winner is named apart."""
    study = table.study.info
    goals = " and ".join(f"{'highest' if goal.maximize else 'lowest'} {goal.metric}" for goal in study.objectives)
    searched = plural(len(study.searched), "parameter")
    start = f"{plural(len(table.trials), 'trial')} searched {searched} for the {goals}"
    if len(study.objectives) > 1:
        found = plural(len(info.front), "trial")
        stands = "stands" if len(info.front) == 1 else "stand"
        return f"{start}: {found} {stands} on the Pareto front." if info.front else f"{start}: none finished."
    if info.best is None or info.value is None:
        return f"{start}: none finished." if table.trials else f"No trial has started yet to search {searched}."
    sure = f" ({interval_words(info.interval.low, info.interval.high)})" if info.interval is not None else ""
    stands = "came first" if confirmed else "is the best"
    return f"{start}: trial {info.best} {stands} with {info.value:.5g}{sure}."


def outcome_words(table: StudyTable, info: CertaintyInfo, winner: Winner | None) -> tuple[str, ...]:
    """The outcome, the most important sentence first: the confirmed winner, then the search and how sure that is."""
    of = table.study.info.confirms
    if of is not None:
        best = plural(len(of.trials), "best configuration")
        search: tuple[str, ...] = (f"The {best} of {of.study}, each trained again on {plural(len(of.seeds), 'seed')}.",)
    else:
        search = (headline(table, info, winner is not None), certainty_words(table, info))
    named = () if winner is None else (winner_sentence(winner, table),)
    return tuple(words for words in (*named, *search) if words)


def certainty_words(table: StudyTable, info: CertaintyInfo) -> str:
    """How sure the best trial is, in one to three sentences; empty where nothing finished."""
    if info.front:
        numbers = ", ".join(str(number) for number in info.front[:20])
        more = f" and {len(info.front) - 20} more" if len(info.front) > 20 else ""
        return f"No other trial is as good in every objective and better in one: {numbers}{more}."
    if info.best is None:
        return ""
    if info.interval is None or info.images is None:
        return f"No interval is given: {info.reason}."
    others = sum(trial.state is TrialState.COMPLETE and score(trial) is not None for trial in ranked(table)) - 1
    parts = [
        f"The interval is that of one training seed's accuracy on {info.images:,} validation images; "
        "the scatter between seeds comes on top."
    ]
    if not others:
        parts.append("It is the only finished trial.")
    elif not info.near:
        parts.append(f"By these images it can be told apart from {_all_others(others)}.")
    else:
        near = f"{len(info.near):,} of {plural(others, 'other finished trial')}"
        parts.append(f"By these images {near} cannot be told apart from it: {_HOLDS_ZERO}.")
    if others >= 9:
        parts.append("The best of many is also the luckiest of many, so expect a little less on new images.")
    return " ".join(parts)


def measured_words(info: CertaintyInfo, board: LeaderboardInfo, test_images: int | None) -> str:
    """The best trial's accuracy on the test images; empty where it was not measured."""
    for row in board.rows:
        if row.test_accuracy is None or (info.best is not None and row.number != info.best):
            continue
        which = f"trial {row.number}"
        if info.front:
            which += ", of the Pareto front the best in the first objective"
        if not 0.0 <= row.test_accuracy <= 1.0 or not test_images:
            return f"Test accuracy of {which}, not used to choose it: {row.test_accuracy:.5g}."
        sure = share_interval(round(row.test_accuracy * test_images), test_images)
        return (
            f"Test accuracy of {which}, not used to choose it: {row.test_accuracy:.4f} "
            f"({interval_words(sure.low, sure.high)}, {test_images:,} images)."
        )
    return ""


def protocol_words(table: StudyTable) -> str:
    """Where the validation images come from, where that is the official test set; empty for all other studies."""
    if not table.study.info.validates_on_test_images:
        return ""
    return "The validation images were drawn from the official test set (data.faithful)."


def ending_words(table: StudyTable) -> str:
    """Which trials break a constraint, and why the study gets no further one; empty where there is nothing to say."""
    broken = [trial for trial in table.trials if trial.violates]
    limits = dict.fromkeys(text.rpartition(" (")[0] for trial in broken for text in trial.violates.split("; "))
    trained = sum(trial.state.has_value for trial in broken)
    parts = []
    if broken:
        untrained = len(broken) - trained
        counts = [f"{plural(untrained, 'trial')} not trained"] if untrained else []
        counts += [f"{plural(trained, 'trained trial')} left out of the ranking"] if trained else []
        parts.append(f"Broken constraints ({' and '.join(limits)}): {', '.join(counts)}.")
    if stopped := table.study.tags.get("study.stopped"):
        parts.append(f"The study ended, since {stopped}.")
    return " ".join(parts)


def cost_words(info: StatesInfo) -> str:
    """What all trials cost, and how much of it went to pruned ones."""
    if not info.trials:
        return "No trial has started."
    words = f"{plural(info.trials, 'trial')} cost {duration(info.seconds)} of training in all"
    if info.pruned_share:
        pruned = next(row for row in info.rows if row.state is TrialState.PRUNED)
        words += (
            f", {duration(pruned.seconds)} of it ({info.pruned_share:.0%}) on {plural(pruned.count, 'pruned trial')}"
        )
    if info.ended_by:
        rules = ", ".join(f"{rule} {count}" for rule, count in info.ended_by.items())
        words += f"; health rules ended {plural(sum(info.ended_by.values()), 'trial')} ({rules})"
    unknown = sum(row.unknown for row in info.rows)
    if unknown:
        words += f"; the cost of {plural(unknown, 'trial')} is not known yet"
    return words + "."


def _all_others(count: int) -> str:
    return "the other finished trial" if count == 1 else f"all {count:,} other finished trials"


def plural(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``, ``1,000 trials``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
