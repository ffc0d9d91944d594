"""Draws a running study: one line per finished trial, and below them what is going on right now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from tunetrack.cli.words import STATE_SIGNS, metric_text, params_text
from tunetrack.spec import EpochRecord, Finding, Objective, TrialConfig, TrialOutcome, TrialState, flatten
from tunetrack.spec.records import pruning_rule
from tunetrack.study.progress import Progress, StudyStart

if TYPE_CHECKING:
    from tunetrack.tracking import SearchedParam

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


@dataclass
class _Running:
    """A trial that runs, and its bar."""

    config: TrialConfig
    bar: TaskID
    began: float = field(default_factory=time.monotonic)
    found: list[str] = field(default_factory=list)


class _Display(Progress):
    def __init__(self, console: Console, bars: Bars) -> None:
        self._console = console
        self._bars = bars
        self._study = bars.add_task("study", total=None, status="reading the data")
        self._running: dict[int, _Running] = {}
        self._slots: list[TaskID] = []
        self._taken: dict[int, int] = {}
        self._objectives: tuple[Objective, ...] = ()
        self._searched: tuple[SearchedParam, ...] = ()
        self._best: float | None = None
        self._width = 3

    def study_started(self, start: StudyStart) -> None:
        self._best = None  # of the search before it, where this confirms one
        self._objectives, self._searched = start.objectives, start.searched
        self._width = len(str(max(0, (start.trials or 1000) - 1)))
        goal = ", ".join(f"{'maximize' if o.maximize else 'minimize'} {o.metric}" for o in start.objectives)
        count = f"{start.trials} trials" if start.trials else "trials until the time is up"
        done = f", {start.finished} of them done before" if start.finished else ""
        self._console.print(Text.assemble("Study ", (start.name, "bold"), f": {goal}, {count}{done}"))
        self._bars.update(self._study, total=start.trials, completed=start.finished, status="")

    def trial_taken(self, number: int, worker: int) -> None:
        self._taken[number] = worker

    def trial_started(self, number: int, config: TrialConfig) -> None:
        worker = self._taken.pop(number, None)
        who = "" if worker is None else f"worker {worker}  "
        bar = self._slot(worker or 0)
        for other, running in list(self._running.items()):  # lost to somebody else, without an end here
            if running.bar == bar or other == number:
                self._remove(other)
        name = f"{who}trial {number:>{self._width}}"
        self._bars.reset(bar, total=config.trainer.epochs, description=name, visible=True, status="")
        self._running[number] = _Running(config, bar)

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        status = f"validation accuracy {record.validation_accuracy:.4f}  {record.images_per_second:,.0f} images/s"
        if number in self._running:
            self._bars.update(self._running[number].bar, completed=record.epoch, status=status)

    def found(self, number: int, finding: Finding) -> None:
        if number in self._running:
            self._running[number].found.append(finding.rule)

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        running = self._remove(number)
        value = outcome.values[0] if outcome.values else None
        objective = self._objectives[0]
        if (
            value is not None
            and not outcome.violates
            and (self._best is None or (value > self._best) == objective.maximize)
        ):
            self._best = value
        status = "" if self._best is None else f"best {metric_text(self._best)}"
        again = outcome.state is TrialState.KILLED
        self._bars.update(self._study, advance=0 if again else 1, status=status)
        self._console.print(self._line(number, outcome, running), soft_wrap=True)

    def note(self, text: str) -> None:
        self._console.print(text)

    def _remove(self, number: int) -> _Running | None:
        running = self._running.pop(number, None)
        if running is not None:
            self._bars.update(running.bar, visible=False)
        return running

    def _slot(self, worker: int) -> TaskID:
        """The bar of a worker; those of all workers stay in their order."""
        while len(self._slots) <= worker:
            self._slots.append(self._bars.add_task("", total=None, status="", visible=False))
        return self._slots[worker]

    def _line(self, number: int, outcome: TrialOutcome, running: _Running | None) -> Text:
        sign, style = STATE_SIGNS[outcome.state]
        head = (f"{sign} trial {number:>{self._width}}  {outcome.state.value:<10}", style)
        marks = self._marks(outcome, running)
        values = "  ".join(map(metric_text, outcome.values or ()))
        if outcome.values is None:
            line = Text.assemble(head, *marks, "  ", outcome.reason)
        elif running is None:  # nobody has told how it began: it ran elsewhere
            line = Text.assemble(head, f"  {values}")
        else:
            flat = flatten(running.config.document(), [param.path for param in self._searched])
            params = params_text({param.path: flat[param.path] for param in self._searched if param.is_searched(flat)})
            seconds = f"{time.monotonic() - running.began:6.1f} s"
            line = Text.assemble(head, f"  {values}  {seconds}", *marks, "  ", (params, "dim"))
        if self._console.is_terminal:
            line.truncate(self._console.width, overflow="ellipsis")
        return line

    def _marks(self, outcome: TrialOutcome, running: _Running | None) -> list[tuple[str, str]]:
        """Broken constraints, and what the health rules have found; without what the reason tells anyway."""
        found = [] if running is None or outcome.state is TrialState.KILLED else running.found
        broken = [(f"  ! {text}", "yellow") for text in outcome.violates if outcome.values is not None]
        return broken + [(f"  ! {rule}", "yellow") for rule in found if rule != pruning_rule(outcome.reason)]
