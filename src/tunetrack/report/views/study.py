"""Knows everything that a study's page shows, in one piece of plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tunetrack.report.certainty import CertaintyInfo, certainty_info
from tunetrack.report.curves import curve_metric
from tunetrack.report.evidence import Evidence
from tunetrack.report.history import history_info
from tunetrack.report.leaderboard import leaderboard_info
from tunetrack.report.savings import savings_info
from tunetrack.report.states import StatesInfo, states_info
from tunetrack.report.values import number, pareto_front, score
from tunetrack.report.views.columns import columns, searched_params
from tunetrack.report.views.evidence import evidence_payload
from tunetrack.report.views.insights import Insights, insights
from tunetrack.report.views.links import study_links
from tunetrack.report.views.plain import finite, history_payload, milliseconds
from tunetrack.report.views.understanding import accounts_payload, understanding_payload
from tunetrack.report.words import (
    cost_words,
    duration,
    ending_words,
    measured_words,
    outcome_words,
    plural,
    protocol_words,
)
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyRow, StudyTable
from tunetrack.tracking.reader import Versioned

__all__ = ["StudyFacts", "budget_limits", "objectives", "study_head", "study_payload"]

#: What a study file without a budget gets.
_DEFAULT_BUDGET = {"trials": 20}


@dataclass(frozen=True)
class StudyFacts:
    """What is stored with a study beside its trials.

    Attributes:
        document: the stored study file; may be empty.
        images: number of images by data context (``training``, ``validation``, ``test``).
        saved_view: id of the saved view in MLflow's UI; None where there is none.
        history_metrics: names of the metrics that trials log by epoch.
        insights: what is known of its parameters already; None: it is computed.
        evidence: what was confirmed and reviewed.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    saved_view: str | None = None
    history_metrics: Sequence[str] = ()
    insights: Insights | None = None
    evidence: Evidence = field(default_factory=Evidence)


def study_payload(now: Versioned, history: pd.DataFrame, facts: StudyFacts) -> dict[str, Any]:
    """All that the page of a study shows.

    Args:
        now: the study.
        history: the curves of `tunetrack.report.curves.curve_trials` in `curve_metric`.
        facts: what else is stored.
    """
    table = now.table
    params = searched_params(table)
    certainty, states = certainty_info(table, facts.images.get("validation")), states_info(table)
    indices = {trial.number: index for index, trial in enumerate(table.trials)}
    goals = range(len(table.study.info.objectives))
    known = facts.insights or insights(table)
    return {
        "version": now.version,
        "study": study_head(table.study, facts.saved_view) | {"params": params},
        "headline": _headline(table, certainty, states, facts),
        "trials": columns(table, params, facts.images.get("validation")),
        "best_so_far": [
            [indices[trial] for trial, _ in history_info(table, objective).best_so_far] for objective in goals
        ],
        "front": _front(table),
        "tied": list(certainty.near),
        "importance": _importance(known),
        "interactions": _interactions(known),
        "budget": _budget(states, facts.document),
        "understanding": understanding_payload(table, known.understanding),
        "cost": _cost(table, states) | accounts_payload(table),
        "history_metrics": list(facts.history_metrics),
        "curves": history_payload(table, history, [curve_metric(table)]),
        **evidence_payload(table, facts.evidence),
    }


def objectives(study: StudyRow) -> list[dict[str, Any]]:
    """What is optimised; ``key`` is the metric under which the values are logged."""
    keys = study.info.objective_metrics
    return [
        {"metric": goal.metric, "key": key, "maximize": goal.maximize}
        for goal, key in zip(study.info.objectives, keys, strict=True)
    ]


def study_head(study: StudyRow, saved_view: str | None) -> dict[str, Any]:
    """What every page says of a study: its names, state, times, objectives and links.

    Args:
        study: the study.
        saved_view: id of its saved view in MLflow's UI; None where there is none.
    """
    of = study.info.confirms
    return {
        "id": study.run_id,
        "name": study.info.name,
        "experiment": study.experiment,
        "experiment_id": study.experiment_id,
        "state": study.state.value,
        "start": milliseconds(study.start),
        "end": milliseconds(study.end),
        "objectives": objectives(study),
        "confirms": None if of is None else {"id": of.run, "name": of.study, "seeds": list(of.seeds)},
        "links": study_links(study, saved_view),
    }


def _headline(table: StudyTable, certainty: CertaintyInfo, states: StatesInfo, facts: StudyFacts) -> list[str]:
    winner = facts.evidence.winner
    no_curves = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
    sentences = (
        *outcome_words(table, certainty, winner),
        "" if winner else measured_words(certainty, leaderboard_info(table, no_curves), facts.images.get("test")),
        protocol_words(table),
        ending_words(table),
        cost_words(states),
    )
    return [sentence for sentence in sentences if sentence]


def _front(table: StudyTable) -> list[int]:
    """Indices of the completed trials that no other one beats, where there are several objectives."""
    goals = table.study.info.objectives
    if len(goals) < 2:
        return []
    places, points = [], []
    for index, trial in enumerate(table.trials):
        values = [score(trial, objective) for objective in range(len(goals))]
        if trial.state is TrialState.COMPLETE and None not in values and not trial.violates:
            places.append(index)
            points.append([value or 0.0 for value in values])
    return [places[index] for index in pareto_front(points, [goal.maximize for goal in goals])]


def _importance(known: Insights) -> dict[str, Any]:
    info = known.importance
    params = None
    if info.params is not None:
        params = [
            {"path": param.path, "share": param.share, "low": finite(param.low), "high": finite(param.high)}
            for param in info.params
        ]
    return {"params": params, "reason": info.reason, "trials": info.trials}


def _interactions(known: Insights) -> dict[str, Any]:
    info = known.interactions
    pairs = None
    if info.pairs is not None:
        pairs = [
            {"a": pair.a, "b": pair.b, "strength": pair.strength, "low": pair.low, "high": pair.high}
            for pair in info.pairs
        ]
    return {"pairs": pairs, "reason": info.reason, "trials": known.trials}


def budget_limits(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Trials and seconds that a stored study file allows; None where it says nothing of them, or there is none."""
    given = document.get("budget", _DEFAULT_BUDGET if document else {})
    found = given if isinstance(given, Mapping) else {}
    trials, seconds = number(found.get("trials")), number(found.get("seconds"))
    return {"trials": None if trials is None else round(trials), "seconds": seconds}


def _budget(states: StatesInfo, document: Mapping[str, Any]) -> dict[str, Any]:
    limits = budget_limits(document)
    under_way = (TrialState.RUNNING, TrialState.KILLED)
    used = {
        "trials": sum(row.count for row in states.rows if row.state not in under_way),
        "seconds": states.seconds,
    }
    return {key: {"used": used[key], "limit": limits[key]} for key in ("trials", "seconds")}


def _cost(table: StudyTable, states: StatesInfo) -> dict[str, Any]:
    saved = savings_info(table)
    how = "No trial was pruned."
    if saved.seconds is not None:
        how = (
            f"{plural(saved.trials, 'pruned trial')} did not train {plural(saved.epochs, 'epoch')}, "
            f"each at its own mean time an epoch: {duration(saved.seconds)}."
        )
    if saved.unknown:
        how = ("" if saved.seconds is None else f"{how} ") + (
            f"Of {plural(saved.unknown, 'pruned trial')} the epochs or their time are not known."
        )
    return {
        "seconds_by_state": {row.state.value: row.seconds for row in states.rows},
        "saved_by_pruning": saved.seconds,
        "how": how,
    }
