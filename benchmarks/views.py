"""Measures how long the data of the comparison pages takes, for a study of 10,000 trials with 20 metrics.

Run it with `python benchmarks/views.py`; two to four minutes. The result goes to `benchmarks/results/views.json`. In
one process, over one local sqlite database that `synthetic.py` writes, and in seconds of wall time (`_cpu`: of this
process's own computing, which other work on the machine does not lengthen):

* `cold`: a new reader; the study is read, its page's payload is built, and written as JSON.
* `warm`: the payload once more, from what the reader has and what is known of importance and interactions; `anew`: the
  same with these two computed again, as when the completed trials of a running study have grown by 2 %.
* `unchanged`, `changed`: the reader's look where nothing was written since the last one, and where a running trial has
  logged an epoch; `changed_page` with the payload after it.
* `table_page`: 50 of the completed trials, sorted by value, as JSON. `compare`: 50 trials, as JSON. `studies`:
  the list of studies.
* `mlflow_all`: `MlflowClient.search_runs` of all runs, 1,000 at a time, which is what a page would need without the
  reader. `mlflow_top`: one page of 50 runs ordered by a metric, as MLflow's own table asks for it.
* `dashboard`: what optuna-dashboard answers for a study of as many trials and intermediate values in an Optuna storage,
  where it is installed.

* `http`: the same over a real server that has just started, by address: until the first byte, and until the last one.
  `first_answer` of `study` is the cold one; its later ones come out of the server's memory.

`python benchmarks/views.py --url http://127.0.0.1:5000 --study ID` prints `http` of a server that runs already.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlflow
import optuna
import requests
import sqlalchemy
from _machine import describe_machine, today
from _numbers import spread
from optuna.storages._rdb import models
from synthetic import Size, info, plans, write_study

from tunetrack.report.views import PageQuery, Views
from tunetrack.server import ServerSpec, running_server
from tunetrack.spec import TrialState
from tunetrack.tracking import TrackingStore, connect
from tunetrack.tracking.reader import StudyReader

ROOT = Path(__file__).parent.parent
PAGE = PageQuery(sort="values.0", order="desc", filter="state = COMPLETE and params.optimizer.lr < 0.01")
Times = dict[str, list[float]]


class Clock:
    """Collects seconds by name."""

    def __init__(self) -> None:
        self.times: Times = {}

    def measure(self, name: str, call: Callable[[], Any]) -> Any:
        """What `call` gives; its wall time under `name`, its computing time under `name`_cpu."""
        begin, computing = time.perf_counter(), time.process_time()
        result = call()
        self.times.setdefault(f"{name}_cpu", []).append(time.process_time() - computing)
        self.times.setdefault(name, []).append(time.perf_counter() - begin)
        return result

    def summary(self) -> dict[str, dict[str, float]]:
        """Median, least and most."""
        return {name: spread(values, 4) for name, values in self.times.items()}


def one_round(store: TrackingStore, study: str, clock: Clock) -> dict[str, Any]:
    """The pages' data once, and sizes of payloads in bytes."""
    sizes = {}

    def as_json(payload: Any) -> str:
        return json.dumps(payload, allow_nan=False)

    reader = StudyReader(store)
    views = Views(reader)
    sizes["study_json_bytes"] = len(clock.measure("cold", lambda: as_json(views.study(reader.table(study)))))
    now = reader.table(study)
    clock.measure("unchanged", lambda: reader.table(study))
    clock.measure("warm", lambda: as_json(views.study(reader.table(study))))
    clock.measure("anew", lambda: as_json(Views(reader).study(reader.table(study))))
    sizes["page_json_bytes"] = len(clock.measure("table_page", lambda: as_json(views.trials(now, PAGE))))
    numbers = [trial.number for trial in now.table.trials if trial.state is TrialState.COMPLETE][:50]
    sizes["compare_json_bytes"] = len(clock.measure("compare", lambda: as_json(views.compare(now, numbers))))
    fresh = StudyReader(store)
    clock.measure("studies", lambda: as_json(Views(fresh).studies()))
    fresh.close()
    run = store.client.create_run(now.table.study.experiment_id, tags=_running(study, now.table.trials[-1].number + 1))
    store.client.log_metric(run.info.run_id, "train/loss", 1.0, step=1)
    later = clock.measure("changed", lambda: reader.table(study))
    assert len(later.table.trials) == len(now.table.trials) + 1
    store.client.log_metric(run.info.run_id, "train/loss", 0.5, step=2)
    clock.measure("changed_page", lambda: as_json(views.study(reader.table(study))))
    store.client.delete_run(run.info.run_id)
    reader.close()
    return sizes


