"""Keeps data sets resident, so that a worker reads each of them once and not once a trial."""

from __future__ import annotations

from tunetrack import training
from tunetrack.spec import TrialConfig

__all__ = ["ResidentSets"]

#: A study that searches over data settings would otherwise keep one copy of the images per setting.
KEPT = 2


class ResidentSets:
    """The data sets that a worker has read, the most recently used ones kept."""

    def __init__(self) -> None:
        self._sets: dict[str, training.ResidentData] = {}

    def get(self, config: TrialConfig) -> training.ResidentData:
        """The data of a configuration, on its device.

        Raises:
            DataError: the data set is missing, unreadable or too small.
        """
        device = training.resolve_device(config.trainer.device)
        key = f"{device} {config.data.model_dump_json(exclude={'augment'})}"
        data = self._sets.pop(key, None)
        if data is None:
            data = training.load_data(config.data, device)
        self._sets[key] = data
        while len(self._sets) > KEPT:
            self._sets.pop(next(iter(self._sets)))
        return data
