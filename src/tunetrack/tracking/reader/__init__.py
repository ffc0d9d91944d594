"""Reads whole studies fast, and after that only what has changed."""

from __future__ import annotations

from tunetrack.tracking.reader.overview import StudyOverview
from tunetrack.tracking.reader.reader import StudyReader, Versioned

__all__ = ["StudyOverview", "StudyReader", "Versioned"]
