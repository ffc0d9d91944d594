"""Fixtures of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages_support import Pages, hostile_study, opened

from tracking_support import database_template, end_idle_artifact_threads, server, store, uri  # noqa: F401
from tunetrack.tracking import connect


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Iterator[Pages]:  # noqa: F811
    """One study for all tests of a module, which only read."""
    home = tmp_path_factory.mktemp("pages")
    shutil.copy(database_template, home / "mlflow.db")
    with connect(f"sqlite:///{home / 'mlflow.db'}") as opened_store:
        found = opened(opened_store, hostile_study(opened_store, home / "artifacts"))
        with found.client:
            yield found
        found.app.state.looks.close()
