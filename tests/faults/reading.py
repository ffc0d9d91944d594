"""Everything that a finished study consists of, read back from ledger, MLflow and disk, in a form that compares."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Run, ViewType

from tunetrack.ledger import Ledger, list_studies
from tunetrack.spec import flatten
from tunetrack.study.place import Place
from tunetrack.tracking import TrackingStore, connect, read_artifact
from tunetrack.training import weights_from_bytes

__all__ = ["HomeSeen", "RunSeen", "StudySeen", "TrialSeen", "read_home"]

#: Files of which only the presence counts: figures, and what holds times, run ids or versions.
PRESENCE_ONLY = (".svg", ".html", ".log", "error.txt")
#: Parts of an SQLite file while somebody has it open, such as this very process; SQLite itself removes them.
OF_SQLITE = (".db-wal", ".db-shm", ".db-journal")
#: Tags that are another's, or that name what is new in every study.
TAGS_LEFT_OUT = ("trial.key", "trial.worker", "study.key", "tunetrack.machine")
#: Of MLflow's own tags those that tunetrack writes.
MLFLOW_TAGS = ("mlflow.runName", "mlflow.note.content", "mlflow.source.name")
#: What a description says of addresses and of seconds.
VARIES = re.compile(r"\]\([^)]*\)|; [^;\n]* of trials in all")

#: The points of one metric in the order of their steps: (step, value, time in ms since 1970).
History = list[tuple[int, float, int]]


@dataclass(frozen=True)
class RunSeen:
    """One active MLflow run.

    Attributes:
        run_id, status, params: as MLflow has them.
        tags: all that compare.
        histories: points by metric.
        files: content of every artifact by path, as digests of its parts (tensors of weights, columns of a table,
            findings of a review).
        inputs: names of its data sets, as often as they are there.
    """

    run_id: str
    status: str
    all_tags: Mapping[str, str] = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    histories: Mapping[str, History] = field(repr=False)
    files: Mapping[str, Mapping[str, str]] = field(repr=False)
    inputs: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """The tags that are the same in two equal studies."""
        return {
            key: VARIES.sub("", value) if key == "mlflow.note.content" else value
            for key, value in self.all_tags.items()
            if key not in TAGS_LEFT_OUT and (not key.startswith("mlflow.") or key in MLFLOW_TAGS)
        }


@dataclass(frozen=True)
class TrialSeen:
    """One trial: what the ledger says of it, and its runs (one, if all is well)."""

    number: int
    facts: Mapping[str, Any]
    runs: tuple[RunSeen, ...] = ()

    @property
    def state(self) -> str:
        """As the ledger has it."""
        return str(self.facts["state"])


@dataclass(frozen=True)
class StudySeen:
    """One study of the ledger.

    Attributes:
        name: in the ledger.
        facts: state, crowned trial and looks at the test images, as kept in the ledger.
        trials: by number.
        runs: its own runs in MLflow (one, if all is well).
        models: (trial number or run id, status) of every logged model.
    """

    name: str
    facts: Mapping[str, Any]
    trials: Mapping[int, TrialSeen]
    runs: tuple[RunSeen, ...]
    models: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HomeSeen:
    """All of a home folder.

    Attributes:
        studies: by name, those that have a study file.
        broken: names in the ledger without one.
        strays: runs that belong to no study and no trial, in words.
        files: everything on disk but artifacts, relative to the home.
    """

    studies: Mapping[str, StudySeen]
    broken: tuple[str, ...]
    strays: tuple[str, ...]
    files: frozenset[str]


def read_home(home: Path, tracking_uri: str | None = None) -> HomeSeen:
    """Reads all of a home; nothing may be working in it."""
    place = Place(home, tracking_uri)
    files = frozenset(_files(home))
    studies, broken = {}, []
    with connect(place.tracking) as store:
        runs = _all_runs(store)
        models = _models(store)
        for name in list_studies(place.ledger):
            try:
                ledger = Ledger.load(place.ledger, name)
            except Exception as error:  # whatever a half-made study makes it say
                broken.append(f"study {name} in the ledger: {error}")
            else:
                studies[name] = _study(store, ledger, runs, models)
        known = {run.run_id for study in studies.values() for run in _runs_of(study)}
        strays = [
            f"run {run.info.run_name} {run.info.run_id} ({run.info.status}) belongs to no trial and no study: "
            f"trial.key {run.data.tags.get('trial.key')}, study.key {run.data.tags.get('study.key')}"
            for run in runs
            if run.info.run_id not in known
        ]
    return HomeSeen(studies, tuple(broken), tuple(strays), files)


def _runs_of(study: StudySeen) -> Iterator[RunSeen]:
    yield from study.runs
    for trial in study.trials.values():
        yield from trial.runs


def _files(home: Path) -> Iterator[str]:
    for path in home.rglob("*"):
        relative = path.relative_to(home)
        if path.is_file() and relative.parts[0] != "artifacts" and not path.name.endswith(OF_SQLITE):
            yield relative.as_posix()


def _all_runs(store: TrackingStore) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
    return list(store.client.search_runs(experiments, run_view_type=ViewType.ACTIVE_ONLY, max_results=1000))


def _models(store: TrackingStore) -> list[tuple[str, str]]:
    """(run id, status) of every logged model."""
    experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
    return [(str(model.source_run_id), str(model.status)) for model in store.client.search_logged_models(experiments)]


def _study(store: TrackingStore, ledger: Ledger, runs: list[Run], models: list[tuple[str, str]]) -> StudySeen:
    kept = ledger.attributes()
    key = kept.get("key", "")
    trials = {}
    number_of: dict[str, int] = {}
    for record in ledger.trials():
        own = tuple(_run(store, run) for run in runs if run.data.tags.get("trial.key") == f"{key}/{record.number}")
        number_of |= {run.run_id: record.number for run in own}
        facts = {
            "state": record.state.value,
            "reason": record.reason,
            "values": {name: repr(value) for name, value in record.values.items()},
            "config": flatten(record.config, ledger.spec.searched_paths) if record.config else None,
            "objectives": None if record.objectives is None else [bits(value) for value in record.objectives],
            "intermediate": {step: bits(value) for step, value in sorted((record.intermediate or {}).items())},
            "duplicate_of": record.duplicate_of,
        }
        trials[record.number] = TrialSeen(record.number, facts, own)
    parents = tuple(_run(store, run) for run in runs if run.data.tags.get("study.key") == key)
    facts = {name: kept.get(name) for name in ("state", "crowned", "validation_images")}
    # When the test images were looked at is a measured time, like all others.
    facts["test_looks"] = [
        {key: value for key, value in look.items() if key != "at"} for look in kept.get("test_looks", ())
    ]
    own_models = tuple((f"trial {number_of[run_id]}", status) for run_id, status in models if run_id in number_of)
    return StudySeen(ledger.name, facts, trials, parents, own_models)


def _run(store: TrackingStore, run: Run) -> RunSeen:
    run_id = run.info.run_id
    histories = {
        name: sorted(
            ((p.step, p.value, p.timestamp) for p in store.client.get_metric_history(run_id, name)),
            key=lambda point: (point[0], point[2]),
        )
        for name in run.data.metrics
    }
    inputs = tuple(
        f"{one.dataset.name} {one.dataset.digest}" for one in (run.inputs.dataset_inputs if run.inputs else ())
    )
    files = {path: _digests(store, run_id, path) for path in _artifacts(store, run_id)}
    return RunSeen(run_id, run.info.status, dict(run.data.tags), dict(run.data.params), histories, files, inputs)


def _artifacts(store: TrackingStore, run_id: str, folder: str | None = None) -> Iterator[str]:
    for entry in store.client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from _artifacts(store, run_id, entry.path)
        else:
            yield entry.path


def _digests(store: TrackingStore, run_id: str, path: str) -> dict[str, str]:
    if path.endswith(PRESENCE_ONLY):
        return {}
    content = read_artifact(store, run_id, path)
    if path == "weights.pt":
        tensors = weights_from_bytes(content)
        return {name: f"{t.dtype} {tuple(t.shape)} {_sha(t.numpy().tobytes())}" for name, t in tensors.items()}
    if path == "review.json":  # its words tell times, and those of another run are others
        return {one["rule"]: f"{one['severity']} {one['trials']}" for one in json.loads(content)["findings"]}
    if path.endswith(".parquet"):
        frame = pd.read_parquet(io.BytesIO(content))
        return {"rows": str(len(frame))} | {str(name): _sha(_column(frame[name])) for name in frame}
    return {"": _sha(content)}


def _column(column: pd.Series[Any]) -> bytes:
    """A column's values as bytes: numbers by their bits, lists (histograms) and texts by their words."""
    if column.dtype.kind in "fiub":
        return bytes(column.to_numpy().tobytes())
    return repr([value.tolist() if isinstance(value, np.ndarray) else value for value in column]).encode()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def bits(value: float) -> str:
    """A number by its bits, so that NaN equals NaN and nothing is rounded."""
    return f"{value!r} {struct.pack('>d', value).hex()}"
