"""Faults at named points of the program: which there are, and how a child process is told of them."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["CASES", "Case", "Fault", "struck", "variables", "verify"]


@dataclass(frozen=True)
class Fault:
    """A call that goes wrong.

    Attributes:
        point: ``module:name`` of a function or method; the name may be dotted.
        call: which call of it in one process is the first that goes wrong, from 1.
        kind: ``kill`` (SIGKILL to the own process), or what is raised: ``disk full``, ``locked`` (as sqlite3 says it),
            ``engine locked`` (as sqlalchemy says it), ``unavailable`` (as MLflow says it for 503), ``memory``,
            ``defect``.
        when: ``before`` the real call, or ``after`` it: done, but nobody hears of it.
        times: how many calls go wrong, over all processes.
        caller: only calls from this module count; for functions of the standard library.
    """

    point: str
    call: int = 1
    kind: str = "kill"
    when: str = "before"
    times: int = 1
    caller: str = ""

    def __str__(self) -> str:
        name = self.point.partition(":")[2]
        often = f", {self.times} times" if self.times > 1 else ""
        return f"{self.kind} {self.when} {name}, call {self.call}{often}"


@dataclass(frozen=True)
class Case:
    """Faults that one study suffers.

    Attributes:
        faults: what goes wrong.
        study: in which study.
        stage: ``run``: in the first process; ``resume``: in the one that goes on after a kill in the middle;
            ``stop``: while the study ends because of a SIGTERM in the middle.
        hurt: numbers of the trials that must have failed, since the fault is in their own training.
    """

    faults: tuple[Fault, ...]
    study: str = "optuna-tpe"
    stage: str = "run"
    hurt: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Of the scenario."""
        return "; ".join(map(str, self.faults)) + ("" if self.stage == "run" else f" ({self.stage})")


def variables(faults: Sequence[Fault], folder: Path) -> dict[str, str]:
    """The environment variables that make a child process suffer these faults.

    Args:
        faults: what goes wrong.
        folder: takes one file for each time that a fault has struck.
    """
    plan = [_plain(fault, folder / f"fault-{number}") for number, fault in enumerate(faults)]
    return {"TUNETRACK_FAULTS": json.dumps(plan)}


def struck(folder: Path, number: int) -> int:
    """How often one of the faults of a folder has struck, the first one being 0."""
    return len(list(folder.glob(f"fault-{number}.*")))


def verify(fault: Fault) -> None:
    """Looks whether a fault's point is there.

    Raises:
        LookupError: the program has no such function any more.
    """
    module, _, name = fault.point.partition(":")
    try:
        *path, last = name.split(".")
        inspect.getattr_static(functools.reduce(getattr, path, importlib.import_module(module)), last)
    except (AttributeError, ImportError) as error:
        raise LookupError(f"there is no {fault.point}; give the point the name that it has now: {error}") from error


def _plain(fault: Fault, mark: Path) -> dict[str, object]:
    module, _, name = fault.point.partition(":")
    return asdict(fault) | {"module": module, "name": name, "mark": str(mark)}


_LEDGER = "tunetrack.ledger.ledger:Ledger"
_CLAIMS = "tunetrack.ledger.claims:Claims"
_CHANGE = "tunetrack.ledger.leases:_DatabaseChange"
_LEASES = "tunetrack.ledger.leases:_DatabaseLeases"
_SPOOL = "tunetrack.tracking.sending.spool_file:SpoolFile"
_TRIAL = "tunetrack.tracking.trial_run"
_CHECKPOINT = "tunetrack.training.checkpoint"
_RUNS = "tunetrack.tracking.runs"
# Where the libraries write: a failure that is raised there takes the way of a real one.
_MLFLOW = "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore"
_ARTIFACTS = "mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository"


def _kills(point: str, call: int, stage: str = "run", caller: str = "", whens: str = "before after") -> list[Case]:
    """The process is killed at a point, before and after the real call; engines by turns."""
    studies = ("optuna-tpe", "hyperopt-tpe")
    return [
        Case((Fault(point, call, "kill", when, caller=caller),), studies[number % 2], stage)
        for number, when in enumerate(whens.split())
    ]


def _errors(point: str, call: int, kinds: str, times: int = 1, when: str = "before", caller: str = "") -> list[Case]:
    """The call raises instead of doing anything, or after it was done."""
    return [Case((Fault(point, call, kind.strip(), when, times, caller),)) for kind in kinds.split(",")]


