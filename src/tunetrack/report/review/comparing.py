"""Rules on what was compared with what: several factors at once, parameters without effect, the same run twice."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tunetrack.report.review.guesses import parameter_count
from tunetrack.report.review.reviewed import NotJudged, Reviewed, ReviewedTrial, is_seed, shapes_network
from tunetrack.report.review.words import capital, changed, counted, joined, value_text
from tunetrack.report.values import number, short_name
from tunetrack.spec.records import TrialState
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.tracking.queries import ParamValue

__all__ = ["confounded", "duplicates", "idle_layers", "same_names", "unused_parameter"]

#: More trials than these are no comparison by hand.
_COMPARED = 60
#: Parameters that change neither model nor outcome by intention.
_NO_FACTOR = ("weights.", "trainer.threads", "trainer.device", "data.dir", "data.cache_dir")
#: What may differ between two kinds of network although it is no part of their shape.
_REGULARISERS = ("dropout", "norm", "activation", "augment", "decay")
#: What equal trainings agree in. In studies of ours the test images are shown to the best trial alone.
_OUTCOME = ("train/loss", "validation/loss", "train/accuracy", "validation/accuracy")
_OTHERS = ("test/loss", "test/accuracy")
#: A straight line in logarithms that leaves less than this unexplained explains a model's size.
_EXPLAINED = 0.03


def confounded(study: Reviewed) -> Iterator[ReviewFinding]:
    """Runs that differ in more than one factor from every run that they can be compared with."""
    study.must_have(2)
    if study.is_search:
        raise NotJudged("a search changes all parameters at once on purpose; their importance is estimated instead")
    trials = study.ranked[:_COMPARED]
    best = trials[0]
    apart_by = {
        frozenset((one.number, other.number)): len(_factors(one, other))
        for one, other in itertools.combinations(trials, 2)
    }
    linked, new = {best.number}, {best.number}
    while new:
        rest = [trial.number for trial in trials if trial.number not in linked]
        new = {other for other in rest if any(apart_by[frozenset((known, other))] <= 1 for known in new)}
        linked |= new
    apart = [trial for trial in trials if trial.number not in linked]
    if not apart:
        return
    inside = [trial for trial in trials if trial.number in linked]
    one, other = min(
        itertools.product(inside, apart),
        key=lambda pair: (
            apart_by[frozenset((pair[0].number, pair[1].number))],
            pair[0] is not best,
            pair[0].number,
            pair[1].number,
        ),
    )
    factors = _factors(other, one)
    named = joined(changed(path, other.params.get(path), one.params.get(path)) for path in factors)
    yield ReviewFinding(
        "confounded",
        Severity.MEDIUM,
        f"{len(factors)} factors changed at once between runs that are compared",
        f"No chain of single changes leads from {study.call(best)} to {study.call_all(apart)}. The "
        f"nearest two, {study.call(other)} and {study.call(one)}, differ in {named}; none of these changes can be "
        "credited with the difference.",
        _one_at_a_time(study, factors),
        tuple(sorted((one.number, other.number))),
    )


def _one_at_a_time(study: Reviewed, factors: Sequence[str]) -> str:
    names = joined(map(short_name, factors[:4]))
    how = study.key("choices for each of them, sampler: {name: brute_force}")
    return f"Run the combinations of {names} in between{how}, then compare."


def _factors(one: ReviewedTrial, other: ReviewedTrial) -> list[str]:
    """The parameters in which two runs differ; what only one has belongs to the choice that brings it."""
    a, b = one.setting, other.setting
    both = [path for path in a if path in b and a[path] != b[path] and not _is_no_factor(path, a[path])]
    kinds = [path for path in both if path.endswith(".name")]
    sections = {path.removesuffix("name") for path in kinds}
    found = [path for path in both if path in kinds or not path.startswith(tuple(sections)) or _regularises(path)]
    single = [path for path in (*a, *b) if (path in a) != (path in b) and not _is_no_factor(path, a.get(path))]
    # A value that is null on one side and absent on the other is the same setting.
    single = [path for path in single if (a.get(path), b.get(path)) != (None, None)]
    found += [path for path in single if not path.startswith(tuple(sections)) and "." not in path]
    # A branch is stored under its own path, too, in words.
    return [path for path in found if not any(other.startswith(f"{path}.") for other in found)]


def _is_no_factor(path: str, value: ParamValue) -> bool:
    return path.startswith(_NO_FACTOR) or parameter_count({path: value}) is not None


def _regularises(path: str) -> bool:
    return any(word in path for word in _REGULARISERS)


def unused_parameter(study: Reviewed) -> Iterator[ReviewFinding]:
    """A parameter whose value never changed model or outcome, although it is logged as if it did."""
    paths = [path for path in study.varied if not is_seed(path) and not path.startswith(_NO_FACTOR)]
    study.must_have(2)
    if not paths:
        raise NotJudged("no parameter was varied")
    same = _without_effect(study, paths)
    for path, (pairs, one, other) in same.items():
        yield ReviewFinding(
            "unused_parameter",
            Severity.MEDIUM,
            f"{path} never changed the outcome",
            f"{counted(pairs, 'pair')} of {'trials' if study.ours else 'runs'} differ in it alone, and all metrics "
            f"agree to the last digit: for example {study.call(one)} and {study.call(other)} "
            f"({changed(path, one.params[path], other.params[path])}).",
            f"Look where {path} is read; leave it out of the search until it does something.",
            tuple(sorted((one.number, other.number))),
        )
    yield from _not_in_size(study, [path for path in paths if path not in same])


def _without_effect(study: Reviewed, paths: list[str]) -> dict[str, tuple[int, ReviewedTrial, ReviewedTrial]]:
    """By parameter: pairs that differ in it alone, where all of them agree in everything measured."""
    codes: list[dict[str, int]] = [{} for _ in paths]
    keys = []
    for trial in study.finished:
        parts = [repr(trial.params.get(path)) for path in paths]
        keys.append(tuple(codes[at].setdefault(text, len(codes[at])) for at, text in enumerate(parts)))
    seeds = [repr([v for path, v in trial.params.items() if is_seed(path)]) for trial in study.finished]
    found = {}
    for at, path in enumerate(paths):
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for index, key in enumerate(keys):
            groups[(*key[:at], *key[at + 1 :], seeds[index])].append(index)
        pairs, example = 0, None
        for members in groups.values():
            values = {keys[index][at]: index for index in members}
            if len(values) < 2:
                continue
            first, *rest = (study.finished[index] for index in values.values())
            if not all(_agree(first, other) for other in rest):
                pairs = 0
                break
            pairs, example = pairs + len(rest), (first, rest[0])
        if pairs and example:
            found[path] = (pairs, *example)
    return found


def _agree(one: ReviewedTrial, other: ReviewedTrial) -> bool:
    """Whether two trainings left the same numbers, two at least."""
    return len(_measured(one)) >= 2 and _measured(one) == _measured(other)


def _measured(trial: ReviewedTrial) -> tuple[tuple[str, float], ...]:
    """What a training leaves that is no time and no size; equal for equal trainings alone."""
    names = (
        _OUTCOME
        if "validation/loss" in trial.metrics or "validation/accuracy" in trial.metrics
        else (*_OUTCOME, *_OTHERS)
    )
    return tuple((name, value) for name in names if (value := trial.metric(name)) is not None)


def _not_in_size(study: Reviewed, paths: list[str]) -> Iterator[ReviewFinding]:
    """Parameters that should shape the network, where another one alone explains its size."""
    if study.ours:
        return
    sizes = [(trial, trial.metric("model/parameters") or trial.model_bytes) for trial in study.finished]
    known = [(trial, math.log(size)) for trial, size in sizes if size]
    shaping = [path for path in paths if shapes_network(path) and _numbers(known, path) is not None]
    if len(known) < 3 or len(shaping) < 2:
        return
    left = {path: _unexplained(_numbers(known, path) or [], [size for _, size in known]) for path in shaping}
    explains = min(left, key=lambda path: left[path])
    if left[explains] > _EXPLAINED:
        return
    idle = [path for path in shaping if path != explains and left[path] > 3 * _EXPLAINED]
    if idle:
        values = joined(
            f"{path} {', '.join(value_text(trial.params[path]) for trial, _ in known[:6])}" for path in idle
        )
        yield ReviewFinding(
            "unused_parameter",
            Severity.MEDIUM,
            f"{joined(idle)} never changed the model",
            f"The size of the stored model follows {explains} alone: a power of it explains all {len(known)} sizes to "
            f"within {100 * left[explains]:.1g} %, although the runs have {values}.",
            f"Look where {joined(idle)} {'is' if len(idle) == 1 else 'are'} read; conclusions about "
            f"{'it' if len(idle) == 1 else 'them'} have no ground.",
            tuple(trial.number for trial, _ in known),
        )


def _numbers(known: Sequence[tuple[ReviewedTrial, float]], path: str) -> list[float] | None:
    values = [number(trial.params.get(path)) for trial, _ in known]
    positive = [math.log(value) for value in values if value is not None and value > 0]
    return positive if len(positive) == len(values) and len(set(positive)) > 1 else None


def _unexplained(x: list[float], y: list[float]) -> float:
    """The largest distance from the straight line of least squares; 0.03 in logarithms is 3 %."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    slope = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True)) / spread
    return max(abs(other - mean_y - slope * (one - mean_x)) for one, other in zip(x, y, strict=True))


