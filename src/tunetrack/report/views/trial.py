"""Knows everything that a trial's page shows, in one piece of plain data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tunetrack.report.views.confusion import confusion_payload
from tunetrack.report.views.kin import Kin, kin_payload
from tunetrack.report.views.links import artifact_link, run_link
from tunetrack.report.views.models import model_payload
from tunetrack.report.views.plain import history_payload
from tunetrack.report.views.rows import row
from tunetrack.report.views.weights import weights_payload
from tunetrack.tracking.queries import TrialRow
from tunetrack.tracking.reader import Versioned

__all__ = ["TrialFacts", "trial_payload"]

#: Tag of a seed that a trial has used -> where a configuration fixes it.
_SEEDS = {
    "seed.init": "trainer.init_seed",
    "seed.order": "trainer.order_seed",
    "seed.augmentation": "trainer.augmentation_seed",
    "seed.split": "data.seed",
}
_CONFIG = "config.yaml"


@dataclass(frozen=True)
class TrialFacts:
    """What is stored with a trial beside its row.

    Attributes:
        tags: of its run.
        names: of its artifacts.
        config: content of ``config.yaml``; None where there is none, as for the next two.
        confusion: content of ``confusion_matrix.csv``.
        weights: content of ``weight_stats.parquet``.
        model: content of ``model.json``.
        kin: what else has trained the same configuration.
        images: number of validation images of the study; None where it is not known.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    names: Sequence[str] = ()
    config: bytes | None = None
    confusion: bytes | None = None
    weights: bytes | None = None
    model: bytes | None = None
    kin: Kin = field(default_factory=Kin)
    images: int | None = None


def trial_payload(now: Versioned, trial: TrialRow, history: pd.DataFrame, facts: TrialFacts) -> dict[str, Any]:
    """All that the page of a trial shows.

    Args:
        now: the study.
        trial: one of its trials.
        history: all metrics of its run.
        facts: what else is stored.
    """
    # Step 0 holds final numbers, no epoch.
    curves = history_payload(now.table, history[history["step"] > 0])
    return {
        "version": now.version,
        "trial": row(now.table, trial, every_param=True, images=facts.images) | {"unsearched": list(trial.unsearched)},
        "config": "" if facts.config is None else facts.config.decode(errors="replace"),
        "curves": curves,
        "confusion": confusion_payload(facts.confusion),
        "weights": weights_payload(facts.weights),
        "findings": [{"rule": rule, "text": text} for rule, text in (trial.health or {}).items()],
        "model": model_payload(trial, facts.model),
        **kin_payload(trial, facts.kin),
        "reproduce": _reproduce(trial, facts),
        "links": {"mlflow_run": run_link(now.table.study.experiment_id, trial.run_id)},
        "artifacts": [{"name": name, "url": artifact_link(trial.run_id, name)} for name in facts.names],
    }


def _reproduce(trial: TrialRow, facts: TrialFacts) -> list[dict[str, str]]:
    """Commands that train the same configuration once more, with the seeds that the trial has used."""
    if facts.config is None:
        return []
    seeds = {path: facts.tags.get(tag, "") for tag, path in _SEEDS.items()}
    settings = {"name": f"trial-{trial.number}-again"} | {
        path: seed for path, seed in seeds.items() if seed.isdecimal()
    }
    download = [
        "mlflow",
        "artifacts",
        "download",
        "--run-id",
        trial.run_id,
        "--artifact-path",
        _CONFIG,
        "--dst-path",
        ".",
    ]
    train = [
        "tunetrack",
        "train",
        _CONFIG,
        *(part for path, value in settings.items() for part in ("--set", f"{path}={value}")),
    ]
    return [
        {
            "what": "Download its configuration. MLFLOW_TRACKING_URI says from where: the address of this server.",
            "command": shlex.join(download),
        },
        {
            "what": "Train it again, with the same seeds; --home and --data-dir as the study had them.",
            "command": shlex.join(train),
        },
    ]
