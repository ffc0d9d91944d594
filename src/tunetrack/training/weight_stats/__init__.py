"""Knows what happens inside a network while it trains: weights, gradients, updates and dead units, layer by layer.

Nothing here draws random numbers or changes a weight, so a trial trains to the same bits with and without it.
"""

from __future__ import annotations

from tunetrack.training.weight_stats.dead_units import DeadUnits
from tunetrack.training.weight_stats.recorder import WeightRecorder

__all__ = ["DeadUnits", "WeightRecorder"]
