"""The scatter of a mean over seeds and images: parts by the textbook, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from tunetrack.stats.twoway import Scatter, two_way


def test_the_parts_are_the_mean_squares_of_the_two_way_table() -> None:
    table = np.random.default_rng(0).normal(size=(4, 30))
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - rows[:, None] - columns + mean

    found = two_way(table)

    assert found.by_seed * 120 == pytest.approx(30 * ((rows - mean) ** 2).sum() / 3)
    assert found.by_image * 120 == pytest.approx(4 * ((columns - mean) ** 2).sum() / 29)
    assert found.rest * 120 == pytest.approx((rest**2).sum() / (3 * 29))


def test_the_parts_estimate_what_the_table_was_made_of() -> None:
    random = np.random.default_rng(0)
    seed, image, rest, seeds, images = 0.3, 1.0, 2.0, 5, 40
    found = []
    for _ in range(400):
        table = seed * random.normal(size=(seeds, 1)) + image * random.normal(size=images)
        found.append(two_way(table + rest * random.normal(size=(seeds, images))))

    assert np.mean([one.rest for one in found]) * seeds * images == pytest.approx(rest**2, rel=0.03)
    of_seeds = np.mean([one.by_seed - one.rest for one in found]) * seeds
    assert of_seeds == pytest.approx(seed**2, rel=0.2)
    one_seed = np.mean([one.of_one_seed() for one in found])
    assert one_seed == pytest.approx(seed**2 + (image**2 + rest**2) / images, rel=0.1)


def test_one_seed_knows_of_images_alone() -> None:
    found = two_way(np.array([[1.0, 0.0, 1.0, 1.0]]))
    assert found.by_seed == found.rest == 0.0
    assert found.scatter() == Scatter(0.0, pytest.approx(0.25), 1)


def test_without_image_noise_the_interval_is_student_s_and_without_seed_noise_normal() -> None:
    assert Scatter(0.1, 0.0, 4).width(0.95) == pytest.approx(0.1 * student.ppf(0.975, 3))
    assert Scatter(0.0, 0.1, 4).width(0.95) == pytest.approx(0.1 * norm.ppf(0.975))


@pytest.mark.parametrize("scatter", [Scatter(0.1, 0.0, 2), Scatter(0.0, 0.1, 1), Scatter(0.1, 0.2, 3)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_interval_of_level_1_minus_p_just_reaches_the_distance(scatter: Scatter, level: float) -> None:
    assert scatter.beyond(scatter.width(level)) == pytest.approx(1 - level, rel=1e-6)
    assert scatter.beyond(-scatter.width(level)) == pytest.approx(1 - level, rel=1e-6)


def test_the_ends_of_p() -> None:
    assert Scatter(0.1, 0.1, 3).beyond(0.0) == 1.0
    assert Scatter(0.0, 0.0, 3).beyond(0.0) == 1.0
    assert Scatter(0.0, 0.0, 3).beyond(0.1) == 0.0
    assert Scatter(0.0, 1e-9, 3).beyond(1.0) == 0.0
    assert 0.0 < Scatter(0.0, 0.1, 3).beyond(3.0) < 1e-100


@pytest.mark.parametrize(("seeds", "images", "seed"), [(3, 200, 0.05), (5, 200, 0.0), (5, 50, 0.3), (10, 200, 0.1)])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, images: int, seed: float) -> None:
    """Normal tables, which the formulas are made for; right and wrong answers are in benchmarks/honesty.py."""
    random = np.random.default_rng(seeds)
    tables = seed * random.normal(size=(1500, seeds, 1)) + random.normal(size=(1500, 1, images))
    tables += 0.7 * random.normal(size=(1500, seeds, images))

    held = [abs(table.mean()) <= two_way(table).scatter().width(0.95) for table in tables]

    assert 0.93 < np.mean(held) < 0.975
