"""Tables of weight statistics for tests, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tunetrack.spec.records import EpochRecord
from tunetrack.spec.weight_records import DEAD_SHARE, HISTOGRAM_COLUMNS, ITEM_COLUMNS, STATISTICS


def frame_of(epochs: Sequence[EpochRecord]) -> pd.DataFrame:
    """A trial's table."""
    columns = [column.name for column in (*ITEM_COLUMNS, *STATISTICS, DEAD_SHARE, *HISTOGRAM_COLUMNS)]
    tensors: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for epoch in epochs:
        stats = epoch.weights
        assert stats is not None
        layout = stats.layout
        for record in stats.records:
            for row, tensor in enumerate(layout.tensors):
                about = {name: getattr(tensor, name) for name in ("name", "layer", "block", "depth", "size")}
                ends = {f"histogram_{end}": getattr(tensor, end) for end in ("low", "high", "unit")}
                numbers = dict(zip([c.name for c in STATISTICS], record.values[row], strict=True))
                moment = {"epoch": record.epoch, "step": record.step, "item": "tensor", "kind": tensor.kind.value}
                tensors.append(moment | about | numbers | ends | {"histogram": record.histograms[row]})
        last = {"epoch": epoch.epoch, "step": stats.records[-1].step}
        for layer, dead in zip(layout.activations, stats.dead or (), strict=False):
            about = {"name": layer.layer, "layer": layer.layer, "kind": layer.kind, "block": layer.block}
            share = {"depth": layer.depth, "size": layer.units, "dead_share": dead / layer.units}
            others.append(last | {"item": "activation"} | about | share)
        if stats.block_steps is not None:
            steps = stats.block_steps
            for place, step in enumerate(steps.steps):
                for number, block in enumerate(layout.blocks):
                    about = {"name": block.name, "layer": block.name, "block": block.name, "kind": "block"}
                    far, near = steps.initial[place, number], steps.previous[place, number]
                    others.append(
                        {"epoch": epoch.epoch, "step": int(step), "item": "block", "depth": block.depth}
                        | {"size": block.size, "initial_minkowski": far, "previous_minkowski": near, **about}
                    )
    return pd.DataFrame([*tensors, *others], columns=columns)
