"""How the pictures of the documentation are taken of a study's pages; for the test of them and for the script."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tunetrack import StudyResult


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        path: below the study's own page; `{best}` are its four best trials, `{first}` is the best.
        height: pixels.
        dark: whether the browser prefers dark pages.
    """

    path: str
    height: int
    dark: bool = False


WIDTH = 1200
PICTURES = {
    "page-study": Picture("", 1560),
    "page-study-dark": Picture("", 1560, dark=True),
    "page-trials": Picture("/trials", 620),
    "page-compare": Picture("/compare?trials={best}", 1500),
    "page-trial": Picture("/trials/{first}", 1250),
}
#: Whether a figure has neither a drawing nor a sentence that says why, or something still loads.
_UNFINISHED = """() => {
  const figures = [...document.querySelectorAll("figure.card")].filter((one) => !one.querySelector("svg, .nothing"));
  const states = [...document.querySelectorAll("[role=status]")];
  const loading = states.some((one) => one.textContent.startsWith("Loading"));
  return figures.length > 0 || loading || !document.querySelector("main h1");
}"""


def take_pictures(browser: Any, base_url: str, result: StudyResult, folder: Path) -> dict[str, list[str]]:
    """Writes every picture into a folder, as NAME.png.

    Args:
        browser: of playwright.
        base_url: of the server that has the study.
        result: the study; at least four of its trials have a result.
        folder: is there.

    Returns:
        What the browser has complained of, by picture.
    """
    best = [str(trial.number) for trial in result.ranked()[:4]]
    words = {"best": ",".join(best), "first": best[0]}
    said: dict[str, list[str]] = {name: [] for name in PICTURES}
    for name, picture in PICTURES.items():
        page = browser.new_page(
            viewport={"width": WIDTH, "height": picture.height}, color_scheme="dark" if picture.dark else "light"
        )
        page.on("pageerror", lambda error, name=name: said[name].append(str(error)))
        page.on("console", lambda line, name=name: line.type == "error" and said[name].append(line.text))
        page.goto(f"{base_url}/tunetrack/studies/{result.run_id}{picture.path.format(**words)}")
        page.wait_for_function(f"() => !({_UNFINISHED})()", timeout=60_000)
        page.wait_for_timeout(1000)  # lines on canvases are painted a piece at a time
        page.screenshot(path=folder / f"{name}.png")
        page.close()
    return said


def emptiness(content: bytes) -> float:
    """Share of a picture's pixels that have its most frequent colour; of a blank one 1."""
    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(np.uint32)
    colours = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    return float(np.unique(colours, return_counts=True)[1].max() / colours.size)
