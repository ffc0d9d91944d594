"""Knows how what a study teaches, and what it has cost, reads in sentences."""

from __future__ import annotations

from tunetrack.report.savings import savings_info
from tunetrack.report.understanding.accounts import WATTS, WATTS_SOURCE, WATTS_TAG, AccountsInfo, ReachRow
from tunetrack.report.understanding.effects import EffectsInfo
from tunetrack.report.understanding.path import Change, PathInfo
from tunetrack.report.understanding.pruning import ControlInfo, PruningInfo
from tunetrack.report.words import duration, plural
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable

__all__ = [
    "accounts_words",
    "change_words",
    "effects_words",
    "energy_text",
    "path_words",
    "pruning_words",
    "reach_text",
    "reach_words",
    "within_text",
]

#: Below this share of explained variance curves are hints.
_LITTLE = 0.3
#: From this rank correlation on an early value is said to foretell the end well; below the other one, hardly.
_WELL, _HARDLY = 0.8, 0.4


def effects_words(info: EffectsInfo, metric: str) -> list[str]:
    """What the curves are, and how far they can be trusted."""
    if info.effects is None or info.surrogate is None:
        return [f"No effects are given: {info.reason}."]
    r2 = info.surrogate.r2
    found = [
        f"Mean {metric} by one parameter, all others as they were in {plural(info.trials, 'completed trial')}, as a "
        "random forest sees it. Bands: where 8 of 10 forests lie, each fitted to trials that were drawn anew.",
    ]
    if r2 <= 0:
        found.append(
            "In trials that they were not fitted to, the forests are no better than the mean (out-of-bag R² "
            f"{r2:.2f}): these curves cannot be relied on."
        )
    else:
        trust = " That is little: take the curves as hints." if r2 < _LITTLE else ""
        found.append(
            f"The forests explain {r2:.0%} of the differences between trials that they were not fitted to (out-of-bag "
            f"R²).{trust}"
        )
    conditional = sorted({effect.trials for effect in info.effects} - {info.surrogate.trials})
    if conditional:
        found.append("A parameter that only some trials have is judged by these alone.")
    if info.left_out:
        left = ", ".join(info.left_out[:6]) + (f" and {len(info.left_out) - 6} more" if len(info.left_out) > 6 else "")
        found.append(f"Not shown, as too few trials have it, it took one value, or it moves little: {left}.")
    return found


def path_words(info: PathInfo, metric: str) -> list[str]:
    """Where the path leads, and that it is the forests' view."""
    if info.steps is None or info.measured is None:
        return [f"No path is given: {info.reason}."]
    first, last = info.steps[0], info.steps[-1]
    return [
        f"From trial {info.start}, whose {metric} is the median of all completed trials ({info.measured[0]:.4g}), to "
        f"trial {info.end}, the best one ({info.measured[1]:.4g}): the change that helps most is made first, as the "
        f"forests see it. They take the first for {first.value:.4g} and the last for {last.value:.4g}; nothing between "
        "was trained."
    ]


def change_words(change: Change) -> str:
    """``optimizer.lr 0.1 → 0.003``."""
    return f"{change.path} {change.before} → {change.after}"


