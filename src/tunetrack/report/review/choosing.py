"""Rules on what chose the winner: which images, which epoch, and whether all trials answered the same questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tunetrack.report.review.reviewed import NotJudged, Reviewed, ReviewedTrial, last_part
from tunetrack.report.review.words import capital, counted, joined, points, share, signed, value_text
from tunetrack.report.values import number
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.review import ReviewFinding, Severity

__all__ = ["augmented_validation", "best_epoch", "different_images", "test_looks", "test_selection"]

_STEERED = ("reduce_on_plateau",)
#: Parameters that decide which images a trial answers.
_IMAGES = ("data.name", "data.validation", "data.seed", "data.faithful", "data.image_size", "data.voxel_seed")
#: The same among the parameters of others.
_SETS = ("dataset", "data_set", "data", "dataset_name", "data_name")
_AUGMENTATION = ("augment", "transform")


def test_selection(study: Reviewed) -> Iterator[ReviewFinding]:
    """The official test images chose the winner, so nothing is left to measure it on."""
    if study.from_test is None:
        raise NotJudged("nothing says which images chose")
    if not study.from_test or not study.trials:
        return
    several = len(study.finished) > 1
    steered = []
    for trial in study.trials:
        if trial.params.get("schedule.name") in _STEERED:
            steered.append("the learning rate schedule")
        if trial.params.get("trainer.early_stopping.patience") is not None:
            steered.append("early stopping")
    said = [study.from_test_said]
    if several:
        said.append(f"They chose among {counted(len(study.finished), 'configuration')}.")
    if steered:
        said.append(f"They steer {joined(dict.fromkeys(steered))}, too.")
    if "best/" in study.objective:
        said.append("They also chose the epoch.")
    yield ReviewFinding(
        "test_selection",
        Severity.HIGH if several or steered or "best/" in study.objective else Severity.MEDIUM,
        "Test images chose the winner",
        " ".join(filter(None, said)),
        "Take validation images from the training set (data.faithful: false and data.validation), and look at the test "
        "images once, at the end."
        if study.ours
        else "Keep validation images apart from the training set, choose by them, and look at the test images once, at "
        "the end.",
    )


def test_looks(study: Reviewed) -> Iterator[ReviewFinding]:
    """The test images were looked at more than once."""
    look = None if study.winner is None else study.winner.test
    if study.from_test and not study.ours:
        return  # said by test_selection, with the reason
    looked = len(study.told_test)
    if look is not None:
        looked = max(looked, look.looks)
    if looked < 2:
        return
    many = not study.ours and looked >= len(study.finished) > 1
    yield ReviewFinding(
        "test_looks",
        Severity.MEDIUM if many else Severity.LOW,
        f"The test images were looked at {looked} times",
        "Every run has a test accuracy, so the one with the best may have been picked."
        if many
        else f"A test accuracy is known for {study.call_all(t for t in study.trials if t.number in study.told_test)}."
        if look is None or looked > look.looks
        else "The search has looked at them before its winner was confirmed.",
        "Report the first look, or say how often you looked; choosing by test accuracy makes it optimistic."
        + (" With `confirm` in the study file the search leaves the test images alone." if study.ours else ""),
        study.told_test,
    )


def different_images(study: Reviewed) -> Iterator[ReviewFinding]:
    """Trials were compared that answered different images."""
    differing = [path for path in (_IMAGES if study.ours else study.varied) if path in study.varied]
    if not study.ours:
        differing = [path for path in differing if last_part(path) in _SETS]
        if not any(last_part(path) in _SETS for trial in study.trials for path in trial.params):
            raise NotJudged("no parameter says which images were used")
    if not differing or len(study.finished) < 2:
        return
    by_set: dict[str, list[ReviewedTrial]] = defaultdict(list)
    for trial in study.ranked:
        by_set[value_text(trial.params.get(differing[0]))].append(trial)
    best = [
        f"{differing[0]} {value}: best {signed(trials[0].value or 0.0)} ({study.call(trials[0])})"
        for value, trials in list(by_set.items())[:4]
    ]
    other_set = not study.ours or "data.name" in differing or "data.faithful" in differing
    yield ReviewFinding(
        "different_images",
        Severity.HIGH if other_set else Severity.MEDIUM,
        "The trials did not answer the same images",
        f"They differ in {joined(differing)}, so the best value also belongs to the easiest images. {'; '.join(best)}.",
        f"Compare within one value of {differing[0]}"
        + (f", or run one study for each of them (--set {differing[0]}=...)." if study.ours else "."),
        tuple(sorted(trials[0].number for trials in by_set.values() if trials)),
    )


def augmented_validation(study: Reviewed) -> Iterator[ReviewFinding]:
    """The validation images were changed at random, so that trials were judged by harder images."""
    if not study.ours:
        yield from _maybe_augmented(study)
        return
    touched = [trial for trial in study.trials if trial.params.get("data.augment.validation") is True]
    if not touched:
        return
    some = len(touched) < len(study.trials)
    numbers_of = {trial.number for trial in touched}
    rest = [trial for trial in study.ranked if trial.number not in numbers_of]
    best = next((trial for trial in study.ranked if trial.number in numbers_of), None)
    numbers = ""
    if some and rest and best is not None:
        numbers = (
            f" {capital(study.call(best))} has {signed(best.value or 0.0)} on changed images, "
            f"{study.call(rest[0])} {signed(rest[0].value or 0.0)} on unchanged ones: that difference mixes the effect "
            "of training with that of harder questions."
        )
    yield ReviewFinding(
        "augmented_validation",
        Severity.HIGH if some else Severity.MEDIUM,
        "The validation images were augmented, too",
        f"data.augment.validation is true in {len(touched)} of {counted(len(study.trials), 'trial')}.{numbers}",
        "Set data.augment.validation: false, so that all trials answer the same unchanged images.",
        tuple(trial.number for trial in touched),
    )


def _maybe_augmented(study: Reviewed) -> Iterator[ReviewFinding]:
    paths = [path for path in study.varied if any(word in path.lower() for word in _AUGMENTATION)]
    if not paths:
        raise NotJudged("no parameter says how images were changed")
    path = paths[0]
    yield ReviewFinding(
        "augmented_validation",
        Severity.NOTE,
        f"Look whether {path} changes the validation images, too",
        f"{path} is {joined(map(value_text, study.varied[path]))}. If the held-out images go through the same "
        "transformation, a lower accuracy may come from harder questions and not from worse training; metrics cannot "
        "tell.",
        "Transform training images only, and measure once more.",
    )


def best_epoch(study: Reviewed) -> Iterator[ReviewFinding]:
    """The value is the best of all epochs, which is the luckiest of them too."""
    metric = study.objective.removeprefix("best/")
    if metric == study.objective:
        return
    last = {trial.number: trial.metric(f"final/{metric}", metric) for trial in study.finished}
    known = [trial for trial in study.finished if last[trial.number] is not None and trial.value is not None]
    if not known:
        raise NotJudged("no last epoch is stored")
    gains = {t.number: abs((t.value or 0.0) - (last[t.number] or 0.0)) for t in known}
    mean = sum(gains.values()) / len(gains)
    if mean == 0.0:
        return
    best = study.best
    sign = -1.0 if study.maximize else 1.0
    first = min(known, key=lambda trial: (sign * (last[trial.number] or 0.0), trial.number))
    accuracy = metric.endswith("accuracy")
    gain = points(mean) if accuracy else f"{mean:.3g}"
    said = f"On average the best epoch lies {gain} {'above' if study.maximize else 'below'} the last one"
    said += f" ({counted(len(known), study.kind)})."
    if gains.get(best.number):
        before = share if accuracy else signed
        said += f" {capital(study.call(best))}: {before(best.value or 0.0)} at best, "
        said += f"{before(last[best.number] or 0.0)} at its end."
    if first.number != best.number:
        said += f" By the last epoch {study.call(first)} would have won."
    yield ReviewFinding(
        "best_epoch",
        _weight_of_gain(study, mean, first is not best, accuracy),
        "The reported value is that of the luckiest epoch",
        said,
        f"Choose by objective: {{metric: {metric}}}, or keep the best epoch's weights "
        "(trainer.early_stopping.restore_best: true) and measure them on images that did not choose the epoch."
        if study.ours
        else "Compare last epochs with last epochs, or measure the kept epoch on images that did not choose it.",
        (best.number,),
    )


def _weight_of_gain(study: Reviewed, mean: float, changes_winner: bool, accuracy: bool) -> Severity:
    if not accuracy or study.images is None:
        return Severity.MEDIUM if changes_winner else Severity.LOW
    middle = number(study.share(study.best)) or 0.5
    noisy = mean > binomial_error(middle, study.images) / 2
    return Severity.MEDIUM if changes_winner or noisy else Severity.LOW
