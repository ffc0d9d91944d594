"""A confirmation as a study of its own: which configurations are trained again, and the study file that does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunetrack.errors import LedgerError, SpecError
from tunetrack.ledger import Ledger, TrialRecord
from tunetrack.ledger import list_studies as ledger_studies
from tunetrack.spec import StudySpec, TrialState, config_key, load_study
from tunetrack.spec.confirm import ConfirmConfig, Confirms
from tunetrack.spec.study import SEARCHED_SECTIONS
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult

__all__ = ["confirmation_of", "confirmation_spec", "is_concluded", "is_confirmed"]

#: Keys of `trainer` that tell trainings of one configuration apart; `trainer.seed` alone does it in a confirmation.
_SEEDS = ("seed", "init_seed", "order_seed", "augmentation_seed", "repeat")

#: Most characters of a study's name, less those of its ending.
_NAME_LENGTH = 92


def confirmation_spec(ledger: Ledger, result: StudyResult, wanted: ConfirmConfig) -> StudySpec:
    """The study that trains the best configurations of a finished one again, each on the same seeds.

    Trials with the same configuration, seeds aside, are taken once; pruned ones never.

    Args:
        ledger: the searched study.
        result: the same, as it stands.
        wanted: how many configurations and seeds.

    Raises:
        LedgerError: no trial was trained to its end, or the study has no MLflow run.
        SpecError: its seeds cannot be replaced.
    """
    spec, attributes = ledger.spec, ledger.attributes()
    chosen = list(_best(spec, result))[: wanted.top]
    if not chosen or result.run_id is None:
        raise LedgerError(f"the study {ledger.name!r} has no trial that was trained to its end, so nothing to confirm")
    seeds = wanted.seed_numbers()
    confirms = Confirms(
        study=ledger.name,
        key=attributes["key"],
        run=result.run_id,
        trials=tuple(record.number for record in chosen),
        seeds=seeds,
    )
    points = [{**_point(record), "trainer.seed": seed} for seed in seeds for record in chosen]
    document = {
        "name": f"{ledger.name[:_NAME_LENGTH]}-confirm",
        "description": f"The {len(chosen)} best configurations of {ledger.name}, each trained on {len(seeds)} seeds",
        **{key: spec.document[key] for key in ("objective", *SEARCHED_SECTIONS) if key in spec.document},
        "trainer": _reseeded(spec.document.get("trainer", {}), seeds),
        "sampler": {"name": "random"},
        "budget": {"trials": len(points), "retries": spec.head.budget.retries},
        "points": points,
        "confirms": confirms.model_dump(mode="json"),
    }
    return load_study(document)


def confirmation_of(place: Place, wanted: Confirms) -> str | None:
    """The latest confirmation of the same trials on the same seeds, finished or not; None where there is none.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    names = (name for name in reversed(ledger_studies(place.ledger)) if "-confirm" in name)
    return next((name for name in names if Ledger.load(place.ledger, name).spec.head.confirms == wanted), None)


def is_confirmed(ledger: Ledger, result: StudyResult) -> bool:
    """Whether a study has the winner that its study file asks for; true where it asks for none."""
    return ledger.spec.head.confirm is None or result.winner_is_current


def is_concluded(ledger: Ledger) -> bool:
    """Whether what a confirmation has found is written down; true for a study that is none."""
    return ledger.spec.head.confirms is None or ledger.attributes().get("concluded", False)


def _best(spec: StudySpec, result: StudyResult) -> Iterator[TrialRecord]:
    """The configurations that can be confirmed, each once, best first."""
    known = set()
    for trial in result.ranked():
        if trial.state not in (TrialState.COMPLETE, TrialState.DUPLICATE):
            continue
        config = spec.config(trial.config)
        key = config_key(config.model_copy(update={"trainer": config.trainer.model_copy(update=_NO_SEEDS)}))
        if key not in known:
            known.add(key)
            yield trial.record


_NO_SEEDS = {"seed": 0, "init_seed": None, "order_seed": None, "augmentation_seed": None, "repeat": 1}


def _point(record: TrialRecord) -> dict[str, Any]:
    """What a trial was proposed with, by the parameters' names."""
    own = {f"trainer.{key}" for key in _SEEDS}
    return {name: value for name, value in record.values.items() if name not in own and not _is_branch_seed(name)}


def _is_branch_seed(name: str) -> bool:
    return name.startswith("trainer[") and name.rpartition(".")[2] in _SEEDS


def _reseeded(trainer: Any, seeds: tuple[int, ...]) -> Any:
    """The section `trainer` with the shared seeds in place of its own, in every branch.

    Raises:
        SpecError: it is a list of choices, into which no seed can be written.
    """
    if isinstance(trainer, Mapping) and "one_of" in trainer:
        return {"one_of": [_reseeded(branch, seeds) for branch in trainer["one_of"]]}
    if not isinstance(trainer, Mapping) or "choices" in trainer:
        raise SpecError(
            "trainer: a study that chooses among whole sections cannot be confirmed, since its trials need seeds of "
            "their own; write one_of in place of choices"
        )
    return {**{key: value for key, value in trainer.items() if key not in _SEEDS}, "seed": {"choices": list(seeds)}}