def beside_mlflow(store: TrackingStore, study: str, clock: Clock) -> None:
    """What MLflow's own client takes, once."""
    experiment = store.client.get_run(study).info.experiment_id
    clock.measure("mlflow_all", lambda: _everything(store, experiment))
    order = ["metrics.objective DESC"]
    clock.measure("mlflow_top", lambda: store.client.search_runs([experiment], max_results=50, order_by=order))


def _running(study: str, number: int) -> dict[str, str]:
    return {
        "tunetrack.kind": "trial",
        "mlflow.parentRunId": study,
        "trial.number": str(number),
        "trial.state": "RUNNING",
    }


def _everything(store: TrackingStore, experiment: str) -> int:
    count, token = 0, None
    while True:
        found = store.client.search_runs([experiment], max_results=1000, page_token=token)
        count, token = count + len(found), found.token
        if not token:
            return count


def dashboard(size: Size, folder: Path, rounds: int) -> dict[str, Any]:
    """The answer to the study's address of optuna-dashboard, from an SQLite storage; or why it was not measured."""
    try:
        from optuna_dashboard import wsgi  # no dependency of ours
    except ImportError as error:
        return {"skipped": f"optuna-dashboard cannot be imported: {error}"}
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
    fill(storage, size)
    app, clock, found = wsgi(storage), Clock(), b""
    for _ in range(rounds):
        found = clock.measure("study", lambda: _get(app, "/api/studies/1"))
    try:
        release = version("optuna-dashboard")
    except PackageNotFoundError:
        release = "unknown"
    # The first answer fills the dashboard's own memory of trials that have ended.
    times = {
        f"{name}{unit}": spread(clock.times[f"study{unit}"][part], 4)
        for name, part in (("first", slice(1)), ("later", slice(1, None)))
        for unit in ("", "_cpu")
    }
    return {"version": release, "storage": "sqlite", "bytes": len(found), **times}


