"""Signals reach the trainer at once and everything else at the next check."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tunetrack.errors import InterruptedStudyError
from tunetrack.study import stopping
from tunetrack.study.stopping import PATIENCE_SECONDS, StopSignals


def test_a_signal_waits_outside_and_raises_at_the_check() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)  # would end this process, or raise, if it were not caught
        with pytest.raises(InterruptedStudyError) as raised:
            stop.check()
    assert raised.value.exit_code == 143


def test_a_signal_raises_at_once_where_that_is_safe() -> None:
    with StopSignals() as stop, pytest.raises(InterruptedStudyError) as raised, stop.interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    assert raised.value.exit_code == 130


def test_a_second_signal_raises_anywhere() -> None:
    with StopSignals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedStudyError):
            os.kill(os.getpid(), signal.SIGINT)


def test_under_a_supervisor_a_second_signal_is_the_first_once_more() -> None:
    with StopSignals(second_raises=False) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedStudyError) as raised:
            stop.check()
    assert raised.value.exit_code == 143


def test_a_kept_signal_raises_on_entering_the_trainer() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        reached = False
        with pytest.raises(InterruptedStudyError), stop.interruptible():
            reached = True
        assert not reached


def test_handlers_of_the_caller_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def interrupted(stop: StopSignals, expected_seconds: float, *numbers: int, lasts: float = 0.0) -> None:
    """Something that takes signals while it runs and must not come to its end."""
    with stop.interruptible(expected_seconds):
        for number in numbers:
            os.kill(os.getpid(), number)
        time.sleep(lasts)
        pytest.fail("it was not left")


def test_pending_says_that_a_signal_has_come() -> None:
    with StopSignals() as stop:
        assert not stop.pending
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.pending


def test_what_ends_soon_comes_to_its_end() -> None:
    with StopSignals() as stop:
        with stop.interruptible(expected_seconds=1.0):
            os.kill(os.getpid(), signal.SIGINT)
            ended = True
        assert ended
        with pytest.raises(InterruptedStudyError):
            stop.check()


def test_what_should_have_ended_soon_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "PATIENCE_SECONDS", 0.3)
    began = time.monotonic()
    with StopSignals() as stop, pytest.raises(InterruptedStudyError) as raised:
        interrupted(stop, 0.1, signal.SIGINT, lasts=60)
    assert raised.value.exit_code == 130
    assert 0.3 <= time.monotonic() - began < 10


def test_what_takes_longer_is_left_at_once() -> None:
    with StopSignals() as stop, pytest.raises(InterruptedStudyError):
        interrupted(stop, PATIENCE_SECONDS + 1, signal.SIGINT)


def test_a_second_signal_does_not_wait() -> None:
    with StopSignals() as stop, pytest.raises(InterruptedStudyError):
        interrupted(stop, 1.0, signal.SIGINT, signal.SIGINT)


@pytest.fixture
def rung() -> Iterator[list[int]]:
    """Numbers of the alarms that the caller's own handler has got; pytest's own timer comes back afterwards."""
    numbers: list[int] = []
    timer, handler = signal.setitimer(signal.ITIMER_REAL, 0), signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_timer_of_the_callers_goes_on(rung: list[int]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 60, 7)
    with StopSignals() as stop, stop.interruptible(1.0):
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= PATIENCE_SECONDS
        time.sleep(0.1)
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    assert 50 < left <= 59.9
    assert interval == 7
    assert rung == []
    os.kill(os.getpid(), signal.SIGALRM)
    assert rung == [signal.SIGALRM]


def test_a_timer_of_the_callers_that_runs_out_before_is_left_alone(rung: list[int]) -> None:
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS / 2)
    with StopSignals() as stop, pytest.raises(InterruptedStudyError):
        interrupted(stop, 1.0, signal.SIGINT)
    assert 0 < signal.setitimer(signal.ITIMER_REAL, 0)[0] <= PATIENCE_SECONDS / 2


def test_without_a_timer_there_is_none_afterwards(rung: list[int]) -> None:
    with StopSignals() as stop, stop.interruptible(1.0):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def body() -> None:
        with StopSignals() as stop, stop.interruptible():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]
