"""Knows how a run's artifacts are listed and read, and that a name never leads out of the run."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from tunetrack.tracking.lookups import download

__all__ = ["read_file", "stored_names"]

#: A run with more files than this is none of ours; the rest is not listed.
_MOST = 500


def stored_names(repository: Any) -> tuple[str, ...]:
    """Paths of the files in MLflow's artifact repository, in order."""
    names: list[str] = []
    folders: list[str | None] = [None]
    while folders and len(names) < _MOST:
        for file in repository.list_artifacts(folders.pop()):
            (folders if file.is_dir else names).append(file.path)
    return tuple(sorted(names)[:_MOST])


def read_file(repository: Any, name: str, scratch_root: Path | None = None) -> bytes | None:
    """The content of one file; None where there is none of this name. `scratch_root` as for `download`."""
    path = PurePosixPath(name)
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or any(mark in name for mark in "\\\0%") or str(path) != name:
        return None
    parent = None if len(parts) == 1 else str(path.parent)
    if not any(file.path == name and not file.is_dir for file in repository.list_artifacts(parent)):
        return None
    return download(repository, name, scratch_root)
