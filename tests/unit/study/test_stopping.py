"""Signals reach the trainer at once and everything else at the next check."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tunetrack.errors import InterruptedStudyError
from tunetrack.study.stopping import StopSignals


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
