"""Scenario: kill -9 at a moment, then resume, then compare."""

from __future__ import annotations

from faults.bench import Bench, Outcome, scenario
from faults.moments import Moment, sleep_or_end
from faults.processes import Late, Running, Scratch

__all__ = ["ended", "kill_at", "see_to_the_end"]

#: A supervisor that is still there so long after its worker was killed goes on with the study, seconds.
NOTICES_WITHIN = 1.0


def kill_at(bench: Bench, moment: Moment) -> Outcome:
    """Runs a study, kills it at each of the moments, resumes it and compares it with the uninterrupted one."""
    whole = bench.whole(moment.study)
    with scenario(moment.name, study=moment.study, strikes=[str(strike) for strike in moment.strikes]) as outcome:
        scratch = bench.scratch(moment.name, moment.study)
        running, hits = scratch.run(), 0
        for strike in moment.strikes:
            if running.process.poll() is not None:
                ended(outcome, scratch, running)
                running = scratch.resume()
            if strike.wait(running, scratch.home, whole.seconds) and running.strike(strike.target):
                hits += 1
                if strike.target != "worker" or not sleep_or_end(running, NOTICES_WITHIN):
                    running.wait()
        code = ended(outcome, scratch, running)
        outcome.hit = hits == len(moment.strikes)
        see_to_the_end(outcome, scratch, code)
        bench.judge(outcome, scratch)
    return outcome


def ended(outcome: Outcome, scratch: Scratch, running: Running) -> int | None:
    """Waits until a command has ended and nobody of it is left; its exit code, None where it had to be killed."""
    code = None
    try:
        code = running.wait()
    except Late as error:
        outcome.problems.append(f"the command is {error}; it said: {scratch.said}")
    outcome.problems += scratch.left_behind()
    return code


def see_to_the_end(outcome: Outcome, scratch: Scratch, code: int | None) -> None:
    """Resumes a study that has not ended by itself."""
    if code != 0:
        outcome.problems += scratch.resume_to_the_end()
        outcome.problems += scratch.left_behind()
