"""Measures how long a browser takes to compare 50 trials: our page, and MLflow's own compare page beside it.

Run it with `python benchmarks/compare_page.py`; about two minutes. The result goes to
`benchmarks/results/compare_page.json`. The study is that of `benchmarks/synthetic.py` with 2,000 trials; one server
gives both pages. In alternating rounds, headless Chromium, a fresh context each time: from the navigation's start until
the table of what differs and the first curves are drawn (ours), and until the parallel coordinates are (MLflow's). The
window is 4,000 pixels high, since figures of ours are drawn when they come into sight.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from _machine import describe_machine, today
from _numbers import spread
from playwright.sync_api import Browser, sync_playwright
from synthetic import Size, write_study

from tunetrack.report.values import ranked
from tunetrack.server import ServerSpec, running_server
from tunetrack.tracking import connect, read_study

CHROMIUM = "/usr/bin/chromium"
OURS, MLFLOWS = "figure.card svg path.curve", ".js-plotly-plot svg .parcoords, .js-plotly-plot canvas"


def opened(browser: Browser, url: str, drawn: str) -> float:
    """Seconds until something that matches `drawn` is there."""
    context = browser.new_context(viewport={"width": 1366, "height": 4000})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(drawn).first.wait_for(state="attached", timeout=120_000)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def measure(home: Path, rounds: int, trials: int) -> dict[str, Any]:
    """Both pages, in rounds."""
    uri, study = write_study(home, Size(trials=trials))
    with connect(uri) as store:
        table = read_study(store, study)
    best = ranked(table)[:50]
    numbers = ",".join(str(trial.number) for trial in best)
    runs, experiments = (quote(json.dumps(ids)) for ids in ([t.run_id for t in best], [table.study.experiment_id]))
    took: dict[str, list[float]] = {"ours": [], "mlflow": []}
    with (
        running_server(ServerSpec(home, port=0, environment=dict(os.environ))) as server,
        sync_playwright() as playwright,
    ):
        pages = {
            "ours": (f"{server.base_url}/tunetrack/studies/{study}/compare?trials={numbers}", OURS),
            "mlflow": (f"{server.base_url}/#/compare-runs?runs={runs}&experiments={experiments}", MLFLOWS),
        }
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(rounds):
            for name, (url, drawn) in pages.items():
                took[name].append(opened(browser, url, drawn))
        browser.close()
    ratios = [theirs / ours for ours, theirs in zip(took["ours"], took["mlflow"], strict=True)]
    return {
        "trials_compared": len(best),
        "ours_s": spread(took["ours"]),
        "mlflow_s": spread(took["mlflow"]),
        "mlflow_over_ours": spread(ratios),
    }


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.rounds, options.trials)
    document = {"date": today(), "machine": describe_machine(), "rounds": options.rounds, **result}
    text = json.dumps(document, indent=2)
    print(text)
    (Path(__file__).parent / "results" / "compare_page.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
