"""Scenario: a call at a named point goes wrong; the study goes on or is resumed, then is compared."""

from __future__ import annotations

import signal

from faults.bench import Bench, Outcome, scenario
from faults.inject import Case, struck, variables, verify
from faults.kills import ended, see_to_the_end
from faults.moments import MIDDLE, wait_for
from faults.processes import Scratch

__all__ = ["suffer"]


def suffer(bench: Bench, case: Case) -> Outcome:
    """Runs a study with a fault in it, resumes it where it did not end well, and compares."""
    for fault in case.faults:
        verify(fault)
    bench.whole(case.study)
    with scenario(case.name, study=case.study) as outcome:
        scratch = bench.scratch(case.name, case.study)
        faults = variables(case.faults, scratch.folder)
        if case.stage == "resume":
            _killed_in_the_middle(outcome, scratch)
        scratch.environment |= faults
        running = scratch.run() if case.stage != "resume" else scratch.resume()
        if case.stage == "stop" and wait_for(MIDDLE, running, scratch.home):
            running.strike("supervisor", signal.SIGTERM)
        code = ended(outcome, scratch, running)
        for _ in case.faults[1:]:
            if code != 0:  # the next one may be still to come
                code = ended(outcome, scratch, scratch.resume())
        see_to_the_end(outcome, scratch, code)
        for number, fault in enumerate(case.faults):
            if not struck(scratch.folder, number):
                outcome.problems.append(f"{fault}: it has never come to that, {fault.point} was not called so often")
        seen = bench.judge(outcome, scratch, leave_out=case.hurt)
        study = seen.studies.get(case.study) if seen else None
        for number in case.hurt:
            if study is None or study.trials[number].state != "FAILED":
                outcome.problems.append(f"trial {number} has not failed, though its training did")
    return outcome


def _killed_in_the_middle(outcome: Outcome, scratch: Scratch) -> None:
    running = scratch.run()
    if not wait_for(MIDDLE, running, scratch.home) or not running.strike("both"):
        outcome.problems.append("the study ended before it was killed")
    ended(outcome, scratch, running)
