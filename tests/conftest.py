"""What holds for every test: nothing may leak from one test into the next."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Helpers that hold assertions: a failure should show what was there.
pytest.register_assert_rewrite(
    "spool_support", "study_support", "tracking_support", "process_support", "ledger_support", "postgres_support"
)

#: Set by pytest itself, and by libraries (scikit-learn, torch) at their first use, which may happen inside a test.
NOT_OURS = frozenset(
    {"PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"}
)

#: Pools that libraries keep for as long as the process lives.
LIBRARY_THREADS = ("Mlflow", "ThreadPoolExecutor", "asyncio_")

#: A thread that was told to stop may need a moment.
GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Surroundings:
    """What a test could change for the tests after it."""

    environment: dict[str, str]
    directory: str
    threads: frozenset[threading.Thread]

    @classmethod
    def now(cls) -> Surroundings:
        environment = {key: value for key, value in os.environ.items() if key not in NOT_OURS}
        running = (thread for thread in threading.enumerate() if not thread.daemon)
        threads = frozenset(thread for thread in running if not thread.name.startswith(LIBRARY_THREADS))
        return cls(environment, os.getcwd(), threads)

    def leaks(self, later: Surroundings) -> list[str]:
        """What is different later, in words."""
        keys = sorted(self.environment.keys() | later.environment.keys())
        found = [f"os.environ[{k!r}] changed" for k in keys if self.environment.get(k) != later.environment.get(k)]
        if self.directory != later.directory:
            found.append(f"working directory changed to {later.directory}")
        found += [f"thread {thread.name!r} still runs" for thread in later.threads - self.threads]
        return found


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    before = Surroundings.now()
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    after = Surroundings.now()
    while after.threads - before.threads and time.monotonic() < deadline:
        time.sleep(0.01)
        after = Surroundings.now()
    leaks = before.leaks(after)
    # One leaking test must not fail all that come after it.
    os.chdir(before.directory)
    for key in after.environment.keys() - before.environment.keys():
        del os.environ[key]
    os.environ.update(before.environment)
    if leaks:
        pytest.fail("the test leaks: " + "; ".join(leaks), pytrace=False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Where the real data sets are, in torchvision's layout."""
    given = os.environ.get("TUNETRACK_DATA_DIR")
    if not given:
        pytest.skip("TUNETRACK_DATA_DIR is not set; it names the folder with the real data sets")
    return Path(given)
