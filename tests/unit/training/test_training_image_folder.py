"""Folders of image files: sizes, colours, and every way in which such a folder is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tunetrack.errors import DataError
from tunetrack.spec.config import DataConfig
from tunetrack.training import load_data
from tunetrack.training.image_folder import read_image_folder


def _config(root: Path, **values: Any) -> DataConfig:
    return DataConfig(**{"name": "image_folder", "dir": str(root), "image_size": 8, **values})


def _paint(root: Path, name: str, value: Any, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def _grey_folder(root: Path, per_class: int = 12) -> None:
    for number in range(per_class):
        _paint(root, f"cat/{number}.png", 10 + number, size=(8 + number, 20))
        _paint(root, f"dog/{number}.png", 200 + number)


def test_grey_images_of_any_size(tmp_path: Path) -> None:
    _grey_folder(tmp_path)
    loaded = load_data(_config(tmp_path))
    assert loaded.classes == ("cat", "dog")
    assert loaded.input_shape == (1, 8, 8)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (16, 4, 4)
    bright = loaded.train.images.float().mean(dim=(1, 2, 3)) > 100
    assert bright.long().equal(loaded.train.labels)


def test_one_colour_image_makes_the_set_colour(tmp_path: Path) -> None:
    _grey_folder(tmp_path, per_class=2)
    _paint(tmp_path, "dog/colour.png", (255, 0, 10), mode="RGB")
    images, labels, classes = read_image_folder(_config(tmp_path))
    assert tuple(images.shape) == (5, 3, 8, 8)
    assert labels.tolist() == [0, 0, 1, 1, 1]
    assert classes == ("cat", "dog")
    assert images[4, :, 0, 0].tolist() == [255, 0, 10]
    assert read_image_folder(_config(tmp_path, channels=1))[0].shape[1] == 1


def test_palettes_transparency_and_sixteen_bits(tmp_path: Path) -> None:
    _paint(tmp_path, "a/alpha.png", (1, 2, 3, 128), mode="RGBA")
    folder = tmp_path / "b"
    folder.mkdir()
    Image.new("RGB", (4, 4), (0, 255, 0)).quantize(4).save(folder / "palette.png")
    Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16)).save(folder / "sixteen.png")
    images = read_image_folder(_config(tmp_path))[0]
    assert images[:, :, 0, 0].tolist() == [[1, 2, 3], [0, 255, 0], [128, 128, 128]]


def test_other_files_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    _grey_folder(tmp_path, per_class=1)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    assert len(read_image_folder(_config(tmp_path))[1]) == 2


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_a_corrupt_image_is_named(tmp_path: Path, channels: int | None) -> None:
    _grey_folder(tmp_path, per_class=2)
    (tmp_path / "dog" / "broken.png").write_bytes(b"this is no picture")
    with pytest.raises(DataError, match=r"dog/broken\.png cannot be read"):
        read_image_folder(_config(tmp_path, channels=channels))


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    _grey_folder(tmp_path, per_class=2)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = tmp_path / "dog" / "cut.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DataError, match=r"cut\.png cannot be read"):
        read_image_folder(_config(tmp_path))


def test_folders_that_cannot_be_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder was given"):
        read_image_folder(DataConfig(name="image_folder", image_size=8))
    with pytest.raises(DataError, match=f"there is no folder {tmp_path / 'absent'}"):
        read_image_folder(_config(tmp_path / "absent"))
    (tmp_path / "only").mkdir()
    with pytest.raises(DataError, match="1 class folder"):
        read_image_folder(_config(tmp_path))
    (tmp_path / "second").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        read_image_folder(_config(tmp_path))
