"""A small study with names that want to break a page, and a client of the pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tracking_support import epoch, evaluation, study_info
from tunetrack.server.routes import pages_app
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import StudyRun, TrackingStore, TrialArtifacts
from tunetrack.tracking.reader import StudyReader

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.\u2028'"
API = "/tunetrack/api"


@dataclass(frozen=True)
class Pages:
    """A client, and what is behind it."""

    client: TestClient
    store: TrackingStore
    study: StudyRun
    app: Starlette

    def get(self, path: str, **extra: Any) -> Any:
        """An answer of the study's data; `path` may begin with a query."""
        return self.client.get(f"{API}/studies/{self.study.run_id}{path}", **extra)


def hostile_study(store: TrackingStore, artifacts: Path) -> StudyRun:
    """Five trials, one of them pruned and one under way."""
    study = store.open_study(study_info(f"a{HOSTILE}"), "images", artifacts)
    for number in range(4):
        trial = study.open_trial(number, {"optimizer.lr": 10.0**-number, "optimizer.name": HOSTILE})
        trial.log_epoch(epoch(1))
        trial.log_epoch(epoch(2, 0.6 + number / 100))
        if number == 3:
            trial.finish(TrialOutcome(TrialState.PRUNED, reason=HOSTILE))
        else:
            files = TrialArtifacts(confusion=evaluation(3))
            trial.finish(TrialOutcome(TrialState.COMPLETE, (0.6 + number / 100,)), files)
    study.open_trial(4, {"optimizer.lr": 0.5}).log_epoch(epoch(1))
    study.flush()
    return study


def opened(store: TrackingStore, study: StudyRun) -> Pages:
    """The pages under the address that they have on a server."""
    app = pages_app(StudyReader(store))
    mounted = Starlette(routes=[Mount("/tunetrack", app)])
    return Pages(TestClient(mounted, base_url="http://localhost"), store, study, app)
