"""Volumes made from digits: the published facts about them, the cache, groups, and a net for volumes end to end."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from data_support import fake_mnist
from tunetrack import training
from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec.config import DataConfig, TrialConfig
from tunetrack.training import load_data, sources
from tunetrack.training.voxel_cache import cache_file, cached_voxels
from tunetrack.training.voxels import GROUPS, SIDE, generate_voxels, point_cloud, rotated_copy, voxels


def _config(root: Path, **more: Any) -> DataConfig:
    return DataConfig.model_validate({"name": "voxel_mnist", "dir": str(root), **more})


def _digits(count: int) -> np.ndarray:
    """Bars of different places and lengths."""
    digits = np.zeros((count, 28, 28), dtype=np.uint8)
    for number in range(count):
        digits[number, 4 : 12 + number % 8, 10 : 13 + number % 3] = 1 + number % 255
    return digits


def test_one_pixel_is_a_cuboid() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[5, 7] = 1
    cloud = point_cloud(digit)
    assert cloud.shape == (3, 50 + 4 * 150)
    assert np.ptp(cloud, axis=1) == pytest.approx([1.0, 1 / 6, 1 / 6])  # x is the depth, the longest here
    assert cloud.mean(axis=1) == pytest.approx([0.0, 0.0, 0.0])


def test_a_pixel_at_the_border_and_a_neighbour() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[0, :2] = 255
    assert point_cloud(digit).shape == (3, 2 * 50 + 6 * 150)


def test_row_zero_is_on_top_and_the_first_column_is_low_in_y() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[:20, 3] = 1  # a tall bar ...
    digit[0, 3:9] = 1  # ... with an arm at its top, towards later columns
    volume = voxels(point_cloud(digit))
    assert int(volume[-1].astype(int).sum()) > int(volume[0].astype(int).sum())
    assert int((volume[-1] > 0).any(axis=1).argmax()) < SIDE // 2


def test_a_copy_is_turned_and_as_noisy_as_it_may_be() -> None:
    cloud = point_cloud(_digits(1)[0])
    copy = rotated_copy(cloud, np.random.default_rng(1))
    assert copy.shape == cloud.shape
    other = rotated_copy(cloud, np.random.default_rng(2))
    assert not np.allclose(copy, other, atol=0.05)
    # Distances from the middle stay, but for noise of at most a quarter of the deviation along each axis.
    lengths = np.linalg.norm(copy, axis=0) - np.linalg.norm(cloud, axis=0)
    limit = 0.25 * np.sqrt(3.0) * np.linalg.norm(cloud, axis=0).max()
    assert 0.0 < np.abs(lengths).max() < limit


def test_the_fullest_voxel_is_255_and_a_line_fills_its_axis() -> None:
    line = np.zeros((3, 160))
    line[0] = np.linspace(0.0, 1.0, 160)
    volume = voxels(line)
    assert volume.dtype == np.uint8
    assert volume.max() == 255
    filled = np.argwhere(volume)
    assert np.ptp(filled, axis=0).tolist() == [0, 0, SIDE - 1]  # axes z, y, x


def test_a_digit_becomes_the_same_whatever_stands_beside_it() -> None:
    digits = _digits(6)
    whole = generate_voxels(digits, test=2, seed=3)
    assert whole.shape == (12, SIDE, SIDE, SIDE)
    assert np.array_equal(generate_voxels(digits[3:], test=2, seed=3)[-4:], whole[-4:])
    other = generate_voxels(digits, test=2, seed=4)
    assert np.array_equal(other[::2], whole[::2])  # upright ones know no chance
    assert all(not np.array_equal(mine, theirs) for mine, theirs in zip(whole[1::2], other[1::2], strict=True))
    digits[0] = 0
    assert not generate_voxels(digits, test=2, seed=3)[:2].any()


def test_another_hash_seed_gives_the_same_bytes() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from tunetrack.training.voxels import generate_voxels\n"
        "digits = np.zeros((3, 28, 28), np.uint8); digits[:, 4:20, 9:13] = 1\n"
        "print(hashlib.sha256(generate_voxels(digits, 1, 42).tobytes()).hexdigest())"
    )
    source = str(Path(sources.__file__).parents[2])
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": source, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("1", "1"), ("2", "2"))
    ]
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64


def test_the_cache_gives_what_was_made_and_is_keyed_by_all_that_matters(tmp_path: Path) -> None:
    digits = _digits(3)
    made = cached_voxels(digits, 1, 5, tmp_path / "new")
    (file,) = (tmp_path / "new").iterdir()
    assert file == cache_file(digits, 1, 5, tmp_path / "new")
    stamp = file.stat().st_mtime_ns
    assert np.array_equal(cached_voxels(digits, 1, 5, tmp_path / "new"), made)
    assert file.stat().st_mtime_ns == stamp
    digits[0, 4, 10] += 1
    keys = [cache_file(digits, 1, 5, tmp_path), cache_file(digits, 2, 5, tmp_path), cache_file(digits, 1, 6, tmp_path)]
    assert len({file.name, *(key.name for key in keys)}) == 4


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "flipped", "foreign"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    digits = _digits(3)
    made = cached_voxels(digits, 1, 5, tmp_path)
    file = cache_file(digits, 1, 5, tmp_path)
    content = file.read_bytes()
    if damage == "foreign":
        np.savez(file, volumes=made[:2])
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
        file.write_bytes({"cut": content[:middle], "garbage": b"x" * 99, "empty": b"", "flipped": flipped}[damage])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cached_voxels(digits, 1, 5, tmp_path), made)
    assert "damaged" in caplog.text
    caplog.clear()
    assert np.array_equal(cached_voxels(digits, 1, 5, tmp_path), made)
    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == [file]


def test_where_nothing_can_be_kept_it_says_so_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        made = cached_voxels(_digits(2), 1, 5, tmp_path / "file")
    assert np.array_equal(made, generate_voxels(_digits(2), 1, 5))
    assert "data.cache_dir" in caplog.text


def test_the_set_is_split_by_digit_and_knows_its_groups(tmp_path: Path) -> None:
    fake_mnist(tmp_path)
    loaded = load_data(_config(tmp_path, train=80, validation=20))
    assert loaded.input_shape == (1, SIDE, SIDE, SIDE)
    assert loaded.groups == GROUPS
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.test)] == [80, 20, 40]
    raw = sources.read_images(_config(tmp_path))
    assert torch.equal(raw.labels, torch.cat([torch.arange(60) % 10, torch.arange(20) % 10]).repeat_interleave(2))
    assert torch.equal(loaded.test.images, raw.images[-40:])
    place = {volume.tobytes(): number for number, volume in enumerate(raw.images.numpy())}
    sources_of = {}
    for name in ("train", "validation", "test"):
        part = loaded.split(name)
        numbers = [place[volume.tobytes()] for volume in part.images.numpy()]
        assert part.groups is not None
        assert part.groups.dtype == torch.int8
        assert part.groups.tolist() == [number % 2 for number in numbers]
        sources_of[name] = {number // 2 for number in numbers}
        assert len(sources_of[name]) * 2 == len(part)
    assert not sources_of["train"] & sources_of["validation"]
    assert (tmp_path / "MNIST").parent == next(tmp_path.glob("voxel_mnist-*.npz")).parent


def test_the_cache_may_lie_elsewhere(tmp_path: Path) -> None:
    fake_mnist(tmp_path / "data", 12, 4)
    first = load_data(_config(tmp_path / "data", cache_dir=str(tmp_path / "cache")))
    other = load_data(_config(tmp_path / "data", cache_dir=str(tmp_path / "cache"), voxel_seed=7, channels=3))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["MNIST"]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert first.digest != other.digest
    assert other.input_shape == (3, SIDE, SIDE, SIDE)


def test_a_net_for_flat_images_is_refused_in_words(tmp_path: Path) -> None:
    fake_mnist(tmp_path, 12, 4)
    config = TrialConfig(data=_config(tmp_path))
    with pytest.raises(InfeasibleConfigError, match="3-dimensional inputs"):
        training.summarise(config, load_data(config.data).input_shape, 10)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_volumes_from_the_file_to_the_module_that_leaves_the_house(tmp_path: Path, precision: str) -> None:
    fake_mnist(tmp_path, 24, 6)
    tree = {
        "data": {"name": "voxel_mnist", "dir": str(tmp_path), "augment": {"brightness": 0.2, "contrast": 0.2}},
        "model": {"name": "voxel_resnet", "widths": [4, 4], "head": []},
        "trainer": {"epochs": 2, "batch_size": 8, "device": "cpu", "threads": 1, "precision": precision},
    }
    config = TrialConfig.model_validate(tree)
    data = load_data(config.data)
    run = training.fit(config, data)
    records = list(run)
    weight = next(parameter for parameter in run.model.parameters() if parameter.dim() == 5 and parameter.shape[-1] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    evaluation = run.evaluate("test")
    assert set(evaluation.group_accuracy) == set(GROUPS)
    assert sum(evaluation.group_accuracy.values()) / 2 == pytest.approx(evaluation.accuracy)  # groups of equal size
    assert training.evaluate(config, data, run.state_dict(), "test") == evaluation
    assert run.evaluate("validation").accuracy == records[-1].validation_accuracy
    module = training.deployable(config, data, run.state_dict())
    images = data.test.images[:3].float() / 255.0
    with torch.no_grad():
        assert module(images).shape == (3, 10)


def test_a_batch_of_one_and_a_map_of_one_voxel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(config: Any, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        layers = [nn.Conv3d(1, 2, SIDE), nn.BatchNorm3d(2), nn.Flatten(), nn.Linear(2, num_classes)]
        return nn.Sequential(*layers)

    monkeypatch.setitem(training.MODELS, "voxel_cnn", build)
    fake_mnist(tmp_path, 12, 4)
    data = _config(tmp_path, train=16)
    config = TrialConfig.model_validate(
        {"data": data.model_dump(), "model": {"name": "voxel_cnn"}, "trainer": {"batch_size": 15}}
    )
    with pytest.raises(InfeasibleConfigError, match="batch of one"):
        training.fit(config, load_data(data))


def test_the_first_test_digit_gives_the_published_cloud(data_dir: Path) -> None:
    digit = sources.read_images(DataConfig(name="mnist", dir=str(data_dir))).images[60_000, 0].numpy()
    cloud = point_cloud(digit)
    assert cloud.shape == (3, 19_000)
    assert int((digit > 0).sum()) == 116
    assert (float(cloud[0].min()), float(cloud[0].max())) == pytest.approx((-0.15, 0.15))


def test_real_volumes_are_as_full_and_as_large_as_published(data_dir: Path) -> None:
    images = sources.read_images(DataConfig(name="mnist", dir=str(data_dir))).images
    volumes = generate_voxels(images[60_000:60_040, 0].numpy(), test=40, seed=42)
    upright, rotated = volumes[::2], volumes[1::2]
    assert float((upright > 0).mean()) == pytest.approx(0.133, abs=0.005)
    assert float((rotated > 0).mean()) == pytest.approx(0.207, abs=0.01)
    assert float(volumes.mean()) / 255.0 == pytest.approx(0.066, abs=0.003)
    spans = [
        np.mean([np.ptp(np.argwhere(volume)[:, axis]) + 1 for volume in upright])
        for axis in range(3)  # z, y, x
    ]
    assert spans == pytest.approx([16.0, 14.0, 6.0], abs=1.5)
