"""Reads studies back, finished or not, without what it takes to train."""

from __future__ import annotations

from pathlib import Path

from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, list_studies
from tunetrack.spec.annotations import did_you_mean
from tunetrack.study.outcome import read_result
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult
from tunetrack.tracking import connect

__all__ = ["StudyResult", "load_study", "place_of"]


def load_study(name: str, home: str | Path | Place = "mlruns", tracking_uri: str | None = None) -> StudyResult:
    """Reads a study back, finished or not.

    Args:
        name: as `list_studies` gives it.
        home: the folder that it was run in.
        tracking_uri: where its runs are; default: where they were written.

    Raises:
        LedgerError: there is no such study.
        TrackingError: the tracking store cannot be read.
    """
    ledger, place = place_of(name, home, tracking_uri)
    with connect(place.tracking) as store:
        return read_result(ledger, store, place)


def place_of(name: str, home: str | Path | Place = "mlruns", tracking_uri: str | None = None) -> tuple[Ledger, Place]:
    """A study's ledger, and its place with the tracking store that it was written to, unless another one is given.

    Raises:
        LedgerError: there is no such study.
    """
    place = home if isinstance(home, Place) else Place(Path(home), tracking_uri)
    if not place.has_ledger:
        raise LedgerError(f"there is no study in {place.home.resolve()}; is --home right?")
    known = list_studies(place.ledger)
    if name not in known:
        file = "; a study file is resumed by `tunetrack run FILE --resume`" if Path(name).is_file() else ""
        hint = file or did_you_mean(name, known)
        raise LedgerError(f"there is no study {name!r} in {place.home.resolve()}{hint} (it has: {', '.join(known)})")
    ledger = Ledger.load(place.ledger, name)
    uri = place.tracking_uri or ledger.attributes().get("mlflow_tracking_uri")
    return ledger, Place(place.home, uri, place.ledger_url)
