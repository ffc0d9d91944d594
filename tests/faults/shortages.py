"""Scenario: the disk is full, or a worker is killed as the kernel does it where memory has run out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faults.bench import Bench, Outcome, scenario
from faults.kills import ended, see_to_the_end
from faults.processes import Late, Scratch

__all__ = ["DiskFull", "MemoryFull", "eaten", "filled", "shortages"]

#: The control group that limits memory is a folder here, in the layout of the kernel's first or second version.
CGROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
#: Enough for a study's process, and soon used up by one that eats 50 MB after 50 MB.
MEMORY_LIMIT = 2_500_000_000
#: The trial of the study `own-net` whose network is deadly: its width, and which trial has it.
DEADLY_WIDTH, DEADLY_TRIAL = 4, 1
#: A training step in the fourth epoch, and one in the first, before there is anything to go on from.
DEADLY_STEP, FIRST_STEPS = 100, 20


@dataclass(frozen=True)
class DiskFull:
    """The home's file system is full at some time.

    Attributes:
        free: bytes beside the empty tracking database.
    """

    free: int

    @property
    def name(self) -> str:
        """Of the scenario."""
        return f"disk full after {self.free // 1024} kB"


@dataclass(frozen=True)
class MemoryFull:
    """A trial whose process is killed.

    Attributes:
        name: of the scenario.
        how: ``kill`` (SIGKILL by the network itself) or ``eat`` (by the kernel, for its memory).
        always: whether that happens whenever the trial is run, and not once.
    """

    name: str
    how: str = "kill"
    always: bool = False


def shortages() -> list[DiskFull | MemoryFull]:
    """All of a full run."""
    return [
        *(DiskFull(kilobytes * 1024) for kilobytes in (120, 400, 700, 1000, 1400)),
        MemoryFull("worker killed once"),
        MemoryFull("worker killed by the kernel for its memory, once", "eat"),
        MemoryFull("trial that kills its worker every time", always=True),
    ]


def filled(bench: Bench, case: DiskFull) -> Outcome:
    """Runs a study on a file system that fills up, makes room, resumes and compares."""
    study = "optuna-tpe"
    bench.whole(study)
    with scenario(case.name, study=study) as outcome, contextlib.ExitStack() as stack:
        scratch = bench.scratch(case.name, study)
        size = bench.template.stat().st_size + case.free
        if not stack.enter_context(small_disk(scratch.home, size)):
            outcome.skipped = "a file system of its own needs the rights to mount one"
            return outcome
        shutil.copy(bench.template, scratch.home / "mlflow.db")
        code = ended(outcome, scratch, scratch.run())
        outcome.hit = shutil.disk_usage(scratch.home).free < 64 * 1024 or code != 0
        outcome.detail["exit_code"] = code
        subprocess.run(["mount", "-o", "remount,size=200m", str(scratch.home)], check=True)
        see_to_the_end(outcome, scratch, code)
        bench.judge(outcome, scratch)
    return outcome


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A file system of so many bytes at a folder; False where there can be none."""
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def eaten(bench: Bench, case: MemoryFull) -> Outcome:
    """Runs a study with a trial that kills its process; it must go on, or fail alone where it does so every time."""
    study = "own-net"
    bench.whole(study)
    with scenario(case.name, study=study) as outcome, contextlib.ExitStack() as stack:
        scratch = bench.scratch(case.name, study)
        mark, step = ("-", FIRST_STEPS) if case.always else (str(scratch.folder / "killed"), DEADLY_STEP)
        scratch.environment["TUNETRACK_FAULTS_DEADLY"] = f"{DEADLY_WIDTH}|{step}|{mark}|{case.how}"
        if case.how == "eat":
            group = stack.enter_context(memory_group(f"tunetrack-faults-{os.getpid()}", MEMORY_LIMIT))
            if group is None:
                outcome.skipped = "a control group for memory needs the rights to make one"
                return outcome
            scratch.prefix = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
        code = ended(outcome, scratch, scratch.run())
        outcome.detail["by_itself"] = code == 0
        outcome.hit = case.always or Path(mark).exists()
        _resume_patiently(outcome, scratch, code) if case.always else see_to_the_end(outcome, scratch, code)
        seen = bench.judge(outcome, scratch, leave_out=(DEADLY_TRIAL,) if case.always else ())
        if case.always and seen is not None and study in seen.studies:
            trial = seen.studies[study].trials[DEADLY_TRIAL]
            outcome.detail["reason"] = trial.facts["reason"]
            if trial.state != "FAILED" or not trial.facts["reason"]:
                outcome.problems.append(f"trial {DEADLY_TRIAL} is {trial.state}, and should have failed with a reason")
    return outcome


def _resume_patiently(outcome: Outcome, scratch: Scratch, code: int | None) -> None:
    """A trial has so many retries; without a supervisor each needs a resume of its own, which dies too."""
    for _ in range(5):
        if code == 0:
            return
        try:
            code = scratch.resume().wait()
        except Late as error:
            outcome.problems.append(f"resume is {error}")
    if code != 0:
        outcome.problems.append(f"the study does not end: its trial kills every worker; it said: {scratch.said}")


@contextlib.contextmanager
def memory_group(name: str, limit: int) -> Iterator[Path | None]:
    """A control group in which processes share so many bytes of memory; None where there can be none."""
    for root, key in CGROUPS:
        group = root / name
        try:
            group.mkdir()
            (group / key).write_text(str(limit))
        except OSError:
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None
