"""Rules on how the trainings went: over- and under-fitting, divergence, last epochs that jump, sick weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from tunetrack.report.review.reviewed import NotJudged, Reviewed, ReviewedTrial, last_part
from tunetrack.report.review.words import capital, counted, points, share
from tunetrack.report.values import number
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.records import TrialState
from tunetrack.spec.review import ReviewFinding, Severity

__all__ = ["divergence", "epoch_size", "fit", "health", "jumps", "running_average"]

#: A validation loss that has risen by so much above its lowest is over-fitting, where training accuracy leads as well.
_RISE = 1.1
_LEAD = 0.03
#: A loss that still falls by so much an epoch at the end has not had its epochs.
_FALLING = 0.05
#: A last epoch that lies so many standard errors below the one before, and by so much, is a jump.
_ERRORS = 4.0
_JUMP = 0.03
#: Share of trials with sick weights that is worth a word.
_SICK = 0.2
#: Training accuracies above this leave nothing to be learned from the training images.
_LEARNED = 0.999


def _trained(study: Reviewed, *metrics: str) -> list[ReviewedTrial]:
    """The finished trials of which these curves are known, best first.

    Raises:
        NotJudged: there is none.
    """
    found = [trial for trial in study.ranked if all(len(trial.curve(metric)) >= 3 for metric in metrics)]
    if not found:
        raise NotJudged(f"no finished trial has {' and '.join(metrics)} of three epochs or more")
    return found


def _held(study: Reviewed, number_of: str) -> str:
    """The metric of the images that chose."""
    own = f"validation/{number_of}"
    return own if any(trial.curve(own) for trial in study.trials) else f"test/{number_of}"


def at_the_end(curve: Sequence[float]) -> float:
    """A training metric as it would be measured at the end of the last epoch, like the validation metric.

    It is a mean over the epoch, while the weights moved, so it belongs to the middle of the epoch; half a step of the
    curve more is the end. Geron 2022, "Hands-On Machine Learning", chapter 10: shift the training curve by half an
    epoch to the left.
    """
    return curve[-1] + (curve[-1] - curve[-2]) / 2.0 if len(curve) > 1 else curve[-1]


def fit(study: Reviewed) -> Iterator[ReviewFinding]:
    """Over-fitting and under-fitting of the best trial, the running average of the training metrics accounted for."""
    loss = _held(study, "loss")
    trials = _trained(study, "train/loss", loss)
    over = [trial for trial in trials if _overfits(trial, loss)]
    best = trials[0]
    if best in over:
        curve, accuracy = best.curve(loss), _held(study, "accuracy")
        low = min(range(len(curve)), key=lambda epoch: curve[epoch])
        said = f"{capital(study.call(best))}: {loss} was lowest in epoch {low + 1} ({curve[low]:.3g}) and ends at "
        said += f"{curve[-1]:.3g}, while train/loss at the end is {max(0.0, at_the_end(best.curve('train/loss'))):.3g}"
        if best.curve("train/accuracy") and best.curve(accuracy):
            ends = min(1.0, at_the_end(best.curve("train/accuracy"))), best.curve(accuracy)[-1]
            said += f"; training accuracy {ends[0]:.3f}, {accuracy.partition('/')[0]} accuracy {ends[1]:.3f}"
        said += f". {len(over)} of {counted(len(trials), study.kind)} do so."
        yield ReviewFinding(
            "fit",
            Severity.LOW,
            f"The best {study.kind} over-fits",
            said,
            f"Stop earlier{study.key('trainer.early_stopping')}, augment the training images"
            f"{study.key('data.augment')}, or search weight decay and dropout.",
            (best.number,),
        )
    elif _still_learning(best, loss):
        fall = _fall(best.curve(loss))
        yield ReviewFinding(
            "fit",
            Severity.LOW,
            f"The best {study.kind} was still learning when it ended",
            f"{capital(study.call(best))}: {loss} fell by {fall:.0%} an epoch over the last epochs, to "
            f"{best.curve(loss)[-1]:.3g}; train/loss at the end is "
            f"{max(0.0, at_the_end(best.curve('train/loss'))):.3g}.",
            f"Train longer{study.key('trainer.epochs')}; a ranking of half-trained networks favours the fastest, not "
            "the best.",
            (best.number,),
        )


def _overfits(trial: ReviewedTrial, loss: str) -> bool:
    curve, train = trial.curve(loss), trial.curve("train/loss")
    if not all(map(math.isfinite, (*curve, *train))):
        return False
    learned, held = trial.curve("train/accuracy"), trial.curve(loss.replace("loss", "accuracy"))
    leads = not learned or not held or min(1.0, at_the_end(learned)) - held[-1] > _LEAD
    tail = min(curve[-2:])
    return tail > _RISE * min(curve) and at_the_end(train) < 0.7 * tail and leads


def _still_learning(trial: ReviewedTrial, loss: str) -> bool:
    learned = trial.curve("train/accuracy")
    done = bool(learned) and learned[-1] > _LEARNED
    lowest = trial.curve(loss)[-1] == min(trial.curve(loss))
    return lowest and not done and _fall(trial.curve(loss)) > _FALLING and _fall(trial.curve("train/loss")) > _FALLING


def _fall(curve: Sequence[float]) -> float:
    """By what share a curve fell in each of its last epochs, three at most."""
    steps = min(3, len(curve) - 1)
    before, last = curve[-1 - steps], curve[-1]
    return 1.0 - (last / before) ** (1.0 / steps) if steps and before > 0 and last > 0 else 0.0


def running_average(study: Reviewed) -> Iterator[ReviewFinding]:
    """Training loss above validation loss, which looks like under-fitting and is how training loss is measured."""
    loss = _held(study, "loss")
    trials = _trained(study, "train/loss", loss)
    above = [trial for trial in trials if trial.curve("train/loss")[-1] > trial.curve(loss)[-1]]
    if trials[0] not in above:
        return
    best = above[0]
    train, held = best.curve("train/loss")[-1], best.curve(loss)[-1]
    ended = at_the_end(best.curve("train/loss"))
    explained = min(1.0, max(0.0, (train - ended) / (train - held)))
    more = _changed_while_training(best)
    rest = f" The rest may be {more}, which validation images are spared." if more and explained < 1.0 else ""
    yield ReviewFinding(
        "running_average",
        Severity.NOTE,
        "Training loss above validation loss is no sign of under-fitting",
        f"{capital(study.call(best))}: train/loss {train:.4g}, {loss} {held:.4g}. The training loss is a mean over "
        f"the epoch, while the weights moved; half an epoch on it is about {ended:.4g}, which explains {explained:.0%} "
        f"of the gap.{rest} {len(above)} of {counted(len(trials), study.kind)} look like this.",
        "Compare both losses at the same weights before speaking of under-fitting.",
        (best.number,),
    )


def _changed_while_training(trial: ReviewedTrial) -> str:
    active = [path for path, value in trial.params.items() if "dropout" in path and (number(value) or 0.0) > 0.0]
    augmented = any(
        path.startswith("data.augment.") and value not in (False, 0, 0.0, None) for path, value in trial.params.items()
    )
    return " and ".join([*(["dropout"] if active else []), *(["augmentation"] if augmented else [])])


def epoch_size(study: Reviewed) -> Iterator[ReviewFinding]:
    """An epoch that is no pass over the training images."""
    study.must_have(1)
    best = study.best
    if not study.ours:
        raise NotJudged("how many images an epoch has is not logged")
    steps = number(best.params.get("trainer.steps_per_epoch"))
    batch, images = number(best.params.get("trainer.batch_size")), number(best.params.get("data.train"))
    epochs = number(best.params.get("trainer.epochs"))
    if steps is None or batch is None or images is None or epochs is None:
        return
    passes = steps * batch * epochs / images
    yield ReviewFinding(
        "epoch_size",
        Severity.LOW if passes < 1.0 else Severity.NOTE,
        f"{epochs:.0f} epochs here are {passes:.2g} passes over the training images",
        f"An epoch is {steps:.0f} batches of {batch:.0f}, which is {steps * batch / images:.2g} of {images:,.0f} "
        "images.",
        "Say passes or steps when epochs are compared with those of others; leave trainer.steps_per_epoch out for "
        "whole passes.",
    )


def jumps(study: Reviewed) -> Iterator[ReviewFinding]:
    """Results that rest on a last epoch far below the one before, or among epochs that swing."""
    accuracy = _held(study, "accuracy")
    trials = _trained(study, accuracy)
    found = []
    for trial in trials:
        curve = trial.curve(accuracy)
        error = binomial_error(min(1.0, max(0.0, curve[-2])), study.images or 10_000) * math.sqrt(2.0)
        drop, swing = curve[-2] - curve[-1], _swing(curve)
        if max(drop, swing) > max(_JUMP, _ERRORS * error):
            found.append((max(drop, swing), drop, trial))
    if not found:
        return
    size, drop, worst = max(found, key=lambda one: (one[0], -one[2].number))
    curve, trials = worst.curve(accuracy), [trial for _, _, trial in found]
    said = (
        f"{share(curve[-2])} in epoch {len(curve) - 1} and {share(curve[-1])} in epoch {len(curve)}, down by "
        f"{points(drop)}"
        if drop == size
        else f"changes by {points(size)} from one epoch to the next, to {share(curve[-1])} at its end"
    )
    yield ReviewFinding(
        "jumps",
        Severity.MEDIUM if study.best in trials else Severity.LOW if len(trials) > 1 else Severity.NOTE,
        f"The last epoch of {counted(len(trials), study.kind)} is a matter of luck",
        f"{capital(study.call(worst))}: {accuracy} {said}. Such trainings: {study.call_all(trials)}.",
        f"Lower the learning rate towards the end{study.key('schedule: {name: cosine}')}, or compare means of late "
        "epochs.",
        tuple(sorted(trial.number for trial in trials)),
    )


def _swing(curve: Sequence[float]) -> float:
    """By how much the later half of a curve usually changes from one epoch to the next; 0 for a short one."""
    late = curve[len(curve) // 2 :]
    return median(abs(after - before) for before, after in pairwise(late)) if len(late) >= 4 else 0.0


def divergence(study: Reviewed) -> Iterator[ReviewFinding]:
    """Trainings that blew up or never left chance, and the learning rate from which they do."""
    tried = [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.FAILED, TrialState.PRUNED)]
    lost = [trial for trial in tried if _blew_up(trial) or _at_chance(study, trial)]
    if not tried:
        raise NotJudged("no trial has ended")
    if len(lost) < 2:
        return
    chance = sum(not _blew_up(trial) for trial in lost)
    said = f"{len(lost)} of {counted(len(tried), study.kind)}: "
    said += f"{len(lost) - chance} with a loss that is not finite, {chance} that end at the accuracy of guessing."
    split = _threshold(tried, lost)
    limit = ""
    if split is not None:
        path, value, above, all_above, below, all_below = split
        said += f" With {path} from {value:.3g} on {above} of {all_above} are lost, below it {below} of {all_below}."
        limit = f"Search {path} below {value:.3g}, or clip gradients{study.key('trainer.clip_grad_norm')}."
    yield ReviewFinding(
        "divergence",
        Severity.MEDIUM if len(lost) >= 0.2 * len(tried) else Severity.LOW,
        f"{counted(len(lost), 'training')} diverged or learned nothing"
        + (f"; {split[0]} is too large from about {split[1]:.2g} on" if split else ""),
        said,
        limit or "Look at their learning rates and initial losses; several seeds tell a bad draw from a bad setting.",
        tuple(sorted(trial.number for trial in lost)),
    )


def _blew_up(trial: ReviewedTrial) -> bool:
    reason = trial.reason.lower()
    if trial.state is TrialState.FAILED and ("diverged" in reason or "became nan" in reason or "not finite" in reason):
        return True
    losses = [trial.metrics.get(name) for name in ("train/loss", "validation/loss", "test/loss")]
    return any(loss is not None and not math.isfinite(loss) for loss in losses)


def _at_chance(study: Reviewed, trial: ReviewedTrial) -> bool:
    """Whether a training ended where guessing is, although others learned."""
    if trial.state is not TrialState.COMPLETE:
        return False
    classes = (
        len(study.answers.classes) if study.answers else 100 if trial.params.get("data.name") == "cifar100" else 10
    )
    # The largest class of a small sample is larger than its share of all: three standard errors.
    guess = 1.2 / classes + 3.0 * binomial_error(1.0 / classes, study.images or 10_000)
    own, top = study.share(trial), study.share(study.best)
    return own is not None and top is not None and own <= min(guess, top / 2.0)


def _threshold(
    tried: Sequence[ReviewedTrial], lost: Sequence[ReviewedTrial]
) -> tuple[str, float, int, int, int, int] | None:
    """The learning rate that parts lost trainings from others best: path, value, (lost, all) from it on and below."""
    paths = Counter(path for trial in tried for path in trial.params if last_part(path) in ("lr", "learning_rate"))
    if not paths:
        return None
    path = paths.most_common(1)[0][0]
    gone_ones = {trial.number for trial in lost}
    known = [(rate, t.number in gone_ones) for t in tried if (rate := number(t.params.get(path))) is not None]
    known.sort()
    every, all_lost, below = len(known), sum(gone for _, gone in known), 0
    best: tuple[float, float, int, int, int, int] | None = None
    for index, (rate, gone) in enumerate(known):
        right = (all_lost - below) + (index - below)
        if index and rate > known[index - 1][0] and (best is None or right > best[0]):
            best = (right, rate, all_lost - below, every - index, below, index)
        below += gone
    if best is None or best[2] < 0.5 * best[3] or best[4] > 0.1 * best[5]:
        return None
    return (path, *best[1:])


def health(study: Reviewed) -> Iterator[ReviewFinding]:
    """What the health rules have found in the weights."""
    judged = [trial for trial in study.trials if trial.health is not None]
    if not judged:
        raise NotJudged("no weight statistics were recorded")
    sick = [trial for trial in judged if trial.health]
    best = study.ranked[0] if study.ranked else None
    rules = Counter(rule for trial in sick for rule in trial.health or {})
    counts = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    if best is not None and best.health:
        text = "; ".join(f"{rule}: {said}" for rule, said in best.health.items())
        yield ReviewFinding(
            "health",
            Severity.LOW,
            "The best trial's weights show signs of unstable training",
            f"{capital(study.call(best))}: {text}. In all, {len(sick)} of {counted(len(judged), 'trial')}: {counts}.",
            f"`tunetrack weights {study.name}` shows them; a lower learning rate, or clipped gradients "
            "(trainer.clip_grad_norm), often mend it.",
            (best.number,),
        )
    elif len(sick) > _SICK * len(judged):
        yield ReviewFinding(
            "health",
            Severity.LOW,
            f"The weights of {len(sick)} of {counted(len(judged), 'trial')} show signs of unstable training",
            f"{counts}; the best trial is not among them.",
            f"`tunetrack weights {study.name}` shows them; weights.health: {{...: {{action: prune}}}} ends such trials "
            "early.",
            tuple(trial.number for trial in sick)[:50],
        )
