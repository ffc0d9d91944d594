"""What an original experiment reports, kept in the study file to be put beside what the study finds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.config import Config

__all__ = ["REFERENCE_METRICS", "Reference", "ReferenceRow", "ReferenceTable", "WeightsClaim", "row_matches"]

#: What a reference may name: what trials store, and what the report computes from their stored epochs (``first/…`` is
#: epoch 1, ``convergence_epoch`` see `tunetrack.report.derived`).
REFERENCE_METRICS = (
    *(
        f"{when}{split}/{number}"
        for when in ("", "final/", "first/")
        for split in ("train", "validation")
        for number in ("accuracy", "loss")
    ),
    "best/validation/accuracy",
    "best/validation/loss",
    "best/epoch",
    "convergence_epoch",
    "validation/accuracy/upright",
    "validation/accuracy/rotated",
    "test/accuracy",
    "test/loss",
    "model/parameters",
    "model/memory_mb",
    "memory/peak_mb",
    "train_seconds",
)

_RELATIVE_TOLERANCE = 1e-9


class ReferenceTable(Config):
    """Which two parameters span the table, where the original draws it as a grid."""

    rows: str = Field(description="dotted path of the parameter down the side")
    columns: str = Field(description="dotted path of the parameter along the top")


class ReferenceRow(Config):
    """One configuration of the original and what it reports for it."""

    label: str = Field("", description="words for this row; default: its values")
    when: dict[str, Any] = Field(
        {}, description="dotted path: value, for each value that tells a trial of this row from the others"
    )
    values: Annotated[dict[str, float], Field(min_length=1)] = Field(
        description="metric: what the original reports; accuracies as fractions"
    )

    @model_validator(mode="after")
    def _metrics_are_known(self) -> ReferenceRow:
        for metric, value in self.values.items():
            if metric not in REFERENCE_METRICS:
                hint = did_you_mean(metric, REFERENCE_METRICS) or f"; allowed: {', '.join(REFERENCE_METRICS)}"
                raise ValueError(f"values: {metric} is no metric{hint}")
            if "accuracy" in metric and not 0.0 <= value <= 1.0:
                raise ValueError(f"values: {metric} is a fraction from 0 to 1, so 97 % is 0.97; given: {value:g}")
        return self


class WeightsClaim(Config):
    """Something that the original found in its weights."""

    text: Annotated[str, Field(min_length=1)] = Field(description="in words and numbers")
    about: Literal["block_steps", "kernel", "bias", "gamma", "beta"] = Field(
        "block_steps",
        description="block_steps: the median step of each residual block, by depth from block 2; "
        "else a kind of parameter: its spread over the epochs",
    )
    trend: Literal["grows", "shrinks"] | None = Field(None, description="which way; trials here that go it are counted")
    when: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = Field(
        (), description="conditions like those of `rows`, one of which a trial must meet; default: all trials"
    )


class Reference(Config):
    """What an original experiment reports; nothing here is searched or changes a trial."""

    title: str = Field("", description="of the original's table")
    source: str = Field("", description="where it stands")
    setting: str = Field("", description="how the original measured, in words")
    images: Annotated[int, Field(ge=1)] | None = Field(
        None, description="how many images each of the original's accuracies was measured on; gives its standard error"
    )
    table: ReferenceTable | None = Field(None, description="draw the rows as a grid; default: a list")
    rows: Annotated[tuple[ReferenceRow, ...], Field(strict=False, min_length=1)] = Field(
        description="the original's numbers, a configuration each"
    )
    weights: Annotated[tuple[WeightsClaim, ...], Field(strict=False)] = Field(
        (), description="what the original found in its weights; `tunetrack weights` puts it beside the trials"
    )
    not_reproduced: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="what could not be reproduced, and why"
    )
    reduced: str = Field("", description="what is smaller here than in the original")

    @model_validator(mode="after")
    def _rows_have_the_axes(self) -> Reference:
        for axis in (self.table.rows, self.table.columns) if self.table else ():
            without = [str(n) for n, row in enumerate(self.rows) if axis not in row.when]
            if without:
                raise ValueError(
                    f"table: {axis} must stand in the `when` of every row; missing in {', '.join(without)}"
                )
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of all rows, in the order of their first appearance."""
        return tuple(dict.fromkeys(metric for row in self.rows for metric in row.values))


def row_matches(when: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether a configuration has all values of a row.

    Args:
        when: dotted path -> value.
        params: the configuration by dotted path, as `flatten` gives it and as MLflow stores it; a list as JSON text or
            a sequence, and a path that is not there is null.
    """
    return all(_equal(wanted, _stored(params, path)) for path, wanted in when.items())


_MISSING = object()


def _stored(params: Mapping[str, Any], path: str) -> Any:
    if path in params:
        return params[path]
    parent, _, index = path.rpartition(".")
    entries = _entries(params.get(parent))
    if index.isdecimal() and entries is not None and int(index) < len(entries):
        return entries[int(index)]
    # An absent path is null, unless it is a section that is there.
    return _MISSING if any(known.startswith(f"{path}.") for known in params) else None


def _entries(stored: Any) -> list[Any] | None:
    """A list that is stored as such or as JSON text; None for anything else."""
    if isinstance(stored, str):
        try:
            stored = json.loads(stored)
        except json.JSONDecodeError:
            return None
    return list(stored) if isinstance(stored, list | tuple) else None


def _equal(wanted: Any, stored: Any) -> bool:
    if isinstance(wanted, list | tuple):
        entries = _entries(stored)
        return (
            entries is not None
            and len(entries) == len(wanted)
            and all(_equal(one, other) for one, other in zip(wanted, entries, strict=True))
        )
    if isinstance(wanted, bool) or isinstance(stored, bool) or not isinstance(wanted, int | float):
        return type(wanted) is type(stored) and bool(wanted == stored)
    return isinstance(stored, int | float) and math.isclose(wanted, stored, rel_tol=_RELATIVE_TOLERANCE)
