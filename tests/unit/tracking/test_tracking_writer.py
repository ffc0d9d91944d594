"""The background writer: order, merging, exactly once, failures, limits, forks, interpreter exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from tunetrack.errors import TrackingError
from tunetrack.tracking.writer import Action, BackgroundWriter, Batch, RunSlot, WriterLimits, merge


def test_merge_joins_batches_of_a_run_across_other_runs_but_not_across_its_own_actions() -> None:
    one, two = RunSlot("1"), RunSlot("2")
    end = Action(one, lambda: None)
    plan = merge(
        [
            Batch(one, [("a", 1.0, 0, 1)], params={"p": "x"}),
            Batch(two, [("b", 1.0, 0, 1)]),
            Batch(one, [("a", 2.0, 0, 2)], tags={"t": "y"}),
            end,
            Batch(one, [("a", 3.0, 0, 3)]),
        ]
    )
    assert [type(command) for command in plan] == [Batch, Batch, Action, Batch]
    first = plan[0]
    assert isinstance(first, Batch)
    assert (first.metrics, first.params, first.tags, first.size) == (
        [("a", 1.0, 0, 1), ("a", 2.0, 0, 2)],
        {"p": "x"},
        {"t": "y"},
        2,
    )


def test_everything_is_written_once_and_in_order_from_many_threads() -> None:
    seen: dict[str, list[int]] = {str(index): [] for index in range(4)}

    def write(batch: Batch) -> None:
        seen[batch.slot.known()] += [step for _, _, _, step in batch.metrics]

    writer = BackgroundWriter(write, "memory", WriterLimits(pending=16, linger_seconds=0.001))

    def work(index: int) -> None:
        slot = RunSlot(str(index))
        for step in range(500):
            writer.submit(Batch(slot, [("m", 0.0, 0, step)]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert all(steps == list(range(500)) for steps in seen.values())
    assert (writer.status.pending, writer.status.written) == (0, 2000)


def test_first_failure_reaches_every_later_call_and_nothing_is_written_after_it() -> None:
    written: list[str] = []

    def write(batch: Batch) -> None:
        if batch.slot.known() == "bad":
            raise OSError(28, "No space left on device")
        written.append(batch.slot.known())

    writer = BackgroundWriter(write, "sqlite:///x.db", WriterLimits(linger_seconds=0.0))
    writer.submit(Batch(RunSlot("good")), Batch(RunSlot("bad")), Batch(RunSlot("late")))
    with pytest.raises(TrackingError, match=r"sqlite:///x\.db.*disk is full"):
        writer.flush()
    with pytest.raises(TrackingError, match="disk is full"):
        writer.submit(Batch(RunSlot("good")))
    writer.close()  # the failure was raised already; raising it again would hide what the caller did about it
    assert written == ["good"]


def test_close_raises_a_failure_that_nobody_has_seen() -> None:
    def write(batch: Batch) -> None:
        raise OSError("gone")

    writer = BackgroundWriter(write, "memory", WriterLimits(linger_seconds=0.0))
    writer.submit(Batch(RunSlot("1")))
    with pytest.raises(TrackingError, match="gone"):
        writer.close()


def test_defect_is_raised_as_tracking_error_with_its_type() -> None:
    def write(batch: Batch) -> None:
        raise ZeroDivisionError("oh")

    writer = BackgroundWriter(write, "memory", WriterLimits(linger_seconds=0.0))
    writer.submit(Batch(RunSlot("1")))
    with pytest.raises(TrackingError, match="ZeroDivisionError: oh"):
        writer.close()


def test_full_queue_makes_callers_wait_instead_of_growing() -> None:
    gate = threading.Event()
    writer = BackgroundWriter(lambda batch: gate.wait(10) and None, "memory", WriterLimits(2, 0.0))
    slot = RunSlot("1")
    writer.submit(Batch(slot))
    deadline = time.monotonic() + 5
    while writer.status.pending == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    blocked = threading.Thread(target=lambda: [writer.submit(Batch(slot)) for _ in range(6)])
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive()
    gate.set()
    blocked.join(5)
    assert not blocked.is_alive()
    writer.close()


def test_failure_releases_callers_that_wait_for_room() -> None:
    def write(batch: Batch) -> None:
        time.sleep(0.1)
        raise OSError("gone")

    writer = BackgroundWriter(write, "memory", WriterLimits(1, 0.0))

    def submit_many() -> None:
        for _ in range(100):
            writer.submit(Batch(RunSlot("1")))

    with pytest.raises(TrackingError, match="gone"):
        submit_many()
    writer.close()


def test_flush_does_not_wait_for_company() -> None:
    writer = BackgroundWriter(lambda batch: None, "memory", WriterLimits(linger_seconds=30.0))
    start = time.monotonic()
    writer.submit(Batch(RunSlot("1")))
    writer.flush()
    writer.close()
    assert time.monotonic() - start < 5


def test_closed_writer_says_so() -> None:
    writer = BackgroundWriter(lambda batch: None, "memory")
    writer.close()
    writer.close()
    with pytest.raises(TrackingError, match="closed"):
        writer.submit(Batch(RunSlot("1")))


def test_caller_seconds_count_only_the_callers() -> None:
    writer = BackgroundWriter(lambda batch: time.sleep(0.2), "memory", WriterLimits(linger_seconds=0.0))
    with writer.on_callers_account():
        writer.submit(Batch(RunSlot("1")))
    writer.close()
    assert writer.caller_seconds < 0.1
    assert writer.status.writer_seconds >= 0.2


_SCRIPT = """
import os, sys, time
from tunetrack.tracking.writer import BackgroundWriter, Batch, RunSlot, WriterLimits
def write(batch):
    time.sleep(0.2)
    os.write(1, batch.slot.known().encode())
writer = BackgroundWriter(write, "memory", WriterLimits(linger_seconds=5.0))
writer.submit(Batch(RunSlot("written")))
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "code", "out"),
    [
        ("", 0, "written"),
        ("sys.exit(3)", 3, "written"),
        ("raise KeyboardInterrupt", 130, "written"),
        # The child of a fork has no writer thread: it must neither write the parent's queue again nor hang.
        ("pid = os.fork()\nif pid:\n    os.waitpid(pid, 0)", 0, "written"),
    ],
)
def test_interpreter_exit_empties_the_queue_once(rest: str, code: int, out: str) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(rest=rest)], capture_output=True, text=True, timeout=60, env=environment
    )
    assert (abs(done.returncode) in {code, 2}, done.stdout) == (True, out), done.stderr
