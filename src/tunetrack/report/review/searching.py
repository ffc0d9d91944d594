"""Rules on how was searched: the space's edges, the sampler's start, pruning, and what the budget went into."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from scipy.stats import binom, spearmanr

from tunetrack.report.review.reviewed import NotJudged, Reviewed, ReviewedTrial, SearchedRange
from tunetrack.report.review.words import counted, joined, signed, value_text
from tunetrack.report.values import number
from tunetrack.spec.domains import CategoricalDomain
from tunetrack.spec.records import TrialState, pruning_rule
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.stats import rank_correlation

__all__ = ["boundary", "pruning", "startup", "wasted"]

#: How much of a range counts as its end.
_EDGE = 0.05
#: An accumulation at an end that chance gives more often than this is none, over all ends of all parameters.
_CHANCE = 0.01
#: Trials that these samplers draw at random, or as their first population, before they learn: option and default.
_STARTUP: Mapping[tuple[str, str], tuple[str, int]] = {
    ("optuna", "tpe"): ("n_startup_trials", 10),
    ("optuna", "gp"): ("n_startup_trials", 10),
    ("optuna", "nsgaii"): ("population_size", 50),
    ("hyperopt", "tpe"): ("n_startup_jobs", 20),
}
#: A larger share of the pruned trials than this stood better than the winner did at that epoch: pruning came too early.
_AHEAD = 0.2
#: Ends that no wider range could pass.
_NATURAL_LOW = 0.0


def boundary(study: Reviewed) -> Iterator[ReviewFinding]:
    """The best trials crowd at the end of a range: the optimum may lie beyond it."""
    if not study.ranges:
        raise NotJudged("the ranges that were searched are not known")
    study.must_have(8)
    count = max(4, min(10, len(study.ranked) // 8))
    best = study.ranked[:count]
    ends = 2 * len(study.ranges)
    for searched in study.ranges:
        if not searched.is_numeric or searched.path.startswith(("data.", "trainer.repeat", "trainer.seed")):
            continue
        inside = [trial for trial in best if searched.holds(trial.params)]
        places = [place for trial in inside if (place := _place(searched, trial)) is not None]
        low, high, wide = _span(searched)
        for end, value in (("low", low), ("high", high)):
            if wide >= 0.5 or (end == "low" and value <= _NATURAL_LOW) or len(places) < 4:
                continue
            at_end = [place <= _EDGE if end == "low" else place >= 1 - _EDGE for place in places]
            if not at_end[0] or binom.sf(sum(at_end) - 1, len(places), wide) > _CHANCE / ends:
                continue
            if not _gains(study, searched, end):
                continue
            key = searched.path if isinstance(searched.domain, CategoricalDomain) else f"{searched.path}.{end}"
            yield ReviewFinding(
                "boundary",
                Severity.MEDIUM,
                f"The best trials lie at the {'lower' if end == 'low' else 'upper'} end of {searched.path}",
                f"{sum(at_end)} of the best {len(places)} are within {_EDGE:.0%} of {value_text(value)}, where "
                f"{wide:.0%} of random draws fall; the best has {value_text(best[0].params.get(searched.path))}.",
                f"Extend the range beyond {value_text(value)} ({key}) and search on, for example with --from.",
                tuple(sorted(trial.number for trial, is_at in zip(inside, at_end, strict=True) if is_at)),
            )


def _span(searched: SearchedRange) -> tuple[float, float, float]:
    """Both ends, and the share of random draws that falls on one of them."""
    domain = searched.domain
    if isinstance(domain, CategoricalDomain):
        values = sorted(float(choice) for choice in domain.choices)
        return values[0], values[-1], 1.0 / len(values)
    size = domain.size
    return float(domain.low), float(domain.high), _EDGE if size is None else max(_EDGE, 1.0 / size)


def _place(searched: SearchedRange, trial: ReviewedTrial) -> float | None:
    """Where in the range a trial lies, from 0 to 1."""
    value = number(trial.params.get(searched.path))
    low, high, _ = _span(searched)
    if value is None or low == high:
        return None
    if isinstance(searched.domain, CategoricalDomain):
        order = sorted(float(choice) for choice in searched.domain.choices)
        return order.index(value) / (len(order) - 1) if value in order else None
    if searched.domain.log and low > 0:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _gains(study: Reviewed, searched: SearchedRange, end: str) -> bool:
    """Whether the values rise towards that end, over the quarter of the range beside it."""
    near = [(place, t.value or 0.0) for t in study.finished if (place := _place(searched, t)) is not None]
    near = [(place, value) for place, value in near if (place <= 0.5 if end == "low" else place >= 0.5)]
    if len(near) < 5 or len({place for place, _ in near}) < 2 or len({value for _, value in near}) < 2:
        return True
    slope = float(spearmanr(*zip(*near, strict=True)).statistic)
    towards = slope if (end == "high") == study.maximize else -slope
    return towards > 0.2


def startup(study: Reviewed) -> Iterator[ReviewFinding]:
    """So few trials that the sampler was still drawing at random."""
    if not study.ours:
        yield from _maybe_random(study)
        return
    sampler = study.section("sampler")
    engine, name = str(sampler.get("engine", "optuna")), str(sampler.get("name", "tpe"))
    known = _STARTUP.get((engine, name))
    if not study.ranges:
        raise NotJudged("nothing was searched")
    if known is None:
        raise NotJudged(f"{engine} {name} has no start-up phase")
    option, default = known
    begin = int(sampler.get(option, default))
    seen = sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.DUPLICATE) for trial in study.trials)
    if seen >= 2 * begin:
        return
    all_random = seen <= begin
    yield ReviewFinding(
        "startup",
        Severity.MEDIUM if all_random else Severity.LOW,
        f"{engine} {name} never left its random start-up"
        if all_random
        else f"{engine} {name} had little time to learn",
        f"{counted(seen, 'trial')} gave it a value, and it draws the first {begin} at random"
        + (": this was random search." if all_random else "."),
        f"Give it {4 * begin} trials or more (budget.trials, or `tunetrack resume {study.name} --trials {4 * begin}`), "
        f"or start it earlier (sampler.{option}).",
    )


def _maybe_random(study: Reviewed) -> Iterator[ReviewFinding]:
    study.must_have(2)
    drawn = [
        path
        for path, values in study.varied.items()
        if all(number(value) is not None for value in values) and len(values) == len(study.finished)
    ]
    count = len(study.finished)
    if not 3 <= count < 20 or len(drawn) < 2:
        raise NotJudged("which sampler proposed the runs is not known")
    library = "20 in Hyperopt" if count >= 10 else "20 in Hyperopt, 10 in Optuna"
    yield ReviewFinding(
        "startup",
        Severity.LOW,
        f"If TPE proposed these {count} runs, it was random search",
        f"TPE draws its first trials at random ({library} by default); {joined(drawn[:4])} were varied. "
        f"The best of {count} random draws is no optimum.",
        "Run several times as many trials, or call it random search.",
    )


def wasted(study: Reviewed) -> Iterator[ReviewFinding]:
    """Budget that went into trials without a result."""
    ended = [trial for trial in study.trials if trial.state not in (TrialState.RUNNING, TrialState.KILLED)]
    if not ended:
        raise NotJudged("no trial has ended")
    lost = [trial for trial in ended if trial.state in (TrialState.FAILED, TrialState.INFEASIBLE)]
    part = len(lost) / len(ended)
    if part < 0.05 or len(lost) < 2:
        return
    spent = sum(trial.seconds or 0.0 for trial in ended)
    seconds = sum(trial.seconds or 0.0 for trial in lost)
    counts = Counter(trial.state.value for trial in lost)
    reasons = Counter(trial.reason.partition("\n")[0][:120] for trial in lost if trial.reason).most_common(2)
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    share_of = f" and {seconds / spent:.0%} of the time" if spent else ""
    why = "".join(f" {count} times: {reason}." for reason, count in reasons)
    yield ReviewFinding(
        "wasted",
        Severity.MEDIUM if part >= 0.2 else Severity.LOW,
        f"{part:.0%} of the trials gave no result",
        f"{said} of {counted(len(ended), 'trial')}{share_of}.{why}",
        "Take the values that cannot work out of the search space; `tunetrack show` lists the reasons."
        if study.ours
        else "Take the values that cannot work out of the search space.",
        tuple(trial.number for trial in lost),
    )


def pruning(study: Reviewed) -> Iterator[ReviewFinding]:
    """Pruning by early values that say little of the final ones."""
    pruned = [t for t in study.trials if t.state is TrialState.PRUNED and pruning_rule(t.reason) is None]
    controls = [trial for trial in study.finished if trial.would_prune_at is not None]
    if not pruned and not controls:
        raise NotJudged("no trial was pruned")
    metric = study.objective.removeprefix("best/")
    if controls:
        yield from _controls(study, controls)
    lengths = sorted(length for trial in pruned if (length := len(trial.curve(metric))))
    if not lengths:
        raise NotJudged("the epochs of pruned trials are not known")
    epoch = lengths[len(lengths) // 2]
    pairs = [(t.curve(metric)[epoch - 1], t.value) for t in study.finished if len(t.curve(metric)) > epoch]
    early = [(first, last) for first, last in pairs if last is not None]
    ahead = _ahead(study, pruned, metric)
    rank = _rank(early)
    weak = rank is not None and rank[1] < 0.6
    if not weak and len(ahead) <= _AHEAD * len(pruned):
        return
    said = [f"{counted(len(pruned), 'trial')} ended early, in the middle after epoch {epoch}."]
    if rank is not None:
        said.append(
            f"Among the {len(early)} trials that went on, the rank correlation of that epoch's value with the final "
            f"one is {rank[0]:.2f} (at most {rank[1]:.2f} at 95 %; survivors alone, so the true one may be larger)."
        )
    if ahead:
        said.append(
            f"{counted(len(ahead), 'pruned trial')} stood better at its end than the later winner did at that epoch."
        )
    yield ReviewFinding(
        "pruning",
        Severity.MEDIUM if weak else Severity.LOW,
        "Pruning was too eager",
        " ".join(said),
        "Prune later (pruner.n_warmup_steps, or min_resource), or run a control sample to the end "
        "(pruner: {control: 0.05}).",
        tuple(sorted(trial.number for trial in (ahead or pruned)))[:50],
    )


def _rank(early: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The rank correlation and the upper end of its 95 % interval."""
    if len(early) < 10 or len({one for one, _ in early}) < 3 or len({other for _, other in early}) < 3:
        return None
    found, interval = rank_correlation([one for one, _ in early], [other for _, other in early])
    return found, interval.high


