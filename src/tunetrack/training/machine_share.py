"""Knows how several processes that train share one machine: so many threads each, and which GPU how far."""

from __future__ import annotations

import torch

from tunetrack.spec.config import TrainerConfig

__all__ = ["gpu_count", "gpu_of", "take_share"]


def gpu_count() -> int:
    """How many CUDA devices torch finds here."""
    return int(torch.cuda.device_count())


def gpu_of(index: int, share: float, count: int) -> int:
    """Which GPU a process takes: the first ones fill the first GPU; without shares they go round.

    Args:
        index: of the process among those of this machine, from 0.
        share: of one GPU, at most 1; 0: none is set aside.
        count: of the machine's GPUs, at least 1.
    """
    if not share:
        return index % count
    return index // max(1, int(1 / share + 1e-9)) % count


def take_share(config: TrainerConfig, threads: int, gpus: float = 0.0, index: int = 0) -> None:
    """Has this process compute with its share of the machine, for good.

    Memory of the GPU is limited to the share: a model that is too large for it is then this trial's trouble, and not
    that of the process beside it.

    Args:
        config: says whether it trains on a GPU at all.
        threads: CPU threads of one operation; 0 leaves them to torch. `trainer.threads` of a study goes before them.
        gpus: share of one GPU, at most 1; 0: none is set aside.
        index: of the process among those of this machine, from 0.
    """
    if threads:
        torch.set_num_threads(threads)
    if config.device not in ("auto", "cuda") or not torch.cuda.is_available():
        return
    device = gpu_of(index, gpus, gpu_count())
    torch.cuda.set_device(device)
    if 0 < gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus, device)
