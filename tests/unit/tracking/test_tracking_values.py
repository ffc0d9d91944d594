"""Parameter values survive MLflow's strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunetrack.tracking.values import decode_param, encode_param, encode_params, quote_filter_value


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_round_trip(value: str | int | float | bool | None) -> None:
    back = decode_param(encode_param(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("adam", "adam"),
        ("3", '"3"'),
        ("true", '"true"'),
        (3, "3"),
        (1e-5, "1e-05"),
        (None, "null"),
        ((64, 32), "[64, 32]"),
    ],
)
def test_text_that_mlflow_shows(value: str | int | float | None, text: str) -> None:
    assert encode_param(value) == text
    assert decode_param(text) == value


def test_log_companion() -> None:
    encoded = encode_params({"lr": 0.02, "zero": 0.0, "name": "x"}, frozenset({"lr", "zero", "name", "absent"}))
    assert encoded == {"lr": "0.02", "log10.lr": "-1.6990", "zero": "0.0", "name": "x"}


def test_filter_values_are_quoted() -> None:
    assert quote_filter_value("plain") == "'plain'"
    assert quote_filter_value("it's") == '"it\'s"'
    with pytest.raises(ValueError, match="both kinds of quotes"):
        quote_filter_value("""'"'""")
