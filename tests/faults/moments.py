"""When a fault strikes: at seeded random moments, or just when something shows on disk."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faults.processes import CREW_TARGETS, TARGETS, Running

__all__ = [
    "ENGINES",
    "MIDDLE",
    "SIGNS",
    "Moment",
    "Sign",
    "Strike",
    "aimed_moments",
    "crew_moments",
    "random_moments",
    "wait_for",
]

#: The studies that are killed, one an engine.
ENGINES = ("optuna-tpe", "hyperopt-tpe")

_LOOK_SECONDS = 0.002


@dataclass(frozen=True)
class Sign:
    """Something on disk that shows where a study is.

    Attributes:
        words: what it shows.
        pattern: of files, relative to the home.
        changes: how many new or changed files must have been seen.
    """

    words: str
    pattern: str
    changes: int = 1


SIGNS = (
    Sign("the ledger's file is there", "ledger.db"),
    Sign("the ledger's tables are being made", "ledger.db-wal", 4),
    Sign("the ledger is being written", "ledger.db-wal", 60),
    Sign("the tracking database is being written", "mlflow.db-journal", 6),
    Sign("a checkpoint is being written", "checkpoints/*/*.part", 6),
    Sign("a trial's first checkpoint is written", "checkpoints/*/4.pt"),
    Sign("a checkpoint is replaced", "checkpoints/*/*.pt", 8),
    Sign("a trial's files are being written", "artifacts/*/artifacts/*.svg", 2),
    Sign("a trial's weights are there", "artifacts/*/artifacts/weights.pt", 3),
    Sign("the best trial's model is being written", "artifacts/models/*/artifacts/**/*"),
    Sign("the report is there", "artifacts/*/artifacts/report.html"),
)
#: In the middle of a trial, with others before and after it.
MIDDLE = Sign("a trial that is trained to its end is under way", "checkpoints/*/1.pt")


@dataclass(frozen=True)
class Strike:
    """One kill.

    Attributes:
        target: whom it hits.
        at: share of the uninterrupted study's duration, in [0, 1), counted from the start of the command or from the
            last strike, or a sign.
    """

    target: str
    at: float | Sign

    def wait(self, running: Running, home: Path, duration: float) -> bool:
        """Waits for the moment; False where the command has ended before.

        Args:
            running: the command.
            home: its home folder.
            duration: of the uninterrupted study, seconds.
        """
        if isinstance(self.at, Sign):
            return wait_for(self.at, running, home)
        return sleep_or_end(running, self.at * duration)

    def __str__(self) -> str:
        return f"{self.target} when {self.at.words}" if isinstance(self.at, Sign) else f"{self.target} at {self.at:.3f}"


@dataclass(frozen=True)
class Moment:
    """What one study goes through.

    Attributes:
        name: of the scenario.
        study: a key of `STUDIES`.
        strikes: the first one hits the command that starts the study, the others whatever goes on with it.
    """

    name: str
    study: str
    strikes: tuple[Strike, ...]


def random_moments(seed: int) -> Iterator[Moment]:
    """Kills without end: engines and targets by turns, each fifth time the resumed study as well."""
    generator = random.Random(seed)
    number = 0
    while True:
        study, target = ENGINES[number % len(ENGINES)], TARGETS[number // len(ENGINES) % len(TARGETS)]
        first, second = Strike(target, generator.random()), Strike(target, generator.random())
        yield Moment(f"kill {number}", study, (first, second) if number % 5 == 4 else (first,))
        number += 1


def aimed_moments(seed: int) -> list[Moment]:
    """One kill a sign; engines and targets by turns, from a place that the seed gives."""
    return [
        Moment(
            f"kill when {sign.words}",
            ENGINES[(seed + number) % len(ENGINES)],
            (Strike(TARGETS[(seed + number // len(ENGINES)) % len(TARGETS)], sign),),
        )
        for number, sign in enumerate(SIGNS)
    ]


def crew_moments(seed: int, count: int) -> list[Moment]:
    """Kills of a study with two workers: targets by turns, each third time whatever goes on as well."""
    generator = random.Random(seed)
    moments = []
    for number in range(count):
        target = CREW_TARGETS[number % len(CREW_TARGETS)]
        first, second = Strike(target, generator.random()), Strike(target, generator.random())
        strikes = (first, second) if number % 3 == 2 else (first,)
        moments.append(Moment(f"two workers, kill {number}", "two-workers", strikes))
    return moments


def sleep_or_end(running: Running, seconds: float) -> bool:
    """Sleeps; False where the command has ended in the meantime."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            return False
        time.sleep(min(0.01, max(0.0, deadline - time.monotonic())))
    return running.process.poll() is None


def wait_for(sign: Sign, running: Running, home: Path) -> bool:
    """Waits until so many files have come or changed since now; False where the command has ended before."""
    seen = dict(_states(sign, home))
    changes = 0
    while running.process.poll() is None:
        for path, state in _states(sign, home):
            changes += seen.get(path) != state
            seen[path] = state
        if changes >= sign.changes:
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _states(sign: Sign, home: Path) -> Iterator[tuple[Path, tuple[int, int, int]]]:
    for path in home.glob(sign.pattern):
        try:
            status = path.stat()
        except FileNotFoundError:  # it was there a moment ago
            continue
        yield path, (status.st_ino, status.st_mtime_ns, status.st_size)
