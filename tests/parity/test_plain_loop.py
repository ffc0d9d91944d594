"""Our loop against twenty lines of plain PyTorch: the same weights after the same epochs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tunetrack import training
from tunetrack.spec.config import DataConfig, TrialConfig
from tunetrack.training.seeding import stream_seeds

SEED, BATCH, EPOCHS = 5, 32, 2


@pytest.fixture(scope="module")
def digits() -> training.ResidentData:
    return training.load_data(DataConfig(name="digits", train=500))  # 500 = 15 x 32 + 20: the last batch is smaller


def _plain_loop(data: training.ResidentData, optimizer_class: Any, options: dict[str, Any]) -> list[torch.Tensor]:
    weights_seed, order_seed, _ = stream_seeds(SEED)
    torch.manual_seed(weights_seed)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32, 10)),
    )
    optimizer = optimizer_class(net.parameters(), **options)
    order = torch.Generator().manual_seed(order_seed)
    images = (data.train.images / 255.0 - data.mean[0]) / data.std[0]
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images), generator=order).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images[chosen]), data.train.labels[chosen])
            loss.backward()
            optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


@pytest.mark.parametrize(
    ("ours", "optimizer_class", "options"),
    [
        ({"name": "adam", "lr": 1e-3}, torch.optim.Adam, {"lr": 1e-3}),
        (
            {"name": "adam", "lr": 1e-3, "weight_decay": 1e-2},
            torch.optim.Adam,
            {"lr": 1e-3, "weight_decay": 1e-2},
        ),
        (
            {"name": "adamw", "lr": 1e-3, "weight_decay": 0.1},
            torch.optim.AdamW,
            {"lr": 1e-3, "weight_decay": 0.1},
        ),
        (
            {"name": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True},
            torch.optim.SGD,
            {"lr": 0.02, "momentum": 0.9, "nesterov": True},
        ),
    ],
    ids=["adam", "adam-l2", "adamw", "sgd-nesterov"],
)
def test_same_weights(
    digits: training.ResidentData, ours: dict[str, Any], optimizer_class: Any, options: dict[str, Any]
) -> None:
    config = TrialConfig.model_validate(
        {
            "data": {"name": "digits", "train": 500},
            "model": {"filters": 8, "num_layers": 2},
            "optimizer": ours,
            "trainer": {
                **{"epochs": EPOCHS, "batch_size": BATCH, "seed": SEED, "device": "cpu"},
                **{"precision": "fp32", "deterministic": True, "threads": 1},
            },
        }
    )
    run = training.fit(config, digits)
    start = {name: tensor.clone() for name, tensor in run.state_dict().items()}
    list(run)
    expected = _plain_loop(digits, optimizer_class, options)
    # Not bit for bit: channels_last, pooling before ReLU and the fused optimiser add up the same terms in another
    # order. After 32 steps a weight has moved by about 1e-2; what is allowed is 1000 times less.
    for (name, weight), reference in zip(run.state_dict().items(), expected, strict=True):
        assert torch.allclose(weight, reference, rtol=0.0, atol=2e-5), name
        assert float((start[name] - reference).abs().max()) > 2e-3, name
