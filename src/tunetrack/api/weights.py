"""Compares the weight statistics of a study's trials, and writes the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tunetrack.api.reports import written
from tunetrack.report.parts import page_html, page_markdown
from tunetrack.report.weights.page import WeightsSource, weights_page
from tunetrack.report.weights.sources import read_weights
from tunetrack.report.weights.trials import ComparedTrial
from tunetrack.report.weights.words import found_words
from tunetrack.study.place import Place
from tunetrack.tracking import connect, write_artifact

__all__ = ["WEIGHTS_FILE", "WeightsComparison", "compare_weights"]

WEIGHTS_FILE = "weights.html"


@dataclass(frozen=True)
class WeightsComparison:
    """What was compared, and the page that was written.

    Attributes:
        source: the trials with all their numbers.
        page: the file.
    """

    source: WeightsSource
    page: Path

    def found(self) -> dict[int, tuple[str, ...]]:
        """What was found, in sentences, by trial."""
        return {trial.number: found_words(trial) for trial in self.source.trials}

    def document(self) -> dict[str, Any]:
        """All of it as JSON-ready data, but for what is only drawn; what is not a number is null."""
        found = self.found()
        trials = [_document(trial) | {"found": list(found[trial.number])} for trial in self.source.trials]
        return {"study": self.source.study, "page": str(self.page), "trials": _plain(trials)}


def compare_weights(
    name: str,
    place: Place,
    trials: Sequence[int] | Literal["all"] | None = None,
    form: Literal["html", "markdown"] = "html",
    output: Path | None = None,
) -> WeightsComparison:
    """Compares trials by what happened in their networks, from stored runs, and writes a page.

    The HTML page is put on the study's run as ``weights.html``, too; the Markdown page has its figures beside it.

    Args:
        name: the study, as MLflow has it.
        place: where its runs are.
        trials: their numbers; ``all``: all that have weight statistics; None: the best four, and the best of every
            further network, also of those with and without shortcuts.
        form: of the page.
        output: its file; default: the study's name with -weights and the ending, in `place.home`.

    Raises:
        TunetrackError: a trial is not there or has no weight statistics, or a file cannot be written.
        TrackingError: there is no such study, or the tracking store cannot be read or written.
    """
    target = output or place.home / f"{name}-weights.{'html' if form == 'html' else 'md'}"
    with connect(place.tracking) as store:
        wanted = None if isinstance(trials, str) else trials
        source = read_weights(store, name, wanted, every=trials == "all")
        page = weights_page(source)
        if form == "html":
            text = page_html(page)
            write_artifact(store, source.run_id, WEIGHTS_FILE, text.encode())
            return WeightsComparison(source, written(target, text))
    text, figures = page_markdown(page, target.stem)
    for file, figure in figures.items():
        written(target.with_name(file), figure)
    return WeightsComparison(source, written(target, text))


def _document(trial: ComparedTrial) -> dict[str, Any]:
    blocks = trial.blocks
    return {
        "number": trial.number,
        "params": dict(trial.params),
        "metrics": dict(trial.numbers),
        "health": None if trial.health is None else dict(trial.health),
        "epochs": trial.epochs,
        "records": trial.layers.records,
        "layers": [asdict(row) for row in trial.layers.rows],
        "idle_layers": list(trial.layers.idle),
        "layer_trend": None if trial.layers.trend is None else asdict(trial.layers.trend),
        "blocks": None if blocks is None else [asdict(row) for row in blocks.rows],
        "block_trend": None if blocks is None or blocks.trend is None else asdict(blocks.trend),
        "kinds": {
            kind.kind: {
                "tensors": kind.tensors,
                "weights": kind.size,
                "times": kind.times.tolist(),
                "spread": kind.std.tolist(),
                "change": kind.change.tolist(),
                "turned": kind.turned.tolist(),
            }
            for kind in trial.kinds
        },
        "dead": [asdict(row) for row in trial.dead],
    }


def _plain(data: Any) -> Any:
    """The same without NaN and infinity, which JSON has not."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return None if isinstance(data, float) and not -float("inf") < data < float("inf") else data
