"""Imported by a process from which workers are forked, and by nothing else: numba's loops are loaded, and shared.

The first use of a compiled loop loads numba and its registries, half a second in each process. No training step may
run here: it starts threads of torch, with which a process cannot be forked.
"""

from __future__ import annotations

import numpy as np
import torch

from tunetrack.training.pooling import relu_max_pool
from tunetrack.training.weight_stats.sums import Beside, FlatCopy, make_sums

_weights = [torch.zeros(2)]
_copies = [FlatCopy(_weights) for _ in range(3)]
_beside = Beside(_copies[0], _copies[1], FlatCopy(_weights, torch.int8), before=_copies[2])
make_sums(_weights, np.array([[-1.0, 1.0]]), 2.0, 1e-8).measure(_beside)
relu_max_pool(torch.zeros(1, 1, 2, 2), 2)
