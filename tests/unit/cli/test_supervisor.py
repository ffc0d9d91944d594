"""The supervisor with real processes in place of studies: what it starts again, hands on, and leaves behind."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from process_support import Started, is_gone, send, started, until, worker_of
from study_support import child_environment

#: Supervises a program that does, each time it is started, the next step of a script.
SUPERVISE = """
import json, os, sys
from tunetrack.cli import supervisor
if "EXIT_SECONDS" in os.environ:
    supervisor.EXIT_SECONDS = float(os.environ["EXIT_SECONDS"])
place, options = ["--home", "my home"], ["--trials", "7"]
program = [sys.executable, "child.py"]
job = supervisor.Job(["run", "a.yaml"], "", place, options, dict(os.environ), program=program)
sys.exit(supervisor.supervise(job))
"""

#: The tests may be run by nohup or in the background, where these signals are ignored.
HEARS = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

CHILD = """
import json, os, signal, subprocess, sys, time
from tunetrack.cli import link as links
links.EXIT_SECONDS = float(os.environ.get("EXIT_SECONDS", 9.0))
link = links.LinkEnd.from_environment(os.environ)
with open("started", "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
steps = json.loads(os.environ["SCRIPT"])
step = steps[min(len(open("started").readlines()), len(steps)) - 1]

def begin(retries=2):
    link.tell(study="my study", retries=retries)

def reach(trial, epoch):
    link.tell(trial=trial, reached=epoch)

def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)

def on(number, does):
    signal.signal(number, lambda *_: does())

def ready():
    open("ready", "w").close()
    while True:
        time.sleep(0.01)

