"""Knows which trials are compared by their weights, what tells them apart, and all numbers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tunetrack.errors import TunetrackError
from tunetrack.report.values import label, ranked, short_name
from tunetrack.report.weights.blocks import BlocksInfo, blocks_info
from tunetrack.report.weights.kinds import KindInfo, kinds_info
from tunetrack.report.weights.layers import DeadRow, LayersInfo, dead_rows, layers_info
from tunetrack.report.weights.table import tensor_table
from tunetrack.spec.records import TrialState
from tunetrack.spec.weight_records import SUMMARY_METRICS
from tunetrack.tracking.queries import ParamValue, StudyTable, TrialRow

__all__ = ["ComparedTrial", "chosen_trials", "compared_trial", "differing", "has_statistics", "named_params", "ranges"]

#: How many are compared where nobody says which, and how many more so that every network is among them.
BEST, MOST = 4, 8
#: What tells networks apart; the first to be named.
_NETWORK = ("model.name", "model.residual")
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)


@dataclass(frozen=True)
class ComparedTrial:
    """One trial and what its weight statistics say.

    Attributes:
        number: of the trial.
        params: its values of the searched parameters that differ between the compared trials, networks first.
        all_params: its whole configuration by dotted path.
        plain: whether it has no shortcuts where others have them.
        numbers: of `SUMMARY_METRICS`, those that it has.
        health: rule -> sentence of what was found; None where it was not judged.
        epochs: how many were recorded.
        layers, blocks, kinds, dead: see there; `blocks` is None where their steps were not recorded.
    """

    number: int
    params: Mapping[str, ParamValue]
    all_params: Mapping[str, ParamValue]
    plain: bool
    numbers: Mapping[str, float]
    health: Mapping[str, str] | None
    epochs: int
    layers: LayersInfo
    blocks: BlocksInfo | None
    kinds: tuple[KindInfo, ...]
    dead: tuple[DeadRow, ...]

    @property
    def name(self) -> str:
        """``trial 3``."""
        return f"trial {self.number}"

    @property
    def difference(self) -> str:
        """``size 34, residual false``; empty where nothing differs."""
        return self.differences(len(self.params))

    def differences(self, most: int) -> str:
        """The first so many of them."""
        named = [f"{short_name(path)} {label(value)}" for path, value in self.params.items()]
        return ", ".join([*named[:most], *(["…"] if len(named) > most else [])])

    @property
    def label(self) -> str:
        """``trial 3: size 34, residual false``."""
        return f"{self.name}: {self.difference}" if self.params else self.name


def has_statistics(trial: TrialRow) -> bool:
    """Whether the trial has ended and measured its weights; a duplicate has no epochs of its own."""
    return trial.state in _ENDED and any(name in trial.metrics for name in SUMMARY_METRICS)


def chosen_trials(table: StudyTable, wanted: Sequence[int] | None = None, every: bool = False) -> tuple[TrialRow, ...]:
    """The trials to compare.

    Args:
        table: the study.
        wanted: their numbers, in the order in which they are to stand; none: the `BEST` completed ones by rank, and
            the best of every further network and of those with and without shortcuts, `MOST` in all.
        every: all that have weight statistics, by number, instead.

    Raises:
        TunetrackError: there is no such trial, or it has no weight statistics, or no trial has.
    """
    known = {trial.number: trial for trial in table.trials}
    measured = [trial.number for trial in table.trials if has_statistics(trial)]
    name = table.study.info.name
    if not measured:
        raise TunetrackError(
            f"no trial of {name} has weight statistics; they are recorded for every trial that is trained, unless the "
            "study file says weights: {record: false}, and written when it ends"
        )
    if every:
        return tuple(known[number] for number in measured)
    for number in wanted or ():
        if number not in known:
            raise TunetrackError(f"--trials: {name} has no trial {number}; with weight statistics: {ranges(measured)}")
        if number not in measured:
            raise TunetrackError(
                f"--trials: trial {number} of {name} has no weight statistics{_why_not(known[number])}; "
                f"with weight statistics: {ranges(measured)}"
            )
    if wanted:
        return tuple(known[number] for number in dict.fromkeys(wanted))
    order = [trial for trial in ranked(table) if has_statistics(trial)]
    order += [known[number] for number in measured if known[number] not in order]
    chosen, networks = order[:BEST], {_network(trial) for trial in order[:BEST]}
    for trial in order[BEST:]:
        if _network(trial) not in networks and len(chosen) < MOST:
            chosen.append(trial)
            networks.add(_network(trial))
    return tuple(chosen)


def compared_trial(trial: TrialRow, frame: pd.DataFrame) -> ComparedTrial:
    """All numbers of a trial; what tells it apart is added by `differing`.

    Args:
        trial: its row.
        frame: its table of weight statistics, as `read_weight_stats` gives it.
    """
    table = tensor_table(frame)
    return ComparedTrial(
        number=trial.number,
        params={},
        all_params=trial.params,
        plain=False,
        numbers={name: trial.metrics[name] for name in SUMMARY_METRICS if name in trial.metrics},
        health=trial.health,
        epochs=int(table.epochs.max(initial=0)),
        layers=layers_info(table),
        blocks=blocks_info(frame),
        kinds=kinds_info(table),
        dead=dead_rows(frame),
    )


def differing(trials: Sequence[ComparedTrial], searched: Sequence[str]) -> tuple[ComparedTrial, ...]:
    """The trials with the searched parameters that do not have the same value in all of them.

    Args:
        trials: at least one.
        searched: paths in the order of the study file.
    """
    order = sorted(searched, key=lambda path: path not in _NETWORK)
    paths = [path for path in order if len({label(trial.all_params.get(path)) for trial in trials}) > 1]
    shortcuts = {trial.all_params.get("model.residual") for trial in trials} >= {True, False}
    return tuple(
        replace(
            trial,
            params={path: trial.all_params[path] for path in paths if path in trial.all_params},
            plain=shortcuts and trial.all_params.get("model.residual") is False,
        )
        for trial in trials
    )


def named_params(trials: Sequence[ComparedTrial]) -> tuple[str, ...]:
    """Paths of all parameters that tell the trials apart, networks first."""
    paths = dict.fromkeys(path for trial in trials for path in trial.params)
    return tuple(sorted(paths, key=lambda path: path not in _NETWORK))


def ranges(numbers: Sequence[int]) -> str:
    """``0-3, 5``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _network(trial: TrialRow) -> tuple[str, ...]:
    return tuple(label(trial.trained_with.get(path)) for path in _NETWORK)


def _why_not(trial: TrialRow) -> str:
    if trial.duplicate_of is not None:
        return f": it repeats the configuration of trial {trial.duplicate_of}, which was trained instead"
    if trial.state is TrialState.RUNNING:
        return ": it is still running, and they are written when it ends"
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return ": they were not recorded (weights.record: false, or an older version)"
    return f": it is {trial.state.value} and was not trained to an epoch's end"
