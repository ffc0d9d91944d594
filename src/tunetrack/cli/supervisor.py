"""The process that outlives the one which runs a study: starts it, hands signals on, and starts it again after a crash.

It imports nothing heavy, so it costs next to nothing and is the last one that a lack of memory hits. The study runs in
a process group of its own: Ctrl-C reaches the supervisor alone, which hands it on once.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tunetrack.cli.link import EXIT_SECONDS, VARIABLE, Link, opened
from tunetrack.errors import TunetrackError, masked

if TYPE_CHECKING:
    from tunetrack.cli.starter import Starter

__all__ = ["Job", "Supervisor", "supervise"]

#: Deaths in a row without anything new after which another try is pointless. Where trials are allowed many retries, it
#: takes more: the trial that kills its worker must have time to use them up.
POINTLESS_DEATHS = 3

#: A signal so soon after the first is the same request: some programs send it to a process and then to its group.
SAME_REQUEST_SECONDS = 0.2

#: How often `mlflow run` is looked at, which may die without a word to its command.
LOOK_SECONDS = 0.5

#: Time for a process that was killed to be gone; a system that hangs may take longer, and is not waited for.
KILL_SECONDS = 0.5

STOPS = (signal.SIGINT, signal.SIGTERM)
#: Those that whoever started us may have told us to ignore, as nohup does.
OPTIONAL = (signal.SIGHUP, signal.SIGTSTP)
CAUGHT = (*STOPS, *OPTIONAL, signal.SIGCONT, signal.SIGCHLD)

PROGRAM = (sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "tunetrack")

SHOW_CURSOR = "\x1b[?25h"


@dataclass(frozen=True)
class Job:
    """What is supervised.

    Attributes:
        arguments: of the command as it was given.
        study: the study's name, where it exists already.
        place: options that say where the study is.
        options: further ones that a command needs which goes on with the study: its data, its budget.
        environment: of the study's process.
        mlflow: `mlflow run`, where that started this process.
        program: what is run with these arguments.
    """

    arguments: Sequence[str]
    study: str
    place: Sequence[str]
    options: Sequence[str]
    environment: Mapping[str, str]
    mlflow: Starter | None = None
    program: Sequence[str] = PROGRAM


def supervise(job: Job) -> int:
    """Runs a study in a child process until it ends, and starts it again where a signal has killed it.

    Returns:
        The exit code: the study's own, 130 or 143 after SIGINT or SIGTERM, or 128 + the signal that killed the study
        where another try is not worth it.

    Raises:
        TunetrackError: no process can be started.
    """
    with _signals() as received:
        return Supervisor(job, received).run()


class Supervisor:
    """Supervises one study.

    Args:
        job: what is supervised.
        received: a descriptor from which the numbers of received signals are read, a byte each.
    """

    def __init__(self, job: Job, received: int) -> None:
        self._job = job
        self._received = received
        self._study = job.study
        self._retries = 0
        self._furthest: dict[int, float] = {}
        self._news = False
        self._pointless = 0
        self._stop: signal.Signals | None = None
        self._stop_at = 0.0
        self._echoed = False
        self._leaves = False

    def run(self) -> int:
        """The exit code."""
        code = self._study_runs()
        if self._stop is not None and code and self._job.mlflow is not None:
            self._mark_killed(self._job.mlflow)
        return code

    def _mark_killed(self, mlflow: Starter) -> None:
        """MLflow marks its run as FAILED when its command ends so, or dies of a signal and leaves it RUNNING."""
        subprocess.Popen(  # noqa: S603
            [*self._job.program, "mark-killed", *self._job.place, "--after", str(mlflow.process.pid)],
            env=self._job.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _study_runs(self) -> int:
        arguments = self._job.arguments
        while True:
            code = self._one_child(arguments)
            if code >= 0:
                return code
            if self._stop is None and -code in (*STOPS, signal.SIGHUP, signal.SIGTTIN):  # of that process alone
                self._stop, self._stop_at = signal.Signals(-code), time.monotonic()
            if self._stop is not None:
                return self._stopped(self._stop)
            if not self._worth_another_try(-code):
                return 128 - code
            cause = f"killed by {_named(-code)}"
            arguments = ["resume", *self._job.place, *self._job.options, "--died", cause, "--", self._study]

    def _stopped(self, number: signal.Signals) -> int:
        """The exit code where a signal ended the study before it could end itself."""
        again = f"; {self._resume()} puts right what it left, and goes on" if self._study else ""
        _say(f"the study was stopped by {_named(number)}{again}")
        return 128 + number

    def _one_child(self, arguments: Sequence[str]) -> int:
        """Runs the study's process to its end; its exit code, negative where a signal ended it."""
        self._news = False
        with opened() as link:
            child = self._started(arguments, link)
            try:
                return self._watch(child, link)
            finally:
                _to_group(child, signal.SIGKILL)  # also what the study has started itself
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(KILL_SECONDS)

    def _started(self, arguments: Sequence[str], link: Link) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603
                [*self._job.program, *arguments],
                env={**self._job.environment, VARIABLE: ",".join(map(str, link.theirs))},
                pass_fds=link.theirs,
                process_group=0,
            )
        except OSError as error:
            again = f"; {self._resume()} goes on with the study" if self._study else ""
            raise TunetrackError(f"the system starts no process for the study: {error.strerror}{again}") from error

    def _watch(self, child: subprocess.Popen[bytes], link: Link) -> int:
        """Waits for the child's end, and does meanwhile what signals ask for."""
        while True:
            ready, _, _ = select.select([self._received, link.incoming], [], [], self._wait_seconds())
            if link.incoming in ready:
                self._hear(link)
            wanted = os.read(self._received, 256) if self._received in ready else b""
            for number in wanted:
                self._act(signal.Signals(number), child)
            if self._leaves or self._seconds_left() == 0:
                self._leaves = True
                return -signal.SIGKILL
            if self._stop is None and self._job.mlflow is not None and not self._job.mlflow.lives:
                self._end(signal.SIGTERM, child)
            if (code := _exit_code(child)) is not None:
                self._hear(link)
                return code

    def _wait_seconds(self) -> float | None:
        if self._stop is not None:
            return self._seconds_left()
        return None if self._job.mlflow is None else LOOK_SECONDS

    def _seconds_left(self) -> float | None:
        """How long the study may still take to end itself; None where nobody has asked it to."""
        return None if self._stop is None else max(0.0, self._stop_at + EXIT_SECONDS - time.monotonic())

    def _hear(self, link: Link) -> None:
        """Takes in what the study tells."""
        for message in link.received():
            if "study" in message:
                if self._study not in ("", message["study"]):  # after its search a study is confirmed by another one
                    self._furthest.clear()
                    self._news = True
                self._study, self._retries = message["study"], message["retries"]
            elif message["reached"] > self._furthest.get(message["trial"], -1):
                self._furthest[message["trial"]] = message["reached"]
                self._news = True

    def _act(self, number: signal.Signals, child: subprocess.Popen[bytes]) -> None:
        """Does what a signal asks for."""
        if number in STOPS:
            self._end(number, child)
        elif number == signal.SIGHUP and self._stop is None:  # the terminal is gone; shells say so more than once
            self._end(signal.SIGTERM, child)
        elif number == signal.SIGTSTP:
            _to_group(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        elif number == signal.SIGCONT:
            _to_group(child, signal.SIGCONT)

    def _end(self, number: signal.Signals, child: subprocess.Popen[bytes]) -> None:
        """Hands a first signal on; a second one is reason to leave at once."""
        now = time.monotonic()
        if self._stop is None:
            self._stop, self._stop_at = number, now
            os.kill(child.pid, number)
            _to_group(child, signal.SIGCONT)  # what stands still cannot end itself
        elif now - self._stop_at < SAME_REQUEST_SECONDS:
            return
        # Ctrl-C reaches `mlflow run` too, which then sends SIGTERM on its own account.
        elif self._job.mlflow is not None and (self._stop, number) == STOPS and not self._echoed:
            self._echoed = True
        else:
            self._leaves = True

    def _worth_another_try(self, number: int) -> bool:
        """Whether to start the study again that a signal has killed; says so."""
        hint = ", most often because memory ran out" if number == signal.SIGKILL else ""
        died = f"the worker was killed by {_named(number)}{hint}"
        if not self._study:
            _say(f"{died}; the study had not begun")
            return False
        self._pointless = 0 if self._news else self._pointless + 1
        if self._pointless >= max(POINTLESS_DEATHS, self._retries + 1):
            _say(f"{died}; it has come no further in {self._pointless} tries. {self._resume()} tries again")
            return False
        _say(f"{died}; going on with the study {self._study}")
        return True

    def _resume(self) -> str:
        return shlex.join(["tunetrack", "resume", self._study, *map(masked, self._job.place)])


def _exit_code(child: subprocess.Popen[bytes]) -> int | None:
    """The code of a process that has ended; None while it lives."""
    process, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
    if not process:
        return None
    if os.WIFSTOPPED(status):
        if os.WSTOPSIG(status) != signal.SIGTTIN:
            return None
        _say("the study wants to read from the terminal, which it can with --no-supervisor only")
        return -signal.SIGTTIN
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode


def _to_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: not permitted where all are zombies
        os.killpg(child.pid, number)


def _named(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone, and with it whoever would read this
        click.echo(f"{SHOW_CURSOR if sys.stderr.isatty() else ''}\n{text}", err=True)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the numbers of received signals are read, a byte each."""
    incoming, outgoing = os.pipe()
    os.set_blocking(outgoing, False)
    wakeup = signal.set_wakeup_fd(outgoing, warn_on_full_buffer=False)
    caught = [n for n in CAUGHT if n not in OPTIONAL or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in caught}
    try:
        yield incoming
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(incoming)
        os.close(outgoing)
