"""Files that comparison pages read: a trial's answers, the study's images; and what a trial's run is called."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from tunetrack.spec.records import Predictions
from tunetrack.tracking import SearchedParam
from tunetrack.tracking.artifacts import predictions_table
from tunetrack.tracking.sprites import LIMIT, sprite_files
from tunetrack.tracking.trial_names import trial_name
from tunetrack.tracking.values import ParamValue

SEARCHED = (
    SearchedParam("optimizer.name", numeric=False),
    SearchedParam("model.filters"),
    SearchedParam("model.head.0"),
    SearchedParam("schedule.name", numeric=False),
    SearchedParam("weights.lr"),
    SearchedParam("optimizer.lr", log=True),
)


def test_predictions_come_back_as_they_were() -> None:
    draw = np.random.default_rng(0)
    count = 10_000
    given = Predictions(
        draw.integers(0, 10, count).astype(np.uint8),
        draw.integers(0, 10, count).astype(np.uint8),
        draw.random(count).astype(np.float16),
    )
    content = predictions_table(given)
    frame = parquet.read_table(io.BytesIO(content)).to_pandas()
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "index": "int32",
        "label": "uint8",
        "predicted": "uint8",
        "confidence": "float16",
    }
    assert (frame["index"] == np.arange(count)).all()
    assert (frame["label"] == given.labels).all()
    assert (frame["predicted"] == given.predicted).all()
    assert (frame["confidence"].to_numpy() == given.confidence).all()
    assert len(content) < 40_000


@pytest.mark.parametrize("shape", [(1000, 28, 28), (1000, 48, 48, 3), (1, 48, 48, 3), (7, 5, 9)])
def test_a_sprite_has_the_first_images_and_is_small(shape: tuple[int, ...]) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)  # noise, which cannot be packed
    files = sprite_files(tiles, "0123")
    layout = json.loads(files["validation_images.json"])
    assert len(files["validation_images.png"]) <= LIMIT
    assert layout["count"] == (shape[0] if tiles.nbytes < LIMIT else min(layout["count"], shape[0] - 1))
    assert layout["count"] * tiles[0].nbytes > 0.9 * min(tiles.nbytes, LIMIT)
    with Image.open(io.BytesIO(files["validation_images.png"])) as picture:
        assert picture.mode == ("L" if len(shape) == 3 else "RGB")
        (width, height), columns = layout["tile"], layout["columns"]
        assert picture.size == (columns * width, -(-layout["count"] // columns) * height)
        last = layout["count"] - 1
        left, top = last % columns * width, last // columns * height
        assert (np.asarray(picture.crop((left, top, left + width, top + height))) == tiles[last]).all()


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"optimizer.lr": 0.0312345, "optimizer.name": "sgd"}, "#12 sgd optimizer.lr=0.0312"),
        ({"model.filters": 64, "optimizer.lr": 3e-5}, "#12 optimizer.lr=3e-05 filters=64"),
        ({"model.head.0": 32, "schedule.name": "cosine", "data.name": "digits"}, "#12 cosine head.0=32"),
        ({"model.filters": True, "weights.lr": None}, "#12 filters=true weights.lr=null"),
        ({}, "#12"),
        ({"optimizer.name": "a\nb   c" + "x" * 40}, "#12 a b c" + "x" * 18 + "…"),
    ],
)  # fmt: skip
def test_names_of_runs(params: Mapping[str, ParamValue], name: str) -> None:
    assert trial_name(12, params, SEARCHED) == name


WORDS = st.text("ab.0 ü\n\t<", min_size=1, max_size=40)


@settings(deadline=None)
@given(st.dictionaries(WORDS, WORDS | st.floats() | st.none(), max_size=8))
def test_no_name_is_longer_than_mlflow_shows(params: dict[str, ParamValue]) -> None:
    name = trial_name(10**6, params, [SearchedParam(path, index % 2 == 0) for index, path in enumerate(params)])
    assert name.startswith("#1000000")
    assert len(name) <= 82
    assert "\n" not in name
