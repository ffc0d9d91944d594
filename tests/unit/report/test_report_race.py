"""A race by numbers that can be computed by hand, and what its page says."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from tunetrack.report.parts import page_html
from tunetrack.report.race import RaceRun, in_words, race_info, race_page, table_rows

ACCURACY = ("validation/accuracy", True)


def run(sampler: str, seed: int, *values: float | None, seconds: float = 1.0) -> RaceRun:
    return RaceRun(sampler, seed, f"x-race-{sampler}-{seed}", values, (seconds,) * len(values))


def test_best_so_far_by_hand() -> None:
    one = run("a", 0, None, 0.5, 0.25, None, 0.75)
    np.testing.assert_array_equal(one.best_so_far(6, True), [math.nan, 0.5, 0.5, 0.5, 0.75, 0.75])
    np.testing.assert_array_equal(one.best_so_far(4, False), [math.nan, 0.5, 0.25, 0.25])


def test_areas_medians_and_order_by_hand() -> None:
    runs = [
        run("a", 0, 0.2, 0.4, 0.4, 0.1),  # best so far 0.2 0.4 0.4 0.4
        run("a", 1, None, 0.6, 0.8, 0.8),  # -, 0.6 0.8 0.8
        run("b", 0, 0.9, 0.1, 0.1, 0.1, seconds=2.0),
        run("b", 1, 0.5, 0.5, 0.7, 0.7, seconds=4.0),
    ]
    info = race_info("x", ACCURACY, runs)
    assert (info.first, info.trials) == (2, 4)
    first, second = info.arms
    assert (first.sampler, second.sampler) == ("b", "a")
    areas = {"a": (0.4, 2.2 / 3), "b": (0.9, 1.9 / 3)}
    for arm in info.arms:
        assert arm.area == pytest.approx(sum(areas[arm.sampler]) / 2)
        assert arm.area_interval == pytest.approx(sorted(areas[arm.sampler]))  # of two seeds, one of them twice
    assert first.behind is None
    assert second.behind == pytest.approx(first.area - second.area)  # type: ignore[operator]
    welch = stats.ttest_ind(areas["b"], areas["a"], equal_var=False).confidence_interval(0.95)
    assert second.behind_interval == pytest.approx((welch.low, welch.high))
    assert first.final == pytest.approx((0.8, 0.72, 0.88))
    assert second.by_trial.at == (2.0, 3.0, 4.0)
    assert second.by_trial.median == pytest.approx((0.5, 0.6, 0.6))
    assert first.by_trial.at == (1.0, 2.0, 3.0, 4.0)
    assert (first.seconds, second.seconds) == (12.0, 4.0)


def test_where_less_is_better_the_smallest_area_leads() -> None:
    runs = [run("a", 0, 3.0, 2.0), run("b", 0, 2.0, 1.0), run("a", 1, 3.0, 2.5), run("b", 1, 2.0, 1.5)]
    info = race_info("x", ("validation/loss", False), runs)
    assert [arm.sampler for arm in info.arms] == ["b", "a"]
    assert info.arms[1].behind == pytest.approx(1.0)
    assert info.arms[0].by_trial.median == pytest.approx((2.0, 1.25))


def test_time_counts_from_the_end_of_a_trial() -> None:
    runs = [RaceRun("a", 0, "s", (0.5, 0.7), (1.0, 3.0)), RaceRun("a", 1, "s", (0.1, 0.9), (2.0, 4.0))]
    band = race_info("x", ACCURACY, runs).arms[0].by_seconds
    read = dict(zip(band.at, band.median, strict=True))
    assert min(read) == pytest.approx(2.0, abs=0.05), "before that the second seed has no value"
    assert max(read) == 6.0
    assert {round(value, 6) for at, value in read.items() if 2.1 < at < 3.9} == {0.3}
    assert {round(value, 6) for at, value in read.items() if 4.1 < at < 5.9} == {0.4}
    assert read[6.0] == pytest.approx(0.8)


def test_more_comparisons_make_wider_intervals() -> None:
    noise = np.random.default_rng(0)
    few = [run(name, seed, float(noise.normal(0.8, 0.02))) for seed in range(5) for name in "ab"]
    many = [*few, *(run(name, seed, 0.1 + 0.01 * seed) for seed in range(5) for name in "cdefgh")]
    (_, alone), (_, second, *_) = race_info("x", ACCURACY, few).arms, race_info("x", ACCURACY, many).arms
    assert alone.sampler == second.sampler
    assert alone.behind_interval is not None
    assert second.behind_interval is not None
    assert second.behind_interval[0] < alone.behind_interval[0]
    assert alone.behind_interval[1] < second.behind_interval[1]


def test_what_is_said() -> None:
    clear = [run("a", seed, 0.9 + seed / 1000) for seed in range(4)] + [run("b", seed, 0.5) for seed in range(4)]
    assert in_words(race_info("x", ACCURACY, clear)).endswith("It is ahead of b.")
    close = [run("a", seed, 0.5 + seed / 10) for seed in range(3)] + [
        run("b", seed, 0.49 + seed / 10) for seed in range(3)
    ]
    assert in_words(race_info("x", ACCURACY, close)).endswith("It cannot be told apart from b with 3 seeds.")
    alone = [run("a", 0, 0.9), run("b", 0, 0.5)]
    assert in_words(race_info("x", ACCURACY, alone)).endswith("how much of that is luck.")
    twins = [run(name, seed, 0.5 + seed / 10) for seed in range(3) for name in "ab"]
    assert "a and b found the same values in every trial" in in_words(race_info("x", ACCURACY, twins))
    nothing = [run("a", 0, None, None), run("b", 0, 0.5, 0.5)]
    info = race_info("x", ACCURACY, nothing)
    assert info.first is None
    assert in_words(info).startswith("There is a run without any value")
    assert [row[4] for row in table_rows(info)[1]] == ["–", "–"]
    page_html(race_page(info))


def test_the_page_has_every_run_and_its_numbers_are_json() -> None:
    runs = [run(name, seed, 0.1 * seed, 0.2 * seed) for seed in (1, 2) for name in ("optuna:tpe", "<b>")]
    info = race_info("x", ACCURACY, runs)
    page = page_html(race_page(info))
    assert all(one.study.replace("<b>", "&lt;b&gt;") in page for one in runs)
    assert "<b>" not in page
    assert json.loads(json.dumps(info.document()))["arms"][0]["sampler"] == info.arms[0].sampler
