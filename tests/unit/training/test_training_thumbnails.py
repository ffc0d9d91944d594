"""Images made small: grey, coloured, large and three-dimensional ones."""

from __future__ import annotations

import pytest
import torch

from tunetrack.training import Split, thumbnails


def split(*shape: int) -> Split:
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split(images, torch.zeros(shape[0], dtype=torch.int64))


def test_small_images_stay_as_they_are() -> None:
    grey, colour = split(5, 1, 8, 8), split(5, 3, 8, 8)
    assert (torch.from_numpy(thumbnails(grey)) == grey.images[:, 0]).all()
    assert (torch.from_numpy(thumbnails(colour)) == colour.images.permute(0, 2, 3, 1)).all()


def test_there_are_a_thousand_at_the_most() -> None:
    assert thumbnails(split(1001, 1, 2, 2)).shape == (1000, 2, 2)


def test_of_a_volume_the_middle_slice_is_shown() -> None:
    volumes = split(3, 1, 6, 4, 4)
    assert (torch.from_numpy(thumbnails(volumes)) == volumes.images[:, 0, 3]).all()


@pytest.mark.parametrize(("given", "shown"), [((96, 96), (48, 48)), ((200, 50), (48, 12)), ((1, 480), (1, 48))])
def test_large_images_become_smaller_and_keep_their_brightness(given: tuple[int, int], shown: tuple[int, int]) -> None:
    images = Split(torch.full((2, 3, *given), 77, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    small = thumbnails(images)
    assert small.shape == (2, *shown, 3)
    assert (small == 77).all()
