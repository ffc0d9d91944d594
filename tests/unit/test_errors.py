from __future__ import annotations

import re

import pytest

from tunetrack import errors
from tunetrack.errors import Problem, SpecError, TunetrackError


def test_the_docstring_draws_the_tree_with_its_exit_codes() -> None:
    drawn = dict(re.findall(r"(\w+Error)\s+(\d+) ", errors.__doc__ or ""))
    classes = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}

    assert {name: int(code) for name, code in drawn.items()} == {n: c.exit_code for n, c in classes.items()}
    assert all(issubclass(kind, TunetrackError) for kind in classes.values())
    assert len(set(drawn.values())) == len(drawn)


@pytest.mark.parametrize(
    ("problems", "source", "text"),
    [
        ("is wrong", "", "is wrong"),
        ("is wrong", "a.yaml", "a.yaml: is wrong"),
        ([Problem("a.b", "is wrong", "3")], "a.yaml", "a.yaml: a.b: is wrong (given: 3)"),
        ([Problem("a", "x"), Problem("", "y", "z")], "f", "f: 2 problems\n  - a: x\n  - y (given: z)"),
    ],
)
def test_spec_error_text(problems: list[Problem] | str, source: str, text: str) -> None:
    assert str(SpecError(problems, source)) == text
