"""The end of a confirmation: the winner is named, its test accuracy measured, its model logged, and all of it kept.

Whatever dies on the way is done again from the start, and each step is the same the second time; the test images are
looked at once, since the look is kept before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from tunetrack.errors import StudyFailedError, TrackingError
from tunetrack.ledger import Ledger
from tunetrack.spec.winner import Winner
from tunetrack.study.best import log_trained
from tunetrack.study.data import ResidentSets
from tunetrack.study.naming import by_answers, compared, named, with_look
from tunetrack.study.outcome import in_words, read_result
from tunetrack.study.place import Place
from tunetrack.study.replicates import Replicated, answers, look_at_test_images, replicated
from tunetrack.study.result import HeldOut, StudyResult
from tunetrack.study.tracked import study_info
from tunetrack.tracking import (
    File,
    StudyRun,
    Tag,
    TrackingStore,
    connect,
    has_artifact,
    link_model,
    log_run_metrics,
    tag_run,
    write_artifact,
)

__all__ = ["conclude"]

Files = Callable[[TrackingStore, str], Mapping[str, bytes]]


def conclude(
    search: Ledger, confirmation: Ledger, place: Place, files: Files, note: Callable[[str], None]
) -> StudyResult:
    """Names the winner of a confirmation whose trials have all ended, and writes it down.

    Args:
        search: the searched study.
        confirmation: the study that confirms it.
        place: where both are.
        files: makes the report of a study, from its run's id.
        note: told what the user should know.

    Returns:
        The searched study, with its winner.

    Raises:
        StudyFailedError: no configuration was trained to the end on every seed.
        SpecError: there is one seed only, and its answers cannot be compared.
        TrackingError: the tracking store cannot be read or written.
        LedgerError: the ledger cannot be read or written.
    """
    with connect(place.tracking) as store:
        found, again = read_result(search, store, place), read_result(confirmation, store, place)
        complete, left_out = replicated(store, again)
        if not complete:
            why = "; ".join(f"trial {trial}: {text}" for trial, text in left_out.items())
            raise StudyFailedError(
                f"no configuration of {search.name} could be trained to the end on every seed: {why}"
            )
        right = answers(store, complete) if by_answers(found) else None
        comparison = compared(complete, right, found.objectives[0].maximize)
        winner = named(found, again, complete, comparison, left_out)
        chosen = next(one for one in complete if one.trial == winner.chosen)
        sets = ResidentSets()
        looks = _looks(search, confirmation, chosen, store, sets, found)
        look = next((one for one in looks if _is_of(one, winner)), None)
        winner = replace(winner, test=with_look(look, len(looks)))
        if look is None:
            note("the winner has no test accuracy: there are no test images, or the weights of a replicate were lost")
        _log_model(winner, chosen, confirmation, again, store, sets)
        result = replace(found, looks=looks, winner=winner)
        _write(result, winner, search, confirmation, again, store)
        for run in (winner.study_run, winner.confirm_run):
            for name, content in files(store, run).items():
                write_artifact(store, run, name, content)
    search.set_attribute("winner", winner.to_json())
    confirmation.set_attribute("concluded", True)
    return result


def _is_of(look: HeldOut, winner: Winner) -> bool:
    return (look.trial, look.confirmation) == (winner.chosen, winner.confirm_study)


def _looks(
    search: Ledger,
    confirmation: Ledger,
    chosen: Replicated,
    store: TrackingStore,
    sets: ResidentSets,
    found: StudyResult,
) -> tuple[HeldOut, ...]:
    """Every look at the test images, the one at the chosen configuration included, which is kept and logged."""
    taken = (one for one in found.looks if (one.trial, one.confirmation) == (chosen.trial, confirmation.name))
    if next(taken, None) is not None:
        return found.looks
    seen = look_at_test_images(confirmation.spec, chosen, confirmation.name, store, sets)
    if seen is None:
        return found.looks
    look, by_run = seen
    looks = (*found.looks, look)
    search.set_attribute("test_looks", [asdict(one) for one in looks])
    for run, metrics in by_run.items():
        log_run_metrics(store, run, metrics, look.at)
    return looks


def _log_model(
    winner: Winner,
    chosen: Replicated,
    confirmation: Ledger,
    again: StudyResult,
    store: TrackingStore,
    sets: ResidentSets,
) -> None:
    """Makes a model of the replicate with the median value, and names it on the searched study's run, too."""
    if not has_artifact(store, winner.model_run, File.WEIGHTS):
        return
    trial = next(one for one in chosen.trials if one.run_id == winner.model_run)
    run = _attached(confirmation, again, store)
    uri = log_trained(confirmation.spec.config(trial.config), winner.model_run, store, run, sets)
    link_model(store.calls, winner.study_run, uri)


def _write(
    result: StudyResult,
    winner: Winner,
    search: Ledger,
    confirmation: Ledger,
    again: StudyResult,
    store: TrackingStore,
) -> None:
    """Puts the winner on both runs: file, tags, metrics, and the first words of the description."""
    won, at = winner.winner, max(trial.record.finished.timestamp() for trial in again.trials if trial.record.finished)
    numbers = {"mean": won.mean, "low": won.low, "high": won.high, "p_best": won.p_best}
    text = winner.to_json().encode()
    for run_id in (winner.study_run, winner.confirm_run):
        write_artifact(store, run_id, File.WINNER, text)
        tag_run(store, run_id, {Tag.STUDY_WINNER: str(winner.chosen)})
        log_run_metrics(store, run_id, {f"confirmed/{name}": value for name, value in numbers.items()}, at)
    looked = next((one for one in result.looks if _is_of(one, winner)), None)
    if looked is not None:
        for run_id in (winner.study_run, winner.confirm_run):
            log_run_metrics(store, run_id, looked.metrics(), looked.at)
    runs = (_attached(search, result, store), _attached(confirmation, again, store))
    words = in_words(result)
    for run, title in zip(runs, ("**Winner:", f"**Winner of {search.name}:"), strict=True):
        run.describe(words.replace("**Winner:", title, 1), report=True)
    if not all(run.flush() for run in runs):
        raise TrackingError(
            f"the winner of {search.name} cannot be written to its run: {runs[0].writer.status.trouble}; "
            f"`tunetrack confirm {search.name}` tries again"
        )


def _attached(ledger: Ledger, result: StudyResult, store: TrackingStore) -> StudyRun:
    attributes = ledger.attributes()
    changes = [f"{change} (accepted {change.when})" for change in ledger.changes()]
    info = study_info(ledger.spec, ledger.name, attributes["key"], changes)
    return store.attach_study(result.run_id or "", info, result.experiment_id)
