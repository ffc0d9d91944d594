"""Rules on what was fixed, and on what an accuracy hides: seeds, determinism, classes of different size."""

from __future__ import annotations

from collections.abc import Iterator

from tunetrack.report.review.reviewed import Answers, NotJudged, Reviewed, last_part
from tunetrack.report.review.words import counted, joined, share
from tunetrack.spec.review import ReviewFinding, Severity

__all__ = ["deterministic", "imbalance", "seeds", "unlogged"]

#: What a reader needs to repeat a training, and words by which its parameter is called.
_NEEDED = {
    "the learning rate": ("lr", "learning_rate", "learningrate"),
    "the batch size": ("batch_size", "batchsize", "batch"),
    "the number of epochs": ("epochs", "num_epochs", "max_epochs", "n_epochs"),
    "the optimizer": ("optimizer", "optim", "opt"),
}

#: Images of a class from which its own accuracy means something.
_CLASS = 20
#: How far accuracy may lie above the mean accuracy of the classes.
_GAP = 0.05
#: A class is large that holds so many times its equal share.
_LARGE = 2.0


def seeds(study: Reviewed) -> Iterator[ReviewFinding]:
    """Runs whose seed nobody has fixed."""
    if not study.trials:
        raise NotJudged("there are no trials")
    if study.ours:
        free = [t for t in study.trials if "trainer.seed" in t.params and t.params["trainer.seed"] is None]
        if not free:
            return
        yield ReviewFinding(
            "seeds",
            Severity.MEDIUM,
            "Seeds were not fixed",
            f"trainer.seed is null in {len(free)} of {counted(len(study.trials), 'trial')}: each drew its own, so "
            "differences between them also are differences of seed.",
            "Set trainer.seed; the seeds that were drawn are tags of the runs (seed.init, seed.order).",
            tuple(trial.number for trial in free)[:50],
        )
        return
    named = [
        path for trial in study.trials for path in trial.params if "seed" in path.lower() or "random_state" in path
    ]
    unset = [t for t in study.trials if not any(t.params.get(path) not in (None, "None", "") for path in set(named))]
    if not unset:
        return
    yield ReviewFinding(
        "seeds",
        Severity.MEDIUM,
        "No seed is logged" if len(unset) == len(study.trials) else "Some runs have no seed",
        f"{len(unset)} of {counted(len(study.trials), 'run')} have no parameter for a seed, or an empty one. "
        "They cannot be repeated, and differences between runs also are differences of initial weights and order.",
        "Fix the seeds of weights, data order and augmentation in every run, and log them.",
        tuple(trial.number for trial in unset)[:50],
    )


def unlogged(study: Reviewed) -> Iterator[ReviewFinding]:
    """Settings that no run tells."""
    if study.ours:
        return  # every value of the configuration is logged
    known = {last_part(path) for trial in study.trials for path in trial.params}
    missing = [what for what, names in _NEEDED.items() if not known.intersection(names)]
    if not known:
        raise NotJudged("no parameter is logged at all")
    if missing:
        yield ReviewFinding(
            "unlogged",
            Severity.LOW,
            f"No run says {joined(missing)}",
            f"Logged are {joined(sorted(known)[:12])}. What is not logged can neither be repeated nor be blamed.",
            "Log every setting that the training reads.",
        )


def deterministic(study: Reviewed) -> Iterator[ReviewFinding]:
    """Settings under which equal seeds need not give equal results, or runs that show it."""
    by_config: dict[tuple[object, ...], set[float]] = {}
    for place, trial in ((p, t) for p, group in enumerate(study.configurations) if len(group) > 1 for t in group):
        fixed = [v for path, v in trial.params.items() if path.lower().endswith("seed") and path != "data.seed"]
        loss = trial.metric("train/loss")
        if loss is not None and any(value not in (None, "") for value in fixed):
            # Whatever numbers a repetition does not change the result; its seed does.
            seeds_of = repr([v for path, v in trial.params.items() if "seed" in path.lower()])
            by_config.setdefault((place, seeds_of), set()).add(loss)
    unequal = [sorted(losses) for losses in by_config.values() if len(losses) > 1]
    if unequal:
        losses = max(unequal, key=lambda known: len(known))
        yield ReviewFinding(
            "deterministic",
            Severity.LOW,
            "The same seed gave different results",
            f"{counted(len(unequal), 'configuration')} with the same seed ended with different training losses, for "
            f"example {joined(f'{loss:.6g}' for loss in losses[:3])}.",
            "Set trainer.deterministic: true and trainer.threads, or do not speak of exact repetition."
            if study.ours
            else "Switch on deterministic algorithms, or seed every stream (weights, order, workers, augmentation).",
        )
    elif study.ours and any(trial.params.get("trainer.deterministic") is False for trial in study.trials):
        yield ReviewFinding(
            "deterministic",
            Severity.NOTE,
            "Repeating a trial need not give the same digits",
            "trainer.deterministic is false, so some operations may add in another order the next time.",
            "Set trainer.deterministic: true where a result must be repeated to the last digit.",
        )


def imbalance(study: Reviewed) -> Iterator[ReviewFinding]:
    """An accuracy that is high because one class is large, while others are missed."""
    if study.answers is None:
        yield from _other_scores(study)
        return
    answers = study.answers
    sizes = [sum(row) for row in answers.counts]
    total = sum(sizes)
    right = [row[at] for at, row in enumerate(answers.counts)]
    judged = [at for at, size in enumerate(sizes) if size >= _CLASS]
    if not total or len(judged) < 2:
        raise NotJudged(f"fewer than two classes have {_CLASS} validation images")
    accuracy = sum(right) / total
    recalls = {at: right[at] / sizes[at] for at in judged}
    mean, largest = sum(recalls.values()) / len(recalls), max(range(len(sizes)), key=lambda at: sizes[at])
    worst = min(recalls, key=lambda at: recalls[at])
    if sizes[largest] < _LARGE * total / len(sizes) or accuracy - mean < _GAP:
        return
    yield ReviewFinding(
        "imbalance",
        Severity.MEDIUM,
        "Accuracy hides that small classes are missed",
        f"Accuracy {share(accuracy)}, mean over the classes {share(mean)}. Class {answers.classes[largest]} has "
        f"{sizes[largest] / total:.0%} of {total:,} images; of class {answers.classes[worst]} ({sizes[worst]} images) "
        f"{_missed(answers, worst)}.",
        "Report the accuracy of each class (confusion_matrix.csv), and balance the classes of the training images.",
        (study.best.number,),
    )


def _missed(answers: Answers, at: int) -> str:
    row = answers.counts[at]
    return f"only {row[at] / sum(row):.0%} are right"


def _other_scores(study: Reviewed) -> Iterator[ReviewFinding]:
    """For runs that are not ours: a logged score that counts classes equally and lies far below the accuracy."""
    own = study.share(study.best)
    scores = {
        name: value
        for name, value in study.best.metrics.items()
        if any(word in name.lower() for word in ("balanced", "macro")) and 0.0 <= value <= 1.0
    }
    if own is None or not scores:
        raise NotJudged("neither a confusion matrix nor a score that counts classes equally is stored")
    name, low = min(scores.items(), key=lambda pair: pair[1])
    if own - low >= _GAP:
        yield ReviewFinding(
            "imbalance",
            Severity.MEDIUM,
            "Accuracy hides that some classes are missed",
            f"{study.call(study.best).capitalize()}: accuracy {share(own)}, {name} {share(low)}.",
            "Choose by the score that counts classes equally, or report each class.",
            (study.best.number,),
        )
