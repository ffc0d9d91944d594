"""Runs the whole harness and writes what it has found; `scripts/faults` calls it."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _machine import describe_machine, today  # benchmarks/

from faults.bench import Bench, Outcome
from faults.inject import CASES, verify
from faults.kills import freeze, kill_and_mend, kill_at
from faults.moments import Moment, aimed_moments, crew_moments, random_moments
from faults.outages import go_through, outages
from faults.points import suffer
from faults.shortages import DiskFull, eaten, filled, shortages
from faults.together import start_twice, work_together
from study_support import ROOT

__all__ = ["main"]

GROUPS = {
    "a": "worker, supervisor or both killed or frozen",
    "b": "tracking server stopped, killed, frozen",
    "c": "faults at named points, disk and memory full",
    "d": "several processes at once",
    "e": "a study with two workers: one of them, the process that forks them, the leader or all killed",
}
RESULT = ROOT / "benchmarks" / "results" / "faults.json"
KINDS = ("orphans", "duplicates", "points_lost", "trials_differ")

Task = Callable[[], Outcome]


class Harness:
    """Runs scenarios, some at a time, and says how each ended."""

    def __init__(self, bench: Bench, jobs: int, match: str = "") -> None:
        self._bench = bench
        self._jobs = jobs
        self._match = match
        self._done = itertools.count(1)
        self.outcomes: dict[str, list[Outcome]] = {}

    def run(self, group: str, tasks: Iterable[tuple[str, Task]], jobs: int | None = None) -> list[Outcome]:
        """Runs the tasks whose names match, and keeps their outcomes in order."""
        wanted = [task for task in tasks if self._match in task[0]]
        with ThreadPoolExecutor(jobs or self._jobs) as pool:
            outcomes = list(pool.map(lambda task: self._one(*task), wanted))
        self.outcomes.setdefault(group, []).extend(outcomes)
        return outcomes

    def kills(self, wanted: int, seed: int) -> None:
        """Kills at random moments until so many have come before their study had ended; then the aimed ones."""
        moments, hits, tried = random_moments(seed), 0, 0
        while hits < wanted and tried < 2 * wanted:
            batch = list(itertools.islice(moments, wanted - hits))
            tried += len(batch)
            hits += sum(outcome.hit for outcome in self.run("a", self._kill_tasks(batch)))
        if wanted:
            self.run("a", self._kill_tasks(aimed_moments(seed)))
        mend: Task = functools.partial(kill_and_mend, self._bench)
        self.run("a", [("doctor --fix after a kill", mend), ("frozen", functools.partial(freeze, self._bench, 20.0))])

    def _kill_tasks(self, moments: Iterable[Moment]) -> Iterator[tuple[str, Task]]:
        return ((moment.name, functools.partial(kill_at, self._bench, moment)) for moment in moments)

    def _one(self, name: str, task: Task) -> Outcome:
        try:
            outcome = task()
        except Exception:  # a defect of the harness itself must neither stop the others nor pass for a success
            outcome = Outcome(name, problems=[f"the harness failed: {traceback.format_exc()}"])
        counts = ", ".join(f"{kind} {count}" for kind, count in outcome.found.counts.items() if count)
        ending = outcome.skipped or ", ".join(filter(None, [counts, *outcome.problems[:1]])) or "ok"
        late = "" if outcome.hit else "  (came too late)"
        print(f"{next(self._done):4} {outcome.seconds:6.1f} s  {outcome.name}: {ending[:400]}{late}", flush=True)
        return outcome


def main() -> int:
    """The exit code: 1 where anything was found."""
    given = _arguments()
    for fault in {fault for case in CASES for fault in case.faults}:
        verify(fault)
    folder = Path(given.folder or tempfile.mkdtemp(prefix="tunetrack-faults-"))
    started = time.monotonic()
    harness = Harness(bench := Bench(folder), given.jobs, given.match)
    if "a" in given.only:
        harness.kills(given.kills, given.seed)
    if "b" in given.only:
        cases = outages(given.seed, given.outage)
        harness.run("b", [(case.name, functools.partial(go_through, bench, case)) for case in cases])
    if "c" in given.only:
        harness.run("c", [(case.name, functools.partial(suffer, bench, case)) for case in CASES])
        harness.run("c", [(case.name, functools.partial(_short_of, bench, case)) for case in shortages()])
    if "d" in given.only:  # one after the other: they need the cores for themselves
        together: list[tuple[str, Task]] = [
            ("start twice", functools.partial(start_twice, bench)),
            ("two resume", functools.partial(work_together, bench, 2, "hyperopt-tpe")),
            ("eight resume", functools.partial(work_together, bench, 8, "random")),
        ]
        harness.run("d", together, jobs=1)
    if "e" in given.only:
        moments = crew_moments(given.seed, given.crew_kills)
        harness.run("e", [(moment.name, functools.partial(kill_at, bench, moment)) for moment in moments], jobs=1)
    document = _document(given, harness, time.monotonic() - started)
    print(json.dumps(document["totals"]))
    out = Path(given.out) if given.out else (RESULT if given.only == "abcde" and not given.match else None)
    if out is not None:
        out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if all(outcome.good for outcomes in harness.outcomes.values() for outcome in outcomes):
        shutil.rmtree(folder)
        return 0
    print(f"what the failed scenarios have left is in {folder}")
    return 1


def _short_of(bench: Bench, case: Any) -> Outcome:
    return filled(bench, case) if isinstance(case, DiskFull) else eaten(bench, case)


def _totals(outcomes: list[Outcome]) -> dict[str, int]:
    ran = [outcome for outcome in outcomes if not outcome.skipped]
    counts = {kind: sum(outcome.found.counts[kind] for outcome in ran) for kind in KINDS}
    return {
        "scenarios": len(ran),
        "hit": sum(outcome.hit for outcome in ran),
        "skipped": len(outcomes) - len(ran),
        **counts,
        "problems": sum(len(outcome.problems) for outcome in ran),
    }


def _document(given: argparse.Namespace, harness: Harness, seconds: float) -> dict[str, Any]:
    everything = [outcome for outcomes in harness.outcomes.values() for outcome in outcomes]
    return {
        "what": "Real studies, killed, cut off and starved, then resumed and compared with uninterrupted ones",
        "date": today(),
        "machine": describe_machine(),
        "options": {
            key: getattr(given, key) for key in ("kills", "crew_kills", "seed", "outage", "jobs", "only", "match")
        },
        "totals": _totals(everything),
        "groups": {group: {"what": GROUPS[group], **_totals(o)} for group, o in harness.outcomes.items()},
        "seconds": round(seconds),
        "scenarios": {group: [outcome.document() for outcome in o] for group, o in harness.outcomes.items()},
    }


def _arguments() -> argparse.Namespace:
    groups = "; ".join(f"{key}: {words}" for key, words in GROUPS.items())
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="random moments that must hit")
    parser.add_argument("--crew-kills", type=int, default=12, help="random moments in a study with two workers")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--outage", type=float, default=600.0, help="seconds that the long outage lasts")
    parser.add_argument("--only", default="abcde", help=f"some of the groups ({groups}), such as ac")
    parser.add_argument("--match", default="", help="only scenarios whose name holds this text")
    parser.add_argument("--jobs", type=int, default=1, help="scenarios at a time")
    parser.add_argument("--out", help=f"the result; default: {RESULT.relative_to(ROOT)} where everything is run")
    parser.add_argument("--folder", help="for homes and logs; default: a new temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
