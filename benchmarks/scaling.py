"""Measures how many workers one PostgreSQL carries, and what each question to it costs in a long study.

Run it with `python benchmarks/scaling.py`; about ten minutes (`--quick`: two, for a look). It starts a PostgreSQL of
its own, with the default safety (a commit is on the disk), which holds ledger and tracking store in two databases, and
writes `benchmarks/results/scaling.json`. Two questions:

1. Simulated workers: each has a ledger and a tracking store of its own and does all that a worker does, but its
   training sleeps for a second, within which it reports 5 epochs. How many trials a second come of it, beside the
   ideal of one a worker? Once with the ledger alone, once with full tracking. All of them share this machine with the
   database, which real workers would not; so the processor time of a trial is told apart: in the workers, and in
   PostgreSQL for each of the two databases.
2. One worker in a study of 100, 1,000 and 10,000 trials: milliseconds to propose (`ask`), to report and to tell, and to
   read a trial that another worker has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import optuna
import psutil
import psycopg
from _machine import describe_machine, today
from _numbers import spread

from tunetrack.ledger import Ledger
from tunetrack.spec import EpochRecord, StudySpec, TrialOutcome, TrialState, load_study
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.trial import TrialResult
from tunetrack.study.worker import Worker
from tunetrack.tracking import connect

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import postgres_support  # noqa: E402

#: What a trial does: this many epochs in one second of sleep.
EPOCHS = 5
TRIAL_SECONDS = 1.0
#: The simulated workers are threads of so many processes a processor: one process could use one processor only.
PROCESSES_A_CORE = 2
#: More than there will be.
TRIALS = 10_000_000
#: Workers begin within this time of one another, as they would at random, and are not counted before; seconds.
WARM_UP = 5.0
#: Trials that each question is asked in; and the real ones that a long study is made of.
ASKED = 30
#: Trials that other workers end meanwhile.
OTHERS = 100
SEEDS = 50
#: What a trial consists of in Optuna's tables, beside its own row.
COPIED = {
    "trial_params": "param_name, param_value, distribution_json",
    "trial_values": "objective, value, value_type",
    "trial_intermediate_values": "step, intermediate_value, intermediate_value_type",
    "trial_user_attributes": "key, value_json",
}


@dataclass(frozen=True)
class Simulation:
    """What a process of simulated workers is given.

    Attributes:
        study: name in the ledger.
        ledger: URL.
        tracking: URL; None: nothing is tracked.
        run_id: the study's run.
        workers: threads.
        seconds: how long trials are counted.
    """

    study: str
    ledger: str
    tracking: str | None
    run_id: str
    workers: int
    seconds: float


def spec_of(name: str, sampler: str = "random", seconds: float = 3600.0) -> StudySpec:
    """The quickstart's search space with a name, a sampler and a time."""
    budget = {"trials": TRIALS, "seconds": seconds}
    changes = {"sampler": {"name": sampler, "seed": 0}, "pruner": {"name": "none"}, "budget": budget}
    return load_study(ROOT / "search_spaces" / "quickstart.yaml", {"name": name, **changes})


def asleep(config: Any, objectives: Any, data: Any, watch: Any) -> TrialResult:
    """A trainer that sleeps, and reports and leaves what a trial does, but for figures of its weights."""
    value = random.random()
    records = []
    for epoch in range(1, EPOCHS + 1):
        time.sleep(TRIAL_SECONDS / EPOCHS)
        records.append(EpochRecord(epoch, 1 / epoch, value, 1 / epoch, value, 0.1, 0.0, TRIAL_SECONDS / EPOCHS))
        watch.epoch(records[-1], value, False)
    metrics = {"best/validation/accuracy": value, "final/validation/accuracy": value}
    return TrialResult(TrialOutcome(TrialState.COMPLETE, (value,), metrics=metrics), tuple(records))


