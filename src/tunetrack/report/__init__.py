"""Writes a study's report from its stored runs: one file, print, Markdown, data; numbers are apart from drawing."""

from __future__ import annotations

from tunetrack.report.certainty import CertaintyInfo, certainty_info
from tunetrack.report.curves import CurvesInfo, curves_info
from tunetrack.report.figures import build_figures, study_figures
from tunetrack.report.history import HistoryInfo, history_info
from tunetrack.report.importance import ImportanceInfo, importance_info
from tunetrack.report.leaderboard import LeaderboardInfo, leaderboard_info
from tunetrack.report.page import Context, render_report
from tunetrack.report.single.answers import build_document, build_single
from tunetrack.report.single.file import SingleFile, render_single
from tunetrack.report.slices import SliceInfo, slice_info
from tunetrack.report.sources import MarkdownReport, build_markdown, build_report
from tunetrack.report.states import FailureInfo, StatesInfo, failures_info, states_info

__all__ = [
    "CertaintyInfo",
    "Context",
    "CurvesInfo",
    "FailureInfo",
    "HistoryInfo",
    "ImportanceInfo",
    "LeaderboardInfo",
    "MarkdownReport",
    "SingleFile",
    "SliceInfo",
    "StatesInfo",
    "build_document",
    "build_figures",
    "build_markdown",
    "build_report",
    "build_single",
    "certainty_info",
    "curves_info",
    "failures_info",
    "history_info",
    "importance_info",
    "leaderboard_info",
    "render_report",
    "render_single",
    "slice_info",
    "states_info",
    "study_figures",
]
