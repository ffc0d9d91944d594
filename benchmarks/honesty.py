"""Measures by simulation whether `tunetrack.stats` keeps its word, and what confirming a winner is worth.

Run it with `python benchmarks/honesty.py`; about five minutes on one core. The result goes to
`benchmarks/results/honesty.json` and the figure to `docs/images/honesty.svg`. Nothing is trained: trainings are drawn
from a model whose true accuracies are known (`_known_truth.py`), with the sizes that `benchmarks/seed_spread.py` has
measured. Nothing is timed, so other load does not matter.

`coverage`: does the 95 % interval hold the truth in 95 % of comparisons? `p_best`: is a configuration the best as often
as its probability says? `rules`: with an equal number of trainings, how often is the configuration that a rule picks
truly worse than another one that was looked at, and by how much does the number that is reported flatter it?
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _known_truth as known
import numpy as np
from _honesty_figure import drawn
from _known_truth import Ease, Floats, Search
from _machine import today

from tunetrack import stats
from tunetrack.stats.twoway import TwoWay

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3, 5, 10)
CONFIGURATIONS = 4
#: Standard deviation of the compared configurations' true accuracies.
SPREADS = (0.001, 0.002, 0.004, 0.008)
#: Trainings that each rule may spend, and the trials and seeds that are trained again.
BUDGET = 75
CONFIRMED = ((3, 3), (5, 3), (5, 5), (10, 3))
#: False winners are counted from these losses of true accuracy on.
LOSSES = (0.001, 0.005)


class Counts:
    """Sums of what happened, by name; a mean with its standard error comes out."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, **values: float | Floats) -> None:
        """A value of this repetition, or several, of which the mean is taken: they are not independent."""
        for name, value in values.items():
            self._values[name].append(float(np.mean(value)))

    def means(self, scale: float = 100.0) -> dict[str, float]:
        return {name: round(scale * float(np.mean(values)), 2) for name, values in self._values.items()}

    def errors(self, scale: float = 100.0) -> dict[str, float]:
        count = {name: len(values) ** 0.5 for name, values in self._values.items()}
        return {name: round(scale * float(np.std(values)) / count[name], 2) for name, values in self._values.items()}


