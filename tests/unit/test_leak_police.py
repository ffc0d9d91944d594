from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LEAKS = """
import os, threading, time
from pathlib import Path

def test_environment(): os.environ["LEFT_BEHIND"] = "1"
def test_is_cleaned_up(): assert "LEFT_BEHIND" not in os.environ
def test_directory(tmp_path): os.chdir(tmp_path)
def test_thread(): threading.Thread(target=time.sleep, args=(3,), name="sleeper").start()
def test_daemon(): threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
def test_monkeypatch(monkeypatch, tmp_path):
    monkeypatch.setenv("PATCHED", "1")
    monkeypatch.chdir(tmp_path)
def test_data(data_dir): assert data_dir == Path("/some/where")
"""


def run_pytest(folder: Path, selected: str = "test", **environment: str) -> str:
    (folder / "conftest.py").write_text((Path(__file__).parents[1] / "conftest.py").read_text())
    (folder / "test_leaks.py").write_text(LEAKS)
    kept = {key: value for key, value in os.environ.items() if key != "TUNETRACK_DATA_DIR"}
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--rootdir", ".", "-k", selected]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**kept, **environment}, timeout=60, check=False
    )
    return done.stdout


def test_each_kind_of_leak_fails_its_test_and_no_other(tmp_path: Path) -> None:
    output = run_pytest(tmp_path)

    assert "os.environ['LEFT_BEHIND'] changed" in output
    assert "working directory changed to" in output
    assert "thread 'sleeper' still runs" in output
    errors = {line.split("::")[1].split()[0] for line in output.splitlines() if line.startswith("ERROR ")}
    assert errors == {"test_environment", "test_directory", "test_thread"}


def test_data_dir_is_skipped_with_a_reason_or_given(tmp_path: Path) -> None:
    assert "TUNETRACK_DATA_DIR is not set" in run_pytest(tmp_path, "test_data")
    assert "PASSED test_leaks.py::test_data" in run_pytest(tmp_path, "test_data", TUNETRACK_DATA_DIR="/some/where")
