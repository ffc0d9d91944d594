"""Several workers on one study: how many, where, and joining one that somebody else leads."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from tunetrack import training
from tunetrack.api.reading import place_of
from tunetrack.errors import Problem, SpecError
from tunetrack.spec import StudySpec
from tunetrack.study.launch import Launch
from tunetrack.study.outcome import read_result
from tunetrack.study.place import Place
from tunetrack.study.progress import Progress, StudyStart
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.workers.crew import CrewPlan
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.join import join
from tunetrack.study.workers.launcher import Launcher
from tunetrack.study.workers.local import LocalLauncher
from tunetrack.study.workers.ray import RayLauncher

__all__ = ["LAUNCHERS", "Workers", "join_study", "with_workers"]

LAUNCHERS = ("local", "ray")


@dataclass(frozen=True)
class Workers:
    """How many workers run a study, and where.

    Attributes:
        workers: how many processes; 1: the calling one alone, unless Ray shall place it; 0: those that others start;
            ``auto``: as many as the GPUs allow, or where there are none, the cores.
        launcher: ``local`` or ``ray``.
        ray_address: the cluster; None starts a Ray on this machine.
        threads: CPU threads of each worker; default: the cores, shared out.
        gpus_per_trial: share of a GPU of each worker, above 0 and at most 1; default: none is set aside.
    """

    workers: int | str = 1
    launcher: str = "local"
    ray_address: str | None = None
    threads: int | None = None
    gpus_per_trial: float | None = None


def with_workers(wanted: Launch, workers: Workers, spec: StudySpec) -> Launch:
    """The launch of a study with as many workers.

    Raises:
        SpecError: a value is none of those that `Workers` allows.
        TunetrackError: the workers' process cannot be started.
    """
    problems = _problems(workers)
    if problems:
        raise SpecError(problems)
    gpus, cores, threads = workers.gpus_per_trial or 0.0, _cores(), workers.threads
    count = workers.workers if isinstance(workers.workers, int) else _automatic(cores, threads or 1, gpus)
    if count == 1 and workers.launcher == "local":
        return replace(wanted, threads=threads)
    share = threads or max(1, cores // max(1, count))
    starts: Launcher
    if workers.launcher == "ray":
        starts = RayLauncher(wanted.place.logs, workers.ray_address, cpus=max(cores, count * share))
    else:
        starts = LocalLauncher(wanted.place.logs, training.libraries(spec.first_config()))
    return replace(wanted, crew=CrewPlan(count, starts, share, gpus))


def join_study(
    name: str,
    place: Place,
    *,
    data_dir: str | Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Runs trials of a study that somebody else leads, until it has all of them.

    Args:
        name: as `list_studies` gives it.
        place: its ledger, and where its runs are; by default where they were written. Its home holds what waits to be
            sent and the states of trials under way, on this machine.
        data_dir: folder with the data sets on this machine; default: as the study file says.
        threads: CPU threads; default: as torch has them, all cores unless OMP_NUM_THREADS says less.
        progress: told of every step; default: silent.

    Raises:
        InterruptedStudyError: a signal came; the running trial waits to be run again.
        LedgerError: there is no such study, or its ledger cannot be used.
        DataError: the data set is missing or too small.
        TrackingError: the tracking store cannot be used.
    """
    ledger, place = place_of(name, place)
    place.make()
    shown = progress or Progress()
    result, spec = read_result(ledger, None, place), ledger.spec
    searched = study_info(spec, name, "").searched
    start = StudyStart(name, spec.objectives, searched, spec.head.budget.trials, 0, result.run_id or "")
    shown.study_started(start)
    directory = None if data_dir is None else str(data_dir)
    job = WorkerJob(name, place.ledger, place.tracking, place.home.resolve(), directory, threads or 0)
    with StopSignals() as stop:
        join(job, lambda what, arguments: getattr(shown, what)(*arguments), stop)


def _automatic(cores: int, threads: int, gpus: float) -> int:
    devices = training.gpu_count()
    if devices:
        return max(1, int(devices / (gpus or 1.0) + 1e-9))
    return max(1, cores // threads)


def _cores() -> int:
    """The cores that this process may use; fewer than the machine's where somebody has limited it."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def _problems(asked: Workers) -> list[Problem]:
    found = []
    workers, threads, gpus = asked.workers, asked.threads, asked.gpus_per_trial
    if workers != "auto" and not (isinstance(workers, int) and workers >= 0):
        found.append(Problem("workers", "a number from 0, or auto", repr(workers)))
    elif workers == "auto" and asked.ray_address is not None:
        found.append(Problem("workers", "a number: auto counts this machine, not the cluster", workers))
    if asked.launcher not in LAUNCHERS:
        found.append(Problem("launcher", f"one of {', '.join(LAUNCHERS)}", repr(asked.launcher)))
    elif asked.ray_address is not None and asked.launcher != "ray":
        found.append(
            Problem("ray_address", "is of use with --launcher ray alone; give both or none", asked.ray_address)
        )
    if threads is not None and threads < 1:
        found.append(Problem("threads", "a number from 1", repr(threads)))
    if gpus is not None and not 0 <= gpus <= 1:
        found.append(Problem("gpus_per_trial", "a share of one GPU, from 0 to 1", repr(gpus)))
    return found