def fill(storage: optuna.storages.RDBStorage, size: Size) -> None:
    """The same trials in Optuna's tables, in bulk: params, values, and one intermediate value an epoch."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=storage, study_name="synthetic", direction="maximize")
    kinds: dict[str, list[Any]] = {}
    chosen = [
        (plan, {p.path: plan.params[p.path] for p in info(size).searched if p.path in plan.params})
        for plan in plans(size)
    ]
    for _, params in chosen:
        for path, value in params.items():
            kinds.setdefault(path, []).append(value)
    spans: dict[str, optuna.distributions.BaseDistribution] = {
        path: optuna.distributions.CategoricalDistribution(sorted(set(values)))
        if isinstance(values[0], str)
        else optuna.distributions.FloatDistribution(float(min(values)), float(max(values)))
        for path, values in kinds.items()
    }
    states = {TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE, TrialState.PRUNED: optuna.trial.TrialState.PRUNED}
    rows: dict[Any, list[dict[str, Any]]] = {}
    for plan, params in chosen:
        trial = {"trial_id": plan.number + 1}
        start, end = (datetime.datetime.fromtimestamp(moment / 1000) for moment in (plan.start, plan.end))
        state = states.get(plan.state, optuna.trial.TrialState.FAIL)
        head = {"number": plan.number, "study_id": study._study_id, "state": state}
        rows.setdefault(models.TrialModel, []).append(
            trial | head | {"datetime_start": start, "datetime_complete": end}
        )
        if plan.state is TrialState.COMPLETE and plan.outcome.values:
            value = {
                "objective": 0,
                "value": plan.outcome.values[0],
                "value_type": models.TrialValueModel.TrialValueType.FINITE,
            }
            rows.setdefault(models.TrialValueModel, []).append(trial | value)
        rows.setdefault(models.TrialParamModel, []).extend(
            trial
            | {
                "param_name": path,
                "param_value": spans[path].to_internal_repr(value if isinstance(value, str) else float(value)),  # type: ignore[arg-type]
                "distribution_json": optuna.distributions.distribution_to_json(spans[path]),
            }
            for path, value in params.items()
        )
        kind = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
        rows.setdefault(models.TrialIntermediateValueModel, []).extend(
            trial | {"step": step, "intermediate_value": epoch["validation/accuracy"], "intermediate_value_type": kind}
            for step, epoch in enumerate(plan.epochs, 1)
        )
    with storage.engine.begin() as connection:
        for model, values in rows.items():
            connection.execute(sqlalchemy.insert(model), values)


def _get(app: Any, path: str) -> bytes:
    """The body of a WSGI application's answer."""
    status: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost"}
    environ |= {"SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    body = b"".join(app(environ, lambda line, headers, *rest: status.append(line)))
    if not status[0].startswith("200"):
        raise RuntimeError(f"{path}: {status[0]}: {body[:200]!r}")
    return body


def served(base_url: str, study: str, rounds: int = 5) -> dict[str, Any]:
    """What a browser waits for, in seconds: until the first byte, and until the last one.

    Args:
        base_url: where the server answers, such as ``http://127.0.0.1:5000``.
        study: id of a study's run. The first answer of a server that has just started is the cold one.
        rounds: how often every address but the first is asked.

    Returns:
        By address: the first answer, and the spread of the later ones; ``not_modified`` is the study's address with the
        ETag that it gave.
    """
    root = f"{base_url.rstrip('/')}/tunetrack/api/studies"
    with requests.Session() as session:

        def ask(path: str, **headers: str) -> tuple[float, float, requests.Response]:
            begin = time.perf_counter()
            answer = session.get(root + path, headers=headers, stream=True, timeout=120)
            first = time.perf_counter() - begin
            _ = answer.content
            answer.raise_for_status()
            return first, time.perf_counter() - begin, answer

        def timed(paths: Callable[[int], str], **headers: str) -> dict[str, Any]:
            asked = [ask(paths(number), **headers) for number in range(rounds + 1)]
            return {
                "first_answer": [round(value, 4) for value in asked[0][:2]],
                "first_byte": spread([each[0] for each in asked[1:]], 4),
                "whole": spread([each[1] for each in asked[1:]], 4),
                "status": asked[-1][2].status_code,
                "bytes_sent": int(asked[-1][2].headers.get("Content-Length", 0)),
            }

        found = {"study": timed(lambda _: f"/{study}")}
        tag = ask(f"/{study}")[2].headers["ETag"]
        found["not_modified"] = timed(lambda _: f"/{study}", **{"If-None-Match": tag})
        # What was asked for once is given out of memory; so every page, and every comparison, is another one.
        page = f"/{study}/trials?sort=values.0&order=desc&size=50&filter={PAGE.filter}&page="
        found["table_page"] = timed(lambda number: f"{page}{number}")
        rows = ask(f"/{study}/trials?filter=state = COMPLETE&size=500")[2].json()["rows"]
        trials = [str(row["number"]) for row in rows]
        found["compare"] = timed(lambda number: f"/{study}/compare?trials={','.join(trials[number : number + 50])}")
        found["studies"] = timed(lambda _: "")
        return found


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=Size.trials)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", help="measure a running server instead, and print the result")
    parser.add_argument("--study", help="with --url: id of the study's run")
    options = parser.parse_args()
    if options.url:
        print(json.dumps(served(options.url, options.study, options.rounds), indent=2))
        return
    before = [round(load, 1) for load in os.getloadavg()]
    size, clock, sizes = Size(options.trials), Clock(), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        uri, study = write_study(Path(folder), size)
        with connect(uri) as store:
            for _ in range(options.rounds):
                sizes = one_round(store, study, clock)
                print({name: round(values[-1], 3) for name, values in clock.times.items()}, flush=True)
            beside_mlflow(store, study, clock)
        with running_server(ServerSpec(Path(folder), port=0, environment=dict(os.environ))) as server:
            over_http = served(server.base_url, study)
        beside = dashboard(size, Path(folder), options.rounds + 1)
    summary = clock.summary()
    result: dict[str, Any] = {
        "what": f"data of pages, {size.trials} trials x {size.metrics} metrics x {size.epochs} epochs, local sqlite",
        "date": today(),
        "machine": describe_machine(),
        "versions": {"mlflow": mlflow.__version__, "optuna": optuna.__version__},
        "rounds": options.rounds,
        "load_average": {"before": before, "after": [round(load, 1) for load in os.getloadavg()]},
        "goals_s": {"cold": 5.0, "warm": 1.0, "table_page": 0.2, "compare": 1.0},
        **summary,
        **sizes,
        "mlflow_all_to_cold_cpu": round(summary["mlflow_all_cpu"]["median"] / summary["cold_cpu"]["median"], 2),
        "http": over_http,
        "dashboard": beside,
    }
    target = ROOT / "benchmarks" / "results" / "views.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(target.read_text())


if __name__ == "__main__":
    main()