class Ends(Progress):
    """Remembers when trials ended."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self.moments.append(time.monotonic())


class Crowd:
    """The simulated workers of one process: as many threads, which begin together with those of all others."""

    def __init__(self, given: Simulation, gate: Any) -> None:
        self._given = given
        self._gate = gate
        self._ends = Ends()

    def run(self, told: Any) -> None:
        """Simulates, and tells when trials ended."""
        with tempfile.TemporaryDirectory() as folder:
            work = self._tracked if self._given.tracking else self._untracked
            with ThreadPoolExecutor(self._given.workers) as threads:
                running = [threads.submit(work, Path(folder) / str(k)) for k in range(self._given.workers)]
                try:
                    for one in as_completed(running):
                        one.result()
                except BaseException:
                    self._gate.abort()  # the others wait for nobody
                    raise
        told.put(self._ends.moments)

    def _tracked(self, spool: Path) -> None:
        """One worker as it is, with a spool of its own."""
        given = self._given
        ledger = Ledger.load(given.ledger, given.study)
        with connect(str(given.tracking)) as store:
            store.use_spool(spool)
            run = store.attach_study(given.run_id)
            worker = Worker(ledger.spec, ledger, run, ResidentSets(), self._ends, StopSignals(), asleep)
            worker.sets.get(ledger.spec.first_config())
            with ledger.keeping():
                self._begin_together()
                worker.work()

    def _untracked(self, _: Path) -> None:
        """What a worker asks of the ledger, and nothing else."""
        ledger = Ledger.load(self._given.ledger, self._given.study)
        with ledger.keeping():
            self._begin_together()
            until = time.monotonic() + WARM_UP + self._given.seconds
            while time.monotonic() < until:
                a_trial(ledger, {}, TRIAL_SECONDS)
                self._ends.moments.append(time.monotonic())

    def _begin_together(self) -> None:
        """At the same time as all others, give or take a trial: nobody waits for anybody by design."""
        self._gate.wait()
        time.sleep(random.random() * TRIAL_SECONDS)


def a_trial(ledger: Ledger, took: dict[str, list[float]], seconds: float) -> None:
    """One trial without tracking; `took` gets the milliseconds of each question, and of this process's processor."""

    def timed(name: str, asks: Any, *arguments: Any) -> Any:
        begun, spent = time.perf_counter(), time.process_time()
        answer = asks(*arguments)
        took.setdefault(f"{name}_processor", []).append((time.process_time() - spent) * 1000)
        took.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
        return answer

    ticket = timed("ask", ledger.ask, TRIALS)
    value = random.random()
    key = f"{ticket.number} {value}"
    timed("find_duplicate", ledger.find_duplicate, key)
    for epoch in range(1, EPOCHS + 1):
        time.sleep(seconds / EPOCHS)
        timed("report", ledger.report, ticket, epoch, value)
    timed("tell", ledger.tell, ticket, TrialOutcome(TrialState.COMPLETE, (value,)), key)


class Database:
    """A PostgreSQL server with room for many workers, which keeps what it has confirmed."""

    def __init__(self, folder: Path) -> None:
        safe = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_connections": "1200"}
        postgres_support.SETTINGS.update(safe)
        where = postgres_support.programs()
        if where is None:
            raise SystemExit("PostgreSQL's server is not installed; on Debian: apt-get install postgresql")
        self.server = postgres_support.Postgres(where, folder, "postgres" if os.geteuid() == 0 else getpass.getuser())
        self.server.start()
        self.version = str(postgres_support.query(self.server.url("postgres"), "SHOW server_version")[0][0])

    def processor_seconds(self, url: str) -> float:
        """What the connections to one database have used so far."""
        name = url.rpartition("/")[2]
        rows = postgres_support.query(self.server.url("postgres"), "SELECT pid, datname FROM pg_stat_activity")
        return sum(used(int(str(pid))) for pid, database in rows if database == name)

    def bytes_of(self, url: str) -> int:
        """How large a database is."""
        return int(str(postgres_support.query(url, "SELECT pg_database_size(current_database())")[0][0]))


