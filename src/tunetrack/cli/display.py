"""Draws a running study: one line per finished trial, and below them what is going on right now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from tunetrack.cli.words import STATE_SIGNS, metric_text, params_text
from tunetrack.spec import EpochRecord, Finding, Objective, TrialConfig, TrialOutcome, flatten
from tunetrack.spec.records import pruning_rule
from tunetrack.study.progress import Progress, StudyStart

__all__ = ["progress"]


@contextmanager
def progress() -> Iterator[Progress]:
    """A display for one study: moving bars on a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bars:
        yield _Display(console, bars)


class _Display(Progress):
    def __init__(self, console: Console, bars: Bars) -> None:
        self._console = console
        self._bars = bars
        self._study = bars.add_task("study", total=None, status="reading the data")
        self._trial = bars.add_task("", total=None, status="", visible=False)
        self._objectives: tuple[Objective, ...] = ()
        self._searched: tuple[str, ...] = ()
        self._best: float | None = None
        self._config: TrialConfig | None = None
        self._started = 0.0
        self._found: list[str] = []
        self._width = 3

    def study_started(self, start: StudyStart) -> None:
        self._objectives, self._searched = start.objectives, start.searched
        self._width = len(str(max(0, (start.trials or 1000) - 1)))
        goal = ", ".join(f"{'maximize' if o.maximize else 'minimize'} {o.metric}" for o in start.objectives)
        count = f"{start.trials} trials" if start.trials else "trials until the time is up"
        done = f", {start.finished} of them done before" if start.finished else ""
        self._console.print(Text.assemble("Study ", (start.name, "bold"), f": {goal}, {count}{done}"))
        self._bars.update(self._study, total=start.trials, completed=start.finished, status="")

    def trial_started(self, number: int, config: TrialConfig) -> None:
        self._config, self._started, self._found = config, time.monotonic(), []
        self._bars.reset(
            self._trial, total=config.trainer.epochs, description=f"trial {number}", visible=True, status=""
        )

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        status = f"validation accuracy {record.validation_accuracy:.4f}  {record.images_per_second:,.0f} images/s"
        self._bars.update(self._trial, completed=record.epoch, status=status)

    def found(self, number: int, finding: Finding) -> None:
        self._found.append(finding.rule)

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self._bars.update(self._trial, visible=False)
        value = outcome.values[0] if outcome.values else None
        objective = self._objectives[0]
        if value is not None and (self._best is None or (value > self._best) == objective.maximize):
            self._best = value
        status = "" if self._best is None else f"best {metric_text(self._best)}"
        self._bars.update(self._study, advance=1, status=status)
        self._console.print(self._line(number, outcome, value), soft_wrap=True)

    def note(self, text: str) -> None:
        self._console.print(text)

    def _line(self, number: int, outcome: TrialOutcome, value: float | None) -> Text:
        sign, style = STATE_SIGNS[outcome.state]
        head = (f"{sign} trial {number:>{self._width}}  {outcome.state.value:<10}", style)
        if value is None or self._config is None:
            line = Text.assemble(head, *self._marks(outcome), "  ", outcome.reason)
        else:
            flat = flatten(self._config.document(), self._searched)
            params = params_text({path: flat[path] for path in self._searched if path in flat})
            seconds = f"{time.monotonic() - self._started:6.1f} s"
            values = "  ".join(map(metric_text, outcome.values or ()))
            line = Text.assemble(head, f"  {values}  {seconds}", *self._marks(outcome), "  ", (params, "dim"))
        if self._console.is_terminal:
            line.truncate(self._console.width, overflow="ellipsis")
        return line

    def _marks(self, outcome: TrialOutcome) -> list[tuple[str, str]]:
        """What the health rules have found; without the one that the reason tells anyway."""
        return [(f"  ! {rule}", "yellow") for rule in self._found if rule != pruning_rule(outcome.reason)]
