"""Rules on whether the numbers carry the choice: sample size, seeds, repetitions that disagree."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from tunetrack.report.review.reviewed import NotJudged, Reviewed, ReviewedTrial
from tunetrack.report.review.words import capital, counted, points, share, signed
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.stats import images_needed, least_difference, share_interval, shrunken, tied

__all__ = ["noise", "one_seed", "repeats_disagree"]

#: From this difference on, in accuracy, a validation set that cannot show it is too small for any choice.
_COARSE = 0.04
#: More images than these are as good as endlessly many.
_COUNTED = 1_000_000
#: Trials from which the best of them is visibly the luckiest of them.
_MANY = 10


def noise(study: Reviewed) -> Iterator[ReviewFinding]:
    """Differences that the validation images cannot show."""
    if study.winner is not None:
        yield from _tied(study)
        return
    if study.objectives > 1:
        raise NotJudged("the study has several objectives, so there is no single winner")
    if not study.objective.endswith(("accuracy", "loss")):
        raise NotJudged(f"{study.objective} does not depend on the validation images")
    study.must_have(2)
    if study.images is None:
        raise NotJudged("the number of images that chose is not known")
    trials = _by_share(study)
    if len(trials) < 2:
        raise NotJudged("no accuracy is stored, and the scatter of a loss does not follow from the number of images")
    best = trials[0]
    top = study.share(best) or 0.0
    near = _near(study, trials)
    if not near:
        return
    told = least_difference(top, study.images)
    coarse = told >= _COARSE
    needed = _needed(study, trials, near)
    interval = share_interval(round(top * study.images), study.images)
    proxy = (
        "" if study.objective.endswith("accuracy") else f" (judged by its accuracy; the objective is {study.objective})"
    )
    said = [
        f"{capital(study.call(best))} has {share(top)}{proxy} on {study.images:,} images: 95 % interval "
        f"{share(interval.low)} to {share(interval.high)}.",
        _not_told(len(near), len(trials) - 1, study.kind),
        f"So many images show differences from {points(told)} on.",
    ]
    if needed is not None:
        gap, images = needed
        amount = f"about {images:,} images" if images <= _COUNTED else "more than a million images"
        said.append(f"For the lead of {points(gap)} over the next different value it takes {amount}.")
    said += _luck(study, trials)
    yield ReviewFinding(
        "noise",
        Severity.HIGH if coarse else Severity.MEDIUM,
        "The winner is named by noise" if coarse else "The winner cannot be told apart from others",
        " ".join(said),
        _advice(study),
        tuple(sorted([best.number, *(trial.number for trial in near)])),
    )


def _not_told(near: int, others: int, kind: str) -> str:
    if others == 1:
        return f"The other finished {kind} cannot be told apart from it."
    if near == others:
        return f"None of the {others} other finished {kind}s can be told apart from it."
    return f"{near} of the {others} other finished {kind}s cannot be told apart from it."


def _advice(study: Reviewed) -> str:
    if study.ours:
        return (
            f"`tunetrack confirm {study.name} --top 5 --seeds 5` trains the best again on shared seeds and compares "
            "them image by image; more validation images (data.validation) help as well."
        )
    return "Hold out more images, and train the best few again on several shared seeds before naming one."


def _by_share(study: Reviewed) -> list[ReviewedTrial]:
    """The finished trials with an accuracy; the winner first, the others by their accuracy."""
    known = [trial for trial in study.ranked if study.share(trial) is not None]
    if not known or known[0] is not study.ranked[0]:
        return []
    return [known[0], *sorted(known[1:], key=lambda trial: (-(study.share(trial) or 0.0), trial.number))]


def _near(study: Reviewed, trials: list[ReviewedTrial]) -> list[ReviewedTrial]:
    """The trials whose difference from the winner may be zero at 95 %, and those that answered more rightly."""
    images, top = study.images or 1, study.share(trials[0]) or 0.0
    shares = [min(study.share(trial) or 0.0, top) for trial in trials]  # where a loss decided, some may be better
    return [trials[place] for place in tied(shares, [images] * len(shares))]


def _needed(study: Reviewed, trials: list[ReviewedTrial], near: list[ReviewedTrial]) -> tuple[float, int] | None:
    """The lead over the first lower accuracy, and the images that would show it; None where all are equal."""
    top = study.share(trials[0]) or 0.0
    gap = next((top - value for trial in near if (value := study.share(trial) or 0.0) < top), None)
    return None if gap is None else (gap, images_needed(gap, top))


def _luck(study: Reviewed, trials: list[ReviewedTrial]) -> Iterator[str]:
    if len(trials) < _MANY or study.images is None:
        return
    # Trainings that learned nothing are no part of the crowd that the best one stands out from.
    values = [value for trial in trials if (value := study.share(trial) or 0.0) > (study.share(trials[0]) or 0.0) / 2]
    fitted = shrunken(values, [binomial_error(value, study.images) for value in values])
    if values[0] - fitted.values[0] >= 0.0005:
        yield (
            f"As the best of {len(trials)} it is also lucky: corrected for that, {share(fitted.values[0])} is to be "
            "expected."
        )


def _tied(study: Reviewed) -> Iterator[ReviewFinding]:
    winner = study.winner
    if winner is None or len(winner.tied) < 2:
        return
    numbers = ", ".join(f"{one.trial}: {signed(one.mean)}" for one in winner.tied[:5])
    yield ReviewFinding(
        "noise",
        Severity.NOTE,
        f"{len(winner.tied)} configurations cannot be told apart from the best",
        f"Means over {counted(len(winner.seeds), 'seed')} by trial: {numbers}. Trial {winner.chosen} was chosen: "
        f"{winner.reason}.",
        f"None of them is known to be better; more seeds (`tunetrack confirm {study.name} --seeds 10`) or images would "
        "tell.",
        tuple(sorted(one.trial for one in winner.tied)),
    )


def one_seed(study: Reviewed) -> Iterator[ReviewFinding]:
    """Every configuration was trained once, so nobody knows what another seed would have given."""
    if study.winner is not None:
        return
    if study.objectives > 1:
        raise NotJudged("the study has several objectives, so there is no single winner")
    study.must_have(2)
    groups = study.configurations
    best = next(group for group in groups if study.best in group)
    repeated = [group for group in groups if len({_outcome(trial) for trial in group}) > 1]
    if study.best in [trial for group in repeated for trial in group]:
        return
    if repeated:
        spread = max(_spread(group) for group in repeated)
        were = "was" if len(repeated) == 1 else "were"
        said = (
            f"Only {counted(len(repeated), 'configuration')} {were} repeated with other results (spread {spread:.3g}); "
        )
        said += f"that of {study.call(study.best)} was not."
    else:
        said = f"Each of {counted(len(groups), 'configuration')} has one independent training"
        said += "" if len(best) == 1 else f"; the {len(best)} of {study.call(study.best)} are copies of one another"
        said += ". How far seeds alone move the result cannot be seen."
    yield ReviewFinding(
        "one_seed",
        Severity.MEDIUM,
        "The winner was trained on one seed",
        said,
        f"`tunetrack confirm {study.name} --top 5 --seeds 5`, or confirm: {{top: 5, seeds: 5}} in the study file."
        if study.ours
        else "Train the best few again on the same three to five seeds, and compare means.",
        (study.best.number,),
    )


def repeats_disagree(study: Reviewed) -> Iterator[ReviewFinding]:
    """The same configuration gave different results: the size of the noise, seen directly."""
    groups = [group for group in study.configurations if len({_outcome(trial) for trial in group}) > 1]
    if not groups:
        if not any(len(group) > 1 for group in study.configurations):
            raise NotJudged("no configuration was trained twice with a result of its own")
        return
    widest = max(groups, key=_spread)
    values = sorted((trial.value or 0.0 for trial in widest), reverse=study.maximize)
    others = [trial for trial in study.ranked[1:] if study.best.setting != trial.setting]
    lead = abs((study.best.value or 0.0) - (others[0].value or 0.0)) if others else None
    said = (
        f"{capital(study.call_all(widest))} have the same configuration and gave "
        f"{', '.join(map(signed, values[:6]))}: a spread of {_spread(widest):.3g}."
    )
    pooled = _pooled(groups)
    if pooled is not None:
        said += f" Standard deviation between repetitions: {pooled:.3g}."
    drowns = lead is not None and lead < _spread(widest)
    if lead is not None:
        said += f" The winner's lead over the next configuration is {lead:.3g}."
    yield ReviewFinding(
        "repeats_disagree",
        Severity.MEDIUM if drowns else Severity.NOTE,
        "Repeating a configuration moves the result more than the winner leads"
        if drowns
        else "Repetitions of a configuration differ",
        said,
        "Read differences smaller than this spread as none, and compare means over several seeds.",
        tuple(sorted(trial.number for trial in widest)),
    )


def _outcome(trial: ReviewedTrial) -> tuple[float | None, ...]:
    """What two copies of one training have in common."""
    return (trial.value, trial.metric("validation/loss"), trial.metric("train/loss"))


def _spread(trials: Sequence[ReviewedTrial]) -> float:
    values = [trial.value or 0.0 for trial in trials]
    return max(values) - min(values)


def _pooled(groups: Sequence[Sequence[ReviewedTrial]]) -> float | None:
    squares = [(len(group) - 1, statistics.variance([t.value or 0.0 for t in group])) for group in groups]
    freedom = sum(count for count, _ in squares)
    return (sum(count * variance for count, variance in squares) / freedom) ** 0.5 if freedom else None
