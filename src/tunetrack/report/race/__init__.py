"""Knows how samplers compare that were given the same budget several times: numbers, figure, page."""

from __future__ import annotations

from tunetrack.report.race.numbers import Arm, Band, RaceInfo, RaceRun, race_info
from tunetrack.report.race.page import in_words, race_page, table_rows

__all__ = ["Arm", "Band", "RaceInfo", "RaceRun", "in_words", "race_info", "race_page", "table_rows"]