def held(interval: stats.Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def coverage(
    size: tuple[int, int], repeats: int, chances: list[tuple[float, bool]], accidents: float = 0.0
) -> dict[str, Any]:
    """How often intervals and groups hold the truth, in per cent; the configurations were not chosen beforehand.

    Args:
        size: seeds and images of the comparison.
        repeats: how many comparisons.
        chances: gets each stated probability of being best, and whether it was so.
        accidents: share of trainings that go wrong.
    """
    seeds, images = size
    random, counts = np.random.default_rng((seeds, images)), Counts()
    for _ in range(repeats):
        truth = 0.9 + random.choice(SPREADS) * random.standard_normal(CONFIGURATIONS)
        sd = known.seed_sds(CONFIGURATIONS, random)
        accuracies = truth[:, None] + known.seed_effects(sd, seeds, random, accidents)
        answers = Ease.drawn(CONFIGURATIONS, images, random).answers(accuracies, random)
        found = stats.compare_answers(answers)
        ones, best = found.configurations, found.best
        (fixed,) = stats.compare_answers(answers[:2]).differences_from_best
        tested = Ease.drawn(1, images, random).answers(accuracies[best : best + 1], random)
        counts.add(
            mean=np.array([held(one.interval, true) for one, true in zip(ones, truth, strict=True)]),
            best_mean=held(ones[best].interval, truth[best]),
            test_mean=held(stats.compare_answers(tested).configurations[0].interval, truth[best]),
            difference=held(fixed.interval, truth[fixed.a] - truth[fixed.b]),
            difference_from_best=np.array(
                [held(one.interval, truth[one.a] - truth[one.b]) for one in found.differences_from_best]
            ),
            group_holds_best=ones[int(truth.argmax())].group == 1,
            group_share=len(found.tied) / CONFIGURATIONS,
            half_width_points=(ones[0].interval.high - ones[0].interval.low) / 2,
            half_width_of_difference_points=(fixed.interval.high - fixed.interval.low) / 2,
        )
        if seeds > 1:
            chances += [(one.p_best, place == truth.argmax()) for place, one in enumerate(ones)]
    return {"seeds": seeds, "images": images, "repeats": repeats, **counts.means()}


def calibration(chances: list[tuple[float, bool]]) -> list[dict[str, float]]:
    """What was stated as probability of being best, in tenths, and how often it was so; in per cent."""
    stated, came = (np.array(column, dtype=float) for column in zip(*chances, strict=True))
    rows = []
    for tenth in range(10):
        inside = np.minimum((stated * 10).astype(int), 9) == tenth
        if inside.sum() >= 50:
            share = came[inside].mean()
            rows.append(
                {
                    "stated": round(100 * stated[inside].mean(), 1),
                    "came_true": round(100 * share, 1),
                    "standard_error": round(100 * (share * (1 - share) / inside.sum()) ** 0.5, 1),
                    "cases": int(inside.sum()),
                }
            )
    return rows


def picked(counts: Counts, search: Search, looked: int, chosen: int, reference: int) -> None:
    """What picking this trial means, when the first `looked` trials were looked at.

    Args:
        counts: gets the outcome.
        search: the trials.
        looked: how many there were.
        chosen: the trial that the rule picks.
        reference: the trial that the plain rule picks with the whole budget.
    """
    lost = float(search.truth[:looked].max() - search.truth[chosen])
    counts.add(**{f"worse_by_{100 * loss:g}_points": float(lost > loss) for loss in LOSSES})
    counts.add(lost_points=lost, better_than_plain_points=search.truth[chosen] - search.truth[reference])


def rules(images: int, repeats: int) -> dict[str, Any]:
    """Every rule on the same searches; numbers in per cent or percentage points."""
    random = np.random.default_rng(images)
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    for _ in range(repeats):
        search = Search.drawn(BUDGET, images, random)
        plain = int(search.last.argmax())
        for name, seen in (("best epoch", search.best), ("last epoch", search.last)):
            chosen = int(seen.argmax())
            picked(counts[name], search, BUDGET, chosen, plain)
            counts[name].add(reported_minus_true_points=seen[chosen] - search.truth[chosen])
        for again in CONFIRMED:
            confirm(counts, search, again, plain, random)
    return {
        "images": images,
        "repeats": repeats,
        "rules": {name: count.means() for name, count in counts.items()},
        "standard_errors": {name: count.errors() for name, count in counts.items()},
    }


def confirm(
    counts: defaultdict[str, Counts], search: Search, again: tuple[int, int], plain: int, random: np.random.Generator
) -> None:
    """Fewer trials, and the best of them again on new seeds and the same images.

    Sizes of models have nothing to do with accuracies here, so the smallest of some is any of them.
    """
    top, seeds = again
    looked, name = BUDGET - top * seeds, f"{top} x {seeds}"
    seen = search.last[:looked]
    trials = np.argsort(-seen)[:top]
    found = stats.compare_answers(search.again(trials, seeds, random))
    picks = {"confirmed": (found.best,), "smallest near the best,": found.near, "smallest of the tie,": found.tied}
    for rule, places in picks.items():
        place = int(random.choice(places))
        one, chosen = found.configurations[place], int(trials[place])
        picked(counts[f"{rule} {name}"], search, looked, chosen, plain)
        counts[f"{rule} {name}"].add(
            reported_minus_true_points=one.mean - search.truth[chosen],
            interval_holds=held(one.interval, search.truth[chosen]),
            share_to_choose_from=len(places) / top,
        )
    assert found.run_error is not None
    truth, leader = search.truth[trials], int(trials[0])
    shrunk = np.array(stats.shrunken(seen, found.run_error).values)
    counts[f"confirmed {name}"].add(
        raw_minus_true_points=seen[leader] - search.truth[leader],
        shrunken_minus_true_points=shrunk[leader] - search.truth[leader],
        again_minus_true_points=found.configurations[0].mean - search.truth[leader],
        interval_of_all=np.array([held(o.interval, t) for o, t in zip(found.configurations, truth, strict=True)]),
        group_holds_best_of_confirmed=found.configurations[int(truth.argmax())].group == 1,
        best_of_search_is_confirmed=float(search.truth[:looked].argmax() in trials),
    )


def of_images(images: int, repeats: int, accidents: float = 0.0) -> dict[str, Any]:
    """Coverage by the number of seeds, and what the stated probabilities of being best were worth."""
    chances: list[tuple[float, bool]] = []
    rows = []
    for seeds in SEEDS:
        rows.append(coverage((seeds, images), repeats, chances, accidents))
        print(json.dumps(rows[-1]), flush=True)
    return {"coverage": rows, "p_best": calibration(chances)}


def formula(repeats: int) -> dict[str, Any]:
    """Coverage of the interval of a sum of variances, whatever their sizes; normal deviations, no images drawn.

    Returns:
        By the number of seeds, the smallest and largest coverage over shares of the rest and sizes of the seeds' part.
    """
    rows = []
    for seeds in SEEDS[1:]:
        random, found = np.random.default_rng(seeds), []
        for rest in (0.02, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0):
            for of_seeds in (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):  # times the images' part, which is 1
                seen = (of_seeds + rest) * random.chisquare(seeds - 1, repeats) / (seeds - 1)
                off = (of_seeds + 1.0) ** 0.5 * random.standard_normal(repeats)
                widths = [TwoWay(one, 1.0, rest, seeds).scatter().width(0.95) for one in seen]
                found.append(100 * float((np.abs(off) <= widths).mean()))
        rows.append({"seeds": seeds, "least": round(min(found), 1), "most": round(max(found), 1)})
    print(json.dumps(rows), flush=True)
    return {"repeats": repeats, "coverage": rows}


PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "all sizes of the parts": lambda scale: formula(round(10_000 * scale)),
    "200 images": lambda scale: of_images(200, round(2000 * scale)),
    "1000 images": lambda scale: of_images(1000, round(2000 * scale)),
    "10000 images": lambda scale: of_images(10_000, round(1000 * scale)),
    "1000 images, one training in ten goes wrong": lambda scale: of_images(1000, round(1000 * scale), 0.1),
    "rules, 1000 images": lambda scale: rules(1000, round(1500 * scale)),
    "rules, 10000 images": lambda scale: rules(10_000, round(500 * scale)),
}


def main() -> None:
    """Simulate, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="repetitions, as a share of the usual number")
    parser.add_argument("--only", nargs="+", choices=[*PARTS], help="these parts; the others stay as they are")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "honesty.json")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "images" / "honesty.svg")
    given = parser.parse_args()
    names = ("WITHIN", "ACROSS", "SEED_SD", "COMMON", "WOBBLE", "EPOCHS")
    before = json.loads(given.output.read_text()) if given.only and given.output.exists() else {}
    done = {name: part(given.scale) for name, part in PARTS.items() if name in (given.only or PARTS)}
    result = {
        "what": f"Simulated trainings of known true accuracy, about 90 %; {CONFIGURATIONS} configurations compared; "
        f"rules with a budget of {BUDGET} trainings each; level 95 %; per cent and percentage points",
        "date": today(),
        "sizes": {name.lower(): getattr(known, name) for name in names} | {"spreads": SPREADS},
        **{name: done.get(name, before.get(name)) for name in PARTS if name in done or name in before},
    }
    given.output.write_text(json.dumps(result, indent=2) + "\n")
    if all(name in result for name in PARTS):
        given.figure.write_text(drawn(json.loads(given.output.read_text())))


if __name__ == "__main__":
    main()
