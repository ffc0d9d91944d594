"""Starts the stock MLflow server in the shape that measured best, and says which links open which study."""

from __future__ import annotations

from tunetrack.server.links import StudyLink, study_links
from tunetrack.server.process import ServerSpec, TrackingServer, running_server, start_server

__all__ = ["ServerSpec", "StudyLink", "TrackingServer", "running_server", "start_server", "study_links"]
