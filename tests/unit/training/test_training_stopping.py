"""Early stopping, fed with made-up epochs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunetrack.spec.config import EarlyStoppingConfig
from tunetrack.spec.records import EpochRecord
from tunetrack.training.stopping import EarlyStopping


def _record(loss: float, accuracy: float = 0.5) -> EpochRecord:
    return EpochRecord(1, 1.0, 0.5, loss, accuracy, 0.1, 1.0, 1.0)


def _stops_after(config: EarlyStoppingConfig, records: list[EpochRecord]) -> int | None:
    stopping = EarlyStopping(config)
    for number, record in enumerate(records, start=1):
        stopping.see(record, nn.Identity())
        if stopping.stops:
            return number
    return None


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([1.0, 0.9, 0.8, 0.7], None), ([1.0, 1.1, 1.2], 3), ([1.0, 1.1, 0.9, 0.95, 0.91], 5), ([1.0, 1.0, 1.0], 3)],
)
def test_loss_with_patience_two(losses: list[float], expected: int | None) -> None:
    assert _stops_after(EarlyStoppingConfig(patience=2), [_record(loss) for loss in losses]) == expected


def test_accuracy_rises() -> None:
    config = EarlyStoppingConfig(metric="validation/accuracy", patience=1)
    assert _stops_after(config, [_record(9.0, a) for a in (0.1, 0.2, 0.3)]) is None
    assert _stops_after(config, [_record(9.0, a) for a in (0.1, 0.2, 0.2)]) == 3


def test_a_gain_of_exactly_min_delta_is_none() -> None:
    config = EarlyStoppingConfig(patience=1, min_delta=0.5)
    assert _stops_after(config, [_record(2.0), _record(1.5)]) == 2
    assert _stops_after(config, [_record(2.0), _record(1.25)]) is None


@pytest.mark.parametrize(("restore", "expected"), [(True, 2.0), (False, 3.0)])
def test_restoring_the_best(restore: bool, expected: float) -> None:
    model = nn.Linear(1, 1, bias=False)
    stopping = EarlyStopping(EarlyStoppingConfig(restore_best=restore))
    for value, loss in ((1.0, 0.9), (2.0, 0.1), (3.0, 0.5)):
        nn.init.constant_(model.weight, value)
        stopping.see(_record(loss), model)
    stopping.restore(model)
    assert torch.equal(model.weight, torch.tensor([[expected]]))