#: The life of a study from its first line in the ledger to its report. Calls are counted so that the fault comes in the
#: middle of the study, where there is something to lose.
CASES: tuple[Case, ...] = (
    # the study begins
    *_kills("tunetrack.ledger.studies:create_study", 1),
    *_kills("tunetrack.tracking.store:TrackingStore.open_study", 1),
    *_kills("tunetrack.tracking.views:write_view", 1),
    # a trial is proposed
    *_kills(f"{_LEASES}.add", 3),
    *_kills("tunetrack.ledger.distributions:suggest_config", 3),
    *_kills("tunetrack.ledger.leased:LeasedStorage.write", 3),
    *_errors(f"{_LEASES}.add", 3, "engine locked, disk full"),
    *_errors("tunetrack.ledger.distributions:suggest_config", 3, "memory"),
    # a trial trains
    *_kills(f"{_MLFLOW}.create_run", 4),
    *_errors(f"{_MLFLOW}.create_run", 4, "unavailable, engine locked"),
    *_errors(f"{_MLFLOW}.create_run", 4, "unavailable", when="after"),
    *_kills("pathlib:Path.replace", 6, caller=_CHECKPOINT),
    *_kills("os:fsync", 5, caller=_CHECKPOINT, whens="after"),
    *_errors("os:fsync", 5, "disk full", caller=_CHECKPOINT),
    *_kills(f"{_MLFLOW}.log_batch", 8),
    *_errors(f"{_MLFLOW}.log_batch", 8, "unavailable, locked, disk full", times=3),
    *_errors(f"{_MLFLOW}.log_batch", 8, "unavailable", when="after"),
    *_kills(f"{_LEDGER}.report", 20),
    *_errors(f"{_LEASES}.report", 20, "engine locked, disk full"),
    # what is written down, sent, and noted as sent
    *_kills(f"{_SPOOL}.append", 30),
    *_errors(f"{_SPOOL}.append", 30, "disk full", times=5),
    *_kills(f"{_SPOOL}.commit", 10),
    *_errors(f"{_SPOOL}.put", 3, "disk full"),
    # a trial ends
    *_kills(f"{_TRIAL}:TrialRun.ending", 3),
    *_kills(f"{_TRIAL}:Ending.send", 3),
    *_kills(f"{_LEDGER}.tell", 3),
    *_kills("optuna.study.study:Study.tell", 3),
    *_errors(f"{_CHANGE}.state", 3, "engine locked, locked"),
    *_kills(f"{_ARTIFACTS}.log_artifacts", 4),
    *_errors(f"{_ARTIFACTS}.log_artifacts", 4, "disk full"),
    *_kills(f"{_MLFLOW}.update_run_info", 4),
    *_errors(f"{_MLFLOW}.update_run_info", 4, "unavailable"),
    # the study ends
    *_kills("tunetrack.study.best:crown", 1),
    *_kills("tunetrack.tracking.models:_save", 1, whens="after"),
    *_kills("tunetrack.study.best:log_look", 1),
    *_errors(f"{_MLFLOW}.finalize_logged_model", 1, "unavailable"),
    *_kills(f"{_RUNS}:StudyRun.finish", 1),
    *_kills("tunetrack.api.reports:report_files", 1),
    # it is stopped, or goes on
    *_kills(f"{_LEDGER}.release", 1, "stop"),
    *_kills(f"{_CLAIMS}.give_back", 1, "stop"),
    *_kills(f"{_RUNS}:StudyRun.killed", 1, "stop"),
    *_kills(f"{_LEDGER}.reclaim", 1, "resume"),
    *_kills(f"{_CLAIMS}._bury", 1, "resume"),
    *_kills(f"{_LEASES}.take", 1, "resume"),
    *_kills("tunetrack.tracking.sending.sources:DeadSpool._decide", 1, "resume"),
    *_kills("tunetrack.training.fitting:Fit.resume", 1, "resume"),
    # what is wrong with a trial itself ends that trial alone
    Case((Fault("tunetrack.training.fitting:Fit._epoch", 25, "defect"),), "random", hurt=(2,)),
    Case((Fault("tunetrack.training.fitting:Fit._epoch", 25, "memory"),), "random", hurt=(2,)),
)
