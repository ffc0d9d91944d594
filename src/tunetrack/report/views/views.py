"""Knows what has to be read for each payload, and has it built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.evidence import Evidence
from tunetrack.report.understanding.pruning import audited_trials
from tunetrack.report.views.compare import COMPARED_CURVES, compare_payload, compared_trials
from tunetrack.report.views.confusion import compare_confusion, confusion_payload
from tunetrack.report.views.evidence import KnownEvidence
from tunetrack.report.views.images import answers, compare_images, sprite
from tunetrack.report.views.insights import KnownInsights
from tunetrack.report.views.kin import Kin, confirms_of
from tunetrack.report.views.models import compare_models
from tunetrack.report.views.plain import history_payload
from tunetrack.report.views.query import QueryError
from tunetrack.report.views.rows import chosen
from tunetrack.report.views.studies import studies_payload
from tunetrack.report.views.study import StudyFacts, study_payload
from tunetrack.report.views.tables import compare_csv, history_csv, trials_csv
from tunetrack.report.views.trial import TrialFacts, trial_payload
from tunetrack.report.views.trials import PageQuery, asked_trials, trials_page
from tunetrack.report.views.weights import compare_weights
from tunetrack.tracking.queries import StudyRow, StudyState, StudyTable, TrialRow
from tunetrack.tracking.reader import StudyOverview, StudyReader, Versioned

__all__ = ["MOST_CURVES", "Views"]

_NO_FILES: Mapping[str, bytes] = {}
#: Trials whose curves are given at a time.
MOST_CURVES = 200

# The C loader is ten times as fast; PyYAML may have been built without it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Views:
    """All payloads of a store, read by one reader. What is given is JSON-ready: no NaN, times in ms since 1970.

    Methods may be called by several threads. They raise `QueryError` for what cannot be understood,
    `MissingTrialError`, one of its kind, where a trial is not there, and `TrackingError` where the store fails.

    Args:
        reader: of the store.
        files: of the only study that is asked for, contents by name: artifacts that are about to be written.
    """

    def __init__(self, reader: StudyReader, files: Mapping[str, bytes] = _NO_FILES) -> None:
        self._reader = reader
        self._documents: dict[str, tuple[StudyRow, Mapping[str, Any]]] = {}
        self._images: dict[str, Mapping[str, int]] = {}
        self._insights = KnownInsights(self._audited_curves)
        self._evidence = KnownEvidence(reader, files)

    def studies(self, found: Sequence[StudyOverview] | None = None) -> dict[str, Any]:
        """The list of all studies.

        Args:
            found: what `StudyReader.studies` has given; None: it is asked now.
        """
        overviews = self._reader.studies() if found is None else found
        documents = {one.study.run_id: self._document(one.study) for one in overviews}
        return studies_payload(overviews, documents, {one.study.run_id: self._ended(one.study) for one in overviews})

    def evidence(self, now: Versioned) -> Evidence:
        """What was confirmed and reviewed of a study, a few seconds old at most."""
        return self._evidence.of(now.table.study, fresh=True)

    def study(self, now: Versioned) -> dict[str, Any]:
        """A study's page."""
        table = now.table
        runs = [trial.run_id for trial in curve_trials(table)]
        facts = StudyFacts(
            self._document(table.study),
            self._images_of(table.study),
            self._reader.saved_view(table.study),
            self._history_metrics(table, runs[:1]),
            self._insights.of(now),
            self.evidence(now),
        )
        return study_payload(now, self._reader.history(runs, [curve_metric(table)]), facts)

    def trials(self, now: Versioned, query: PageQuery) -> dict[str, Any]:
        """A page of the table of trials."""
        study = now.table.study
        return trials_page(now, query, self._evidence.of(study).winner, self._images_of(study).get("validation"))

    def trials_csv(self, now: Versioned, query: PageQuery) -> str:
        """All trials that the filter lets through, whatever the page."""
        return trials_csv(now.table, asked_trials(now.table, query))

    def history(self, now: Versioned, numbers: Sequence[int], metrics: Sequence[str] | None) -> dict[str, Any]:
        """Curves of up to `MOST_CURVES` trials; `metrics` None: all."""
        trials = chosen(now.table, numbers)
        if len(trials) > MOST_CURVES:
            raise QueryError(f"curves of at most {MOST_CURVES} trials are given at a time, not of {len(trials)}")
        wanted = None if metrics is None else list(dict.fromkeys(metrics))
        return history_payload(now.table, self._curves(trials, wanted), wanted or ())

    def history_csv(self, now: Versioned, numbers: Sequence[int], metrics: Sequence[str] | None) -> str:
        """The same, a row a point."""
        return history_csv(self.history(now, numbers, metrics))

    def compare(self, now: Versioned, numbers: Sequence[int]) -> dict[str, Any]:
        """Trials side by side."""
        trials = compared_trials(now.table, numbers)
        return compare_payload(now.table, trials, self._curves(trials, COMPARED_CURVES))

    def compare_csv(self, now: Versioned, numbers: Sequence[int]) -> str:
        """The same without the curves, a column a trial."""
        return compare_csv(self.compare(now, numbers))

    def weights(self, now: Versioned, numbers: Sequence[int]) -> dict[str, Any]:
        """Weight statistics of trials."""
        return compare_weights(self._contents(compared_trials(now.table, numbers), "weight_stats.parquet"))

    def models(self, now: Versioned, numbers: Sequence[int]) -> dict[str, Any]:
        """Models of trials, layer by layer."""
        trials = compared_trials(now.table, numbers)
        return compare_models(trials, self._contents(trials, "model.json"))

    def confusion(self, now: Versioned, numbers: Sequence[int]) -> dict[str, Any]:
        """Confusion matrices of trials."""
        return compare_confusion(self._contents(compared_trials(now.table, numbers), "confusion_matrix.csv"))

    def images(self, now: Versioned, a: int, b: int, url: str) -> dict[str, Any]:
        """Images that one of two trials gets right and the other wrong.

        Args:
            now: the study.
            a, b: numbers of the trials.
            url: where the study's ``validation_images.png`` is given.
        """
        trials = compared_trials(now.table, [a, b])
        first, second = (answers(self._reader.artifact(trial.run_id, "predictions.parquet")) for trial in trials)
        matrices = (confusion_payload(one) for one in self._contents(trials, "confusion_matrix.csv").values())
        classes: list[str] = next((matrix["classes"] for matrix in matrices if matrix is not None), [])
        picture = sprite(self._reader.artifact(now.table.study.run_id, "validation_images.json"))
        return compare_images((a, b), (first, second), classes, picture, url)

    def trial(self, now: Versioned, number: int) -> dict[str, Any]:
        """A trial's page."""
        (trial,) = chosen(now.table, [number])
        names = self._reader.artifacts(trial.run_id)
        files = {
            name: self._reader.artifact(trial.run_id, name)
            for name in ("config.yaml", "confusion_matrix.csv", "weight_stats.parquet", "model.json")
            if name in names
        }
        facts = TrialFacts(
            self._reader.tags(trial.run_id),
            names,
            files.get("config.yaml"),
            files.get("confusion_matrix.csv"),
            files.get("weight_stats.parquet"),
            files.get("model.json"),
            self._kin(now, trial),
            self._images_of(now.table.study).get("validation"),
        )
        return trial_payload(now, trial, self._reader.history([trial.run_id]), facts)

    def _ended(self, study: StudyRow) -> Evidence:
        """The evidence for the list of studies, which asks nothing of those that still run."""
        return Evidence() if study.state is StudyState.RUNNING else self._evidence.of(study)

    def _images_of(self, study: StudyRow) -> Mapping[str, int]:
        """Number of images by data context; asked for again only where a study that has just begun has none yet."""
        found = self._images.get(study.run_id) or self._reader.image_counts(study)
        self._images[study.run_id] = found
        return found

    def _kin(self, now: Versioned, trial: TrialRow) -> Kin:
        """What else has trained the same configuration: the trial of the search, or the replicates that confirm it."""
        study = now.table.study
        winner = self._evidence.of(study).winner
        if study.info.confirms is None and winner is not None and winner.of(trial.number) is not None:
            confirms = confirms_of(self._reader.tags(winner.confirm_run))
            return Kin(confirmed=winner.of(trial.number), winner=winner, confirms=confirms)
        return Kin(confirms=study.info.confirms)

    def _history_metrics(self, table: StudyTable, best: Sequence[str]) -> tuple[str, ...]:
        """What the best trial, or else the newest one that has an epoch, has logged by epoch; curves first."""
        trained = [trial.run_id for trial in reversed(table.trials) if trial.epochs]
        history = self._reader.history([*best, *trained][:1])
        found = set(history[history["step"] > 0]["metric"])
        return (*(name for name in COMPARED_CURVES if name in found), *sorted(found.difference(COMPARED_CURVES)))

    def _audited_curves(self, table: StudyTable) -> pd.DataFrame:
        """Of the trials whose early values are compared with their last."""
        return self._reader.history([trial.run_id for trial in audited_trials(table)], [curve_metric(table)])

    def _curves(self, trials: Sequence[TrialRow], metrics: Sequence[str] | None) -> pd.DataFrame:
        """Their epochs; step 0 holds final numbers."""
        history = self._reader.history([trial.run_id for trial in trials], metrics)
        return history[history["step"] > 0]

    def _contents(self, trials: Sequence[TrialRow], name: str) -> dict[int, bytes | None]:
        return {trial.number: self._reader.artifact(trial.run_id, name) for trial in trials}

    def _document(self, study: StudyRow) -> Mapping[str, Any]:
        """The stored study file, kept for as long as the study's row is the same; empty where there is none."""
        known = self._documents.get(study.run_id)
        if known is not None and known[0] == study:
            return known[1]
        content = self._reader.artifact(study.run_id, "study.yaml")
        try:
            read = yaml.load(content or b"", Loader=_LOADER)  # noqa: S506 - a safe loader
        except yaml.YAMLError:
            read = None
        document = read if isinstance(read, Mapping) else {}
        self._documents[study.run_id] = (study, document)
        return document
