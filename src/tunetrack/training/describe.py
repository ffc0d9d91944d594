"""Knows what to tell a user about the hardware that the trainer found."""

from __future__ import annotations

import torch

from tunetrack.spec.config import TrainerConfig
from tunetrack.training.hardware import choose_device, use_bf16

__all__ = ["describe_hardware"]


def describe_hardware() -> str:
    """Device, threads and the precision that `precision: auto` means here, in one line."""
    config = TrainerConfig()
    device = choose_device(config)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    precision = "bf16" if use_bf16(config, device) else "fp32"
    return f"{device.type} ({name}), {torch.get_num_threads()} threads, precision auto = {precision}"
