"""Measures worker processes: how soon one works, what memory it takes, and what a second one brings.

Run it with `python benchmarks/workers.py --data-dir DIR` (DIR holds FashionMNIST/raw); about fifteen minutes on an idle
machine with two cores. The result goes to `benchmarks/results/workers.json`.

* `throughput`: trials an hour of two one-threaded workers against one, on Fashion-MNIST: sixteen trials of equal cost
  (3 layers of 16 filters, batch 64, four learning rates and four weight decays), with full tracking on local sqlite.
  Counted from the start of the first trial to the end of the last one, and as a whole, with the opening of the study,
  the best trial's model and the report. A round is one study of each, both in fresh processes.
* `bare`: epochs a second of the same training without anything around it, in one process and in two at once: what the
  machine itself gives two trainings that share its caches and its memory.
* `start_seconds`: from the wish for a worker to its first trial, forked from the process that has loaded the libraries
  (`LocalLauncher`), and as a fresh interpreter.
* `memory_mib` while all workers train: USS, which is a process's alone, and PSS, in which shared pages are divided
  among those that share them; of a study by one process, and by a leader with one and with two workers. `second_adds`
  is what the PSS of all processes of a study grows by with the second worker.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from _numbers import spread

from tunetrack import run_study, training
from tunetrack.api.crews import Workers, with_workers
from tunetrack.api.studies import launch_study
from tunetrack.api.study_files import load_study_file
from tunetrack.ledger import Ledger
from tunetrack.spec import EpochRecord, TrialConfig, TrialOutcome, load_study
from tunetrack.study.data import ResidentSets
from tunetrack.study.launch import Launch
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress
from tunetrack.study.workers.crew import CrewPlan
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.local import LocalLauncher

ROOT = Path(__file__).parent.parent
MIB = 2**20
#: A fresh interpreter that joins a study and says when its first trial begins.
FRESH = """
import sys, pickle
from tunetrack.study.stopping import StopSignals
from tunetrack.study.workers.join import join
def tell(what, arguments):
    if what == "trial_started":
        print("begun", flush=True)
with StopSignals() as stop:
    join(pickle.loads(bytes.fromhex(sys.argv[1])), tell, stop)
"""


def study(data_dir: str, train: int, epochs: int) -> dict[str, Any]:
    """Up to sixteen trials of equal cost."""
    return {
        "name": "workers",
        "data": {"name": "fashion_mnist", "dir": data_dir, "train": train, "validation": 2000},
        "model": {"filters": 16, "num_layers": 3},
        "optimizer": {
            "name": "adam",
            "lr": {"choices": [3e-4, 1e-3, 2e-3, 3e-3]},
            "weight_decay": {"choices": [0.0, 1e-5, 1e-4, 1e-3]},
        },
        "trainer": {"epochs": epochs, "batch_size": 64, "device": "cpu"},
        "sampler": {"name": "brute_force", "seed": 0},
        "budget": {"trials": 16},
    }


class Clock(Progress):
    """When the first trial began and the last one ended; and the memory of the study's workers in the middle."""

    def __init__(self, workers: int) -> None:
        self.first, self.last, self.memory = 0.0, 0.0, {}
        self._workers, self._epochs = workers, 0

    def trial_started(self, number: int, config: TrialConfig) -> None:
        self.first = self.first or time.perf_counter()

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        self._epochs += 1
        if self._epochs == 2 * self._workers:
            self.memory = memory()

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self.last = time.perf_counter()


def memory() -> dict[str, Any]:
    """MiB of this process and all below it: its children have the libraries, and theirs are the workers."""
    own = psutil.Process()
    children = own.children()
    workers = [worker.memory_full_info() for child in children for worker in child.children()]
    beside = [child.memory_full_info() for child in children]
    leader = own.memory_full_info()
    return {
        "all_pss": round(sum(size.pss for size in [leader, *beside, *workers]) / MIB, 1),
        "leader_uss": round(leader.uss / MIB, 1),
        "forked_from_uss": round(sum(size.uss for size in beside) / MIB, 1),
        "workers_uss": [round(size.uss / MIB, 1) for size in workers],
        "workers_pss": [round(size.pss / MIB, 1) for size in workers],
    }


def one_study(options: argparse.Namespace) -> dict[str, Any]:
    """A study led by this process: its times and its memory."""
    clock = Clock(options.workers)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        spec = load_study_file(
            study(options.data_dir, options.train, options.epochs), {"budget.trials": options.trials}
        )
        place = Place(Path(home))
        wanted = Launch(place, progress=clock)
        if options.led:
            launcher = LocalLauncher(place.logs, training.libraries(spec.first_config()))
            wanted = replace(wanted, crew=CrewPlan(1, launcher))
        else:
            wanted = with_workers(wanted, Workers(options.workers, threads=1), spec)
        launch_study(spec, wanted)
    return {
        "trials_an_hour": options.trials / (clock.last - clock.first) * 3600,
        "trials_an_hour_as_a_whole": options.trials / (time.perf_counter() - begin) * 3600,
        "memory_mib": clock.memory,
    }


