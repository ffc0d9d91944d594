"""The table of trials: pages, sorting, the filter language, and what it says of mistakes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import FILTERS, LR, OPTIMIZER, study, trial

from tunetrack.report.views import PageQuery, QueryError, trials_page
from tunetrack.report.views.query import parse_filter
from tunetrack.tracking.reader import Versioned

ROWS = [
    trial(0, 0.5, params={"optimizer.lr": 0.1, "optimizer.name": "adam"}, metrics={"a b": 3.0}, health={}),
    trial(1, 0.9, params={"optimizer.lr": 0.01, "optimizer.name": "sgd"}, metrics={"a b": math.nan}, worker="w-1"),
    trial(2, None, "FAILED", reason='CUDA "out of" memory and more', health={"dead_units": "x", "exploding": "y"}),
    trial(
        3,
        None,
        "PRUNED",
        params={"optimizer.lr": 0.01, "optimizer.name": "None"},
        metrics={"validation/accuracy": 0.6},
        seconds=None,
        epochs=4,
    ),
    trial(4, 0.7, params={"optimizer.lr": 1e-3, "model.filters": True}, metrics={"a b": -1.0}, seconds=99.0),
]
NOW = Versioned("v1", study(ROWS, [LR, OPTIMIZER, FILTERS]))


def numbers(**query: Any) -> list[int]:
    page = trials_page(NOW, PageQuery(**query))
    json.dumps(page, allow_nan=False)
    return [row["number"] for row in page["rows"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("  ", [0, 1, 2, 3, 4]),
        ("state = COMPLETE", [0, 1, 4]),
        ("state != COMPLETE", [2, 3]),
        ("number >= 3", [3, 4]),
        ("number=2", [2]),
        ("value > 0.6", [1, 4]),
        ("values.0 <= 0.7", [0, 4]),
        ("value = 0.5", [0]),
        ("value != 0.5", [1, 2, 3, 4]),
        ("seconds > 50", [4]),
        ("epochs < 10", [3]),
        ("worker ~ W", [1]),
        ("health = ok", [0]),
        ("health = dead_units", [2]),
        ("health ~ PLOD", [2]),
        ('reason ~ "out of"', [2]),
        ('reason ~ "memory and more"', [2]),
        (r'reason ~ "CUDA \"out"', [2]),
        ("params.optimizer.lr = 0.01", [1, 3]),
        ("params.optimizer.lr = 1e-2", [1, 3]),
        ("params.optimizer.lr < 0.05 and state = COMPLETE", [1, 4]),
        ("params.optimizer.lr < 0.05 AND state = COMPLETE and number > 1", [4]),
        ("params.optimizer.name ~ d", [0, 1]),
        ("params.optimizer.name = None", [3]),
        ("params.optimizer.name = none", [2, 4]),
        ("params.optimizer.name != none", [0, 1, 3]),
        ('params.optimizer.name = "none"', []),
        ("value = none and state != FAILED", [3]),
        ("provisional > 0.5", [3]),
        ("params.model.filters = true", [4]),
        ("metrics.a b > -2", [0, 4]),
        ("metrics.a b<0", [4]),
    ],
)
def test_the_filter(text: str, expected: list[int]) -> None:
    assert numbers(filter=text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state", "the filter term 'state' cannot be read; a term is NAME OP VALUE"),
        ("state =", "cannot be read"),
        ("= x", "cannot be read"),
        ("state = a and", "cannot be read"),
        ('state = "a', "cannot be read"),
        (
            "state = COMPLETE or number = 1 and colour = red",
            "there is no 'colour' to sort or filter by; there are number",
        ),
        ("params.nothing = 1", "no trial of this study has the parameter 'nothing'"),
        ("metrics.nothing = 1", "no trial of this study has the metric 'nothing'"),
        ("values.1 = 1", "there is no 'values.1'; the study has 1 objective"),
        ("values.x = 1", "there is no 'values.x' to sort"),
        ("values.99999999999999999999 = 1", "the study has 1 objective"),
        ("value > high", "'value' > needs a number, and 'high' is none"),
        ("value < nan", "needs a number, and 'nan' is none"),
        ("x" * 2001, "the filter has 2,001 characters; at most 2,000 are read"),
        (" and ".join(["number = 1"] * 21), "the filter has 21 terms; at most 20 are read"),
        (f"params.{'y' * 500} = 1", "yyy…'"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(QueryError) as error:
        numbers(filter=text)
    assert message in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("sort", "ascending", "descending"),
    [
        ("", [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]),
        ("value", [0, 4, 1, 2, 3], [1, 4, 0, 2, 3]),
        ("values.0", [0, 4, 1, 2, 3], [1, 4, 0, 2, 3]),
        ("metrics.a b", [4, 0, 1, 2, 3], [0, 4, 1, 2, 3]),
        ("params.optimizer.lr", [4, 1, 3, 0, 2], [0, 1, 3, 4, 2]),
        ("params.optimizer.name", [0, 3, 1, 2, 4], [1, 3, 0, 2, 4]),
        ("seconds", [0, 1, 2, 4, 3], [4, 0, 1, 2, 3]),
        ("state", [0, 1, 4, 2, 3], [3, 2, 0, 1, 4]),
    ],
)
def test_what_is_missing_comes_last_both_ways(sort: str, ascending: list[int], descending: list[int]) -> None:
    assert numbers(sort=sort) == ascending
    assert numbers(sort=sort, order="desc") == descending


def test_pages() -> None:
    page = trials_page(NOW, PageQuery(page=1, size=2, filter="number > 0", sort="number", order="desc"))
    assert [row["number"] for row in page["rows"]] == [2, 1]
    assert {key: page[key] for key in ("version", "total", "matched", "page", "size")} == {
        "version": "v1",
        "total": 5,
        "matched": 4,
        "page": 1,
        "size": 2,
    }
    assert page["columns"] == {
        "params": ["optimizer.lr", "optimizer.name", "model.filters"],
        "metrics": ["a b", "validation/accuracy"],
    }
    assert numbers(page=10**9) == []
    for wrong in ({"size": 0}, {"size": 501}, {"page": -1}, {"order": "up"}, {"sort": "x"}):
        with pytest.raises(QueryError):
            numbers(**wrong)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        numbers(filter=text)
    except QueryError:
        return


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.strip()))
def test_any_value_can_be_written_in_quotes(value: str) -> None:
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    terms = parse_filter(f"reason = {quoted} and number = 1")
    assert [term.value for term in terms] == [value, "1"]
