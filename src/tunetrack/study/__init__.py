"""Puts search, training and tracking together: one trial, the worker's loop, and the launch of a study."""

from __future__ import annotations

from tunetrack.study.launch import INTERRUPTED, Launch, launch
from tunetrack.study.outcome import in_words, read_result
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress, StudyStart
from tunetrack.study.result import StudyResult, StudyTrial

__all__ = [
    "INTERRUPTED",
    "Launch",
    "Place",
    "Progress",
    "StudyResult",
    "StudyStart",
    "StudyTrial",
    "in_words",
    "launch",
    "read_result",
]
