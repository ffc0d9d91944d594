"""Knows how a flat digit becomes two small volumes: as it stands, and as a rotated, noisy copy.

The steps are those by which the public "3D MNIST" volumes were made (D. de la Iglesia Castro 2016, repository
daavoo/3DMNIST, and its augmentation script): a digit becomes the surface of a solid, sampled as a cloud of points, and
the points are counted in a grid. The random numbers are our own, so the rotated copies are other ones than theirs.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["GROUPS", "SIDE", "TEST_DIGITS", "TRAIN_DIGITS", "generate_voxels", "point_cloud", "rotated_copy", "voxels"]

Cloud: TypeAlias = npt.NDArray[np.float64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

#: The two samples of every digit, in this order.
GROUPS = ("upright", "rotated")
#: So many of the first images of either part are used.
TRAIN_DIGITS, TEST_DIGITS = 5000, 1000
#: Voxels a side.
SIDE = 16

#: A lit pixel is a cuboid of 1 x 1 x 6, from -3 to 3 in depth; points along one of its edges, and along its depth.
_HALF_DEPTH, _ALONG_EDGE, _ALONG_DEPTH = 3.0, 5, 30
#: Added around the points, so that none lies on the grid's own border.
_MARGIN = 0.001
#: Degrees, deviations of the normally distributed angles about z, y and x.
_ANGLES = (180.0, 90.0, 90.0)
#: Largest noise, as a fraction of the points' deviation along each axis.
_NOISE = 0.25


def _patch(rows: npt.ArrayLike, columns: npt.ArrayLike, depths: npt.ArrayLike) -> Cloud:
    """All combinations of three lists of places, as (3, n)."""
    grid = np.meshgrid(np.atleast_1d(rows), np.atleast_1d(columns), np.atleast_1d(depths), indexing="ij")
    return np.stack([axis.ravel() for axis in grid]).astype(np.float64)


_EDGE = np.linspace(-0.5, 0.5, _ALONG_EDGE)
_DEPTH = np.linspace(-_HALF_DEPTH, _HALF_DEPTH, _ALONG_DEPTH)
#: Front and back of a pixel's cuboid, 2 x 25 points.
_FACES = _patch(_EDGE, _EDGE, [-_HALF_DEPTH, _HALF_DEPTH])
#: Where the neighbour is -> that side of the cuboid, 150 points.
_SIDES = {
    (-1, 0): _patch(-0.5, _EDGE, _DEPTH),
    (1, 0): _patch(0.5, _EDGE, _DEPTH),
    (0, -1): _patch(_EDGE, -0.5, _DEPTH),
    (0, 1): _patch(_EDGE, 0.5, _DEPTH),
}


def point_cloud(digit: Bytes) -> Cloud:
    """The surface of a digit as points: it stands upright in the y-z plane, x is its depth.

    Every pixel above 0 counts, however dark. Each gives 50 points for its front and back, and 150 for each of its four
    sides that has no lit neighbour. The longest extent is scaled to 1, the mean moved to 0.

    Args:
        digit: (h, w), at least one pixel above 0.

    Returns:
        (3, n): x, y and z of the points.
    """
    lit = np.pad(digit > 0, 1)
    row, column = np.nonzero(lit)
    pixels = np.stack([row, column, np.zeros_like(row)]).astype(np.float64)
    parts = [_placed(pixels, _FACES)]
    for (down, right), side in _SIDES.items():
        exposed = ~lit[row + down, column + right]
        parts.append(_placed(pixels[:, exposed], side))
    cloud = np.concatenate(parts, axis=1)
    cloud /= np.ptp(cloud, axis=1).max()
    cloud -= cloud.mean(axis=1, keepdims=True)
    row_axis, column_axis, depth_axis = cloud
    return np.stack([depth_axis, column_axis, -row_axis])  # a quarter turn about y


def _placed(pixels: Cloud, patch: Cloud) -> Cloud:
    """The points of a patch at every pixel: (3, pixels * points)."""
    return (pixels[:, :, None] + patch[:, None, :]).reshape(3, -1)


def rotated_copy(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    """The points turned about z, then y, then x, and moved by uniform noise.

    Args:
        cloud: (3, n).
        rng: draws three angles (normal; deviations 180, 90 and 90 degrees) and the noise, which reaches a quarter of
            the turned points' deviation along each axis, either way.
    """
    about_z, about_y, about_x = np.deg2rad(rng.normal(0.0, _ANGLES))
    turn = _rotation(about_z, (0, 1)) @ _rotation(about_y, (2, 0)) @ _rotation(about_x, (1, 2))
    turned = np.einsum("ij,in->jn", turn, cloud)  # rows times matrix, and the same bits for any number of threads
    reach = _NOISE * turned.std(axis=1, keepdims=True)
    return np.asarray(turned + rng.uniform(-1.0, 1.0, turned.shape) * reach)


def _rotation(angle: float, plane: tuple[int, int]) -> Cloud:
    """A rotation, for row vectors, that turns the plane's first axis towards its second one."""
    first, second = plane
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = np.sin(angle), -np.sin(angle)
    return matrix


def voxels(cloud: Cloud) -> Bytes:
    """How many points lie in each cell of a cubic grid around all of them.

    Returns:
        (16, 16, 16), axes z, y, x: the share of the fullest cell's count, as a byte (rounded to 1/255).
    """
    low, high = cloud.min(axis=1) - _MARGIN, cloud.max(axis=1) + _MARGIN
    centre, half = (low + high) / 2.0, (high - low).max() / 2.0
    # A point on the border of two cells belongs to the lower one.
    x, y, z = (
        np.searchsorted(np.linspace(middle - half, middle + half, SIDE + 1), places) - 1
        for middle, places in zip(centre, cloud, strict=True)
    )
    counts = np.bincount(x + SIDE * y + SIDE * SIDE * z, minlength=SIDE**3)
    shares: Bytes = np.rint(counts * (255.0 / counts.max())).astype(np.uint8)
    return shares.reshape(SIDE, SIDE, SIDE)


def generate_voxels(digits: Bytes, test: int, seed: int) -> Bytes:
    """Both samples of every digit, one after the other.

    Args:
        digits: (n, h, w), those of the test set last. One without any lit pixel gives empty volumes.
        test: how many of the last digits are the test set's.
        seed: of the rotations and the noise. Every digit has a generator of its own, so that what becomes of one does
            not depend on how many others there are.

    Returns:
        (2 n, 16, 16, 16), axes z, y, x: upright, rotated, upright, rotated, ...
    """
    volumes = np.zeros((len(digits), len(GROUPS), SIDE, SIDE, SIDE), dtype=np.uint8)
    train = len(digits) - test
    for number, digit in enumerate(digits):
        if digit.any():
            part, place = (0, number) if number < train else (1, number - train)
            cloud = point_cloud(digit)
            volumes[number, 0] = voxels(cloud)
            volumes[number, 1] = voxels(rotated_copy(cloud, np.random.default_rng([seed, part, place])))
    return volumes.reshape(-1, SIDE, SIDE, SIDE)
