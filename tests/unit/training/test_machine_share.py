"""How several processes share a machine's threads and GPUs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tunetrack import training
from tunetrack.spec.config import TrainerConfig
from tunetrack.training import machine_share
from tunetrack.training.machine_share import gpu_of


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [
        (0.5, 2, [0, 0, 1, 1, 0, 0]),
        (0.25, 2, [0, 0, 0, 0, 1, 1]),
        (1 / 3, 2, [0, 0, 0, 1, 1, 1]),
        (0.4, 2, [0, 0, 1, 1, 0, 0]),  # two fit, and a fifth is left over
        (1.0, 3, [0, 1, 2, 0, 1, 2]),
        (0.0, 2, [0, 1, 0, 1, 0, 1]),
        (0.5, 1, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_workers_fill_one_gpu_after_the_other(share: float, count: int, expected: list[int]) -> None:
    assert [gpu_of(index, share, count) for index in range(6)] == expected


def test_threads_are_those_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    training.take_share(TrainerConfig(device="cpu"), 3, gpus=0.5)
    assert torch.get_num_threads() == 3


class Gpus:
    """What would be asked of torch on a machine with GPUs; this one may have none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.asked: list[tuple[object, ...]] = []
        monkeypatch.setattr(machine_share.torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(machine_share.torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(machine_share.torch.cuda, "set_device", lambda device: self.asked.append(("use", device)))
        monkeypatch.setattr(
            machine_share.torch.cuda,
            "set_per_process_memory_fraction",
            lambda share, device: self.asked.append(("limit", share, device)),
        )


def test_a_share_limits_the_memory_on_the_workers_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus(monkeypatch, 2)
    training.take_share(TrainerConfig(), 1, gpus=0.5, index=3)
    assert gpus.asked == [("use", 1), ("limit", 0.5, 1)]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_whole_gpu_has_no_limit(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    gpus = Gpus(monkeypatch, 2)
    training.take_share(TrainerConfig(), 1, gpus=share, index=3)
    assert gpus.asked == [("use", 1)]


def test_who_trains_on_the_cpu_takes_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus(monkeypatch, 2)
    training.take_share(TrainerConfig(device="cpu"), 1, gpus=0.5)
    assert gpus.asked == []
