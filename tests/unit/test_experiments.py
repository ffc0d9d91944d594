"""The study files of the five experiments, their reductions for a small machine, and the pages made of their runs."""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tunetrack import training
from tunetrack.api.study_files import load_study_file
from tunetrack.spec import load_study
from tunetrack.spec.loading import read_yaml

ROOT = Path(__file__).parent.parent.parent
FILES = sorted((ROOT / "search_spaces" / "experiments").glob("*.yaml"))
NAMES = [path.stem for path in FILES]
SHAPES = {"voxel_mnist": (1, 16, 16, 16), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32)}


@pytest.fixture(scope="module")
def reproduce() -> ModuleType:
    """The script as a module."""
    loader = SourceFileLoader("reproduce", str(ROOT / "scripts" / "reproduce"))
    spec = importlib.util.spec_from_loader("reproduce", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_there_is_a_file_for_every_experiment() -> None:
    assert len(FILES) == 17


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_file_is_valid_and_its_first_network_can_be_built(path: Path) -> None:
    spec = load_study_file(path)  # also finds rows of the original's table that no trial can match
    assert spec.name == path.stem.replace("_", "-")
    assert spec.head.reference is not None
    assert spec.head.reference.source
    config = spec.first_config()
    shape = SHAPES.get(config.data.name, (1, 28, 28))
    assert training.summarise(config, shape, 10).parameters > 1000


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_searched_file_has_a_budget_that_covers_its_grid(path: Path) -> None:
    spec = load_study(path)
    if spec.head.sampler.name == "brute_force":
        assert spec.space.size == spec.head.budget.trials


def test_what_is_reduced_or_run_beside_can_be_loaded(reproduce: ModuleType) -> None:
    assert set(reproduce.REDUCED) | set(reproduce.BESIDE) | set(reproduce.WEIGHTS) <= set(NAMES)
    for path in FILES:
        reduced, words = reproduce.REDUCED.get(path.stem, ({}, ""))
        assert bool(reduced) == bool(words)
        for further in ({}, reproduce.BESIDE.get(path.stem, {})):
            values = {key: read_yaml(value) for key, value in (reduced | further).items()}
            load_study_file(path, values)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_has_its_page_with_both_tables(name: str) -> None:
    page = (ROOT / "docs" / "reproductions" / f"{name}.md").read_text()
    for heading in ("Outcome", "Run it again", "Protocol", "Beside the original", ".*est trials", "Compute"):
        assert re.search(f"\n## {heading}", page), heading
    assert "original" in page.lower()
    for figure in re.findall(r"\]\(([^)]+\.svg)\)", page):
        assert (ROOT / "docs" / "reproductions" / figure).exists()
    assert f"[{name}]({name}.md)" in (ROOT / "docs" / "reproductions" / "README.md").read_text()


def test_pages_say_what_was_reduced(reproduce: ModuleType) -> None:
    for name, (_, words) in reproduce.REDUCED.items():
        assert words in (ROOT / "docs" / "reproductions" / f"{name}.md").read_text(), name
