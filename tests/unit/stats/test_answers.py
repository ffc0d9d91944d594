"""Configurations compared image by image: what must hold whatever the numbers, and comparisons known by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest

from tunetrack.stats import compare_answers, share_interval

Answers = npt.NDArray[np.bool_]


def answers(shares: list[float], seeds: int = 5, images: int = 1000, seed_sd: float = 0.003) -> Answers:
    """Right answers of configurations with these accuracies; hard images are hard for all of them."""
    random = np.random.default_rng(0)
    ease = random.random(images)
    accuracies = np.array(shares)[:, None, None] + seed_sd * random.standard_normal((len(shares), seeds, 1))
    own = random.random((len(shares), seeds, images))
    right: Answers = np.where(own < 0.8, ease, random.random(own.shape)) < accuracies
    return right


def test_one_seed_has_wilson_s_interval_and_mcnemar_s_p() -> None:
    right = answers([0.9, 0.87], seeds=1)

    found = compare_answers(right)

    wilson = share_interval(int(right[0, 0].sum()), 1000)
    assert found.configurations[0].interval.low == pytest.approx(wilson.low, abs=1e-4)
    assert found.configurations[0].interval.high == pytest.approx(wilson.high, abs=1e-4)
    only_a, only_b = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    (difference,) = found.differences_from_best
    exact = binomtest(int(only_a), int(only_a + only_b)).pvalue
    assert difference.mcnemar_p == difference.p == pytest.approx(exact)
    assert "not for training again" in found.caution


def test_means_and_differences_are_those_of_the_answers_in_the_order_of_input() -> None:
    right = answers([0.85, 0.9, 0.88])

    found = compare_answers(right)

    means = right.mean(axis=(1, 2))
    assert [one.mean for one in found.configurations] == pytest.approx(list(means))
    assert (found.best, found.seeds, found.images, found.level) == (1, 5, 1000, 0.95)
    assert [(one.a, one.b) for one in found.differences_from_best] == [(1, 0), (1, 2)]
    for one in found.differences_from_best:
        assert one.estimate == pytest.approx(means[1] - means[one.b])
        assert one.interval.low < one.estimate < one.interval.high
        assert one.mcnemar_p is None
        assert one.p <= one.p_adjusted <= 1.0
    assert sum(one.p_best for one in found.configurations) == pytest.approx(1.0)
    assert found.caution == ""


def test_clear_differences_make_groups_and_small_ones_a_tie() -> None:
    found = compare_answers(answers([0.80, 0.90, 0.805, 0.901, 0.70]))

    assert [one.group for one in found.configurations] == [2, 1, 2, 1, 3]
    assert found.tied == (1, 3)
    assert found.configurations[4].p_best < 0.01


def test_the_order_of_configurations_seeds_and_images_does_not_matter() -> None:
    right = answers([0.85, 0.9, 0.88])
    random = np.random.default_rng(1)

    plain = compare_answers(right)
    turned = compare_answers(right[::-1][:, ::-1][:, :, random.permutation(1000)])

    for one, other in zip(plain.configurations, reversed(turned.configurations), strict=True):
        assert (one.mean, one.group) == (pytest.approx(other.mean), other.group)
        assert one.interval.low == pytest.approx(other.interval.low)
        assert one.p_best == pytest.approx(other.p_best, abs=0.03)
    assert turned.best == 1


def test_the_same_call_gives_the_same_numbers() -> None:
    right = answers([0.85, 0.851])
    assert compare_answers(right) == compare_answers(right)
    assert compare_answers(right, rng_seed=1).configurations[0].p_best != 0.0


def test_equal_configurations_are_equally_likely_the_best() -> None:
    one = answers([0.9], seeds=3)

    found = compare_answers(np.concatenate([one, one, one, one]))

    assert [one.p_best for one in found.configurations] == pytest.approx([0.25] * 4, abs=0.03)
    assert found.tied == (0, 1, 2, 3)
    assert all(one.p == 1.0 and one.interval.low < 0.0 < one.interval.high for one in found.differences_from_best)


def test_pairing_finds_what_the_single_intervals_hide() -> None:
    """The same hard images, the same good seeds: the difference is far surer than either accuracy."""
    random = np.random.default_rng(0)
    weaker = answers([0.8], images=2000, seed_sd=0.02)
    better = weaker | (random.random(weaker.shape) < 0.05)

    found = compare_answers(np.concatenate([weaker, better]))

    (difference,) = found.differences_from_best
    low, high = (one.interval for one in found.configurations)
    assert low.high > high.low  # overlapping
    assert difference.interval.low > 0.0
    assert found.tied == (1,)


def test_more_seeds_and_more_images_say_more() -> None:
    def width(seeds: int, images: int) -> float:
        interval = compare_answers(answers([0.9], seeds, images, seed_sd=0.01)).configurations[0].interval
        return interval.high - interval.low

    assert width(2, 1000) > width(5, 1000) > width(10, 1000)
    assert width(5, 200) > width(5, 5000)


@pytest.mark.parametrize("value", [True, False])
def test_no_mistake_at_all_is_no_certainty(value: bool) -> None:
    found = compare_answers(np.full((2, 3, 50), value))

    for one in found.configurations:
        assert 0.0 <= one.interval.low < one.interval.high <= 1.0
        assert one.interval.high - one.interval.low > 0.01
    (difference,) = found.differences_from_best
    assert difference.interval.low < 0.0 < difference.interval.high
    assert found.tied == (0, 1)


def test_one_configuration_and_one_image() -> None:
    alone = compare_answers(answers([0.9]))
    assert alone.differences_from_best == ()
    assert alone.configurations[0].p_best == 1.0
    assert alone.tied == (0,)
    single = compare_answers(np.ones((2, 1, 1), dtype=bool))
    assert single.tied == (0, 1)


def test_a_single_training_s_error_is_what_seeds_and_images_make_it() -> None:
    """Independent images, so that nothing is common: accuracies scatter by seeds and by sqrt(p (1 - p) / n)."""
    random = np.random.default_rng(0)
    accuracies = 0.9 + 0.02 * random.standard_normal((40, 10, 1))

    found = compare_answers(random.random((40, 10, 500)) < accuracies)

    assert found.run_error == pytest.approx((0.02**2 + 0.09 / 500) ** 0.5, rel=0.1)
    assert compare_answers(answers([0.9], seeds=1)).run_error is None


def test_two_seeds_are_said_to_be_few() -> None:
    assert compare_answers(answers([0.9, 0.8], seeds=2)).caution.startswith("two seeds: the intervals are wide")


@pytest.mark.parametrize(
    "given", [np.ones((2, 3)), np.ones((2, 3, 4)), np.ones((2, 0, 4), bool), np.ones((0, 3, 4), bool)]
)
def test_other_shapes_and_types_are_refused(given: npt.NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"bool \(configurations, seeds, images\) is wanted"):
        compare_answers(given)


def test_a_level_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="level is 95"):
        compare_answers(answers([0.9]), level=95)


@pytest.mark.parametrize(("seeds", "images"), [(3, 1000), (5, 200)])
def test_intervals_over_new_seeds_and_images_hold_the_truth(seeds: int, images: int) -> None:
    """A short form of benchmarks/honesty.py, with another model of images."""
    random, held, apart = np.random.default_rng(seeds), [], []
    shares = np.array([0.9, 0.895])
    for _ in range(800):
        ease, kept = random.random(images), random.random((2, seeds, images)) < 0.8
        accuracies = shares[:, None, None] + 0.005 * random.standard_normal((2, seeds, 1))
        found = compare_answers(np.where(kept, ease, random.random(kept.shape)) < accuracies)
        held += [
            i.low <= true <= i.high for i, true in zip((c.interval for c in found.configurations), shares, strict=True)
        ]
        (one,) = found.differences_from_best
        apart.append(one.interval.low <= shares[one.a] - shares[one.b] <= one.interval.high)
    assert 0.925 < np.mean(held) < 0.98
    assert 0.925 < np.mean(apart) < 0.98
