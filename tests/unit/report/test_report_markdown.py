"""The Markdown page: tables as text, nothing that breaks them, the figure beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest
from report_samples import ACCURACY, SECONDS, history, study, trial

from tunetrack.report.compared_curves import compared_curves
from tunetrack.report.draw_compared import draw_compared
from tunetrack.report.markdown import line, number_text, signed_text, table
from tunetrack.report.markdown_page import PageSource, render_markdown
from tunetrack.report.markdown_reference import comparison_tables
from tunetrack.report.reference import Compared, reference_info
from tunetrack.report.style import to_svg
from tunetrack.spec.reference import Reference

BEST = "best/validation/accuracy"
GRID = Reference.model_validate(
    {
        "title": "lr x batch",
        "source": "https://example.org/a_b",
        "setting": "one | run",
        "images": 100,
        "table": {"rows": "optimizer.lr", "columns": "trainer.batch_size"},
        "rows": [
            {"when": {"optimizer.lr": lr, "trainer.batch_size": size}, "values": {BEST: value}}
            for lr, size, value in ((0.1, 8, 0.15), (0.01, 8, 0.95), (0.01, 16, 0.94))
        ],
        "not_reproduced": ["the hardware"],
        "reduced": "fewer epochs",
    }
)


def row(number: int, lr: float, size: int, value: float) -> Any:
    params = {"optimizer.lr": lr, "trainer.batch_size": size, "data.name": "mnist"}
    return trial(number, value, params=params, metrics={BEST: value, "train_seconds": 2.0, "images_per_second": 50.0})


def source(*trials: Any, name: str = "grid", **document: Any) -> Compared:
    curves = history({f"run{one.number}": [0.1, 0.5] for one in trials})
    return Compared(study(trials, name=name), curves, {"validation": 100, "test": 50}, {"name": "grid", **document})


def sections(page: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in page.split("\n## ")}


@pytest.mark.parametrize(
    ("metric", "value", "error", "expected"),
    [
        (BEST, 0.97, 0.0171, "0.970 ± 0.017"),
        (BEST, 0.97123, 0.00123, "0.9712 ± 0.0012"),
        (BEST, 0.97, None, "0.9700"),
        ("train_seconds", 123.456, 11.2, "123 ± 11"),
        ("train_seconds", 12.3456, None, "12.35"),
        ("model/parameters", 1199882.0, None, "1,199,882"),
        ("convergence_epoch", 38.0, None, "38"),
    ],
)
def test_numbers_have_the_decimals_of_their_error(
    metric: str, value: float, error: float | None, expected: str
) -> None:
    assert number_text(metric, value, error) == expected
    assert signed_text(metric, value, error) == "+" + expected.partition(" ±")[0]
    assert signed_text(metric, -value, error) == "−" + expected.partition(" ±")[0]


def test_text_of_users_cannot_break_a_table() -> None:
    assert line(" a|b\n*c* <d> ") == r"a\|b \*c\* \<d\>"
    assert table(["a", "b"], [["1", "2"]], [1]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_grids_stand_beside_each_other_with_verdicts() -> None:
    ours = source(row(0, 0.1, 8, 0.16), row(1, 0.01, 8, 0.6), description="why | so", data={"dir": "/secret/data"})
    honest = source(row(0, 0.01, 8, 0.93), row(1, 0.01, 8, 0.95), name="honest")
    page = render_markdown(PageSource(ours, GRID, (honest,), "grid-curves.svg"))
    found = sections(page)

    assert page.startswith("# grid\n\nwhy \\| so\n")
    assert "/secret" not in page
    assert "tunetrack run grid.yaml --data-dir DATA\n" in page
    assert "tunetrack report grid --format markdown --beside honest\n" in page
    beside = found["Beside the original: lr x batch"]
    head = "| optimizer.lr ↓ trainer.batch\\_size → | 8 | 16 |\n| --- | ---: | ---: |\n"
    assert f"Original:\n\n{head}| **0.01** | 0.950 ± 0.022 | 0.940 ± 0.024 |\n| **0.1** | 0.150 ± 0.036 | – |" in beside
    assert f"grid:\n\n{head}| **0.01** | 0.600 ± 0.049 | – |\n| **0.1** | 0.160 ± 0.037 | – |" in beside
    assert (
        f"grid, difference:\n\n{head}| **0.01** | −0.350 **differs** | – |\n| **0.1** | +0.010 agrees | – |" in beside
    )
    assert f"honest:\n\n{head}| **0.01** | 0.940 ± 0.024 (n=2) | – |\n| **0.1** | – | – |" in beside
    assert "- **grid** beside the original's 3 numbers: agree: 1, differ: 1, no finished trial: 1." in page
    assert "- **honest** beside the original's 3 numbers: agree: 1, no finished trial: 2." in page
    assert "of the original's 3 configurations, 2 lie within two standard errors of the best, 0.950 ± 0.022" in page
    assert found["Not reproduced, and reduced"].strip() == "- the hardware\n\nMade smaller here: fewer epochs"
    assert "![Learning curves with the original's numbers beside them](grid-curves.svg)" in page
    assert "| grid | 2 | 4 s | 2 h 0 min | 50 | not stored |" in page


def test_a_list_has_a_line_a_configuration() -> None:
    plain = GRID.model_copy(update={"table": None})
    ours = source(row(0, 0.1, 8, 0.16), row(1, 0.01, 8, 0.9), row(2, 0.01, 8, 0.92))
    beside = sections(render_markdown(PageSource(ours, plain)))["Beside the original: lr x batch"]

    assert "| configuration | original | grid | n | spread | difference | verdict |" in beside
    assert "| lr 0.1, batch\\_size 8 | 0.150 ± 0.036 | 0.160 ± 0.037 | 1 | – | +0.010 | agrees |" in beside
    assert "| lr 0.01, batch\\_size 8 | 0.950 ± 0.022 | 0.910 ± 0.029 | 2 | 0.014 | −0.040 | agrees |" in beside
    assert "| lr 0.01, batch\\_size 16 | 0.940 ± 0.024 | – | 0 | – | – | – |" in beside


def test_many_configurations_without_a_trial_are_counted_instead_of_listed() -> None:
    rates = [round(0.01 * step, 2) for step in range(1, 10)]
    rows = [{"when": {"optimizer.lr": lr}, "values": {BEST: 0.9}} for lr in rates]
    large = Reference.model_validate({"images": 100, "rows": rows})
    info = reference_info(large, [source(row(0, 0.01, 8, 0.91), row(1, 0.02, 8, 0.92))])
    text = "\n".join(comparison_tables(info))
    assert "7 more configurations of the original have no trial here." in text
    assert text.count("| lr ") == 2
    few = reference_info(Reference.model_validate({"images": 100, "rows": rows[:5]}), [source(row(0, 0.01, 8, 0.91))])
    assert "more configurations" not in "\n".join(comparison_tables(few))


def test_a_study_without_reference_has_its_best_trials() -> None:
    ours = source(row(0, 0.1, 8, 0.5), row(1, 0.01, 8, 0.9))
    tested = replace(ours.table.trials[1], metrics={**ours.table.trials[1].metrics, "test/accuracy": 0.8})
    ours = replace(ours, table=replace(ours.table, trials=(ours.table.trials[0], tested)))
    page = render_markdown(PageSource(ours))
    found = sections(page)

    assert not {title for title in found if "original" in title or "carry" in title}
    assert "trial 1 is the best with 0.9 (95 % interval 0." in found["Outcome"]
    assert (
        "Test accuracy of trial 1, not used to choose it: 0.8000 (95 % interval 0.67 to 0.89, 50 images)."
        in found["Outcome"]
    )
    assert (
        "| 1 | 0.900 ± 0.060 | 1 | 100 | 0.80 ± 0.11 | 0.01 | 2.0 |\n| 0 | 0.500 ± 0.096 | 1 | 100 |  | 0.1 | 2.0 |"
        in page
    )
    assert "± is half of the 95 % interval of one training seed's accuracy over new images." in page
    assert "Learning curves" not in page


def test_several_objectives_have_their_pareto_set_first() -> None:
    trials = [trial(0, (0.9, 5.0)), trial(1, (0.8, 1.0)), trial(2, (0.7, 2.0))]
    ours = Compared(study(trials, goals=[ACCURACY, SECONDS]), history({}), {"validation": 100})
    page = render_markdown(PageSource(ours))

    assert "2 trials stand on the Pareto front." in page
    rows = sections(page)["Pareto set and best trials"].splitlines()[5:]
    assert [one.split(" | ")[:4] for one in rows if one] == [
        ["| 0", "yes", "0.900 ± 0.060", "5"],
        ["| 1", "yes", "0.800 ± 0.078", "1"],
        ["| 2", "–", "0.700 ± 0.088", "2"],
    ]


def test_a_study_without_a_finished_trial_has_a_page() -> None:
    page = render_markdown(PageSource(source(trial(0)), GRID))

    assert "none finished" in page
    assert "No trial has a result." in page
    assert "no finished trial: 3" in page


def test_the_figure_is_reproducible_svg_with_every_configuration_named() -> None:
    ours = source(row(0, 0.1, 8, 0.16), row(1, 0.01, 8, 0.6))
    info = compared_curves(ours, reference_info(GRID, [ours]))
    drawn = to_svg(draw_compared(info))

    ElementTree.fromstring(drawn)
    assert to_svg(draw_compared(info)) == drawn
    figure = draw_compared(info)
    left, right = figure.axes
    assert len(left.get_lines()) == 2
    assert [text.get_text() for text in right.get_yticklabels()] == [one.label for one in info.rows]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["here", "original (bars: 1 standard error)"]
