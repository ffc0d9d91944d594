"""Translates the study and its data into what tracking stores about them."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from tunetrack import training
from tunetrack.ledger import worker_label
from tunetrack.spec import StudySpec, flatten
from tunetrack.spec.config import DataConfig
from tunetrack.spec.domains import CategoricalDomain, Scalar
from tunetrack.tracking import DatasetInfo, SearchedParam, StudyInfo
from tunetrack.tracking import Objective as TrackedObjective

__all__ = ["dataset_info", "machine", "shares_validation_images", "study_info", "worker_name"]


def study_info(spec: StudySpec, name: str, key: str, changes: Sequence[str] = ()) -> StudyInfo:
    """A study as tracking sees it; parameters of several branches that share a path are one.

    Args:
        spec: the study.
        name: its name in the ledger.
        key: what tells it from other studies of that name on the same server.
        changes: of the study file since the study began, in words.
    """
    searched: dict[str, SearchedParam] = {}
    places: dict[str, list[dict[str, Scalar]]] = {}
    for parameter, marks in spec.space.places():
        places.setdefault(parameter.path, []).append(marks)
    # A path that is not searched at some corner of the space belongs to a branch.
    corners = [flatten(config, spec.searched_paths) for _, config in spec.space.corners()]
    for parameter in spec.space.parameters:
        domain = parameter.domain
        known = searched.get(parameter.path)
        numeric = not isinstance(domain, CategoricalDomain) and (known is None or known.numeric)
        # Where one branch searches it otherwise, a logarithm may not exist for its values.
        log = numeric and domain.log and (known is None or known.log)  # type: ignore[union-attr]
        text = domain.describe() if known is None else f"{known.text}; or {domain.describe()}"
        param = SearchedParam(parameter.path, log, numeric, text, where=tuple(places[parameter.path]))
        conditional = not all(param.is_searched(corner) for corner in corners)
        searched[param.path] = replace(param, conditional=conditional, where=param.where if conditional else ())
    objectives = tuple(TrackedObjective(str(o.metric), o.maximize) for o in spec.objectives)
    return StudyInfo(
        name,
        spec.document,
        tuple(searched.values()),
        objectives,
        key,
        spec.validates_on_test_images,
        tuple(changes),
        weight_statistics=spec.first_config().weights.record,
        confirms=spec.head.confirms,
    )


def dataset_info(data: training.ResidentData, config: DataConfig) -> DatasetInfo:
    """A data set as MLflow lists it among a run's inputs."""
    sizes = {"train": len(data.train.labels), "validation": len(data.validation.labels), "test": len(data.test.labels)}
    source = str(Path(config.dir).resolve()) if config.dir else config.name
    return DatasetInfo(data.name, data.digest, sizes, data.input_shape, data.classes, source)


def shares_validation_images(spec: StudySpec) -> bool:
    """Whether all trials of a study are judged by the same images; random changes to them aside."""
    paths = (parameter.path for parameter in spec.space.parameters)
    return not any(f"{path}.".startswith("data.") and not path.startswith("data.augment") for path in paths)


def worker_name(pid: int | None = None) -> str:
    """A process of this host among those that work on a study, by default this one: ``node7:4711``."""
    return worker_label(socket.gethostname(), os.getpid() if pid is None else pid)


def machine() -> str:
    """Processor or GPU, threads and versions in one line; no host name, no path."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return ", ".join(filter(None, (training.describe_hardware(), processor, f"torch {version('torch')}")))
