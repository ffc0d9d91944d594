"""Knows how to give a study a page of its own in MLflow's UI: a saved view, written as a tag of the experiment.

MLflow opens an experiment with one collapsed row and no chart. A saved view opens it with the study's trials in the
order of the objective, the columns that matter, and the comparison charts. The tag's format is MLflow's own and not
documented, so it is written only for the versions whose UI was tested with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
import zlib
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import mlflow
import requests
from mlflow import MlflowClient

from tunetrack.tracking.failures import translated
from tunetrack.tracking.mlflow_calls import equals
from tunetrack.tracking.names import RunKind, Tag
from tunetrack.tracking.study_info import StudyInfo
from tunetrack.tracking.view_charts import charts, sections

__all__ = [
    "VERIFIED_VERSIONS",
    "VIEW_TAG_PREFIX",
    "SavedView",
    "ui_version",
    "unverified",
    "view_id",
    "view_state",
    "view_tag",
    "view_url",
    "write_view",
]

_log = logging.getLogger(__name__)

#: MLflow versions, as (major, minor), whose UI was tested with this format.
VERIFIED_VERSIONS = ((3, 17),)

VIEW_TAG_PREFIX = "mlflow.sharedViewState."
#: MLflow refuses experiment tags beyond this many characters.
_TAG_LIMIT = 5000
#: Scatter plots and columns of parameters that a view has at the most; a smaller one where the tag would be too long.
_SIZES = ((6, 1000), (6, 12), (2, 6), (0, 0))


@dataclass(frozen=True)
class SavedView:
    """The outcome of `write_view`.

    Attributes:
        experiment_id: the study's experiment.
        view_id: what the link names, or None where no view was written.
        skipped: why no view was written, in words; empty where one was.
    """

    experiment_id: str
    view_id: str | None
    skipped: str = ""

    def url(self, base_url: str) -> str:
        """The link that opens the view, or MLflow's own page of the experiment where there is none.

        Args:
            base_url: where the server answers, such as ``http://127.0.0.1:5000``.
        """
        if self.view_id is not None:
            return view_url(base_url, self.experiment_id, self.view_id)
        return f"{base_url.rstrip('/')}/#/experiments/{quote(self.experiment_id)}/runs?workflowType=machine_learning"


class ViewStore(Protocol):
    """What is needed of a `TrackingStore`, which itself offers `write_view`."""

    uri: str

    @property
    def client(self) -> MlflowClient:
        """MLflow's client."""

    @property
    def is_server(self) -> bool:
        """Whether the store is behind HTTP."""


def write_view(store: ViewStore, info: StudyInfo, experiment_id: str) -> SavedView:
    """Write, or write again, the saved view of one study.

    Args:
        store: where the study is.
        info: what is searched and optimised.
        experiment_id: the study's experiment.

    Returns:
        The view's id, the same for every call with this study; or why there is none, which is logged as a warning.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"write the saved view of the study {info.name!r}", store.uri):
        skipped = unverified(ui_version(store.uri, store.is_server))
        if skipped:
            _log.warning("%s", skipped)
            return SavedView(experiment_id, None, skipped)
        tag = view_tag(info, experiment_id)
        if tag is None:
            skipped = f"the saved view of {info.name!r} is too large for an experiment tag ({_TAG_LIMIT} characters)"
            _log.warning("%s", skipped)
            return SavedView(experiment_id, None, skipped)
        store.client.set_experiment_tag(experiment_id, *tag)
    return SavedView(experiment_id, view_id(experiment_id, info.name))


def view_tag(info: StudyInfo, experiment_id: str) -> tuple[str, str] | None:
    """Key and value of the experiment's tag that is the saved view; None where it would be too long.

    A study with many parameters gets fewer plots and columns.
    """
    now = int(time.time() * 1000)
    for scatters, columns in _SIZES:
        state = json.dumps(view_state(info, scatters, columns)).encode()
        packed = base64.b64encode(zlib.compress(state, 9)).decode()
        value = json.dumps({"name": info.name, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"})
        if len(value) <= _TAG_LIMIT:
            return VIEW_TAG_PREFIX + view_id(experiment_id, info.name), value
    return None


def view_id(experiment_id: str, study_name: str) -> str:
    """The id of a study's saved view: 32 hexadecimal digits that depend on the experiment and the name alone."""
    return hashlib.sha256(f"tunetrack/{experiment_id}/{study_name}".encode()).hexdigest()[:32]


def view_url(base_url: str, experiment_id: str, view_id: str) -> str:
    """The link that opens a saved view in MLflow's model-training mode."""
    page = f"{base_url.rstrip('/')}/#/experiments/{quote(experiment_id)}/runs"
    return f"{page}?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={quote(view_id)}"


def view_state(info: StudyInfo, scatters: int = _SIZES[0][0], params: int = _SIZES[0][1]) -> dict[str, Any]:
    """The page's state as the UI of MLflow 3.17 reads it.

    Args:
        info: the study.
        scatters: plots of the objective over one parameter, at the most.
        params: columns of parameters in the table, at the most; the most important ones.
    """
    goal, metric = info.objectives[0], info.objective_metrics[0]
    columns = [
        *(f"metrics.`{name}`" for name in info.objective_metrics),
        f"tags.`{Tag.TRIAL_STATE}`",
        *(f"params.`{param.path}`" for param in info.by_importance[:params]),
        f"tags.`{Tag.TRIAL_REASON}`",
    ]
    return {
        "searchFilter": equals({Tag.STUDY_NAME: info.name, Tag.KIND: RunKind.TRIAL.value}),
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": not goal.maximize,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        # Without an order of its own the table puts tags last, and the state out of sight.
        "columnOrder": ["attributes.`Run Name`", "runDateAndNestInfo", *columns],
        "columnWidths": {},
        "runsHiddenMode": "SHOWALL",
        "compareRunCharts": charts(info, scatters),
        "compareRunSections": sections(info),
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "autoRefreshEnabled": True,
    }


def ui_version(uri: str, is_server: bool) -> str:
    """The version that serves the UI: the server's where there is one, else the installed one.

    Raises:
        RequestException: the server does not answer.
    """
    if not is_server:
        return str(mlflow.__version__)
    return requests.get(uri.rstrip("/") + "/version", timeout=5).text.strip()


def unverified(version: str) -> str:
    """Why no view is written for this version of the UI; empty for one that was tested with it."""
    parts = version.split(".")
    verified = ", ".join(f"{major}.{minor}" for major, minor in VERIFIED_VERSIONS)
    if (
        len(parts) >= 2
        and all(part.isdigit() for part in parts[:2])
        and tuple(map(int, parts[:2])) in VERIFIED_VERSIONS
    ):
        return ""
    return (
        f"no saved view was written: its format is verified for MLflow {verified}, and this is {version[:40]}; "
        "the runs are there as usual"
    )