def idle_layers(study: Reviewed) -> Iterator[ReviewFinding]:
    """Layers that have parameters and are never called: they count in the model's size and learn nothing."""
    if not study.ours:
        raise NotJudged("the layers are not stored")
    idle = {trial: count for trial, count in study.idle_parameters.items() if count}
    if not idle:
        return
    counts = joined(f"{count:,} (trial {trial})" for trial, count in list(idle.items())[:4])
    yield ReviewFinding(
        "idle_layers",
        Severity.LOW,
        "Some networks own layers that are never called",
        f"Parameters of layers without an input: {counts}.",
        "Leave these layers out, or do not count them when sizes are compared (model.json lists them last).",
        tuple(sorted(idle)),
    )


def duplicates(study: Reviewed) -> Iterator[ReviewFinding]:
    """The same training twice: reused by tunetrack, or run again with the same outcome."""
    reused = [trial for trial in study.trials if trial.state is TrialState.DUPLICATE]
    copies: dict[tuple[object, ...], list[ReviewedTrial]] = defaultdict(list)
    for place, group in enumerate(study.configurations):
        for trial in group if len(group) > 1 else ():
            if len(_measured(trial)) >= 2:
                copies[place, _measured(trial)].append(trial)
    again = [group for group in copies.values() if len(group) > 1]
    if reused:
        part = len(reused) / len(study.trials)
        yield ReviewFinding(
            "duplicates",
            Severity.LOW if part > 0.1 else Severity.NOTE,
            f"{counted(len(reused), 'trial')} proposed what had been trained before",
            f"{part:.0%} of the trials; their results were reused and cost nothing.",
            "Where there are many, the space is nearly exhausted: widen it, or lower budget.trials.",
            tuple(trial.number for trial in reused),
        )
    if again:
        largest = max(again, key=len)
        spent = sum(trial.seconds or 0.0 for group in again for trial in group[1:])
        yield ReviewFinding(
            "duplicates",
            Severity.LOW,
            "Repetitions that are copies of one another say nothing of the noise",
            f"{capital(study.call_all(largest))} have the same configuration and the same metrics to the last "
            f"digit: with a fixed seed they are one run, not {len(largest)}. Such copies took {spent:,.0f} s.",
            "Repeat with different seeds (trainer.seed: {choices: [1, 2, 3]}, or `tunetrack confirm`)."
            if study.ours
            else "Repeat with different seeds.",
            tuple(sorted(trial.number for trial in largest)),
        )