def _ahead(study: Reviewed, pruned: Sequence[ReviewedTrial], metric: str) -> list[ReviewedTrial]:
    """Pruned trials that stood better than the winner at the same epoch."""
    own = study.best.curve(metric)
    return [
        trial
        for trial in pruned
        if (curve := trial.curve(metric)) and len(curve) <= len(own) and study.better(curve[-1], own[len(curve) - 1])
    ]


def _controls(study: Reviewed, controls: Sequence[ReviewedTrial]) -> Iterator[ReviewFinding]:
    """What became of trials that the pruner would have ended, and that were run on to see."""
    others = [trial for trial in study.ranked if trial.would_prune_at is None]
    top = others[: max(1, len(others) // 10)]
    good = [c for c in controls if not top or not study.better(top[-1].value or 0.0, c.value or 0.0)]
    best = min(controls, key=study.ranked.index)
    beats = not others or study.better(best.value or 0.0, others[0].value or 0.0)
    if not good:
        return
    yield ReviewFinding(
        "pruning",
        Severity.MEDIUM,
        "The pruner would have ended good trials",
        f"Of {counted(len(controls), 'control trial')} that it would have ended, {len(good)} "
        f"{'is' if len(good) == 1 else 'are'} among the best tenth of the others; the best, {study.call(best)}, "
        f"reached {signed(best.value or 0.0)}" + (", more than any other trial." if beats and study.maximize else "."),
        "Prune later (pruner.n_warmup_steps, or min_resource), or not at all.",
        tuple(sorted(trial.number for trial in good)),
    )
