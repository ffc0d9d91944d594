"""Scenario: several processes at once on the same study, or starting the same one."""

from __future__ import annotations

from collections import Counter

from faults.bench import Bench, Outcome, scenario
from faults.kills import ended, see_to_the_end
from faults.moments import Sign, wait_for
from faults.processes import PATIENCE, Late, Running, Scratch

__all__ = ["start_twice", "work_together"]

#: What a process says that comes second.
BUSY = "another process works on the study"


def start_twice(bench: Bench) -> Outcome:
    """Two people start the same study at the same time in one home: two studies, each like the uninterrupted one."""
    study = "optuna-tpe"
    bench.whole(study)
    with scenario("the same study started twice at once", study=study) as outcome:
        scratch = bench.scratch(outcome.name, study)
        _wait_for_all(outcome, scratch, [scratch.run(), scratch.run()])
        seen = bench.judge(outcome, scratch, name=study)
        names = [] if seen is None else sorted(seen.studies)
        if names != [study, f"{study}-2"]:
            outcome.problems.append(f"the studies are {names}")
        first = outcome.found
        bench.judge(outcome, scratch, name=f"{study}-2")
        for who, texts in first.trials_differ.items():
            outcome.found.trials_differ[f"{who} of the first"] = texts
        outcome.found.points_lost += first.points_lost
    return outcome


def work_together(bench: Bench, workers: int, study: str, first: int = 1) -> Outcome:
    """A study is killed in the middle of a trial; so many processes resume it at once: one works, the others say so."""
    whole = bench.whole(study)
    with scenario(f"{workers} at once resume {study}", study=study) as outcome:
        scratch = bench.scratch(outcome.name, study)
        running = scratch.run()
        sign = Sign("a trial is under way", f"checkpoints/*/{first}.pt", 3)
        outcome.hit = wait_for(sign, running, scratch.home) and running.strike("both") > 0
        ended(outcome, scratch, running)
        if not _wait_for_all(outcome, scratch, [scratch.resume() for _ in range(workers)], refused=BUSY):
            see_to_the_end(outcome, scratch, None)
        seen = bench.judge(outcome, scratch)
        if seen is not None and study in seen.studies:
            trials = seen.studies[study].trials
            outcome.detail["trials"] = dict(Counter(trial.state for trial in trials.values()))
            budget = len(whole.home.studies[study].trials)
            if len(trials) != budget:
                outcome.problems.append(f"{len(trials)} trials, and the budget is {budget}")
    return outcome


def _wait_for_all(outcome: Outcome, scratch: Scratch, started: list[Running], refused: str = "") -> bool:
    """Whether all of them have ended well, or, but for one at least, said that they were not needed."""
    bad, worked = [], 0
    for running in started:
        try:
            code = running.wait(PATIENCE * max(1, len(started) // 2))
            worked += code == 0
            if code != 0 and not (refused and refused in running.said):
                bad.append(f"one ended with {code}; it said: {running.said}")
        except Late as error:
            bad.append(f"one is {error}; it said: {running.said}")
    if not worked:
        bad.append("none of them worked")
    outcome.problems += bad + scratch.left_behind()
    return not bad
