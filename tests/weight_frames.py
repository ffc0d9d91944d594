"""Tables of weight statistics for tests, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tunetrack.spec.records import EpochRecord
from tunetrack.tracking.weight_table import weight_frame, write_table


def frame_of(epochs: Sequence[EpochRecord]) -> pd.DataFrame:
    """A trial's table."""
    return weight_frame(write_table([epoch.weights for epoch in epochs if epoch.weights is not None]))
