"""The command line: reads arguments and the environment, calls `tunetrack.api`, prints. Nothing else does either."""

from __future__ import annotations

from tunetrack.cli.app import main

__all__ = ["main"]
