"""What `tunetrack weights` prints: a line a trial, then what was found in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from tunetrack.cli.consoles import NOT_THERE, console_of, table_of
from tunetrack.cli.words import metric_text, short_name, value_text
from tunetrack.report.weights.trials import named_params
from tunetrack.spec.weight_records import SUMMARY_METRICS

if TYPE_CHECKING:
    from tunetrack.api.weights import WeightsComparison
    from tunetrack.report.weights.trials import ComparedTrial

__all__ = ["print_weights"]


def print_weights(compared: WeightsComparison) -> None:
    """Numbers, words, and where the page is."""
    console = console_of()
    trials = compared.source.trials
    paths = named_params(trials)
    metrics = [name for name in SUMMARY_METRICS if any(name in trial.numbers for trial in trials)]
    rows = [_cells(trial, paths, metrics) for trial in trials]
    heads = ["trial", *map(short_name, paths), *(name.removeprefix("weights/") for name in metrics), "found"]
    if sum(max(len(row[column]) for row in [heads, *rows]) + 2 for column in range(len(heads))) > console.width:
        # The parameters are named again below, with what was found.
        kept = [0, *range(1 + len(paths), len(heads))]
        heads, rows = [heads[column] for column in kept], [[row[column] for column in kept] for row in rows]
    table = table_of(*(f"{name}>" for name in heads[:-1]), heads[-1])
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for trial in trials:
        console.print()
        console.print(Text(trial.label, style="bold"))
        for sentence in compared.found()[trial.number]:
            console.print(Text(f"  {sentence}"))
    console.print(f"\nPage: {compared.page}", highlight=False, soft_wrap=True)


def _cells(trial: ComparedTrial, paths: Sequence[str], metrics: Sequence[str]) -> list[str]:
    params = [value_text(trial.params[path]) if path in trial.params else NOT_THERE for path in paths]
    numbers = [metric_text(trial.numbers[name]) if name in trial.numbers else NOT_THERE for name in metrics]
    found = NOT_THERE if trial.health is None else ", ".join(trial.health) or "ok"
    return [str(trial.number), *params, *numbers, found]
