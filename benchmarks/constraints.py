"""Measures how well samplers leave the region where a constraint is broken, in a space whose best values lie there.

Run it with `python benchmarks/constraints.py [--samplers NAMES]`; five minutes for all. The result goes to
`benchmarks/results/constraints.json`; a run for some samplers replaces theirs.

Trials train nothing: the loss is the distance of the learning rate to its best value, less the number of layers, and
more than 5 of up to 10 layers break the constraint. `share` is the part of the last 25 of 50 proposals that break it,
`best` the loss of the best trial that does not, both means over the seeds (half of a random search breaks it):

- `unknown`: the sampler is not told;
- `at_the_end`: every trial is trained, and told with how far it breaks the constraint;
- `before_training`: trials that break it are not trained;
- `before_training_unseen` (gp): the same, seen as Optuna alone sees it, without the trials that were not trained.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

from _machine import describe_machine, today
from optuna.storages import InMemoryStorage

from tunetrack.ledger import Ledger, Ticket
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec

TRIALS, SEEDS, LIMIT = 50, 5, "train_seconds <= 5"
SAMPLERS: dict[str, dict[str, Any]] = {
    "optuna:tpe": {"name": "tpe"},
    "optuna:gp": {"name": "gp"},
    "optuna:nsgaii": {"name": "nsgaii", "population_size": 10},
    "hyperopt:tpe": {"engine": "hyperopt", "name": "tpe"},
    "hyperopt:anneal": {"engine": "hyperopt", "name": "anneal"},
    "optuna:random": {"name": "random"},
}
WAYS = ("unknown", "at_the_end", "before_training")


def outcome(loss: float, excess: float, way: str) -> TrialOutcome:
    if way == "unknown":
        return TrialOutcome(TrialState.COMPLETE, (loss,))
    broken = (LIMIT,) if excess > 0 else ()
    state, values = TrialState.COMPLETE, (loss,)
    if broken and way != "at_the_end":
        return TrialOutcome(TrialState.INFEASIBLE, None, "not trained", constraints={LIMIT: excess}, violates=broken)
    return TrialOutcome(state, values, constraints={LIMIT: excess}, violates=broken)


def searched(sampler: dict[str, Any], way: str, seed: int) -> tuple[float, float]:
    """Share of the later proposals that break the constraint, and the best loss of those that do not."""
    ledger = Ledger.create(InMemoryStorage(), toy_spec(sampler={**sampler, "seed": seed}, constraints=[LIMIT]))
    if way == "before_training_unseen":
        ledger._claims._seen = None
    broken, best = [], math.inf
    for _ in range(TRIALS):
        ticket = ledger.ask()
        if not isinstance(ticket, Ticket):
            raise RuntimeError("the ledger gives no trial")
        excess = float(ticket.config["model"]["num_layers"] - 5)
        loss = abs(math.log10(ticket.config["optimizer"]["lr"]) + 3) - excess
        broken.append(excess > 0)
        best = best if excess > 0 else min(best, loss)
        ledger.tell(ticket, outcome(loss, excess, way))
    return statistics.mean(broken[TRIALS // 2 :]), best


def measured(sampler: dict[str, Any]) -> dict[str, Any]:
    ways = (*WAYS, "before_training_unseen") if sampler["name"] == "gp" else WAYS
    result = {}
    for way in ways:
        shares, bests = zip(*(searched(sampler, way, seed) for seed in range(SEEDS)), strict=True)
        best = statistics.mean(bests)
        result[way] = {"share": round(statistics.mean(shares), 3), "best": round(best, 3) if best < math.inf else None}
    return result


def main() -> None:
    """Measures the samplers and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", default=",".join(SAMPLERS), help="names with commas")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "constraints.json")
    options = parser.parse_args()
    known = json.loads(options.output.read_text())["samplers"] if options.output.exists() else {}
    for name in options.samplers.split(","):
        known[name] = measured(SAMPLERS[name])
        print(name, known[name], flush=True)
    document = {
        "date": today(),
        "machine": describe_machine(),
        "trials": TRIALS,
        "seeds": SEEDS,
        "samplers": {name: known[name] for name in SAMPLERS if name in known},
    }
    options.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
