"""Measures a study's pages in one file: how long it takes to write, how large it is, and how long it takes to open.

Run it with `python benchmarks/single_file.py`; about two minutes. The result goes to
`benchmarks/results/single_file.json`. The study is that of `benchmarks/synthetic.py`: 2,000 trials with 20 metrics. The
best ones have weight statistics, answers to 10,000 images and confusion matrices, and the study has 1,000 pictures. In
rounds:

* `build_seconds`: from the stored runs to the file's text.
* `bytes`: of the file, and of each answer in it.
* `opened_seconds`: headless Chromium, a fresh context each time: from the navigation's start to the moment at which the
  figures in a window of 1366 x 768 are drawn (`first_screen`), and at which all figures of the study's page are
  (`all_figures`; the window is as high as the page, since figures are drawn when they come into sight).
"""

from __future__ import annotations

import argparse
import io
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _machine import describe_machine, today
from PIL import Image
from playwright.sync_api import sync_playwright
from pyarrow import parquet
from synthetic import Size, write_study

from tunetrack.report import build_single
from tunetrack.report.values import ranked
from tunetrack.tracking import connect, read_study, write_artifact
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.weight_table import write_table

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from weight_support import Walk, walked_trial  # noqa: E402 - the tests' random walks

CHROMIUM = "/usr/bin/chromium"
IMAGES, CLASSES, TILE = 10_000, 10, 28
#: Every figure of the page has drawn something, or says why not.
DRAWN = """() => { const figures = [...document.querySelectorAll("figure.card")];
  return figures.length > 0 && figures.filter(INSIDE).every((each) => each.querySelector(".plot svg *, .nothing")); }"""
INSIDE = "(each) => each.getBoundingClientRect().top < innerHeight"


def leave_files(store: TrackingStore, study: str) -> None:
    """What the normal path leaves with the best trials and with the study."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, IMAGES)
    for trial in ranked(read_study(store, study))[:8]:
        answers = np.where(rng.random(IMAGES) < 0.92, labels, rng.integers(0, CLASSES, IMAGES))
        counts = np.zeros((CLASSES, CLASSES), int)
        np.add.at(counts, (labels, answers), 1)
        names = [f"class {index}" for index in range(CLASSES)]
        lines = [
            ",".join(["", *names]),
            *(",".join([name, *map(str, row)]) for name, row in zip(names, counts, strict=True)),
        ]
        table = {"index": np.arange(IMAGES), "label": labels, "predicted": answers}
        file = io.BytesIO()
        parquet.write_table(pa.table(table), file)
        records = [epoch.weights for epoch in walked_trial(Walk(epochs=10)) if epoch.weights is not None]
        write_artifact(store, trial.run_id, "confusion_matrix.csv", ("\n".join(lines) + "\n").encode())
        write_artifact(store, trial.run_id, "predictions.parquet", file.getvalue())
        write_artifact(store, trial.run_id, "weight_stats.parquet", write_table(records))
    pixels = rng.integers(0, 255, (25 * TILE, 40 * TILE), dtype=np.uint8)
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "png")
    about = {"tile": [TILE, TILE], "columns": 40, "count": 1000, "digest": "noise"}
    write_artifact(store, study, "validation_images.png", picture.getvalue())
    write_artifact(store, study, "validation_images.json", json.dumps(about).encode())


@contextmanager
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def opened(browser: Any, file: Path, height: int) -> float:
    """Seconds from the navigation's start until the figures within this many pixels are drawn."""
    # The file forbids scripts that are not in it, such as those by which its figures are looked at from outside.
    context = browser.new_context(viewport={"width": 1366, "height": height}, bypass_csp=True)
    page = context.new_page()
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_function(DRAWN.replace("INSIDE", INSIDE), polling=10)
    seconds = float(page.evaluate("performance.now()")) / 1000
    context.close()
    return seconds


def page_height(browser: Any, file: Path) -> int:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(file.as_uri())
    page.locator("figure svg").first.wait_for()
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    page.close()
    return height


def measure(home: Path, trials: int, rounds: int) -> dict[str, Any]:
    uri, study = write_study(home, Size(trials=trials))
    built = []
    with connect(uri) as store:
        leave_files(store, study)
        for _ in range(rounds):
            start = time.perf_counter()
            single = build_single(store, study)
            built.append(time.perf_counter() - start)
    file = home / "report.html"
    file.write_text(single.text, encoding="utf-8")
    held = re.search(r'id="tunetrack-data">(.*?)</script>', single.text, re.DOTALL)
    answers = json.loads(held[1])["answers"] if held else {}
    sizes = {path.replace(study, "ID"): len(json.dumps(data)) for path, data in answers.items()}
    with chromium() as browser:
        height = page_height(browser, file)
        first = [opened(browser, file, 768) for _ in range(rounds)]
        whole = [opened(browser, file, height) for _ in range(rounds)]
    return {
        "trials": trials,
        "build_seconds": summary(built),
        "bytes": {"file": file.stat().st_size, "answers": sizes, "left_out": list(single.left_out)},
        "opened_seconds": {"first_screen": summary(first), "all_figures": summary(whole)},
    }


def summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "single_file.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.trials, given.rounds)
    result = {"date": today(), "machine": describe_machine(), "rounds": given.rounds, **found}
    given.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
