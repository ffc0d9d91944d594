"""Starts studies in processes of their own, as a user would, finds all processes of one, and strikes them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from faults.studies import Study
from study_support import ROOT, child_environment
from tunetrack.cli.commands import COMMANDS

__all__ = ["CREW_TARGETS", "TARGETS", "Late", "Running", "Scratch"]

HOOKS = Path(__file__).parent / "hooks"

#: Epochs of a tenth of a second would mostly go without a checkpoint, and there would be little to lose.
SETTINGS = {
    "tunetrack.study.trial": {"CHECKPOINT_SHARE": 0.2, "FIRST_COST": 0.0},
    "tunetrack.study.worker": {"ROOM_SECONDS": 3.0},
}
MARK = "TUNETRACK_FAULTS_MARK"

#: Whom a fault hits. Where there is no supervisor, the one process is all of them.
TARGETS = ("worker", "supervisor", "both")
#: Of a study with several workers: one of them, the process that has forked them, the leader, or all that there are.
CREW_TARGETS = ("one worker", "forker", "leader", "both")

#: Longest time that a command may take, seconds.
PATIENCE = 400.0
#: A worker whose supervisor was killed ends by itself within this time, seconds.
GONE_WITHIN = 15.0


class Late(Exception):
    """A command has not ended in time."""


@dataclass(frozen=True)
class Running:
    """A command that was started, and the file that takes what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """Its last lines."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    @property
    def supervisor(self) -> psutil.Process:
        """The process that the user has started."""
        return psutil.Process(self.process.pid)

    def workers(self) -> list[psutil.Process]:
        """The processes below it."""
        try:
            return list(self.supervisor.children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _crew(self, target: str) -> list[psutil.Process]:
        """Whom a fault hits of a study with several workers; the leader, where there is no other yet."""
        leaders = self.supervisor.children()
        forkers = [(one, one.children()) for leader in leaders for one in leader.children()]
        if target == "one worker" and (workers := [worker for _, own in forkers for worker in own]):
            return workers[:1]
        return (target == "forker" and [one for one, own in forkers if own]) or leaders

    def targets(self, target: str) -> list[psutil.Process]:
        """Whom a fault hits; none where the command has ended."""
        if self.process.poll() is not None:
            return []
        if target in CREW_TARGETS[:3]:
            with contextlib.suppress(psutil.NoSuchProcess):
                return self._crew(target)
            return []
        below = self.workers()
        if target == "supervisor" or not below:
            return [self.supervisor]
        return below if target == "worker" else [self.supervisor, *below]

    def strike(self, target: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal; returns how many processes got it."""
        struck = 0
        for process in self.targets(target):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                struck += 1
        return struck

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code.

        Raises:
            Late: the command still runs; it has been killed.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.strike("both", signal.SIGCONT)
            self.strike("both")
            self.process.wait()
            raise Late(f"still running after {seconds:g} s") from None


@dataclass
class Scratch:
    """A folder in which one study goes through its fault.

    Attributes:
        folder: holds the home, the study file, temporary files and what the commands say.
        study: what is run.
        tracking_uri: where the runs go; None for a database in the home.
        environment: more variables of the child processes.
        prefix: put before the command, such as a shell that enters a control group.
    """

    folder: Path
    study: Study
    tracking_uri: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._started: list[Running] = []
        self.home.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        self.file = self.study.write(self.folder / "study")

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The folder of temporary files."""
        return self.folder / "tmp"

    @property
    def said(self) -> str:
        """The last lines of the command that was started last."""
        return self._started[-1].said if self._started else ""

    def start(self, *arguments: object) -> Running:
        """Starts a command of tunetrack."""
        place = ["--home", str(self.home), *(["--tracking-uri", self.tracking_uri] if self.tracking_uri else [])]
        command = [*self.prefix, sys.executable, "-m", "tunetrack", *map(str, arguments), *place]
        environment = child_environment(
            PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(HOOKS)]),
            TMPDIR=str(self.temporary),
            TUNETRACK_FAULTS_SETTINGS=json.dumps(SETTINGS),
            **{MARK: self._mark},
            **self.environment,
        )
        path = self.folder / f"said-{len(self._started)}-{arguments[0]}.txt"
        with path.open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.file.parent)
        self._started.append(Running(process, path))
        return self._started[-1]

    def run(self) -> Running:
        """Starts the study."""
        return self.start("run", self.file, *self._workers())

    def resume(self) -> Running:
        """Goes on with the study; starts it where the fault came before there was one."""
        names = self.studies()
        if not names:
            return self.run()
        if any(command.name == "resume" for command in COMMANDS):
            return self.start("resume", names[-1], *self._workers())
        return self.start("run", self.file, "--resume")

    def _workers(self) -> tuple[object, ...]:
        return () if self.study.workers == 1 else ("--workers", self.study.workers, "--threads", 1)

    def resume_to_the_end(self, attempts: int = 2) -> list[str]:
        """Resumes until that succeeds, which it should at once; what went wrong, in words."""
        problems = []
        for _ in range(attempts):
            try:
                code = self.resume().wait()
            except Late as error:
                problems.append(f"resume is {error}; it said: {self.said}")
                continue
            if code == 0:
                return problems
            problems.append(f"resume ended with {code}; it said: {self.said}")
        return problems

    def studies(self) -> list[str]:
        """Names of the studies in the ledger that have a study file, oldest first."""
        return [name for (name,) in self.query(_NAMED)]

    def states(self) -> list[str]:
        """Optuna's state of every trial."""
        return [state for (state,) in self.query("SELECT state FROM trials ORDER BY trial_id")]

    def query(self, statement: str) -> list[tuple[str, ...]]:
        """Reads the ledger's database as it stands, without making or mending anything."""
        path = self.home / "ledger.db"
        if not path.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
                return database.execute(statement).fetchall()
        except sqlite3.OperationalError:  # no tables yet
            return []

    def everybody(self) -> list[psutil.Process]:
        """All living processes that this study has started, wherever they hang."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left_behind(self, within: float = GONE_WITHIN) -> list[str]:
        """The processes that do not end by themselves, in words; they have been killed."""
        deadline = time.monotonic() + within
        while (left := self.everybody()) and time.monotonic() < deadline:
            time.sleep(0.05)
        told = [f"process {' '.join(process.cmdline()[:6])} is left behind" for process in _living(left)]
        for process in _living(left):
            process.kill()
        return told

    def temporary_files(self) -> list[str]:
        """Folders and files of tunetrack's own that a dead process has left among the temporary ones."""
        return sorted(path.name for path in self.temporary.glob("tunetrack*"))


_NAMED = """
    SELECT study_name FROM studies JOIN study_user_attributes USING (study_id)
    WHERE key = 'tunetrack:document' ORDER BY study_id
"""


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running()]


def wait_until(condition: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    """Whether the condition has come true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(step)
    return False