def same_names(study: Reviewed) -> Iterator[ReviewFinding]:
    """Runs or files that are called the same although they are not the same."""
    if study.ours:
        return  # names are made by tunetrack
    by_name: dict[str, list[ReviewedTrial]] = defaultdict(list)
    for trial in study.trials:
        by_name[trial.name].append(trial)
    clashing = {
        name: group
        for name, group in by_name.items()
        if name and len(group) > 1 and len({repr(sorted(trial.params.items())) for trial in group}) > 1
    }
    if clashing:
        name, group = max(clashing.items(), key=lambda pair: len(pair[1]))
        paths = [path for path in study.varied if len({repr(trial.params.get(path)) for trial in group}) > 1]
        yield ReviewFinding(
            "same_names",
            Severity.LOW,
            "Different runs have the same name",
            f"{len(group)} runs are called {name!r} and differ in {joined(paths[:4])}. Whatever is filed by that name "
            "holds only the last of them, or a mixture.",
            f"Put {joined(paths[:4])} into the name, or use the run's id.",
            tuple(trial.number for trial in group),
        )
    files = Counter(file for trial in study.trials for file in set(trial.files) if any(c.isdigit() for c in file))
    shared = [file for file, count in files.items() if count > 1]
    if shared:
        owners = [trial for trial in study.trials if shared[0] in trial.files]
        yield ReviewFinding(
            "same_names",
            Severity.LOW,
            "Different runs have stored a file of the same dated name",
            f"{shared[0]} belongs to {study.call_all(owners)}. A folder that is shared by runs keeps one of them.",
            "Name files by the run's id, or by the second.",
            tuple(trial.number for trial in owners),
        )
