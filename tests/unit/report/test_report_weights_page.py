"""The page that compares weights: complete, self-contained, with the same axes for all, whatever was recorded."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from report_checks import check
from test_report_weights_words import with_nan
from weight_samples import of_epochs, walked

from tunetrack.report.parts import page_html, page_markdown
from tunetrack.report.weights.draw import draw_depth, draw_histograms, draw_kinds, draw_ratios, edges_of
from tunetrack.report.weights.draw_blocks import draw_block_depth, draw_block_series
from tunetrack.report.weights.page import WeightsSource, weights_page
from tunetrack.report.weights.trials import ComparedTrial, differing
from tunetrack.spec.records import EpochRecord
from tunetrack.spec.reference import Reference
from weight_support import Walk, walked_trial

ROW = {"values": {"best/validation/accuracy": 0.9}}


def compared(count: int = 3, walk: Walk | None = None) -> tuple[ComparedTrial, ...]:
    found = [
        walked(
            number,
            replace(walk or Walk(dead=((0, 1),)), seed=number),
            {"model.residual": number % 2 == 0, "optimizer.lr": 0.1 / (number + 1)},
            {} if number else {"dead_units": "block2.activation has 10 % dead | units"},
        )
        for number in range(count)
    ]
    return differing(found, ["optimizer.lr", "model.residual"])


def zeroed(epochs: list[EpochRecord]) -> list[EpochRecord]:
    """The same trial with nothing but zeros in it."""
    made = []
    for epoch in epochs:
        assert epoch.weights is not None
        records = tuple(
            replace(record, values=np.zeros_like(record.values), histograms=np.zeros_like(record.histograms))
            for record in epoch.weights.records
        )
        made.append(replace(epoch, weights=replace(epoch.weights, records=records)))
    return made


def test_the_page_has_all_sections_and_every_figure() -> None:
    source = WeightsSource(
        "some_study", "run", compared(3, Walk(steps_per_epoch=2, block_steps=True, dead=((0, 1),))),
        Reference.model_validate(
            {"rows": [ROW], "weights": [{"text": "it <shrinks>"}], "reduced": "smaller"}
        ),
    )  # fmt: skip
    page = check(page_html(weights_page(source)))
    titles = ["At the end of training", "What was found", "Beside the original", "By depth", "Steps of residual blocks"]
    titles += ["Layers over the epochs", "Spread and oscillation", "Histograms", "Dead units", "Make this page again"]
    assert [title for title in titles if title not in page.words] == []
    assert len(page.images) == 6
    assert "trial 1: residual false, lr 0.05" in page.words
    assert "dead_units: block2.activation has 10 % dead | units." in page.words
    assert "it <shrinks>" in page.words
    assert "Made smaller here: smaller" in page.words
    assert "tunetrack weights some_study --trials 0,1,2" in page.words
    assert "(trial 0-2: 8 records in 4 epochs)" in page.words


def test_markdown_has_its_figures_beside_it() -> None:
    text, figures = page_markdown(weights_page(WeightsSource("s|t", "run", compared(2))), "page")
    assert text.startswith("# s\\|t: weights\n")
    assert list(figures) == ["page-depth.svg", "page-layers.svg", "page-kinds.svg", "page-histograms.svg"]
    for file, drawn in figures.items():
        assert f"]({file})" in text
        ElementTree.fromstring(drawn)
    assert "| trial | model.residual | optimizer.lr | norm |" in text
    assert "dead \\| units" in text
    assert "<details>" not in text
    assert text == page_markdown(weights_page(WeightsSource("s|t", "run", compared(2))), "page")[0]


def test_what_is_not_there_has_no_section() -> None:
    text, figures = page_markdown(weights_page(WeightsSource("s", "run", (walked(7),))), "page")
    for title in ("Steps of residual blocks", "Dead units", "Beside the original"):
        assert title not in text
    assert len(figures) == 4
    assert "| found |" not in text  # not judged


@pytest.mark.parametrize(
    "trials",
    [
        (walked(0, Walk(epochs=1)),),
        (walked(0, Walk(epochs=1, steps_per_epoch=1, block_steps=True)), walked(1)),
        (of_epochs(0, with_nan(walked_trial(Walk()))), walked(1)),
        (of_epochs(0, zeroed(walked_trial(Walk(block_steps=True)))),),
        (of_epochs(0, with_nan(walked_trial(Walk(epochs=1)))),),
        tuple(walked(number, Walk(epochs=2)) for number in range(10)),
    ],
    ids=["one epoch", "one with blocks", "nan", "zeros", "nan at once", "ten"],
)
def test_strange_trials_have_a_page_too(trials: tuple[ComparedTrial, ...]) -> None:
    page = check(page_html(weights_page(WeightsSource("s", "run", trials))))
    assert "nan" not in page.words
    assert "from 0 to 0" not in page.words
    assert ("Figures and sentences are about the first 8 of them" in page.words) == (len(trials) == 10)


def test_axes_are_the_same_for_all_trials() -> None:
    fast = walked(1, Walk(epochs=6, speed={"stem": 0.5, "block1": 0.5}, block_steps=True, steps_per_epoch=2))
    trials = (walked(0, Walk(block_steps=True, steps_per_epoch=2)), fast)
    histograms = draw_histograms(trials).axes
    for row in range(4):
        left, right = histograms[2 * row : 2 * row + 2]
        assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())
        assert left.collections[0].norm is right.collections[0].norm
    ratios = draw_ratios(trials).axes
    assert ratios[0].get_ylim() == ratios[1].get_ylim()
    assert ratios[0].get_xlim()[1] == ratios[1].get_xlim()[1] == 6.5
    assert ratios[0].collections[0].norm is ratios[1].collections[0].norm
    series = draw_block_series(trials).axes
    assert series[0].get_ylim() == series[1].get_ylim()
    assert series[2].get_ylim() == series[3].get_ylim()
    assert series[2].get_yscale() == "log"
    kinds = draw_kinds(trials).axes
    assert [{axes.get_ylim() for axes in kinds[row : row + 4]} for row in (0, 4, 8)] == [
        {kinds[row].get_ylim()} for row in (0, 4, 8)
    ]


def test_drawn_lines_are_the_numbers() -> None:
    trial = walked(0, Walk(block_steps=True, steps_per_epoch=3))
    update, gradient = draw_depth((trial,)).axes
    assert list(update.lines[0].get_ydata()) == [row.update_mean for row in trial.layers.rows]
    assert list(gradient.lines[0].get_xdata()) == [1, 2, 3, 4]
    assert trial.blocks is not None
    step, _ = draw_block_depth((trial,)).axes
    assert list(step.lines[0].get_ydata()) == [row.step for row in trial.blocks.rows]
    series = draw_block_series((trial,)).axes[0]
    np.testing.assert_array_equal(series.lines[1].get_ydata(), trial.blocks.initial[:, 1])
    cells = draw_ratios((trial,)).axes[0].collections[0].get_array()
    np.testing.assert_array_equal(cells, trial.layers.ratios)


def test_plain_networks_are_dashed() -> None:
    residual, plain = compared(2)
    lines = draw_depth((residual, plain)).axes[0].lines
    assert [line.is_dashed() for line in lines] == [False, True]


def test_cells_have_their_moment_in_the_middle() -> None:
    assert list(edges_of(np.array([0.0, 1.0, 2.0]))) == [-0.5, 0.5, 1.5, 2.5]
    assert list(edges_of(np.array([3.0]))) == [2.5, 3.5]
