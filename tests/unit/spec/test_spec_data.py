"""Rules that tie the keys of `data` together, in a user's words, and what a study says of its test images."""

from __future__ import annotations

from typing import Any

import pytest
from spec_helpers import lines, study


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"name": "digits", "faithful": True},
            "data: faithful needs a data set with an official test set (mnist, fashion_mnist, cifar10, cifar100, "
            "voxel_mnist), and digits has none; delete faithful, or use another data set",
        ),
        (
            {"name": "digits", "faithful": {"choices": [False, True]}},
            "data: faithful needs a data set with an official test set (mnist, fashion_mnist, cifar10, cifar100, "
            "voxel_mnist), and digits has none; delete faithful, or use another data set",
        ),
        (
            {"name": "mnist", "voxel_seed": 1, "cache_dir": "x"},
            "data: voxel_seed and cache_dir belong to voxel_mnist; delete them for mnist",
        ),
        (
            {"name": "voxel_mnist", "image_size": 32},
            "data: image_size cannot be set for voxel_mnist, whose volumes have 16 voxels a side; delete it",
        ),
        (
            {"name": "voxel_mnist", "train": 101, "validation": 20, "test": 3},
            "data: sizes of voxel_mnist must be even, since every digit gives two samples, upright and rotated, that "
            "stay in one split; train is 101 and test is 3",
        ),
        (
            {"name": "voxel_mnist", "augment": {"rotation": {"low": 0.0, "high": 9.0}, "erase": 0.1}},
            "data: voxel_mnist has volumes, half of which are rotated already; augment can change their brightness and "
            "contrast only. Delete augment.erase",
        ),
        (
            {"name": "voxel_mnist", "augment": {"horizontal_flip": True, "rotation": 9.0}},
            "data: voxel_mnist has volumes, half of which are rotated already; augment can change their brightness and "
            "contrast only. Delete augment.horizontal_flip and augment.rotation",
        ),
        (
            {"name": "mnist", "normalization": "halves"},
            'data.normalization: must be one of standard, half, none; did you mean half? (given: "halves")',
        ),
        ({"name": "mnist", "augment": {"erase": 1.0}}, "data.augment.erase: must be at most 0.9 (given: 1.0)"),
    ],
)
def test_what_does_not_go_together_is_said(data: dict[str, Any], message: str) -> None:
    assert message in lines(data=data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "mnist"}, False),
        ({"name": "mnist", "faithful": True}, True),
        ({"name": "mnist", "faithful": {"choices": [False, True]}}, True),
        ({"one_of": [{"name": "digits"}, {"name": "mnist", "faithful": True}]}, True),
        ({"one_of": [{"name": "digits"}, {"name": "mnist"}]}, False),
    ],
)
def test_a_study_knows_whether_it_selects_on_test_images(data: dict[str, Any], expected: bool) -> None:
    assert study(data=data).validates_on_test_images is expected
    assert study(data=data, model={"filters": {"low": 4, "high": 8}}).validates_on_test_images is expected


def test_where_the_volumes_are_kept_does_not_change_the_study() -> None:
    one, two = (study(data={"name": "voxel_mnist", "cache_dir": folder, "dir": folder}) for folder in ("a", "b"))
    assert one.fingerprint == two.fingerprint
    assert study(data={"name": "voxel_mnist", "voxel_seed": 1}).fingerprint != one.fingerprint