def in_process(arguments: list[object]) -> dict[str, Any]:
    """What a run of this file with these arguments prints last."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def bare_epochs(options: argparse.Namespace) -> None:
    """Trains, in a process of its own, when it is told to on standard input; prints epochs a second."""
    spec = load_study_file(study(options.data_dir, options.train, options.epochs), {"sampler.name": "random"})
    config = spec.first_config()
    epochs = iter(training.fit(config, ResidentSets().get(config)))
    next(epochs)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    done = sum(1 for _ in epochs)
    print(done / (time.perf_counter() - begin), flush=True)


def bare(shared: list[object], processes: int) -> float:
    """Epochs a second of so many bare trainings together."""
    command = [sys.executable, __file__, *map(str, shared), "--bare"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    for process in running:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit("a bare training has failed")
    return sum(float(process.communicate("\n")[0]) for process in running)


def bare_rounds(shared: list[object], rounds: int) -> dict[str, Any]:
    """One against two, in turn."""
    pairs = [(bare(shared, 1), bare(shared, 2)) for _ in range(rounds)]
    return {
        "one": spread([one for one, _ in pairs], 3),
        "two": spread([two for _, two in pairs], 3),
        "ratio": spread([two / one for one, two in pairs], 3),
    }


def start_seconds(rounds: int) -> dict[str, list[float]]:
    """From the wish for a worker to its first trial, by the two ways of starting it."""
    document = study("", 0, 1) | {"data": {"name": "digits"}, "budget": {"trials": 1}, "sampler": {"name": "random"}}
    found: dict[str, list[float]] = {"forked": [], "fresh": []}
    with tempfile.TemporaryDirectory() as home:
        place = Place(Path(home))
        name = run_study(document, home=home).name
        job = WorkerJob(name, place.ledger, place.tracking, place.home)
        libraries = training.libraries(load_study(document).first_config())
        with LocalLauncher(place.logs, libraries) as launcher:
            one_trial_more(place, name)
            forked_seconds(launcher, job)  # the libraries are loaded after it
            for _ in range(rounds):
                one_trial_more(place, name)
                found["forked"].append(forked_seconds(launcher, job))
                one_trial_more(place, name)
                found["fresh"].append(fresh_seconds(job))
    return found


def one_trial_more(place: Place, name: str) -> None:
    """Gives a study room for another trial."""
    ledger = Ledger.load(place.ledger, name)
    document = ledger.spec.document
    budget = {"budget": {"trials": len(ledger.trials()) + 1}}
    Ledger.load(place.ledger, name, load_study({**document, **budget}))


def forked_seconds(launcher: LocalLauncher, job: WorkerJob) -> float:
    """Of a worker by the launcher."""
    begin = time.perf_counter()
    handle = launcher.start(job, 0)
    seconds = 0.0
    while handle.ended() is None:
        for event in launcher.events(0.5):
            if event.what == "trial_started":
                seconds = time.perf_counter() - begin
    if handle.ended():
        raise SystemExit(f"the worker ended: {handle.ended()}")
    return seconds


def fresh_seconds(job: WorkerJob) -> float:
    """Of a worker in an interpreter of its own."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", FRESH, pickle.dumps(job).hex()], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - begin
        if process.wait():
            raise SystemExit("the fresh worker has failed")
    return seconds


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--workers", type=int, default=None, help="Measure one study in this process.")
    parser.add_argument("--led", action="store_true", help="With --workers 1: it is a process of its own.")
    parser.add_argument("--bare", action="store_true", help="Train in this process, without a study.")
    parser.add_argument("--only-bare", action="store_true", help="Measure that alone, and add it to the result.")
    parser.add_argument("--starts", type=int, default=None, help="Measure so many starts in this process.")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "workers.json")
    options = parser.parse_args()
    if options.workers is not None:
        print(json.dumps(one_study(options)))
        return
    if options.bare:
        bare_epochs(options)
        return
    if options.starts is not None:
        print(json.dumps(start_seconds(options.starts)))
        return
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """All of it, in rounds."""
    from _machine import describe_machine, today

    shared = ["--data-dir", options.data_dir, "--train", options.train, "--epochs", options.epochs]
    shared += ["--trials", options.trials]
    if options.only_bare:
        result = json.loads(options.output.read_text())
        result["bare"] = bare_rounds(shared, options.rounds)
        options.output.write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result["bare"]))
        return
    rounds: list[dict[int, dict[str, Any]]] = []
    for _ in range(options.rounds):
        rounds.append({workers: in_process([*shared, "--workers", workers]) for workers in (1, 2)})
        print(json.dumps(rounds[-1]), flush=True)
    led = in_process([*shared, "--workers", 1, "--led"])["memory_mib"]
    starts = in_process(["--starts", options.rounds])
    keys = ("trials_an_hour", "trials_an_hour_as_a_whole")
    alone, two = (rounds[-1][workers]["memory_mib"] for workers in (1, 2))
    result = {
        "what": "worker processes on one machine: throughput of two against one, start, memory",
        "date": today(),
        "machine": describe_machine(),
        "rounds": options.rounds,
        "train_images": options.train,
        "epochs": options.epochs,
        "throughput": {
            key: {
                "one_worker": spread([each[1][key] for each in rounds], 1),
                "two_workers": spread([each[2][key] for each in rounds], 1),
                "ratio": spread([each[2][key] / each[1][key] for each in rounds], 3),
            }
            for key in keys
        },
        "bare": bare_rounds(shared, options.rounds),
        "start_seconds": {name: spread(seconds, 3) for name, seconds in starts.items()},
        "memory_mib": {
            "one_process": alone,
            "one_worker": led,
            "two_workers": two,
            "second_adds": round(two["all_pss"] - led["all_pss"], 1),
        },
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
