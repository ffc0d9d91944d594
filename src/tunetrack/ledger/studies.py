"""Which studies a ledger holds: their names, their documents, and the attributes kept with them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import hyperopt
import optuna
from optuna.storages import BaseStorage

from tunetrack.errors import LedgerError
from tunetrack.ledger.storage import errors_in_words, exists, open_storage, quiet, url_of
from tunetrack.spec.study import WORDS_AND_BUDGET, StudySpec

__all__ = [
    "differing_sections",
    "latest_name",
    "list_studies",
    "read_document",
    "unused_name",
    "write_document",
]

_DOCUMENT = "tunetrack:document"
_FINGERPRINT = "tunetrack:fingerprint"
_VERSIONS = "tunetrack:versions"


def list_studies(ledger: str | BaseStorage) -> tuple[str, ...]:
    """The names of all studies, oldest first; none where there is no ledger yet.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if isinstance(ledger, str) and not exists(ledger):
        return ()
    storage = open_storage(ledger) if isinstance(ledger, str) else ledger
    with quiet(), errors_in_words(url_of(storage)):
        return tuple(study.study_name for study in storage.get_all_studies())


def unused_name(ledger: str | BaseStorage, base: str) -> str:
    """The base name if no study has it, else the first of base-2, base-3, ... that none has.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    taken = set(list_studies(ledger))
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


def write_document(storage: BaseStorage, study_id: int, spec: StudySpec) -> None:
    """Keeps the study document with the study; the document last, so that a study with one is whole."""
    versions = {"optuna": optuna.__version__, "hyperopt": hyperopt.__version__}
    storage.set_study_user_attr(study_id, _VERSIONS, versions)
    storage.set_study_user_attr(study_id, _FINGERPRINT, spec.fingerprint)
    storage.set_study_user_attr(study_id, _DOCUMENT, spec.document)


def read_document(attributes: Mapping[str, Any], study_name: str, url: str) -> tuple[dict[str, Any], str]:
    """The document and the fingerprint that were kept with a study.

    Raises:
        LedgerError: the study was not made by tunetrack, or its creation was cut short.
    """
    if _DOCUMENT not in attributes:
        raise LedgerError(f"the study {study_name!r} in the ledger {url} holds no study file; start a new study")
    return dict(attributes[_DOCUMENT]), str(attributes[_FINGERPRINT])


def differing_sections(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections of two study documents that differ and must not."""
    names = (set(one) | set(other)) - set(WORDS_AND_BUDGET)
    return tuple(sorted(name for name in names if one.get(name) != other.get(name)))
