"""Faults strike at the named call, in a child process, as often as they should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faults.inject import Fault, struck, variables
from faults.processes import HOOKS
from study_support import child_environment

VICTIM = """
import os

class Book:
    @classmethod
    def page(cls, number):
        print("page", number, flush=True)
        return number

def write(number):
    print("write", number, flush=True)
    return number
"""

PROGRAM = """
import os
from victim import Book, write
file = os.open(__file__, os.O_RDONLY)
for call in (1, 2, 3):
    try:
        write(call)
        Book.page(call)
        os.fsync(file)
    except BaseException as error:
        print(type(error).__name__, getattr(error, "errno", None) or getattr(error, "error_code", ""), flush=True)
"""


def run(folder: Path, *faults: Fault) -> subprocess.CompletedProcess[str]:
    (folder / "victim.py").write_text(VICTIM)
    (folder / "program.py").write_text(PROGRAM)
    environment = child_environment(PYTHONPATH=os.pathsep.join([str(HOOKS), str(folder)]), **variables(faults, folder))
    return subprocess.run(
        [sys.executable, folder / "program.py"], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("disk full", "OSError 28"),
        ("locked", "OperationalError"),
        ("engine locked", "OperationalError"),
        ("unavailable", "MlflowException TEMPORARILY_UNAVAILABLE"),
        ("memory", "MemoryError"),
        ("defect", "RuntimeError"),
    ],
)
def test_the_named_call_raises(tmp_path: Path, kind: str, expected: str) -> None:
    ran = run(tmp_path, Fault("victim:write", 2, kind))
    lines = [line.strip() for line in ran.stdout.splitlines()]
    assert lines == ["write 1", "page 1", expected, "write 3", "page 3"], ran.stderr


def test_after_the_call_it_is_done_and_nobody_hears_of_it(tmp_path: Path) -> None:
    ran = run(tmp_path, Fault("victim:Book.page", 2, "defect", "after"))
    assert ran.stdout.splitlines()[:5] == ["write 1", "page 1", "write 2", "page 2", "RuntimeError "]


def test_several_calls_go_wrong_over_all_processes(tmp_path: Path) -> None:
    fault = Fault("victim:write", 2, "defect", times=3)
    assert run(tmp_path, fault).stdout.count("RuntimeError") == 2
    assert run(tmp_path, fault).stdout.count("RuntimeError") == 1
    assert run(tmp_path, fault).stdout.count("RuntimeError") == 0
    assert struck(tmp_path, 0) == 3


def test_two_faults_one_of_them_deadly_and_only_once(tmp_path: Path) -> None:
    faults = Fault("victim:write", 1, "defect"), Fault("victim:Book.page", 2)
    ran = run(tmp_path, *faults)
    assert ran.returncode == -signal.SIGKILL
    assert ran.stdout.splitlines() == ["RuntimeError ", "write 2", "page 2", "write 3"]
    assert run(tmp_path, *faults).returncode == 0
    assert [struck(tmp_path, number) for number in (0, 1)] == [1, 1]


def test_only_calls_from_one_module_count(tmp_path: Path) -> None:
    assert "OSError" not in run(tmp_path, Fault("os:fsync", 1, "disk full", caller="victim")).stdout
    assert "OSError 28" in run(tmp_path, Fault("os:fsync", 1, "disk full", caller="__main__")).stdout


def test_a_point_that_is_not_there_ends_the_program_loudly(tmp_path: Path) -> None:
    ran = run(tmp_path, Fault("victim:Book.cover"))
    assert ran.returncode == 97
    assert "victim has no Book.cover" in ran.stderr
