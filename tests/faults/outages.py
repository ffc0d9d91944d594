"""Scenario: the tracking server is stopped, killed or frozen while a study runs against it."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from faults.bench import Bench, Outcome, scenario
from faults.kills import ended, see_to_the_end
from faults.moments import sleep_or_end
from faults.processes import PATIENCE, Running, Scratch, wait_until
from faults.reading import HomeSeen
from tunetrack.server import ServerSpec, TrackingServer, start_server

__all__ = ["Outage", "Server", "go_through", "outages"]

#: Longest time between the ends of two epochs of one trial, less the epoch itself, that training may take for anything
#: else, seconds. A request to a server that is away takes longer.
PAUSE = 1.0


class Server:
    """An MLflow server that can be struck and comes back on the same port."""

    def __init__(self, bench: Bench, name: str) -> None:
        home = bench.folder / re.sub(r"\W+", "-", f"server of {name}")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shutil.copy(bench.template, home / "mlflow.db")
        self._home = home
        self._running: TrackingServer | None = None
        self._port = 0
        self.start()

    def start(self) -> None:
        """Starts it (again), and waits until it answers."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        self._running = start_server(ServerSpec(self._home, port=self._port, environment=environment))
        self._port = urlsplit(self._running.base_url).port or 0

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all its processes."""
        if self._running is not None:
            os.killpg(self._running.pid, number)

    def strike(self, how: str) -> None:
        """Stops, kills or freezes it."""
        if self._running is None:
            return
        if how == "freeze":
            self.signal(signal.SIGSTOP)
        elif how == "kill":
            self.signal(signal.SIGKILL)
            self._running.stop()
        else:
            self._running.stop()

    def mend(self, how: str) -> None:
        """Makes it answer again."""
        self.signal(signal.SIGCONT) if how == "freeze" else self.start()

    def close(self) -> None:
        """Ends it."""
        if self._running is not None:
            self._running.stop()
        shutil.rmtree(self._home, ignore_errors=True)


@dataclass(frozen=True)
class Outage:
    """One outage.

    Attributes:
        name: of the scenario.
        how: ``stop`` (SIGTERM), ``kill`` (SIGKILL) or ``freeze`` (SIGSTOP).
        at: when it begins, from the first trial on, as a share of the time for which the uninterrupted study trains.
            (At the very start a server must answer.)
        seconds: how long it lasts; None: until all trials have been trained, and 5 s more.
        study: a key of `STUDIES`.
    """

    name: str
    how: str
    at: float
    seconds: float | None
    study: str = "optuna-tpe"

    @property
    def detail(self) -> dict[str, object]:
        """What the result says of it."""
        lasts = "until training has ended" if self.seconds is None else self.seconds
        return {"study": self.study, "server": self.how, "at": round(self.at, 4), "outage_seconds": lasts}


def outages(seed: int, long_seconds: float, count: int = 6) -> list[Outage]:
    """The outages of a full run: short ones at seeded moments of the training, one to its end, and a long one."""
    generator = random.Random(seed)
    ways, studies = ("stop", "kill", "freeze"), ("optuna-tpe", "hyperopt-tpe")
    short = [
        Outage(
            f"server outage {number}",
            ways[number % 3],
            generator.uniform(0.05, 0.8),
            generator.uniform(2.0, 8.0),
            studies[number // 3 % 2],
        )
        for number in range(count)
    ]
    return [
        *short,
        Outage("server away until training has ended", "kill", 0.5, None),
        Outage("server frozen until training has ended", "freeze", 0.5, None, "hyperopt-tpe"),
        Outage("long outage", "stop", 0.5, long_seconds),
    ]


def go_through(bench: Bench, outage: Outage) -> Outcome:
    """Runs a study through an outage of its server, resumes it where it has given up, and compares."""
    whole = bench.whole(outage.study)
    server = Server(bench, outage.name)
    try:
        with scenario(outage.name, **outage.detail) as outcome:
            scratch = bench.scratch(outage.name, outage.study, tracking_uri=server.uri)
            running = scratch.run()
            wait_until(lambda: bool(scratch.states()) or running.process.poll() is not None, PATIENCE)
            outcome.hit = sleep_or_end(running, outage.at * sum(_epochs(whole.home, _seconds)))
            server.strike(outage.how)
            began = time.monotonic()
            if outage.seconds is None:
                if not _trained(scratch, running):
                    outcome.problems.append(f"the study has ended before its trials had; it said: {scratch.said}")
                time.sleep(5.0)
            else:
                time.sleep(outage.seconds)
            outcome.detail["outage_lasted"] = round(time.monotonic() - began, 1)
            outcome.detail["study_waited_for_server"] = running.process.poll() is None
            server.mend(outage.how)
            code = outcome.detail["exit_code"] = ended(outcome, scratch, running)
            see_to_the_end(outcome, scratch, code)
            seen = bench.judge(outcome, scratch)
            if seen is not None and outage.study in seen.studies:
                _judge_speed(outcome, seen, whole.home)
    finally:
        server.close()
    return outcome


def _trained(scratch: Scratch, running: Running) -> bool:
    """Waits until all trials have been trained; whether that was so before the command ended."""

    def all_told() -> bool:
        states = scratch.states()
        return len(states) >= scratch.study.trials and not {"RUNNING", "WAITING"} & set(states)

    wait_until(lambda: all_told() or running.process.poll() is not None, PATIENCE)
    return all_told()


def _judge_speed(outcome: Outcome, seen: HomeSeen, whole: HomeSeen) -> None:
    """Training does not wait for the server. How long epochs take is noted; it depends on what else runs here."""
    here, there = _epochs(seen, _seconds), _epochs(whole, _seconds)
    if here and there:
        outcome.detail["epoch_seconds_ratio"] = round(statistics.median(here) / statistics.median(there), 3)
    pauses = _epochs(seen, _pauses)
    if pauses:
        outcome.detail["longest_pause_seconds"] = round(max(pauses), 3)
        if max(pauses) > PAUSE:
            outcome.problems.append(f"training has paused for {max(pauses):.1f} s between two epochs")


def _epochs(home: HomeSeen, pick: Callable[[list[tuple[int, float, int]]], list[float]]) -> list[float]:
    return [
        value
        for study in home.studies.values()
        for trial in study.trials.values()
        for run in trial.runs
        for value in pick(run.histories.get("epoch_seconds", []))
    ]


def _seconds(history: list[tuple[int, float, int]]) -> list[float]:
    return [value for _, value, _ in history]


def _pauses(history: list[tuple[int, float, int]]) -> list[float]:
    """Points carry the time at which their epoch ended."""
    return [(later[2] - one[2]) / 1000 - later[1] for one, later in itertools.pairwise(history)]
