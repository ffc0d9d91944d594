"""Measures what a trial costs that trains nothing, with everything tracked, as a study grows; and what others cost.

Run it with `python benchmarks/throughput.py`; ten minutes. `--trials` and `--arms` make it shorter. The result goes to
`benchmarks/results/throughput.json`.

A trial has 10 epochs of 7 metrics, its parameters, tags and ending; one worker, ledger and MLflow on local SQLite.
"sustained" counts everything until the last number is in MLflow. "paced" waits after each trial, uncounted, until the
background thread is idle, as it is where trials take seconds: that is the worker's critical path, by part. Each arm is
a process of its own, in turn.

`--beside FOLDER` compares with the code of another checkout instead: the arms of both in turn, `--rounds` times, which
says more than two runs on a machine whose speed changes. The result goes to
`benchmarks/results/throughput_beside.json`.

`--growth` measures 50 trials of each sampler in studies that have up to 10,000 already, which are put into the ledger
beforehand, `--rounds` times. The result goes to `benchmarks/results/throughput_growth.json` and is drawn in
`docs/images/growth.svg`. How the whole grows, MLflow's database included, is seen with
`--arms sustained/random --trials 10000`.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _growth_figure import drawn
from _machine import describe_machine, today
from _numbers import spread
from _throughput_arms import OWN, fill

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent
SAMPLERS = {
    "random": ("optuna", "random"),
    "tpe": ("optuna", "tpe"),
    "hyperopt_random": ("hyperopt", "random"),
    "hyperopt_tpe": ("hyperopt", "tpe"),
}
#: Name -> function of `_throughput_arms`, its options, trials.
ARMS: dict[str, tuple[str, dict[str, Any], int]] = {
    **{
        f"paced/{name}": (
            "tunetrack",
            {"engine": engine, "sampler": sampler, "paced": True, "artifacts": False},
            500,
        )
        for name, (engine, sampler) in SAMPLERS.items()
    },
    **{
        f"sustained/{name}": (
            "tunetrack",
            {"engine": engine, "sampler": sampler, "paced": False, "artifacts": False},
            500,
        )
        for name, (engine, sampler) in SAMPLERS.items()
    },
    "sustained/random_with_figures": (
        "tunetrack",
        {"engine": "optuna", "sampler": "random", "paced": False, "artifacts": True},
        200,
    ),
    "optuna_sqlite": ("optuna_alone", {}, 500),
    "optuna_sqlite_and_mlflow": ("optuna_and_mlflow", {}, 200),
    "mlflow_optuna_storage": ("mlflow_storage", {}, 20),
    "ray_tune_with_mlflow": ("ray_tune", {}, 100),
}
#: Trials that a study has already, and how many more are measured then.
SIZES = (100, 1_000, 3_000, 10_000)
MORE = 50
BLOCKS = 20


def curve(ends: list[float]) -> list[dict[str, float]]:
    """Milliseconds a trial in each of up to 20 blocks of the study."""
    size = max(1, len(ends) // BLOCKS)
    marks = [0.0, *ends]
    return [
        {"trials": last, "ms_a_trial": round(1000 * (marks[last] - marks[last - size]) / size, 2)}
        for last in range(size, len(ends) + 1, size)
    ]


def around(ends: list[float], trials: int) -> float | None:
    """Milliseconds a trial in the tenth of the study before so many trials; None where it was shorter."""
    size = max(1, trials // 10)
    marks = [0.0, *ends]
    return round(1000 * (marks[trials] - marks[trials - size]) / size, 2) if len(ends) >= trials else None


def measured(name: str, trials: int, template: Path, root: Path = ROOT, **more: Any) -> dict[str, Any]:
    """One arm in a fresh process, by the package of a checkout and these programs; with `more` options."""
    function, options, _ = ARMS[name]
    script = (
        "import json, sys; from pathlib import Path; import _throughput_arms as arms; "
        "arm, trials, template, options = json.loads(sys.argv[1]); "
        "print(json.dumps(arms.run_in(getattr(arms, arm), trials, Path(template), **options)))"
    )
    arguments = json.dumps([function, trials, str(template), options | more])
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{FOLDER}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    ends = found["ends"]
    return {
        "trials": trials,
        "ms_a_trial": round(1000 * ends[-1] / trials, 2),
        "trials_per_second_all_sent": round(trials / found["seconds"], 2),
        "ms_a_trial_before": {str(size): around(ends, size) for size in (100, 1_000, 10_000)},
        **{
            key: _rounded(found[key])
            for key in ("ms_by_part", "cpu_ms_by_part", "ms_of_background_thread")
            if key in found
        },
        "curve": curve(ends),
    }


def _rounded(value: Any) -> Any:
    return {key: round(one, 2) for key, one in value.items()} if isinstance(value, dict) else round(value, 2)


def own_ms(found: dict[str, Any]) -> float:
    """Of the worker's critical path, without the sampler's own time, the objective's, and waiting."""
    return sum(found["ms_by_part"][part] for part in OWN)


