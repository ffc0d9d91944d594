"""What is wrong with a study after a fault: runs left over, things there twice, points lost, trials that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from faults.reading import History, HomeSeen, RunSeen, StudySeen, TrialSeen, bits

__all__ = ["Found", "audit", "compare", "find_differences"]

#: Metrics that are measured: equal studies have them at the same steps, with other values.
MEASURED = ("epoch_seconds", "images_per_second", "train_seconds", "memory/")
#: Most lines of a kind in the words of what was found.
LINES_SHOWN = 10
#: What a finished trial is for MLflow.
STATUS = {"COMPLETE": "FINISHED", "DUPLICATE": "FINISHED", "PRUNED": "FINISHED", "INFEASIBLE": "FINISHED"}
STATUS |= {"FAILED": "FAILED", "KILLED": "KILLED", "RUNNING": "RUNNING"}


@dataclass
class Found:
    """All that is wrong, one line each, by kind.

    Attributes:
        orphans: what nobody owns: runs that are RUNNING though nobody works, runs without a trial, files left over.
        duplicates: what is there twice: runs of a trial, trials beyond the budget, points of a metric at a step.
        points_lost: points of the uninterrupted study that are missing.
        trials_differ: what differs from the uninterrupted study, by trial; the study's own run as ``study``.
    """

    orphans: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    points_lost: list[str] = field(default_factory=list)
    trials_differ: dict[str, list[str]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {name: len(value) for name, value in vars(self).items()}

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def differs(self, who: object, text: str) -> None:
        """Notes a difference of one trial."""
        self.trials_differ.setdefault(str(who), []).append(text)

    def __str__(self) -> str:
        blocks = [(kind, getattr(self, kind)) for kind in ("orphans", "duplicates", "points_lost")]
        blocks += [(f"trial {who} differs", texts) for who, texts in self.trials_differ.items()]
        lines = [f"{what}: {text}" for what, texts in blocks for text in _first(texts)]
        return "\n".join(lines) or "nothing"


def compare(seen: HomeSeen, name: str, whole: HomeSeen, whole_name: str, leave_out: tuple[int, ...] = ()) -> Found:
    """What is wrong with a study that went through a fault.

    Args:
        seen: the home with it.
        name: the study.
        whole: the home of the uninterrupted study.
        whole_name: its name there.
        leave_out: numbers of trials that the fault was meant to change, which need only be in order by themselves.
    """
    # The files of each study, under its own name.
    found = audit(
        seen, frozenset(f.replace(whole_name, other) for f in whole.files for other in (whole_name, *seen.studies))
    )
    if name not in seen.studies:
        found.differs("study", "there is none" if not found.orphans else "it cannot be read")
        return found
    find_differences(found, seen.studies[name], whole.studies[whole_name], leave_out)
    return found


def audit(seen: HomeSeen, expected_files: frozenset[str]) -> Found:
    """What is wrong with a home where all studies have ended, without an uninterrupted one to compare with.

    Args:
        seen: the home.
        expected_files: what an uninterrupted study leaves on disk, artifacts apart.
    """
    found = Found()
    found.orphans += [*seen.broken, *seen.strays]
    found.orphans += [f"file left over: {path}" for path in sorted(seen.files - expected_files)]
    for study in seen.studies.values():
        _audit_study(found, study)
    return found


def _audit_study(found: Found, study: StudySeen) -> None:
    for label, runs in [("study", study.runs), *((f"trial {t.number}", t.runs) for t in study.trials.values())]:
        if len(runs) > 1:
            found.duplicates.append(f"{label} of {study.name} has {len(runs)} runs")
        for run in runs:
            if run.status in ("RUNNING", "SCHEDULED"):
                found.orphans.append(f"{label} of {study.name}: its run {run.run_id} is {run.status}")
            for metric, history in run.histories.items():
                found.duplicates += [
                    f"{label} {metric} step {step}: {count} points {_values_at(history, step)}"
                    for step, count in Counter(step for step, _, _ in history).items()
                    if count > 1
                ]
    for trial in study.trials.values():
        _audit_trial(found, study, trial)
    for owner, count in Counter(owner for owner, _ in study.models).items():
        if count > 1:
            found.duplicates.append(f"{owner} of {study.name} has {count} models: {study.models}")
    found.orphans += [f"{owner} has a model that is {status}" for owner, status in study.models if status != "READY"]


def _audit_trial(found: Found, study: StudySeen, trial: TrialSeen) -> None:
    """Ledger and MLflow agree."""
    if trial.state == "RUNNING":
        found.orphans.append(f"trial {trial.number} of {study.name} is RUNNING in the ledger")
    if not trial.runs:
        found.differs(trial.number, f"{trial.state} in the ledger, and no run in MLflow")
    for run in trial.runs:
        if run.all_tags.get("trial.state") != trial.state:
            found.differs(trial.number, f"{trial.state} in the ledger, {run.all_tags.get('trial.state')} in MLflow")
        if run.status != STATUS[trial.state]:
            found.differs(trial.number, f"{trial.state}, and its run is {run.status}")
        logged = [
            bits(value)
            for metric, history in run.histories.items()
            if metric.startswith("objective")
            for _, value, _ in history[-1:]
        ]
        if sorted(logged) != sorted(trial.facts["objectives"] or []):
            found.differs(trial.number, f"objective {trial.facts['objectives']} in the ledger, {logged} in MLflow")


def find_differences(found: Found, study: StudySeen, whole: StudySeen, leave_out: tuple[int, ...] = ()) -> None:
    """Adds where a study is not what the uninterrupted one is."""
    for number in sorted(study.trials.keys() - whole.trials.keys()):
        found.duplicates.append(f"trial {number} ({study.trials[number].state}) is beyond the budget")
    names = {study.name: "STUDY"}, {whole.name: "STUDY"}
    for number in sorted(whole.trials.keys() - set(leave_out)):
        if number in study.trials:
            _compare_trial(found, study.trials[number], whole.trials[number], names)
        else:
            found.differs(number, "there is no such trial")
    if leave_out:
        return  # what the study says of all trials together differs too
    for text in _unequal("in the ledger: ", study.facts, whole.facts):
        found.differs("study", text)
    _compare_runs(found, "study", study.runs, whole.runs, names)
    if Counter(study.models) != Counter(whole.models):
        found.differs("study", f"models {study.models}, not {whole.models}")


def _compare_trial(
    found: Found, trial: TrialSeen, whole: TrialSeen, names: tuple[Mapping[str, str], Mapping[str, str]]
) -> None:
    for text in _unequal("in the ledger: ", trial.facts, whole.facts):
        found.differs(trial.number, text)
    _compare_runs(found, trial.number, trial.runs, whole.runs, names)


def _compare_runs(
    found: Found,
    who: object,
    runs: tuple[RunSeen, ...],
    whole_runs: tuple[RunSeen, ...],
    names: tuple[Mapping[str, str], Mapping[str, str]],
) -> None:
    """The first run stands for all; a second one has been noted as a duplicate."""
    (whole,) = whole_runs
    if not runs:
        found.points_lost += [f"{who} {metric} step {p[0]}" for metric, h in whole.histories.items() for p in h]
        found.differs(who, "it has no run")
        return
    run = min(runs, key=lambda one: len(one.histories) * -1)
    _compare_histories(found, who, run.histories, whole.histories)
    tags = _renamed(run.tags, names[0]), _renamed(whole.tags, names[1])
    differences = [
        *_unequal("status ", {"": run.status}, {"": whole.status}),
        *_unequal("param ", run.params, whole.params),
        *_unequal("tag ", *tags),
        *_unequal("inputs ", Counter(run.inputs), Counter(whole.inputs)),
        *(f"file {path} is not there" for path in sorted(whole.files.keys() - run.files.keys())),
        *(f"file {path} is there and should not be" for path in sorted(run.files.keys() - whole.files.keys())),
    ]
    for path in sorted(run.files.keys() & whole.files.keys()):
        if path != "study.yaml":  # names the study
            differences += _unequal(f"{path} ", run.files[path], whole.files[path])
    for text in differences:
        found.differs(who, text)


def _compare_histories(
    found: Found, who: object, histories: Mapping[str, History], whole: Mapping[str, History]
) -> None:
    for metric in sorted(whole.keys() | histories.keys()):
        here, there = histories.get(metric, []), whole.get(metric, [])
        steps = Counter(step for step, _, _ in here)
        lost = Counter(step for step, _, _ in there) - steps
        found.points_lost += [f"{who} {metric} step {step}" for step in sorted(lost.elements())]
        more = set(steps) - {step for step, _, _ in there}
        if more:
            found.differs(who, f"{metric} has points at steps {sorted(more)}, and should not")
        if metric.startswith(MEASURED):
            continue
        expected = {step: bits(value) for step, value, _ in there}
        wrong = [f"{step}: {v!r}" for step, v, _ in here if step in expected and bits(v) != expected[step]]
        if wrong:
            found.differs(who, f"{metric} has other values at steps {', '.join(wrong[:5])}; {expected}")


def _unequal(what: str, one: Mapping[Any, Any], other: Mapping[Any, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*other, *one]):
        if one.get(key) != other.get(key):
            yield f"{what}{key}: {one.get(key)!r}, not {other.get(key)!r}"


def _renamed(tags: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    renamed = dict(tags)
    for key, value in tags.items():
        for name, put in names.items():
            renamed[key] = value.replace(name, put)
    return renamed


def _first(texts: list[str]) -> list[str]:
    more = len(texts) - LINES_SHOWN
    return [text[:300] for text in texts[:LINES_SHOWN]] + ([f"... and {more} more"] if more > 0 else [])


def _values_at(history: History, step: int) -> list[tuple[float, int]]:
    return [(value, time) for at, value, time in history if at == step]
