"""Measures what `sampler.lag` costs in waiting, where it makes a study the same with any number of workers.

Run it with `python benchmarks/lag.py`; about eight minutes, most of them asleep. Workers are threads that do all that a
worker does, with ledger and tracking store in SQLite, but for the training, which sleeps: for two seconds give or take
5 %, or for lengths that differ as they do where layers and filters are searched (log-normal, mean two seconds, standard
deviation of the logarithm 0.5: one in six takes 3 s and more). Each lag is compared with a study without one, which has
the same lengths in the same order. The result goes to `benchmarks/results/lag.json`: the time of the study without
the lag as a share of the time with it, so 1 where nobody waits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _machine import describe_machine, today
from _numbers import spread

from tunetrack.ledger import Ledger
from tunetrack.spec import EpochRecord, TrialOutcome, TrialState, load_study
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.trial import TrialResult
from tunetrack.study.worker import Worker
from tunetrack.tracking import connect

ROOT = Path(__file__).parent.parent
EPOCHS = 5
SECONDS = 2.0
LENGTHS = {"equal": 0.0, "different": 0.5}
TRIALS_A_WORKER = 10


def lengths(kind: str, count: int, seed: int) -> list[float]:
    """Seconds of each trial, with a mean of `SECONDS`."""
    draw, sigma = random.Random(seed), LENGTHS[kind]
    if not sigma:
        return [SECONDS * draw.uniform(0.95, 1.05) for _ in range(count)]
    drawn = [math.exp(draw.gauss(0.0, sigma)) for _ in range(count)]
    return [SECONDS * one * count / sum(drawn) for one in drawn]


def study_seconds(workers: int, lag: int | None, seconds: Sequence[float]) -> float:
    """How long a study takes whose trials sleep so long, in the order in which they begin."""
    changes = {
        "name": "lag",
        "sampler": {"name": "random", "seed": 0} | ({} if lag is None else {"lag": lag}),
        "pruner": {"name": "none"},
        "budget": {"trials": len(seconds)},
    }
    spec = load_study(ROOT / "search_spaces" / "quickstart.yaml", changes)
    turns = itertools.count()

    def asleep(config: Any, objectives: Any, data: Any, watch: Any) -> TrialResult:
        length = seconds[next(turns) % len(seconds)]
        for epoch in range(1, EPOCHS + 1):
            time.sleep(length / EPOCHS)
            watch.epoch(EpochRecord(epoch, 1 / epoch, 0.5, 1 / epoch, 0.5, 0.1, 0.0, length / EPOCHS), 0.5, False)
        return TrialResult(TrialOutcome(TrialState.COMPLETE, (0.5,)))

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ledger_url = f"sqlite:///{home}/ledger.db"
        ledger = Ledger.create(ledger_url, spec)
        sets = ResidentSets()
        sets.get(spec.first_config())
        with connect(f"sqlite:///{home}/mlflow.db") as store:
            store.use_spool(home / "spool")
            run = store.open_study(study_info(spec, ledger.name, ledger.name), spec.name, home / "artifacts")
            run.flush()

            def work(_: int) -> None:
                own = Ledger.load(ledger_url, ledger.name)
                with own.keeping():
                    Worker(spec, own, run, sets, Progress(), StopSignals(), asleep).work()

            begin = time.perf_counter()
            with ThreadPoolExecutor(workers) as threads:
                list(threads.map(work, range(workers)))
            took = time.perf_counter() - begin
        if sum(trial.state is TrialState.COMPLETE for trial in ledger.trials()) < len(seconds) * 0.9:
            raise SystemExit("trials are missing")
    return took


def one_round(seed: int) -> dict[str, float]:
    """The share of each arm."""
    found = {}
    for workers, kind in itertools.product((2, 8), LENGTHS):
        seconds = lengths(kind, TRIALS_A_WORKER * workers, seed)
        without = study_seconds(workers, None, seconds)
        found[f"{workers} {kind} ideal"] = sum(seconds) / workers / without
        for lag in (workers - 1, 2 * workers, 4 * workers):
            found[f"{workers} {kind} {lag}"] = without / study_seconds(workers, lag, seconds)
    return found


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "lag.json")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.rounds) as processes:  # they sleep, so that rounds need not wait for each other
        rounds = list(processes.map(one_round, range(options.rounds)))
    arms: dict[str, Any] = {}
    for key in rounds[0]:
        workers, kind, lag = key.split()
        own = arms.setdefault(f"{workers} workers", {}).setdefault(f"{kind} lengths", {})
        own["without, of the ideal" if lag == "ideal" else f"lag {lag}"] = spread([one[key] for one in rounds], 3)
    result = {
        "what": "time of a study without sampler.lag as a share of its time with it, trials asleep",
        "date": today(),
        "machine": describe_machine(),
        "rounds": options.rounds,
        "trials_a_worker": TRIALS_A_WORKER,
        "trial_seconds": SECONDS,
        "share": arms,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
