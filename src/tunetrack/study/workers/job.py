"""What a worker process is given: which study it joins, and with how much of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["WorkerJob"]


@dataclass(frozen=True)
class WorkerJob:
    """A worker's task. It travels to other processes and other machines, so it holds plain values alone.

    Attributes:
        name: the study's name in the ledger.
        ledger: SQLAlchemy URL of the search state.
        tracking: MLflow tracking URI.
        home: folder on the worker's machine that holds its spool and its checkpoints.
        data_dir: folder with the data sets on the worker's machine; None for the one that is kept with the study.
        threads: CPU threads of one operation; 0 leaves them to torch, and so to OMP_NUM_THREADS.
        gpus: share of a GPU, such as 0.5; 0: none is set aside.
        died: how the worker ended in whose place this one works, in words; empty: it is nobody's replacement.
    """

    name: str
    ledger: str
    tracking: str
    home: Path
    data_dir: str | None = None
    threads: int = 1
    gpus: float = 0.0
    died: str = ""
