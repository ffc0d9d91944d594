"""Measures what checkpoints cost a trial: the same trial with and without them, and the seconds inside writing them.

Run it with `python benchmarks/checkpoints.py --data-dir DIR` (DIR holds FashionMNIST/raw); about eight minutes. The
result goes to `benchmarks/results/checkpoints.json`.

A round runs the whole trial of `tunetrack.study.trial` twice, once with a checkpoint and once without, in alternating
order. Other load moves the ratio of the two by several per cent, so the share of the trial that is spent inside
`Fit.save` (fsync included) is the number to trust. `lost_seconds` is the most that a kill can cost: the longest time
between two checkpoints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from _machine import describe_machine, today
from _numbers import spread

from tunetrack import training
from tunetrack.spec import Objective, TrialConfig
from tunetrack.study.trial import CHECKPOINT_SHARE, TrialWatch, run_trial

NETS: dict[str, dict[str, Any]] = {
    "cnn, 3 layers of 64 filters": {"model": {"filters": 64, "num_layers": 3}, "train": 6400, "epochs": 8},
    "cnn, 3 layers of 64 filters, epochs of a tenth": {
        "model": {"filters": 64, "num_layers": 3},
        "train": 640,
        "epochs": 80,
    },
    "even_resnet, size 18": {"model": {"name": "even_resnet", "size": 18}, "train": 640, "epochs": 8},
}


class Saves:
    """Stands in for `Fit.save`: the same, timed."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.at: list[float] = []
        self._save = training.Fit.save
        training.Fit.save = self._timed  # type: ignore[method-assign]

    @property
    def _timed(self) -> Any:
        def timed(fit: training.Fit, *arguments: Any) -> None:
            start = time.perf_counter()
            self._save(fit, *arguments)
            self.at.append(time.perf_counter())
            self.took.append(self.at[-1] - start)

        return timed


def one(config: TrialConfig, data: training.ResidentData, path: Path | None) -> tuple[float, float]:
    """Runs the trial; its beginning and its end."""
    start = time.perf_counter()
    result = run_trial(config, (Objective(),), data, TrialWatch(checkpoint=path))
    if result.outcome.values is None:
        raise SystemExit(f"the trial did not end well: {result.outcome.reason}")
    return start, time.perf_counter()


def measured(net: dict[str, Any], data_dir: str, rounds: int, folder: Path) -> dict[str, Any]:
    """One network's rounds."""
    config = TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": data_dir, "train": net["train"], "validation": net["train"] // 5},
            "model": net["model"],
            "optimizer": {"name": "adam", "lr": 1e-3},
            "trainer": {"epochs": net["epochs"], "batch_size": 64, "threads": 1},
        }
    )
    data = training.load_data(config.data)
    path, saves = folder / "trial.pt", Saves()
    one(config, data, path)  # what libraries compile and allocate at their first use
    size = path.stat().st_size
    ratios, shares, costs, gaps, counts = [], [], [], [], []
    for number in range(rounds):
        path.unlink()
        saves.took.clear()
        saves.at.clear()
        times = {}
        for with_checkpoint in (True, False) if number % 2 else (False, True):
            start, end = one(config, data, path if with_checkpoint else None)
            times[with_checkpoint] = end - start
            if with_checkpoint:
                moments = [start, *saves.at, end]
                gaps.append(max(later - earlier for earlier, later in itertools.pairwise(moments)))
        ratios.append(times[True] / times[False])
        shares.append(sum(saves.took) / times[True])
        costs.extend(saves.took)
        counts.append(len(saves.took))
    return {
        "epochs": net["epochs"],
        "checkpoint_bytes": size,
        "checkpoints_a_trial": spread(counts),
        "milliseconds_a_checkpoint": spread([1000 * cost for cost in costs]),
        "share_of_the_trial": spread(shares, 4),
        "wall_time_with_over_without": spread(ratios, 3),
        "lost_seconds": spread(gaps),
    }


def main() -> None:
    """Measures all networks and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "checkpoints.json")
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a real disk: temporary folders may lie in memory
        for name, net in NETS.items():
            results[name] = measured(net, options.data_dir, options.rounds, Path(folder))
            print(name, json.dumps(results[name], indent=2))
    document = {
        "date": today(),
        "machine": describe_machine(),
        "highest_share_allowed": CHECKPOINT_SHARE,
        "rounds": options.rounds,
        "networks": results,
    }
    options.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
