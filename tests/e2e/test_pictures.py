"""The pictures of the documentation: taken of a real study, and none of them is blank.

`TUNETRACK_PICTURES=FOLDER pytest tests/e2e/test_pictures.py` keeps them in a folder, such as docs/images.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tunetrack
from pictures_support import PICTURES, WIDTH, emptiness, take_pictures
from study_support import tiny
from tunetrack.server import ServerSpec, running_server

Image = pytest.importorskip("PIL.Image")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRIALS = 12
RATE = {"low": 1e-3, "high": 1e-1, "log": True}


def test_every_picture_shows_something(browser: Any, home: Path, tmp_path: Path) -> None:
    document = tiny(
        name="digits-cnn",
        optimizer={
            "one_of": [
                {"name": "adam", "lr": RATE},
                {"name": "adamw", "lr": RATE, "weight_decay": {"low": 1e-5, "high": 1e-1, "log": True}},
            ]
        },
        trainer={"epochs": 4, "batch_size": {"choices": [20, 50]}},
        pruner={"name": "median", "n_startup_trials": 4},
    )
    result = tunetrack.run_study(document, home=home, trials=TRIALS)
    assert len(result.ranked()) >= 4
    folder = Path(os.environ.get("TUNETRACK_PICTURES", tmp_path))
    with running_server(ServerSpec(home, port=0, environment=dict(os.environ))) as server:
        said = take_pictures(browser, server.base_url, result, folder)
    assert said == {name: [] for name in PICTURES}
    for name, picture in PICTURES.items():
        content = (folder / f"{name}.png").read_bytes()
        with Image.open(folder / f"{name}.png") as taken:
            assert taken.size == (WIDTH, picture.height)
            brightness = taken.convert("L").resize((1, 1)).getpixel((0, 0))
        assert (brightness < 100) == picture.dark, name
        assert emptiness(content) < 0.9, name


def test_a_blank_picture_is_told_from_a_page(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (100, 50), "white").save(blank)
    assert emptiness(blank.read_bytes()) == 1.0
