"""What all scenarios share: fresh homes, uninterrupted studies to compare with, and how a scenario is judged."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.compare import Found, audit, compare
from faults.processes import Scratch
from faults.reading import HomeSeen, read_home
from faults.studies import STUDIES
from tunetrack.errors import TunetrackError
from tunetrack.tracking import connect

__all__ = ["Bench", "Outcome", "Whole", "scenario"]

#: Most lines of each kind that are kept in the result of a scenario.
LINES_KEPT = 12


@dataclass
class Outcome:
    """How a scenario ended.

    Attributes:
        name: of the scenario.
        detail: what was done, as JSON-ready data.
        found: what is wrong with the study.
        problems: what else went wrong, such as a command that did not end.
        hit: whether the fault came before the study had ended.
        skipped: why it was not run.
        seconds: how long it took.
    """

    name: str
    detail: dict[str, Any] = field(default_factory=dict)
    found: Found = field(default_factory=Found)
    problems: list[str] = field(default_factory=list)
    hit: bool = True
    skipped: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.found and not self.problems

    def document(self) -> dict[str, Any]:
        """The outcome as JSON-ready data; texts are cut short."""
        lines: dict[str, Any] = {
            kind: [text[:300] for text in getattr(self.found, kind)[:LINES_KEPT]]
            for kind in ("orphans", "duplicates", "points_lost")
        }
        differ = list(self.found.trials_differ.items())[:LINES_KEPT]
        lines["trials_differ"] = {who: [text[:300] for text in texts[:4]] for who, texts in differ}
        said = {"skipped": self.skipped} if self.skipped else {"hit": self.hit, "counts": self.found.counts}
        found = {kind: value for kind, value in lines.items() if value}
        problems = {"problems": self.problems} if self.problems else {}
        return {"name": self.name, **self.detail, **said, **problems, **found, "seconds": round(self.seconds, 1)}

    def __str__(self) -> str:
        return "\n".join([f"{self.name} {json.dumps(self.detail)}", *self.problems, str(self.found)])


@dataclass(frozen=True)
class Whole:
    """An uninterrupted study.

    Attributes:
        home: all of it.
        name: of the study.
        seconds: from start to end.
    """

    home: HomeSeen
    name: str
    seconds: float


class Bench:
    """Makes homes and keeps the uninterrupted studies; may be used by several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.template = folder / "template.db"
        if not self.template.exists():
            connect(f"sqlite:///{self.template}").close()
        self._wholes: dict[str, Whole] = {}
        self._locks = {name: threading.Lock() for name in STUDIES}

    def scratch(self, name: str, study: str, **more: Any) -> Scratch:
        """A fresh folder with a home whose empty tracking database is there already; making one takes seconds."""
        folder = self.folder / re.sub(r"\W+", "-", name)
        shutil.rmtree(folder, ignore_errors=True)
        scratch = Scratch(folder, STUDIES[study], **more)
        if scratch.tracking_uri is None:
            shutil.copy(self.template, scratch.home / "mlflow.db")
        return scratch

    def whole(self, study: str) -> Whole:
        """The uninterrupted study; run when it is first asked for."""
        with self._locks[study]:
            if study not in self._wholes:
                scratch = self.scratch(f"whole-{study}", study)
                started = time.monotonic()
                code = scratch.run().wait()
                if code != 0:
                    raise RuntimeError(f"the uninterrupted study {study} ended with {code}; it said: {scratch.said}")
                self._wholes[study] = Whole(read_home(scratch.home), study, time.monotonic() - started)
            return self._wholes[study]

    def judge(
        self,
        outcome: Outcome,
        scratch: Scratch,
        equal: bool = True,
        leave_out: tuple[int, ...] = (),
        name: str | None = None,
    ) -> HomeSeen | None:
        """Compares what a scenario has left with the uninterrupted study, and notes what is wrong.

        Args:
            outcome: takes what is found.
            scratch: where the study is; nobody may work there any more.
            equal: whether the study must equal the uninterrupted one; else it must only be in order by itself.
            leave_out: trials that the fault was meant to change.
            name: the study; default: the latest one.

        Returns:
            All of the home; None where it cannot be read.
        """
        whole = self.whole(scratch.study.name)
        try:
            seen = read_home(scratch.home, scratch.tracking_uri)
        except TunetrackError as error:
            outcome.problems.append(f"it cannot be read: {error}")
            return None
        if equal:
            name = name or (list(seen.studies) or [scratch.study.name])[-1]
            outcome.found = compare(seen, name, whole.home, whole.name, leave_out)
        else:
            outcome.found = audit(seen, whole.home.files)
        outcome.found.orphans += [f"temporary file left over: {name}" for name in scratch.temporary_files()]
        return seen

    def forget(self, scratch: Scratch) -> None:
        """Removes what a scenario that went well has left."""
        shutil.rmtree(scratch.folder, ignore_errors=True)


@contextmanager
def scenario(name: str, **detail: Any) -> Iterator[Outcome]:
    """An outcome that is timed."""
    outcome = Outcome(name, detail)
    started = time.monotonic()
    yield outcome
    outcome.seconds = time.monotonic() - started
