"""Knows which files a trial leaves behind, and hands them to MLflow in one go."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from pyarrow import parquet

from tunetrack.spec.records import EpochRecord, Evaluation, ModelSummary, Predictions
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking.figures.confusion import confusion_figure
from tunetrack.tracking.figures.curves import curves_figure
from tunetrack.tracking.figures.weight_depth import depth_figure
from tunetrack.tracking.figures.weight_histograms import histograms_figure
from tunetrack.tracking.figures.weight_layers import layers_figure
from tunetrack.tracking.names import File
from tunetrack.tracking.weight_table import write_table

__all__ = [
    "TrialArtifacts",
    "confusion_table",
    "predictions_table",
    "read_predictions",
    "scratch",
    "texts_among",
    "to_yaml",
    "trial_files",
    "written",
]

_log = logging.getLogger(__name__)
_changing_roots = threading.Lock()

# The C dumper is ten times as fast; PyYAML may have been built without it.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

#: A larger text is a file.
_TEXT_BYTES = 64 << 10


@dataclass(frozen=True)
class TrialArtifacts:
    """What a finished trial leaves besides numbers.

    Attributes:
        config: the concrete configuration as plain data.
        weights: a state dict as ``torch.save`` wrote it.
        confusion: answers on the validation (or test) images.
        curves: whether the figure of the epochs is wanted; it needs at least one epoch.
        files: further files, content by relative path.
        findings: what the health rules have found in its weight statistics, in order.
        predictions: the answer to each validation image.
        model: what its model looks like.
    """

    config: Mapping[str, Any] | None = None
    weights: bytes | None = None
    confusion: Evaluation | None = None
    curves: bool = True
    files: Mapping[str, bytes] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    predictions: Predictions | None = field(default=None, repr=False)
    model: ModelSummary | None = field(default=None, repr=False)


def trial_files(title: str, epochs: Sequence[EpochRecord], artifacts: TrialArtifacts) -> dict[str, bytes]:
    """All files of one trial but its config, by relative path; those of weight statistics where its epochs have any."""
    files = dict(artifacts.files)
    if artifacts.model is not None:
        files[File.MODEL] = model_text(artifacts.model).encode()
    if artifacts.weights is not None:
        files[File.WEIGHTS] = artifacts.weights
    if artifacts.curves and epochs:
        files[File.CURVES] = curves_figure(title, epochs)
    if artifacts.confusion is not None:
        files[File.CONFUSION_FIGURE] = confusion_figure(title, artifacts.confusion)
        files[File.CONFUSION_TABLE] = confusion_table(artifacts.confusion).encode()
    if artifacts.predictions is not None:
        files[File.PREDICTIONS] = predictions_table(artifacts.predictions)
    if stats := [epoch.weights for epoch in epochs if epoch.weights is not None]:
        files[File.WEIGHT_STATS] = write_table(stats)
        files[File.WEIGHT_HISTOGRAMS] = histograms_figure(title, stats)
        files[File.WEIGHT_DEPTH] = depth_figure(title, stats)
        files[File.WEIGHT_LAYERS] = layers_figure(title, stats)
    return files


def texts_among(files: Mapping[str, bytes]) -> dict[str, str]:
    """Those of some files that are UTF-8 and not large, content by relative path."""
    texts: dict[str, str] = {}
    for path, content in files.items():
        if len(content) <= _TEXT_BYTES:
            with contextlib.suppress(UnicodeDecodeError):
                texts[path] = content.decode()
    return texts


def to_yaml(document: Mapping[str, Any]) -> str:
    """`document` as YAML in the order of its keys."""
    text: str = yaml.dump(_plain(document), Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return text


def model_text(model: ModelSummary) -> str:
    """A model as JSON, a layer a line: its numbers, and each layer's name, kind, output shape and parameters."""
    layers = ",\n".join(json.dumps(layer) for layer in model.layers)
    head = {name: value for name, value in vars(model).items() if name != "layers"}
    return f'{json.dumps(head)[:-1]}, "layers": [\n{layers}\n]}}\n'


def confusion_table(evaluation: Evaluation) -> str:
    """The counts as CSV: one row a true class, one column a predicted class."""
    lines = [",".join(["true \\ predicted", *map(_cell, evaluation.classes)])]
    for name, counts in zip(evaluation.classes, evaluation.confusion, strict=True):
        lines.append(",".join([_cell(name), *map(str, counts)]))
    return "\n".join(lines) + "\n"


def predictions_table(predictions: Predictions) -> bytes:
    """The answers as the content of a Parquet file, one row an image of the split.

    Columns: index (int32, the position in the split), label and predicted (uint8 or uint16), confidence (float16).
    """
    columns = {"index": np.arange(len(predictions.labels), dtype=np.int32), **vars(predictions)}
    names = {"index": "index", "labels": "label", "predicted": "predicted", "confidence": "confidence"}
    table = pa.table({names[key]: values for key, values in columns.items()})
    file = io.BytesIO()
    # Positions in a row are next to nothing as differences; classes are few, so a dictionary of them is small.
    parquet.write_table(
        table,
        file,
        compression="zstd",
        use_dictionary=["label", "predicted"],
        column_encoding={"index": "DELTA_BINARY_PACKED"},
    )
    return file.getvalue()


def read_predictions(content: bytes) -> Predictions:
    """What `predictions_table` has written.

    Raises:
        ValueError: it is no such table.
    """
    try:
        table = parquet.read_table(pa.BufferReader(content), columns=["label", "predicted", "confidence"])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"this is no table of predictions: {error}") from error
    return Predictions(*(table[name].to_numpy() for name in ("label", "predicted", "confidence")))


@contextlib.contextmanager
def scratch(root: Path | None) -> Iterator[str]:
    """An empty folder that is gone after the ``with`` block.

    Args:
        root: where it is made, so that somebody clears it away should this process be killed inside the block; None, or
            a place that cannot be written: among the system's temporary folders.
    """
    with _changing_roots:
        try:
            if root is not None:
                root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.info("no temporary folder in %s: %s", root, error)
            root = None
        made = tempfile.TemporaryDirectory(prefix="tunetrack-", dir=root)
    try:
        with made as folder:
            yield folder
    finally:
        with _changing_roots, contextlib.suppress(OSError):  # not empty: another thread has one, too
            if root is not None:
                root.rmdir()


@contextlib.contextmanager
def written(files: Mapping[str, bytes], root: Path | None = None) -> Iterator[str]:
    """A temporary folder that holds `files` inside the ``with`` block; `root` as for `scratch`."""
    with scratch(root) as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield folder


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def _plain(value: Any) -> Any:
    """Mappings and tuples as the dicts and lists that the safe dumper knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
