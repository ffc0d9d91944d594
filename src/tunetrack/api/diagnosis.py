"""Looks at the installation, the hardware and a folder of studies, and says what is not as it should be."""

from __future__ import annotations

import enum
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tunetrack import training
from tunetrack.api.listing import list_studies
from tunetrack.api.parity import check_parity
from tunetrack.errors import LedgerError, TrackingError, masked
from tunetrack.study.place import Place
from tunetrack.tracking import connect

__all__ = ["Finding", "Verdict", "diagnose"]

PACKAGES = ("torch", "torchvision", "mlflow", "optuna", "hyperopt")
#: Less free disk than this is worth a word: a study of a few hundred trials keeps that much of weights.
LOW_DISK_BYTES = 2 * 2**30


class Verdict(enum.StrEnum):
    """How serious a finding is."""

    GOOD = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        verdict: how serious it is.
        subject: what was looked at.
        text: what was found and, where it is not good, how to mend it.
    """

    verdict: Verdict
    subject: str
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether studies cannot run like this."""
        return self.verdict is Verdict.FAILURE

    @property
    def sign(self) -> tuple[str, str]:
        """A sign and its colour."""
        return {Verdict.GOOD: ("✓", "green"), Verdict.WARNING: ("!", "yellow"), Verdict.FAILURE: ("✗", "red")}[
            self.verdict
        ]

    def document(self) -> dict[str, str]:
        """The finding as JSON-ready data."""
        return {"verdict": self.verdict.value, "subject": self.subject, "text": self.text}


def diagnose(place: Place) -> list[Finding]:
    """Everything that a study needs, looked at without changing anything but a missing database file's folder.

    Args:
        place: the folder of studies, and where its runs are.
    """
    tracking = _tracking(place)
    findings = [_python(), _packages(), _hardware(), *_home(place), tracking]
    return [*findings, *_ledger(place, not tracking.is_failure)]


def _python() -> Finding:
    return Finding(Verdict.GOOD, "Python", f"{platform.python_version()} in {sys.prefix}")


def _packages() -> Finding:
    return Finding(Verdict.GOOD, "Packages", ", ".join(f"{name} {version(name)}" for name in PACKAGES))


def _hardware() -> Finding:
    return Finding(Verdict.GOOD, "Trainer", training.describe_hardware())


def _home(place: Place) -> list[Finding]:
    existing = next(path for path in (place.home.resolve(), *place.home.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{place.home.resolve()}, {free / 2**30:,.0f} GiB free"
    if free < LOW_DISK_BYTES:
        return [Finding(Verdict.WARNING, "Home", f"{text}: make room, or choose another folder with --home")]
    old = [path.parent.name for path in Path(existing).glob("*/meta.yaml") if path.parent.name.isdigit()]
    if old:
        hint = "MLflow refuses a folder that holds its old file store; choose another with --home"
        return [Finding(Verdict.FAILURE, "Home", f"{text}: {hint} (found {', '.join(sorted(old)[:3])})")]
    return [Finding(Verdict.GOOD, "Home", text)]


def _tracking(place: Place) -> Finding:
    if place.tracking_uri is None and not (place.home / "mlflow.db").exists():
        return Finding(Verdict.GOOD, "Tracking", "no database yet; the first study makes it")
    try:
        with connect(place.tracking):
            pass
    except TrackingError as error:
        return Finding(Verdict.FAILURE, "Tracking", str(error))
    return Finding(Verdict.GOOD, "Tracking", f"{masked(place.tracking)} answers")


def _ledger(place: Place, with_runs: bool) -> list[Finding]:
    if not place.has_ledger:
        return [Finding(Verdict.GOOD, "Ledger", "no studies yet; try tunetrack run search_spaces/quickstart.yaml")]
    try:
        studies = list_studies(place)
    except LedgerError as error:
        return [Finding(Verdict.FAILURE, "Ledger", str(error))]
    findings = [Finding(Verdict.GOOD, "Ledger", f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}")]
    for study in studies:
        name = study["name"]
        if study["state"] == "INTERRUPTED":
            text = f"was interrupted; `tunetrack resume {name}` goes on with it"
            findings.append(Finding(Verdict.WARNING, name, text))
        if with_runs:
            findings += _parity(name, place)
    return findings


def _parity(name: str, place: Place) -> list[Finding]:
    try:
        parity = check_parity(name, place)
    except TrackingError as error:  # its runs may be in another store than the one that was looked at
        return [Finding(Verdict.WARNING, name, str(error))]
    found = []
    if parity.waiting and not parity.live:
        text = "has entries that wait for the tracking server; `tunetrack doctor --fix` or a resume sends them"
        found.append(Finding(Verdict.WARNING, name, text))
    if parity.differences:
        count = len(parity.differences)
        more = f", and {count - 1} more" if count > 1 else ""
        text = f"ledger and MLflow differ: {parity.differences[0].text}{more}; `tunetrack doctor --fix` mends that"
        found.append(Finding(Verdict.WARNING, name, text))
    return found
