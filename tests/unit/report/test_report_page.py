"""The page: well-formed, self-contained, safe, small, and right in words."""

from __future__ import annotations

import threading
from dataclasses import replace
from urllib.parse import unquote

import matplotlib as mpl
import pandas as pd
import pytest
from report_checks import check
from report_samples import (
    ACCURACY,
    FILTERS,
    LOSS,
    LR,
    OPTIMIZER,
    SECONDS,
    history,
    realistic,
    study,
    trial,
)

from tunetrack.report import Context, render_report
from tunetrack.report.style import spread, wrapped
from tunetrack.tracking.queries import StudyTable
from tunetrack.tracking.study_info import SearchedParam

CONTEXT = Context("name: x\n", 10_000, 10_000, {"optuna": "5.0.0"})


FAILED = study([trial(number, reason="out of memory") for number in range(7)])
CASES: dict[str, tuple[StudyTable, pd.DataFrame]] = {
    "no trial": (study([]), history({})),
    "one": realistic(1),
    "one running": (study([trial(0, None, "RUNNING", seconds=None)]), history({})),
    "all failed": (FAILED, history({})),
    "all pruned": (study([trial(0, None, "PRUNED")]), history({"run0": [0.1]})),
    "maximise": realistic(12),
    "minimise": realistic(12, goals=[LOSS]),
    "two objectives": realistic(12, goals=[ACCURACY, SECONDS]),
    "two objectives, none": (study([trial(0)], goals=[ACCURACY, SECONDS]), history({})),
    "three objectives": (
        study([trial(n, (n / 9, n, -n)) for n in range(9)], goals=[ACCURACY, SECONDS, LOSS]),
        history({}),
    ),
    "same value": (study([trial(n, 0.0, params={"optimizer.lr": 0.1}) for n in range(12)]), history({})),
    "nothing searched": (study([trial(0, 0.5)], searched=[]), history({})),
}


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_whole_and_needs_nothing_from_outside(case: str) -> None:
    page = check(render_report(*CASES[case], CONTEXT))

    assert "fashion-cnn" in page.words
    assert "tunetrack run study.yaml" in page.words


def test_a_thousand_trials_of_twelve_parameters_stay_below_a_megabyte() -> None:
    check(render_report(*realistic(1000, extra=7), CONTEXT))


def test_the_outcome_in_words() -> None:
    trials = [trial(0, 0.871, params={"optimizer.lr": 0.01}), trial(1, 0.9, metrics={"test/accuracy": 0.8})]
    trials += [trial(2, 0.5), trial(3, reason="the loss became NaN")]

    page = check(render_report(study(trials), history({}), Context("", 100, 400, {})))

    assert "4 trials searched 1 parameter for the highest validation/accuracy" in page.words
    assert "trial 1 is the best with 0.9 (95 % interval 0.826 to 0.945)" in page.words
    assert "one training seed's accuracy on 100 validation images" in page.words
    assert "By these images 1 of 2 other finished trials cannot be told apart from it" in page.words
    assert "Test accuracy of trial 1, not used to choose it: 0.8000 (95 % interval 0.758 to 0.836, 400" in page.words
    assert "the loss became NaN" in page.words
    assert "3 trials finished; at least 10 are needed" in page.words


def test_another_trials_test_accuracy_is_not_given_for_the_winner() -> None:
    table = study([trial(0, 0.9), trial(1, 0.8, metrics={"test/accuracy": 0.7})])

    assert "Test accuracy" not in check(render_report(table, history({}))).words


@pytest.mark.parametrize("faithful", [True, False])
def test_selection_on_test_images_is_said_aloud(faithful: bool) -> None:
    table = study([trial(0, 0.9)], validates_on_test_images=faithful)

    words = check(render_report(table, history({}))).words

    assert ("drawn from the official test set" in words) is faithful


def test_the_front_in_words() -> None:
    table = study([trial(0, (0.9, 9.0)), trial(1, (0.8, 9.5)), trial(2, (0.5, 1.0))], goals=[ACCURACY, SECONDS])

    words = check(render_report(table, history({}))).words

    assert "2 trials stand on the Pareto front" in words
    assert "No other trial is as good in every objective and better in one: 0, 2." in words


def test_everything_that_users_write_is_escaped() -> None:
    evil = "<script>alert('x')</script>&\"$x_1^$"
    searched = [LR, SearchedParam(evil, numeric=False, text=evil), OPTIMIZER]
    rows = [
        trial(n, n / 20, params={"optimizer.lr": 0.1 + n, evil: evil, "optimizer.name": f"{evil}{n % 2}"})
        for n in range(15)
    ]
    table = study([*rows, trial(15, reason=evil)], searched, name=evil)

    text = render_report(table, history({"run14": [0.1, 0.2]}), Context(evil, 100, 100, {evil: evil}))

    page = check(text)
    assert "<script" not in text
    assert page.words.count("<script>alert('x')</script>&\"$x_1^$") >= 6


def test_long_names_and_twelve_parameters_are_drawn_in_full() -> None:
    long = "a category whose name goes on and on " * 4
    searched = [SearchedParam(f"model.block_{n}.a_parameter_with_a_long_name", numeric=n % 2 == 0) for n in range(12)]
    rows = [
        trial(n, n / 20, params={p.path: (n + 1) / 7 if p.numeric else f"{long}{n % 3}" for p in searched})
        for n in range(15)
    ]

    check(render_report(study(rows, searched), history({})))


def test_the_same_study_gives_the_same_page_in_every_thread_and_leaves_no_setting_behind() -> None:
    table = study([trial(n, n / 20, params={"model.filters": n}) for n in range(15)], [FILTERS])
    before, pages = dict(mpl.rcParams), list[str]()
    threads = [
        threading.Thread(target=lambda: pages.append(render_report(table, history({"run14": [0.1, 0.7]}), CONTEXT)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(pages) == 2
    assert len(set(pages)) == 1
    assert dict(mpl.rcParams) == before


def test_no_tick_is_left_as_a_formula() -> None:
    """Texts are drawn as they are, so matplotlib's own powers of ten must not be used."""
    values = [10.0**n for n in range(-4, 5)]
    table = study(
        [trial(n, (value, value), params={"optimizer.lr": value}) for n, value in enumerate(values)],
        goals=[LOSS, SECONDS],
    )

    assert "mathdefault" not in unquote(render_report(table, history({"run0": values}, "validation/loss")))


def test_paths_break_after_dots_and_underscores() -> None:
    assert wrapped("model.block_0.a_long_name", 14) == "model.block_0.\na_long_name"
    assert wrapped("$x$", 2) == "$x$"


def test_labels_are_moved_apart_in_their_order() -> None:
    assert spread([0.5, 0.1, 0.5], 0.1) == pytest.approx([0.45, 0.1, 0.55])
    assert spread([0.0, 1.0], 0.1) == [0.0, 1.0]
    assert spread([], 0.1) == []


def test_what_a_study_teaches_and_has_cost_is_on_the_page() -> None:
    table, curves = realistic(60)
    trials = tuple(replace(one, epochs=10, device="cpu", threads=1) for one in table.trials)
    page = check(render_report(replace(table, trials=trials), curves, CONTEXT))
    assert {"effects", "path", "pruning", "accounts"} <= set(page.ids)
    assert any(alt.startswith("Mean validation/accuracy by parameter: optimizer.lr 0.") for alt, _ in page.images)
    for words in ("the median", "after epoch", "out-of-bag R²", "if a CPU thread takes 12 W", "the best itself"):
        assert words in page.words
    few = check(render_report(*realistic(3), CONTEXT))
    assert "No effects are given: " in few.words
