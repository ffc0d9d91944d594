"""Every error that tunetrack raises on purpose, and the exit code that each one means.

The tree::

    TunetrackError               1   something failed that the user can read about and mend
    ├── SpecError                2   the study file, an override or an option is wrong
    ├── DataError                3   a data set is missing, unreadable or does not fit the study file
    ├── InfeasibleConfigError    4   this combination of values cannot be built
    ├── TrainingDivergedError    5   a loss or a weight became NaN or infinite
    ├── LedgerError              6   the search state cannot be read or written
    ├── TrackingError            7   the tracking server or store cannot be reached or written
    ├── StudyFailedError         8   the study ended without one finished trial
    ├── OutOfMemoryError         9   a trial needs more memory than there is
    ├── CheckpointError         10   a checkpoint cannot be read or written
    └── LeaseLostError          11   another worker has taken over the trial

    KeyboardInterrupt
    └── InterruptedStudyError  128 + the signal's number (130 SIGINT, 143 SIGTERM), as shells expect

A message says what was given, what is allowed, and how to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CheckpointError",
    "DataError",
    "InfeasibleConfigError",
    "InterruptedStudyError",
    "LeaseLostError",
    "LedgerError",
    "OutOfMemoryError",
    "Problem",
    "SpecError",
    "StudyFailedError",
    "TrackingError",
    "TrainingDivergedError",
    "TunetrackError",
    "masked",
]

#: In a database's address everything from the user's colon to the last @ before a question mark: whoever forgets to
#: escape a sign of the password must not read it in a message for that. A server's address ends at the first slash.
_PASSWORD = re.compile(r"(://[^:/@]*:)[^?]*@")
_SERVER_PASSWORD = re.compile(r"(://[^:/@]*:)[^/?]*@")
_PASSWORD_OPTION = re.compile(r"([?&][a-z]*password=)[^&]*")


def masked(url: str) -> str:
    """An address as a message may show it: with *** in place of the password."""
    pattern = _SERVER_PASSWORD if url.startswith("http") else _PASSWORD
    return _PASSWORD_OPTION.sub(r"\1***", pattern.sub(r"\1***@", url))


class TunetrackError(Exception):
    """Root of all errors that a user may see without a traceback."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One mistake in a study file.

    Attributes:
        path: dotted path of the value, such as ``optimizer.lr``; empty for the file as a whole.
        message: what is wrong, what is allowed and, where known, "did you mean".
        given: the offending value as the user wrote it; None where nothing was given.
    """

    path: str
    message: str
    given: str | None = None

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        given = f" (given: {self.given})" if self.given is not None else ""
        return f"{where}{self.message}{given}"


class SpecError(TunetrackError):
    """A study file, an override or an option is wrong; nothing was started."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | str, source: str = "") -> None:
        self.problems = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        self.source = source
        head = f"{source}: " if source else ""
        if len(self.problems) == 1:
            text = f"{head}{self.problems[0]}"
        else:
            text = f"{head}{len(self.problems)} problems\n" + "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(text)


class DataError(TunetrackError):
    """A data set is missing, unreadable, or smaller than the study file asks for."""

    exit_code = 3


class InfeasibleConfigError(TunetrackError):
    """A combination of values that cannot be built, such as more pooling than the image has pixels."""

    exit_code = 4


class TrainingDivergedError(TunetrackError):
    """The training loss, the validation loss or a weight became NaN or infinite."""

    exit_code = 5


class LedgerError(TunetrackError):
    """The ledger (the record of search state) is locked, read-only, full, missing or of another study."""

    exit_code = 6


class TrackingError(TunetrackError):
    """The MLflow tracking store cannot be reached, read or written."""

    exit_code = 7


class StudyFailedError(TunetrackError):
    """A study ended and not one of its trials gave a value."""

    exit_code = 8


class OutOfMemoryError(TunetrackError):
    """A trial needs more memory than there is, also with the smallest batches."""

    exit_code = 9


class CheckpointError(TunetrackError):
    """The state of a trial cannot be written, read back, or does not belong to the trial."""

    exit_code = 10


class LeaseLostError(TunetrackError):
    """This worker was silent for so long that another one took over its trial; what it found does not count."""

    exit_code = 11


class InterruptedStudyError(KeyboardInterrupt):
    """A signal asked the study to stop; what was running is marked KILLED and can be resumed."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"stopped by signal {signal_number}")

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended."""
        return 128 + self.signal_number
