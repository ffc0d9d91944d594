"""`tunetrack resume` and `--accept-changes`: mistakes in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from study_support import tiny, write_study
from tunetrack.cli import main
from tunetrack.cli.app import ENVIRONMENT
from tunetrack.ledger import Ledger
from tunetrack.spec import load_study
from tunetrack.study.place import Place


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a study file, and a home with a study in its ledger."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path / "home")
    place.make()
    Ledger.create(place.ledger, load_study(write_study(tmp_path / "study.yaml", tiny())))
    return tmp_path


def tunetrack(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, [*arguments, "--no-supervisor"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tinny", "; did you mean tiny?"),
        ("study.yaml", "; a study file is resumed by `tunetrack run FILE --resume`"),
        ("something", ""),
    ],
)
def test_what_is_no_study(folder: Path, name: str, hint: str) -> None:
    ran = tunetrack("resume", name, "--home", "home")
    assert ran.exit_code == 6
    assert ran.stderr == f"Error: there is no study {name!r} in {folder / 'home'}{hint} (it has: tiny)\n"


def test_where_there_is_no_study_at_all(folder: Path) -> None:
    ran = tunetrack("resume", "tiny", "--home", "elsewhere")
    assert ran.exit_code == 6
    assert ran.stderr == f"Error: there is no study in {folder / 'elsewhere'}; is --home right?\n"


def test_a_budget_that_is_no_number(folder: Path) -> None:
    ran = tunetrack("resume", "tiny", "--home", "home", "--trials", "0")
    assert ran.exit_code == 2
    assert "'0' is not greater than 0" in ran.stderr


def test_only_a_resumed_study_has_changes_to_accept(folder: Path) -> None:
    ran = tunetrack("run", "study.yaml", "--accept-changes")
    assert ran.exit_code == 2
    assert "--accept-changes needs --resume" in ran.stderr