exec(step)
"""

IGNORE = "on(signal.SIGINT, lambda: None); on(signal.SIGTERM, lambda: None)"


@contextmanager
def supervised(folder: Path, *script: str, **environment: str) -> Iterator[Started]:
    (folder / "child.py").write_text(CHILD)
    command = [sys.executable, "-c", HEARS + SUPERVISE]
    with started(command, folder, SCRIPT=json.dumps(script), **environment) as running:
        yield running


def starts(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "started").read_text().splitlines()]


def until_ready(folder: Path) -> None:
    until("the study is under way", (folder / "ready").exists)


@pytest.mark.parametrize("code", [0, 3, 130])
def test_the_study_decides_the_exit_code(tmp_path: Path, code: int) -> None:
    with supervised(tmp_path, f"sys.exit({code})") as running:
        assert running.ends() == code
    assert running.errors == ""
    assert starts(tmp_path) == [["run", "a.yaml"]]


def test_a_killed_study_goes_on_by_its_name_and_is_told_why(tmp_path: Path) -> None:
    with supervised(tmp_path, "begin(); die()", "die(signal.SIGSEGV)", "sys.exit(0)") as running:
        assert running.ends() == 0
    again = ["resume", "--home", "my home", "--trials", "7", "--died"]
    assert starts(tmp_path) == [
        ["run", "a.yaml"],
        [*again, "killed by signal 9 (SIGKILL)", "--", "my study"],
        [*again, "killed by signal 11 (SIGSEGV)", "--", "my study"],
    ]
    assert running.errors == (
        "the worker was killed by signal 9 (SIGKILL), most often because memory ran out; "
        "going on with the study my study "
        "the worker was killed by signal 11 (SIGSEGV); going on with the study my study"
    )


def test_without_a_study_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with supervised(tmp_path, "die(signal.SIGABRT)") as running:
        assert running.ends() == 134
    assert running.errors == "the worker was killed by signal 6 (SIGABRT); the study had not begun"


@pytest.mark.parametrize(
    ("first", "later", "tries"),
    [
        ("begin(); die()", "begin(); die()", 3),
        ("begin(); reach(0, 0); reach(0, 1); die()", "begin(); reach(0, 0); reach(0, 1); die()", 4),
        ("begin(retries=5); reach(0, 0); die()", "begin(retries=5); reach(0, 0); die()", 7),
    ],
)
def test_gives_up_where_nothing_new_happens(tmp_path: Path, first: str, later: str, tries: int) -> None:
    with supervised(tmp_path, first, later) as running:
        assert running.ends() == 137
    assert len(starts(tmp_path)) == tries
    assert "has come no further in" in running.errors
    assert running.errors.endswith("tunetrack resume 'my study' --home 'my home' tries again")


def test_does_not_give_up_as_long_as_the_study_gets_further(tmp_path: Path) -> None:
    epochs = [f"begin(); reach(0, {epoch}); die()" for epoch in range(1, 4)]
    stuck = ["begin(); reach(1, 0); die()"] * 3
    with supervised(tmp_path, *epochs, *stuck, "begin(); reach(1, float('inf')); reach(2, 0); die()", "") as running:
        assert running.ends() == 0
    assert len(starts(tmp_path)) == 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_is_handed_on_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    stop = "on(signal.SIGINT, lambda: sys.exit(130)); on(signal.SIGTERM, lambda: sys.exit(143)); ready()"
    with supervised(tmp_path, f"begin(); {stop}") as running:
        until_ready(tmp_path)
        send(running, number)
        assert running.ends() == code
    assert running.errors == ""


def test_a_signal_that_comes_before_the_study_cares(tmp_path: Path) -> None:
    with supervised(tmp_path, "ready()") as running:
        until_ready(tmp_path)
        send(running, signal.SIGINT)
        assert running.ends() == 130
    assert running.errors == "the study was stopped by signal 2 (SIGINT)"
    assert len(starts(tmp_path)) == 1


def test_nohup_stays_in_force(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    command = ["nohup", sys.executable, "-c", SUPERVISE]
    with started(command, tmp_path, SCRIPT=json.dumps(["ready()"])) as running:
        until_ready(tmp_path)
        send(running, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            running.ends(1)


def test_a_second_signal_leaves_at_once_and_leaves_nobody_behind(tmp_path: Path) -> None:
    helper = "subprocess.Popen(['sleep', '300'])"
    with supervised(tmp_path, f"begin(); {IGNORE}; {helper}; ready()") as running:
        until_ready(tmp_path)
        family = running.family()
        assert len(family) == 3
        send(running, signal.SIGINT)
        time.sleep(0.5)
        assert running.process.poll() is None
        send(running, signal.SIGINT)
        assert running.ends(3) == 130
        until("all are gone", lambda: all(map(is_gone, family)), 3)
    assert running.errors == (
        "the study was stopped by signal 2 (SIGINT); "
        "tunetrack resume 'my study' --home 'my home' puts right what it left, and goes on"
    )


def test_the_same_signal_twice_in_a_moment_is_one(tmp_path: Path) -> None:
    """As `timeout` sends it: to the process, and then to its group."""
    slow = "on(signal.SIGTERM, lambda: (time.sleep(1), sys.exit(143)))"
    with supervised(tmp_path, f"begin(); {slow}; ready()") as running:
        until_ready(tmp_path)
        send(running, signal.SIGTERM)
        time.sleep(0.01)
        send(running, signal.SIGTERM)
        assert running.ends() == 143
    assert running.errors == ""


def test_a_study_that_does_not_end_is_killed_in_time(tmp_path: Path) -> None:
    with supervised(tmp_path, f"begin(); {IGNORE}; ready()", EXIT_SECONDS="1") as running:
        until_ready(tmp_path)
        family = running.family()
        send(running, signal.SIGTERM)
        assert running.ends(5) == 143
        assert all(map(is_gone, family))
    assert "puts right what it left" in running.errors


def test_a_study_that_stands_still_can_be_ended(tmp_path: Path) -> None:
    with supervised(tmp_path, "begin(); on(signal.SIGTERM, lambda: sys.exit(143)); ready()") as running:
        until_ready(tmp_path)
        send(worker_of(running), signal.SIGSTOP)
        send(running, signal.SIGTERM)
        assert running.ends() == 143


def test_ctrl_z_stops_both_and_fg_wakes_both(tmp_path: Path) -> None:
    with supervised(tmp_path, "begin(); on(signal.SIGTERM, lambda: sys.exit(143)); ready()") as running:
        until_ready(tmp_path)
        both = running.family()
        send(running, signal.SIGTSTP)
        until("both stand still", lambda: all(one.status() == psutil.STATUS_STOPPED for one in both))
        send(running, signal.SIGCONT)
        until("both go on", lambda: all(one.status() != psutil.STATUS_STOPPED for one in both))
        send(running, signal.SIGTERM)
        assert running.ends() == 143


def test_a_study_whose_supervisor_is_killed_ends_as_after_sigterm(tmp_path: Path) -> None:
    # A process of the study's own, which may inherit all that can be, must not hide the supervisor's end.
    helper = "subprocess.Popen(['sleep', '300'], close_fds=False, start_new_session=True)"
    ends = "on(signal.SIGTERM, lambda: (open('ended', 'w').close(), helper.kill(), sys.exit(143)))"
    with supervised(tmp_path, f"begin(); helper = {helper}; {ends}; ready()") as running:
        until_ready(tmp_path)
        family = running.family()
        send(running, signal.SIGKILL)
        until("all are gone", lambda: all(map(is_gone, family)), 10)
    assert (tmp_path / "ended").exists()


def test_a_study_whose_supervisor_is_killed_cannot_stay(tmp_path: Path) -> None:
    helper = "subprocess.Popen(['sleep', '300'])"
    with supervised(tmp_path, f"begin(); {IGNORE}; {helper}; ready()", EXIT_SECONDS="1") as running:
        until_ready(tmp_path)
        family = running.family()
        send(running, signal.SIGKILL)
        until("all are gone", lambda: all(map(is_gone, family)), 10)


def test_a_study_does_not_wait_for_a_supervisor_that_stands_still(tmp_path: Path) -> None:
    many = "begin(); [reach(trial, 0) for trial in range(20_000)]; ready()"
    with supervised(tmp_path, f"while not os.path.exists('go'): time.sleep(0.01)\n{many}") as running:
        until("the study starts", (tmp_path / "started").exists)
        send(running, signal.SIGSTOP)
        (tmp_path / "go").touch()
        until_ready(tmp_path)
        send(running, signal.SIGCONT)
        send(worker_of(running), signal.SIGKILL)
        until("it goes on", lambda: "going on with the study my study" in running.errors)


def test_a_study_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    """As `mlflow run` does, with a shell between the two where it sets up an environment."""
    (tmp_path / "child.py").write_text(CHILD)
    watching = SUPERVISE.replace("program=program", "program=program, mlflow=Starter.found()").replace(
        "import supervisor\n", "import supervisor\nfrom tunetrack.cli.starter import Starter\n"
    )
    (tmp_path / "supervise.py").write_text(watching)
    shell = f"{sys.executable} supervise.py; echo $? > code"
    starter = f"import subprocess; subprocess.run(['bash', '-c', {shell!r}])"
    script = json.dumps(["begin(); on(signal.SIGTERM, lambda: sys.exit(143)); ready()"])
    with started([sys.executable, "-c", starter], tmp_path, SCRIPT=script) as running:
        until_ready(tmp_path)
        family = running.family()
        assert len(family) == 4
        send(running, signal.SIGTERM)
        until("all are gone", lambda: all(map(is_gone, family)), 10)
    assert (tmp_path / "code").read_text() == "143\n"


def test_a_study_that_reads_from_the_terminal_says_how(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        environment = child_environment(SCRIPT=json.dumps(["begin(); input('> ')"]))
        os.execve(sys.executable, [sys.executable, "-c", SUPERVISE], environment)
    said = b""
    while b"SIGTTIN" not in said:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, said
        said += os.read(terminal, 4096)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTTIN
    assert b"wants to read from the terminal, which it can with --no-supervisor only" in said