def pruning_words(info: PruningInfo) -> list[str]:
    """How well early values foretell final ones, and what the control sample says."""
    found = []
    if info.points:
        first, middle = info.points[0], info.points[len(info.points) // 2]
        which = "well" if first.correlation >= _WELL else "hardly" if first.correlation < _HARDLY else "in part"
        trials = plural(first.trials, "completed trial")
        later = f"; after epoch {middle.epoch}: {middle.correlation:.2f}" if middle is not first else ""
        found.append(
            f"The {info.metric} after epoch {first.epoch} foretells the end {which}: rank correlation "
            f"{first.correlation:.2f} ({first.low:.2f} to {first.high:.2f}) among {trials}{later}."
        )
        if info.pruned:
            found.append(
                "Pruned trials are missing from this; as the worst are missing, it is rather too low for all trials."
            )
    else:
        found.append(f"Whether early values foretell final ones cannot be told: {info.reason}.")
    if info.control is not None:
        found += _control_words(info.control)
    elif info.pruned:
        found.append(
            f"What pruning {plural(info.pruned, 'trial')} has cost cannot be told: none of the trials that the pruner "
            "would have ended was run to its end. `pruner: {control: 0.05}` runs one in twenty of them on."
        )
    return found


def _control_words(info: ControlInfo) -> list[str]:
    many = plural(info.trials, "trial")
    found = [f"Of the trials that the pruner would have ended, {many} ran to the end all the same (control sample)."]
    span = f"{info.low:.0%} to {info.high:.0%}" if info.better else f"at most {info.high:.0%}"
    if info.better:
        found.append(
            f"{info.better} of them ended better than every other trial, by up to {info.closest:.4g}: without the "
            "sample, pruning would have cost that much."
        )
    else:
        found.append(
            f"None of them ended better than the best other trial; the closest stayed {-info.closest:.4g} behind it."
        )
    found.append(
        f"So with 95% confidence {span} of such trials would have been the best; the pruner has ended "
        f"{plural(info.pruned, 'trial')}."
    )
    if info.seconds is not None:
        found.append(f"Running them on has cost {duration(info.seconds)}.")
    return found


def accounts_words(table: StudyTable, info: AccountsInfo) -> list[str]:
    """The sums, where they come from, and whether they fit the workers' time."""
    wall = "" if info.wall is None else f", within {duration(info.wall)} from beginning to end"
    found = [f"Trials held a device for {duration(info.seconds)}{wall}{_by_device(info)}."]
    if info.kwh is not None and info.kwh > 0:
        cpu, gpu = (f"{WATTS[kind]:.0f} W" for kind in ("cpu", "cuda"))
        power = f"a CPU thread takes {cpu} and a GPU {gpu} ({WATTS_SOURCE})"
        if info.watts is not None:
            power = f"{info.watts:g} W are drawn while a trial trains, as the tag {WATTS_TAG} says"
        found.append(
            f"About {energy_text(info.kwh)}, if {power}; nothing was measured, and memory, cooling and waiting are not "
            "counted."
        )
    elif info.seconds:
        found.append("No energy is estimated: on which device some trials were trained was not logged.")
    if info.idle is not None and info.open is not None:
        workers = plural(info.workers, "worker")
        if info.idle < -0.02:
            found.append(
                f"That is more than the {duration(info.open)} for which {workers} were there, so some time was counted "
                "twice."
            )
        else:
            was = "was" if info.workers == 1 else "were"
            share = max(0.0, info.idle)
            found.append(
                f"{workers} {was} there for {duration(info.open)} in all; for {share:.0%} of it no trial was training."
            )
    saved = savings_info(table)
    if saved.seconds:
        pruned = next((row.seconds for row in info.rows if row.state is TrialState.PRUNED), 0.0)
        found.append(
            f"Pruning has saved up to {duration(saved.seconds)} that {plural(saved.trials, 'pruned trial')} would "
            f"still have trained; they took {duration(pruned)}."
        )
    return found


def reach_words(info: AccountsInfo, metric: str) -> str:
    """What the last small gain has cost; empty where that is not known."""
    near = min((row for row in info.reach if row.within), key=lambda row: row.within, default=None)
    if near is None or not info.seconds:
        return ""
    best = info.reach[-1].trial == near.trial
    more = "brought nothing better" if best else f"brought the last {_distance(near, metric)} or less"
    return (
        f"Trial {near.trial} was the first {within_text(near, metric)} of the best, after {duration(near.seconds)}; "
        f"the {duration(near.after)} that followed ({near.after / info.seconds:.0%} of all) {more}."
    )


def within_text(row: ReachRow, metric: str) -> str:
    """``within 0.1 percentage points``."""
    return f"within {_distance(row, metric)}" if row.within else "the best itself"


def _distance(row: ReachRow, metric: str) -> str:
    return f"{100 * row.within:g} percentage points" if metric.endswith("accuracy") else f"{row.within:.3g}"


def reach_text(row: ReachRow, info: AccountsInfo) -> str:
    """``12 min (40 %), trial 7``."""
    share = f" ({row.seconds / info.seconds:.0%})" if info.seconds else ""
    return f"{duration(row.seconds)}{share}, trial {row.trial}"


def energy_text(kwh: float) -> str:
    """``1.2 kWh``, ``35 Wh``."""
    return f"{kwh:.3g} kWh" if kwh >= 1 else f"{1000 * kwh:.2g} Wh"


def _by_device(info: AccountsInfo) -> str:
    if len(info.devices) == 1 and "not logged" not in info.devices[0][0]:
        return f" ({info.devices[0][0]})"
    if len(info.devices) < 2:
        return ""
    return " (" + ", ".join(f"{duration(seconds)} on {name}" for name, seconds in info.devices) + ")"