def beside(other: Path, arms: list[str], rounds: int, trials: int, template: Path) -> dict[str, Any]:
    """By arm, what a trial takes with this code as a share of what it takes with that of another checkout."""
    found: dict[str, Any] = {}
    for name in arms:
        pairs = [[measured(name, trials, template, root) for root in (other, ROOT)] for _ in range(rounds)]
        found[name] = {
            "trials": trials,
            "rounds": rounds,
            "share_of_own_ms": spread([own_ms(here) / own_ms(there) for there, here in pairs], 3),
            "share_of_ms_a_trial": spread([here["ms_a_trial"] / there["ms_a_trial"] for there, here in pairs], 3),
            "own_ms": spread([own_ms(here) for _, here in pairs]),
            "own_ms_of_the_other": spread([own_ms(there) for there, _ in pairs]),
        }
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    return found


def growth(template: Path, rounds: int) -> dict[str, Any]:
    """By arm and size of the study, the processor time of the worker's own part of a trial and of the sampler's."""
    arms = [f"paced/{sampler}" for sampler in SAMPLERS]
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {str(size): [] for size in SIZES} for name in arms}
    with tempfile.TemporaryDirectory() as folder:
        filled = Path(folder) / "ledger.db"
        fill(filled, SIZES[-1])
        for _ in range(rounds):
            for name, size in itertools.product(arms, SIZES):
                parts = measured(name, MORE, template, before=(str(filled), size))["cpu_ms_by_part"]
                both = {"own_cpu_ms": sum(parts[part] for part in OWN), "sampler_cpu_ms": parts["sampler"]}
                found[name][str(size)].append(both)
                print(f"{name} after {size:,} trials: {json.dumps(parts)}", flush=True)
    return {
        name: {size: {kind: spread([one[kind] for one in seen]) for kind in seen[0]} for size, seen in sizes.items()}
        for name, sizes in found.items()
    }


def commit_of(folder: Path) -> str:
    """The short name of a checkout's commit."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--growth", action="store_true", help=f"with up to {SIZES[-1]:,} trials in the ledger")
    parser.add_argument("--trials", type=int, help="so many")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), help=f"some of: {', '.join(ARMS)}")
    parser.add_argument("--output", type=Path, default=FOLDER / "results" / "throughput.json")
    parser.add_argument("--beside", type=Path, help="another checkout, whose code is compared with this one's")
    parser.add_argument("--rounds", type=int, default=5, help="with --beside and --growth")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    about = {"date": today(), "machine": describe_machine()}
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "mlflow.db"
        importlib.import_module("tunetrack.tracking").connect(f"sqlite:///{template}").close()
        if options.beside is not None:
            other = options.beside.resolve()
            shares = beside(other, options.arms, options.rounds, options.trials or 300, template)
            result = {"what": "this code beside that of another commit", "commit": commit_of(ROOT), **about}
            result |= {"other_commit": commit_of(other), "arms": shares}
            (FOLDER / "results" / "throughput_beside.json").write_text(json.dumps(result, indent=2) + "\n")
            return
        if options.growth:
            grown = {"trials": MORE, "rounds": options.rounds, "arms": growth(template, options.rounds)}
            result = {"what": "trials of a study that has some already", "commit": commit_of(ROOT), **about, **grown}
            (FOLDER / "results" / "throughput_growth.json").write_text(json.dumps(result, indent=2) + "\n")
            (ROOT / "docs" / "images" / "growth.svg").write_text(drawn(result))
            return
        for name in options.arms:
            found[name] = measured(name, options.trials or ARMS[name][2], template)
            short = {key: value for key, value in found[name].items() if key != "curve"}
            print(f"{name}: {json.dumps(short)}", flush=True)
    result = {
        "what": "trials that train nothing, one worker, ledger and MLflow on local sqlite",
        "commit": commit_of(ROOT),
        **about,
        "versions": {name: importlib.import_module(name).__version__ for name in ("mlflow", "optuna", "ray")},
        "arms": found,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
