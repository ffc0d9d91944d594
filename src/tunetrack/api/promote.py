"""Puts the model that a study has chosen into MLflow's model registry, with the evidence for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunetrack.api.reading import load_study
from tunetrack.errors import LedgerError, StudyFailedError, TrackingError
from tunetrack.study.outcome import in_words
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult
from tunetrack.tracking import connect, ready_model
from tunetrack.tracking.registry import register_model

__all__ = ["CHAMPION", "Promotion", "promote_study"]

#: Alias of the version that is to be used.
CHAMPION = "champion"


@dataclass(frozen=True)
class Promotion:
    """A version in the registry.

    Attributes:
        model: name of the registered model.
        version: number of the version.
        alias: that was moved to it; None where none was.
        uri: what loads it, such as ``models:/fashion-cnn@champion``.
        trial: number of the trial whose configuration it is.
        evidence: what the version's tags say.
    """

    model: str
    version: int
    alias: str | None
    uri: str
    trial: int
    evidence: dict[str, str]

    def document(self) -> dict[str, Any]:
        """The promotion as JSON-ready data."""
        return asdict(self)


def promote_study(
    name: str,
    *,
    model_name: str | None = None,
    alias: str | None = CHAMPION,
    home: str | Path | Place = "mlruns",
    tracking_uri: str | None = None,
) -> Promotion:
    """Registers the model of a study's winner, or of its best trial where no winner was confirmed.

    Done again, it changes the tags and the alias, and makes no second version of the same model.

    Args:
        name: as `list_studies` gives it.
        model_name: name of the registered model; default: the study's name.
        alias: moved to the version; None: none is.
        home: the folder that the study was run in.
        tracking_uri: where its runs are; default: where they were written.

    Raises:
        LedgerError: there is no such study, it confirms another one, or its winner is out of date.
        StudyFailedError: it has no trial with a value.
        TrackingError: the store cannot be read or written, or it has no model of this study.
    """
    result = load_study(name, home, tracking_uri)
    if result.confirms is not None:
        searched = result.confirms.study
        raise LedgerError(f"{name!r} confirms {searched!r}; `tunetrack promote {searched}` registers the winner")
    if outdated := result.outdated_in_words():
        raise LedgerError(outdated.rstrip("."))
    trial, run_id = _chosen(result)
    evidence = {**_evidence(result, trial), "description": in_words(result)}
    model = model_name or name
    with connect(result.tracking_uri) as store:
        uri = ready_model(store.calls, result.experiment_id or "", run_id)
        if uri is None:
            raise TrackingError(
                f"the study {name!r} has no model: it has not ended, or the weights of trial {trial} were lost; "
                f"`tunetrack resume {name}` brings it to its end"
            )
        version = register_model(store, uri, run_id, model, alias, evidence)
    del evidence["description"]
    address = f"models:/{model}@{alias}" if alias else f"models:/{model}/{version}"
    return Promotion(model, version, alias, address, trial, evidence)


def _chosen(result: StudyResult) -> tuple[int, str]:
    """The trial whose configuration was chosen, and the run whose network is its model."""
    if result.winner is not None:
        return result.winner.chosen, result.winner.model_run
    best = result.best
    if best is None:
        raise StudyFailedError(f"the study {result.name!r} has no trial with a value, so there is no model of it")
    twin = best.record.duplicate_of
    run_id = best.run_id if twin is None else result.trials[twin].run_id
    return best.number, run_id or ""


def _evidence(result: StudyResult, trial: int) -> dict[str, str]:
    tags = {"tunetrack.study": result.name, "tunetrack.study_run": result.run_id or "", "tunetrack.trial": str(trial)}
    winner, test = result.winner, result.test
    if winner is None:
        tags |= {
            "tunetrack.metric": str(result.objectives[0].metric),
            "tunetrack.value": f"{result.trials[trial].value:.6g}",
            "tunetrack.seeds": "1",
            "tunetrack.confirmed": "false",
        }
    else:
        won = winner.winner
        tied = ", ".join(str(one.trial) for one in winner.tied if one.trial != won.trial)
        tags |= {
            "tunetrack.metric": winner.metric,
            "tunetrack.value": f"{won.mean:.6g}",
            "tunetrack.interval": f"{won.low:.6g} to {won.high:.6g} ({100 * winner.level:g} %)",
            "tunetrack.seeds": str(len(winner.seeds)),
            "tunetrack.confirmed": "true",
            "tunetrack.cannot_be_told_from": f"trials {tied}" if tied else "none",
        }
    images = winner.images if winner is not None else result.validation_images
    if images:
        tags["tunetrack.images"] = str(images)
    if test is not None:
        tags["test.accuracy"] = f"{test.accuracy:.6g}"
        tags["test.looks"] = str(len(result.looks))
        if test.low is not None and test.high is not None:
            tags["test.interval"] = f"{test.low:.6g} to {test.high:.6g} (95 %)"
    return tags
