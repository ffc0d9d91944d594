"""The MLflow server with our pages beside MLflow's own: its app, its process, and the links that open studies.

`tunetrack.server.app` is imported by the server's process alone; nothing here loads MLflow's server.
"""

from __future__ import annotations

from tunetrack.server.links import StudyLink, studies_url, study_links, study_url
from tunetrack.server.process import ServerSpec, TrackingServer, is_loopback, running_server, start_server

__all__ = [
    "ServerSpec",
    "StudyLink",
    "TrackingServer",
    "is_loopback",
    "running_server",
    "start_server",
    "studies_url",
    "study_links",
    "study_url",
]
