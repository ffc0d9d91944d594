"""Starts the stock MLflow server in the shape that measured best, and ends it cleanly."""

from __future__ import annotations

from tunetrack.server.process import ServerSpec, TrackingServer, running_server, start_server

__all__ = ["ServerSpec", "TrackingServer", "running_server", "start_server"]
