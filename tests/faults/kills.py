"""Scenario: kill -9 at a moment, then resume, then compare."""

from __future__ import annotations

import signal
import time

from faults.bench import Bench, Outcome, scenario
from faults.compare import audit
from faults.moments import MIDDLE, Moment, sleep_or_end, wait_for
from faults.processes import Late, Running, Scratch
from faults.reading import read_home

__all__ = ["ended", "freeze", "kill_and_mend", "kill_at", "see_to_the_end"]

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
                if strike.target in ("supervisor", "both") or not sleep_or_end(running, NOTICES_WITHIN):
                    running.wait()
        code = ended(outcome, scratch, running)
        outcome.hit = hits == len(moment.strikes)
        see_to_the_end(outcome, scratch, code)
        bench.judge(outcome, scratch)
    return outcome


def kill_and_mend(bench: Bench, study: str = "optuna-tpe") -> Outcome:
    """Kills a study for good: `doctor --fix` leaves nothing behind but what a resume needs, and that then succeeds."""
    whole = bench.whole(study)
    with scenario("doctor --fix after a kill", study=study) as outcome:
        scratch = bench.scratch(outcome.name, study)
        running = scratch.run()
        outcome.hit = wait_for(MIDDLE, running, scratch.home) and running.strike("both") > 0
        ended(outcome, scratch, running)
        for command in (("doctor", "--fix"), ("parity", study, "--json")):
            if (code := ended(outcome, scratch, scratch.start(*command))) != 0:
                outcome.problems.append(f"{' '.join(command)} ended with {code}; it said: {scratch.said}")
        seen = read_home(scratch.home)
        needed = frozenset(path for path in seen.files if path.startswith("checkpoints/") and path.endswith(".pt"))
        mended = audit(seen, whole.home.files | needed)
        see_to_the_end(outcome, scratch, None)
        bench.judge(outcome, scratch)
        outcome.found.orphans += [f"after doctor --fix: {text}" for text in mended.orphans]
        for who, texts in mended.trials_differ.items():
            outcome.found.trials_differ.setdefault(who, []).extend(f"after doctor --fix: {text}" for text in texts)
    return outcome


def freeze(bench: Bench, seconds: float, study: str = "hyperopt-tpe") -> Outcome:
    """Stops the worker in the middle of a trial for a while, as a suspended machine does."""
    bench.whole(study)
    with scenario(f"worker frozen for {seconds:g} s", study=study) as outcome:
        scratch = bench.scratch(outcome.name, study)
        running = scratch.run()
        outcome.hit = wait_for(MIDDLE, running, scratch.home) and running.strike("worker", signal.SIGSTOP) > 0
        time.sleep(seconds)
        running.strike("worker", signal.SIGCONT)
        code = ended(outcome, scratch, running)
        if code != 0:
            outcome.problems.append(f"the study ended with {code}; it said: {scratch.said}")
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
