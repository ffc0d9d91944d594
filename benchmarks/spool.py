"""Measures what the training thread pays to have an epoch tracked: by the spool, and by MLflow's client itself.

Run it with `python benchmarks/spool.py`; about a minute. The result goes to `benchmarks/results/spool.json`. In
alternating rounds, over one local sqlite database and the same eight metrics an epoch:

* `spool_us`: `TrialRun.log_epoch`, which writes a line to disk and leaves the rest to a thread. Measured back to back,
  and with 10 ms of other work before each epoch, as training is: the processor's caches then hold something else. That
  work lets other threads run, as torch does, and the thread sends meanwhile. Median and mean of the wall time, in which
  the training thread may also wait for the other one to let go of the interpreter, and mean of its own CPU time. What
  cold caches alone cost shows in `empty_us`, a call of a Python function that does nothing.
* `client_us`: `MlflowClient.log_batch`, which returns when the database has it; mean of the wall time.
* `ending_ms`: `TrialRun.ending`, once a trial: the figures are drawn, and all files are on the disk itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from _machine import describe_machine, today
from _numbers import spread
from mlflow.entities import Metric

from tunetrack.spec import EpochRecord, TrialOutcome, TrialState
from tunetrack.tracking import Objective, StudyInfo, StudyRun, TrialArtifacts, connect

ROOT = Path(__file__).parent.parent
EPOCHS = 150
INFO = StudyInfo("spool", {}, (), (Objective("validation/accuracy", True),))
WORK = np.random.default_rng(0).random((500, 500), dtype=np.float32)


def record(number: int) -> EpochRecord:
    """An epoch with seven metrics."""
    return EpochRecord(number, 1 / number, 0.5, 1 / number, 0.5, 1e-3, 1.0, 1e4, ended=1.7e9 + number)


def other_work() -> None:
    """About 10 ms of matrix products and a little Python, as a trainer does."""
    until = time.perf_counter() + 0.01
    while time.perf_counter() < until:
        WORK @ WORK


def microseconds(
    call: Callable[[EpochRecord], object], between: Callable[[], None] | None
) -> tuple[list[float], float]:
    """The wall time of each of many epochs, and the mean of the CPU time."""
    times, computing = [], 0.0
    for number in range(1, EPOCHS + 1):
        epoch = record(number)
        if between is not None:
            between()
        begin, begin_computing = time.perf_counter(), time.thread_time()
        call(epoch)
        computing += time.thread_time() - begin_computing
        times.append((time.perf_counter() - begin) * 1e6)
    return times, computing / EPOCHS * 1e6


def one_round(study: StudyRun, number: int) -> dict[str, float]:
    """The numbers of one round."""
    client, found = study.calls.client, {}
    for name, between in (("back_to_back", None), ("in_training", other_work)):
        number += 1
        trial = study.open_trial(number, {})
        study.flush()
        times, computing = microseconds(trial.log_epoch, between)
        found[f"spool_us_{name}"] = statistics.median(times)
        found[f"spool_us_{name}_mean"] = statistics.mean(times)
        found[f"spool_us_{name}_cpu"] = computing
        found[f"empty_us_{name}"] = statistics.median(microseconds(lambda _: None, between)[0])
        begin = time.perf_counter()
        ending = trial.ending(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(weights=bytes(100_000)))
        found["ending_ms"] = (time.perf_counter() - begin) * 1e3
        ending.send()
        study.flush()

        def log_batch(epoch: EpochRecord, run_id: str = trial.run_id) -> None:
            now = int(epoch.ended * 1000) + 1
            points = [Metric(key, value, now, epoch.epoch) for key, value in epoch.metrics().items()]
            client.log_batch(run_id, metrics=points, synchronous=True)

        found[f"client_us_{name}"] = statistics.mean(microseconds(log_batch, between)[0])
    found["client_to_spool"] = found["client_us_in_training"] / found["spool_us_in_training_mean"]
    return found


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, connect(f"sqlite:///{folder}/mlflow.db") as store:
        store.use_spool(Path(folder) / "spool")
        study = store.open_study(INFO, "spool", Path(folder) / "artifacts")
        one_round(study, -1)  # imports and first times
        for number in range(options.rounds):
            rounds.append(one_round(study, 10 * (number + 1)))
            print({key: round(value, 1) for key, value in rounds[-1].items()}, flush=True)
        status = store.status
    result: dict[str, Any] = {
        "what": "cost of tracking one epoch on the training thread, local sqlite",
        "date": today(),
        "machine": describe_machine(),
        "versions": {"mlflow": mlflow.__version__},
        "rounds": options.rounds,
        "epochs_a_round": EPOCHS,
        **{key: spread([each[key] for each in rounds], 1) for key in rounds[0]},
        "lost_or_refused": status.lost + status.refused,
    }
    (ROOT / "benchmarks" / "results" / "spool.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
