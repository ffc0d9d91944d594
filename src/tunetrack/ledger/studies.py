"""Which studies a ledger holds: their names, their documents, and the attributes kept with them."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import hyperopt
import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection

from tunetrack.errors import LedgerError
from tunetrack.ledger.changes import CHANGES, differences, in_words, recorded
from tunetrack.ledger.rows import KeptTrials
from tunetrack.ledger.storage import errors_in_words, exists, masked, open_storage, quiet, url_of
from tunetrack.ledger.translation import translate
from tunetrack.spec.loading import load_study
from tunetrack.spec.study import StudySpec

__all__ = ["NameTakenError", "create_study", "latest_name", "list_studies", "open_study", "unused_name"]

_DOCUMENT = "tunetrack:document"
_FINGERPRINT = "tunetrack:fingerprint"
_VERSIONS = "tunetrack:versions"


class NameTakenError(LedgerError):
    """Somebody has started a study of that name."""


def list_studies(ledger: str | BaseStorage) -> tuple[str, ...]:
    """The names of all studies that have a study file, oldest first; none where there is no ledger yet.

    Others are Optuna's own, by whoever shares the database.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if isinstance(ledger, str) and not exists(ledger):
        return ()
    storage = open_storage(ledger) if isinstance(ledger, str) else ledger
    with quiet(), errors_in_words(url_of(storage)):
        return tuple(study.study_name for study in storage.get_all_studies() if _DOCUMENT in study.user_attrs)


def unused_name(ledger: str | BaseStorage, base: str) -> str:
    """The base name if no study has it, else the first of base-2, base-3, ... that none has.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    taken = set()
    if not isinstance(ledger, str) or exists(ledger):
        storage = open_storage(ledger) if isinstance(ledger, str) else ledger
        with quiet(), errors_in_words(url_of(storage)):
            taken = {study.study_name for study in storage.get_all_studies()}
    candidates = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
    return next(name for name in candidates if name not in taken)


def latest_name(ledger: str | BaseStorage, base: str) -> str | None:
    """The study among base, base-2, base-3, ... with the highest number; None where there is none.

    A study file whose own name ends like that (``lr-2``) is not taken for another one's second run.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if isinstance(ledger, str) and not exists(ledger):
        return None
    storage = open_storage(ledger) if isinstance(ledger, str) else ledger
    pattern = re.compile(re.escape(base) + r"(?:-(\d+))?")
    with quiet(), errors_in_words(url_of(storage)):
        matches = [
            match
            for study in storage.get_all_studies()
            if (match := pattern.fullmatch(study.study_name))
            and storage.get_study_user_attrs(study._study_id).get(_DOCUMENT, {}).get("name") == base
        ]
    return max(matches, key=lambda match: int(match[1] or 1)).group() if matches else None


def create_study(storage: BaseStorage, name: str, spec: StudySpec) -> None:
    """Adds a study with its study file: all of it or nothing, wherever its process may be killed.

    Raises:
        NameTakenError: there is a study of that name.
    """
    directions = [StudyDirection.MAXIMIZE if goal.maximize else StudyDirection.MINIMIZE for goal in spec.objectives]
    attributes = {
        _VERSIONS: {"optuna": optuna.__version__, "hyperopt": hyperopt.__version__},
        _FINGERPRINT: spec.fingerprint,
        _DOCUMENT: spec.document,
    }
    backend = getattr(storage, "_backend", storage)
    try:
        if isinstance(backend, RDBStorage):
            _add_study(backend, name, directions, attributes)
        else:
            study_id = storage.create_new_study(directions, name)
            for key, value in attributes.items():
                storage.set_study_user_attr(study_id, key, value)
    except (sqlalchemy.exc.IntegrityError, optuna.exceptions.DuplicatedStudyError) as error:
        ledger = masked(url_of(storage))
        raise NameTakenError(f"the ledger {ledger} has a study {name!r}; resume it, or give another name") from error


def open_study(
    storage: BaseStorage, name: str, spec: StudySpec | None, accept_changes: bool
) -> tuple[BaseStorage, StudySpec]:
    """The study file to go on with, and the storage to be used from now on.

    What may change (words, budget, reference, places of data) is kept with the study: it is what the next one who goes
    on without a study file gets. The study stays under the name that its study file had.

    Raises:
        LedgerError: there is no such study, it is another one than `spec` says, or the change cannot be accepted.
    """
    url = masked(url_of(storage))
    known = {study.study_name: study for study in storage.get_all_studies()}
    if name not in known:
        raise LedgerError(f"the ledger {url} has no study {name!r}; it has: {', '.join(known) or 'none'}")
    study_id, attributes = known[name]._study_id, known[name].user_attrs
    if _DOCUMENT not in attributes:
        raise LedgerError(f"the study {name!r} in the ledger {url} holds no study file; start a new study")
    document = attributes[_DOCUMENT]
    if spec is None:
        return storage, load_study(document)
    kept = {**spec.document, "name": document["name"]}
    if spec.fingerprint == attributes[_FINGERPRINT]:
        if kept != document:
            storage.set_study_user_attr(study_id, _DOCUMENT, kept)
        return storage, spec
    changes = differences(document, spec.document)
    if not accept_changes:
        raise LedgerError(
            f"the study {name!r} in the ledger {url} was started with another study file: {in_words(changes)}. Undo "
            "the change, start a new study, or go on and have the change recorded: --accept-changes"
        )
    backend = getattr(storage, "_backend", storage)
    if not isinstance(backend, RDBStorage):
        raise LedgerError(f"the study {name!r} is kept in {url}; only one in a database can be changed")
    new = {_DOCUMENT: kept, _FINGERPRINT: spec.fingerprint, CHANGES: recorded(attributes, changes)}
    translate(backend, study_id, load_study(document), spec, new)
    return KeptTrials(backend), spec  # without what the old one remembers of the trials


def _add_study(backend: RDBStorage, name: str, directions: list[StudyDirection], attributes: dict[str, Any]) -> None:
    with _create_scoped_session(backend.scoped_session) as session:
        session.add(
            models.StudyModel(
                study_name=name,
                directions=[models.StudyDirectionModel(objective=n, direction=d) for n, d in enumerate(directions)],
                user_attributes=[
                    models.StudyUserAttributeModel(key=key, value_json=json.dumps(value))
                    for key, value in attributes.items()
                ],
            )
        )
