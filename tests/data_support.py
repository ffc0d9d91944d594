"""Small data sets in the formats of the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["fake_mnist"]


def fake_mnist(root: Path, train: int = 60, test: int = 20) -> None:
    """MNIST's four files with a few images of scattered noise, the labels 0 to 9 in turn."""
    rng = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images[rng.random(images.shape) < 0.9] = 0
        _write_idx(root / "MNIST" / "raw", prefix, images, labels)


def _write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = [0x0803, *images.shape]
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(
        b"".join(n.to_bytes(4, "big") for n in head) + images.tobytes()
    )
    head = [0x0801, len(labels)]
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(
        b"".join(n.to_bytes(4, "big") for n in head) + labels.tobytes()
    )