def used(pid: int) -> float:
    """Processor seconds of a process; 0 of one that is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
    return 0.0


def simulate(database: Database, workers: int, seconds: float, with_tracking: bool) -> dict[str, Any]:
    """Question 1 for one number of workers."""
    ledger_url, tracking_url = database.server.database(), database.server.database()
    spec = spec_of(f"scaling-{workers}", seconds=WARM_UP + seconds)
    ledger = Ledger.create(ledger_url, spec)
    with connect(tracking_url) as store, tempfile.TemporaryDirectory() as folder:
        run = store.open_study(study_info(spec, ledger.name, ledger.name), spec.name, Path(folder))
        run.flush()
        given = Simulation(ledger.name, ledger_url, tracking_url if with_tracking else None, run.run_id, 0, seconds)
        before = [database.bytes_of(url) for url in (ledger_url, tracking_url)]
        moments, window, spent = crowds(database, given, workers)
        grown = [database.bytes_of(url) - size for url, size in zip((ledger_url, tracking_url), before, strict=True)]
    done = sum(window[0] <= moment < window[1] for moment in moments)
    rate = done / (window[1] - window[0])
    ideal = workers / TRIAL_SECONDS
    result = {
        "workers": workers,
        "tracking": with_tracking,
        "trials": done,
        "trials_a_second": round(rate, 2),
        "share_of_ideal": round(rate / ideal, 4),
        "processor_ms_a_trial": {part: round(ms * 1000 / max(done, 1), 2) for part, ms in spent.items()},
        "kilobytes_a_trial": {
            part: round(size / 1000 / max(len(moments), 1), 1)
            for part, size in zip(("ledger", "tracking"), grown, strict=True)
        },
        "load_before": round(psutil.getloadavg()[0], 1),
    }
    print(json.dumps(result), flush=True)
    return result


def crowds(
    database: Database, given: Simulation, workers: int
) -> tuple[list[float], tuple[float, float], dict[str, float]]:
    """When trials ended, the time that counts, and the processor seconds within it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tunetrack.study.worker"])
    processes = min(workers, PROCESSES_A_CORE * (os.cpu_count() or 1))
    shares = [workers // processes + (k < workers % processes) for k in range(processes)]
    gate, told = context.Barrier(workers + 1), context.Queue()
    crowd = [context.Process(target=Crowd(replace(given, workers=n), gate).run, args=(told,)) for n in shares]
    for process in crowd:
        process.start()

    def spent() -> dict[str, float]:
        parts = {"workers": sum(used(process.pid or 0) for process in crowd)}
        parts["ledger"] = database.processor_seconds(given.ledger)
        if given.tracking:
            parts["tracking"] = database.processor_seconds(given.tracking)
        return parts

    gate.wait()
    time.sleep(WARM_UP)
    begun, before = time.monotonic(), spent()
    time.sleep(given.seconds)
    ended, after = time.monotonic(), spent()
    moments = [moment for _ in crowd for moment in told.get(timeout=60)]  # empty where a worker has failed: seen above
    for process in crowd:
        process.join()
    return moments, (begun, ended), {part: after[part] - before[part] for part in after}


def costs(database: Database, sampler: str, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Question 2 for one sampler."""
    url = database.server.database()
    Ledger.create(url, spec_of("costs", sampler))
    results = []
    for size in sizes:
        fill(url, "costs", size)
        begun = time.perf_counter()
        ledger = Ledger.load(url, "costs")
        a_trial(ledger, {}, 0.0)
        first = time.perf_counter() - begun
        took: dict[str, list[float]] = {}
        for _ in range(ASKED):
            a_trial(ledger, took, 0.0)
        ledger.trials()  # what has ended is read once, and this is not what is asked here
        fill(url, "costs", size + ASKED + OTHERS)
        begun = time.perf_counter()
        ledger.trials()
        foreign = time.perf_counter() - begun
        row = {"sampler": sampler, "trials": size, "first_trial_of_a_worker_ms": round(first * 1000, 1)}
        row["read_a_trial_of_another_worker_ms"] = round(foreign * 1000 / OTHERS, 2)
        results.append(row | {f"{name}_ms": spread(values) for name, values in took.items()})
        print(json.dumps(results[-1]), flush=True)
    return results


def fill(url: str, study: str, size: int) -> None:
    """Adds copies of a few real trials until there are so many; by hand, since by the ledger it would take minutes."""
    ledger = Ledger.load(url, study)
    while len(ledger.trials()) < SEEDS:
        a_trial(ledger, {}, 0.0)
    there = len(ledger.trials())
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT trial_id FROM trials ORDER BY number LIMIT %s", (SEEDS,)).fetchall()
        for number in range(there, size):
            source = rows[number % SEEDS][0]
            copy = connection.execute(
                "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) SELECT %s, study_id, "
                "state, datetime_start, datetime_complete FROM trials WHERE trial_id = %s RETURNING trial_id",
                (number, source),
            ).fetchone()
            for table, columns in COPIED.items():
                connection.execute(
                    f"INSERT INTO {table} (trial_id, {columns}) SELECT %s, {columns} FROM {table} WHERE trial_id = %s",
                    (copy[0] if copy else None, source),
                )


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=[8, 64, 128, 256])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long trials are counted, of each number")
    parser.add_argument("--quick", action="store_true", help="8 and 64 workers for 10 s, 100 and 1,000 trials; no file")
    options = parser.parse_args()
    numbers, seconds = ([8, 64], 10.0) if options.quick else (options.workers, options.seconds)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="tunetrack-scaling-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    database = Database(folder)
    try:
        result = {
            "what": "simulated workers (1 s of sleep a trial, 5 epochs) on one PostgreSQL, and questions to it",
            "date": today(),
            "machine": describe_machine(),
            "versions": {"mlflow": mlflow.__version__, "optuna": optuna.__version__, "postgresql": database.version},
            "goal_share_of_ideal_64_workers": 0.95,
            "workers": [simulate(database, n, seconds, tracks) for tracks in (False, True) for n in numbers],
            "questions": [
                row
                for sampler in ("random", "tpe")
                for row in costs(database, sampler, [100, 1000] if options.quick else [100, 1000, 10_000])
            ],
        }
    finally:
        database.server.stop()
        shutil.rmtree(folder)
    print(json.dumps(result, indent=2))
    if not options.quick:
        (ROOT / "benchmarks" / "results" / "scaling.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
