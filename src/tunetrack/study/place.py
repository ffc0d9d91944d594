"""Where a study's files and runs are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tunetrack.errors import TunetrackError

__all__ = ["DEFAULT_HOME", "Place"]

DEFAULT_HOME = Path("mlruns")


@dataclass(frozen=True)
class Place:
    """The folder that holds everything that the program writes, and where the runs go instead, if elsewhere.

    Attributes:
        home: the folder; made when it is first needed.
        tracking_uri: where MLflow keeps the runs; None for a database in `home`.
        ledger_url: SQLAlchemy URL of the search state; None for a database in `home`.
    """

    home: Path = DEFAULT_HOME
    tracking_uri: str | None = None
    ledger_url: str | None = None

    @property
    def tracking(self) -> str:
        """The MLflow tracking URI."""
        return self.tracking_uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def ledger(self) -> str:
        """The URL of the search state's database."""
        return self.ledger_url or f"sqlite:///{self.home.resolve() / 'ledger.db'}"

    @property
    def is_own_ledger(self) -> bool:
        """Whether the ledger is a file in the folder: whoever is `alone` with a study is then its only worker.

        The process may have had another host name before, in a container for instance.
        """
        return self.ledger_url is None

    @property
    def has_ledger(self) -> bool:
        """Whether there can be studies here: always so for a ledger that is given by URL."""
        return self.ledger_url is not None or (self.home / "ledger.db").exists()

    @property
    def artifacts(self) -> Path:
        """The folder of the artifacts of a local tracking store."""
        return self.home.resolve() / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """The folder of the states of trials that are under way."""
        return self.home.resolve() / "checkpoints"

    @property
    def spool(self) -> Path:
        """The folder of what is on its way to the tracking store."""
        return self.home.resolve() / "spool"

    @property
    def logs(self) -> Path:
        """The folder of what worker processes print."""
        return self.home.resolve() / "logs"

    @property
    def locks(self) -> Path:
        """The folder of the files by which one process at a time works on a study."""
        return self.home.resolve() / "locks"

    def make(self) -> None:
        """Creates the folder.

        Raises:
            TunetrackError: it cannot be created.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TunetrackError(
                f"the folder {self.home.resolve()} cannot be created: {error.strerror}; choose another with --home"
            ) from error
