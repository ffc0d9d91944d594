"""A worker leaves quickly, and yet with its output, its exit handlers and its exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAVES = """
import atexit, sys
from tunetrack.cli.leaving import exit_code_noted, leave_quickly

class Kept:
    def __del__(self):
        print("tidied up")

kept = Kept()
kept.itself = kept
leave_quickly()
atexit.register(print, "handler")
print("said", end=" ")
with exit_code_noted():
    {end}
"""


def ended(end: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LEAVES.format(end=end)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("end", "code"), [("sys.exit(143)", 143), ("sys.exit()", 0), ("sys.exit('no')", 1)])
def test_everything_but_memory_is_left_in_order(end: str, code: int) -> None:
    done = ended(end)
    assert done.returncode == code
    assert done.stdout == "said handler\n"


def test_an_exception_that_nobody_expected_is_shown() -> None:
    done = ended("1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == "said handler\ntidied up\n"
