"""The winner and the review in the data of the pages: of a study, of the list of studies, and of single trials."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evidence_support import SEEDS, review, review_text, winner
from tracking_support import epoch, study_info
from tunetrack.report import build_single
from tunetrack.report.views import PageQuery, Views, trials_csv
from tunetrack.report.views.evidence import KnownEvidence
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.winner import Winner
from tunetrack.tracking import DatasetInfo, StudyRun, StudyState, Tag, TrackingStore, write_artifact
from tunetrack.tracking.reader import StudyReader

TRIALS = 5


def write_search(store: TrackingStore, folder: Path) -> StudyRun:
    """Five trials of 10,000 validation images, the best first."""
    study = store.open_study(study_info("searched"), "images", folder / "artifacts")
    sizes = {"train": 100, "validation": 10_000, "test": 50}
    study.log_dataset(DatasetInfo("digits", "d1", sizes, (1, 8, 8), ("a", "b"), "here"))
    for number in range(TRIALS):
        trial = study.open_trial(number, params(number))
        trial.log_epoch(epoch(1, 0.9 - number / 100))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9 - number / 100,)))
    study.finish(StudyState.COMPLETE, best_trial=0)
    study.flush()
    return study


def params(number: int) -> dict[str, Any]:
    return {"optimizer.lr": 10.0 ** -(number + 1), "model.filters": 16, "optimizer.name": "adam"}


def write_confirmation(store: TrackingStore, folder: Path, search: StudyRun) -> tuple[StudyRun, Winner]:
    """The first four trials again on five seeds."""
    confirms = Confirms(study="searched", key="k", run=search.run_id, trials=(0, 1, 2, 3), seeds=SEEDS)
    info = replace(study_info("searched-confirm"), confirms=confirms)
    study = store.open_study(info, "images", folder / "artifacts")
    for number in range(2):
        trial = study.open_trial(number, params(confirms.original(number)))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9,)))
    study.finish(StudyState.COMPLETE)
    study.flush()
    own = [(number, params(number)) for number in range(4)]
    names = ("searched", search.run_id), own, ("searched-confirm", study.run_id)
    return study, winner(*names, searched_trials=TRIALS)


@dataclass
class Stored:
    """A search with its confirmation and review."""

    store: TrackingStore
    reader: StudyReader
    views: Views
    search: StudyRun
    confirmation: StudyRun
    winner: Winner

    def study(self, run: StudyRun) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(self.views.study(self.reader.table(run.run_id)), allow_nan=False))
        return found

    def trial(self, run: StudyRun, number: int) -> dict[str, Any]:
        return self.views.trial(self.reader.table(run.run_id), number)


@pytest.fixture
def stored(store: TrackingStore, tmp_path: Path) -> Iterator[Stored]:
    search = write_search(store, tmp_path)
    confirmation, found = write_confirmation(store, tmp_path, search)
    for run in (search, confirmation):
        write_artifact(store, run.run_id, "winner.json", found.to_json().encode())
    write_artifact(store, search.run_id, "review.json", review_text(review("searched")).encode())
    reader = StudyReader(store)
    yield Stored(store, reader, Views(reader), search, confirmation, found)
    reader.close()


def test_a_studys_page_has_the_files_and_the_sentences(stored: Stored) -> None:
    found = stored.study(stored.search)

    assert found["winner"] == json.loads(stored.winner.to_json())
    assert found["review"] == review("searched").to_json()
    assert found["headline"][0] == found["winner_words"][0]
    assert found["headline"][0].startswith("Winner: trial 1, validation/accuracy 0.9118")
    assert "Holm" in found["winner_note"]
    assert found["review_words"] == "4 findings: 1 high, 1 medium, 1 low, 1 note."
    assert found["study"]["confirms"] is None
    assert found["trials"]["half"][0] == pytest.approx(1.96 * 0.003, rel=0.01)  # sqrt(0.9 * 0.1 / 10,000)


def test_a_study_without_either_says_how_to_confirm(store: TrackingStore, tmp_path: Path) -> None:
    run = write_search(store, tmp_path)
    reader = StudyReader(store)
    found = Views(reader).study(reader.table(run.run_id))
    reader.close()

    assert (found["winner"], found["review"], found["troubles"]) == (None, None, [])
    assert [words for words in found["winner_words"] if "tunetrack confirm searched" in words]


def test_a_confirmation_says_what_it_confirms(stored: Stored) -> None:
    found = stored.study(stored.confirmation)

    assert found["study"]["confirms"] == {"id": stored.search.run_id, "name": "searched", "seeds": [*SEEDS]}
    assert found["headline"][:2] == [
        found["winner_words"][0],
        "The 4 best configurations of searched, each trained again on 5 seeds.",
    ]
    assert found["winner_words"][0].startswith("Winner of searched: trial 1")
    assert found["trials"]["confirms"] == [0, 1]


def test_the_list_of_studies_has_the_winner_and_what_weighs(stored: Stored) -> None:
    listed = {each["name"]: each for each in stored.views.studies()["studies"]}

    assert listed["searched"]["winner"] == {
        "study": stored.search.run_id, "trial": 1, "mean": 0.9118, "low": 0.9058, "high": 0.9178, "seeds": 5,
    }  # fmt: skip
    assert listed["searched"]["findings"] == {"high": 1, "medium": 1}
    assert listed["searched-confirm"]["winner"]["study"] == stored.search.run_id
    assert listed["searched-confirm"]["findings"] is None
    assert listed["searched-confirm"]["confirms"]["name"] == "searched"


def test_the_table_of_trials_tells_one_seed_from_several(stored: Stored) -> None:
    now = stored.reader.table(stored.search.run_id)
    found = stored.views.trials(now, PageQuery(sort="values.0", order="desc"))

    assert set(found["confirmed"]) == {"0", "1", "2", "3"}
    assert found["confirmed"]["1"] == {"mean": 0.9118, "low": 0.9058, "high": 0.9178, "seeds": 5}
    assert all(row["half"] > 0.005 for row in found["rows"])
    replicates = stored.views.trials(stored.reader.table(stored.confirmation.run_id), PageQuery())
    assert replicates["confirmed"] == {}
    assert [row["confirms"] for row in replicates["rows"]] == [0, 1]
    assert "duplicate_of,confirms" in trials_csv(now.table, now.table.trials)


def test_trials_know_their_replicates_and_these_know_them(stored: Stored) -> None:
    winning, beside, other = (stored.trial(stored.search, number) for number in (1, 0, 4))

    found = winning["replicates"]
    assert (found["chosen"], found["id"], found["study"]) == (True, stored.confirmation.run_id, "searched-confirm")
    assert [each["number"] for each in found["trials"]] == [1, 5, 9, 13, 17]  # seeds one after the other, four a seed
    assert [each["seed"] for each in found["trials"]] == [*SEEDS]
    assert [each["value"] for each in found["trials"]] == [*stored.winner.winner.values]
    assert (beside["replicates"]["chosen"], other["replicates"]) == (False, None)
    replicate = stored.trial(stored.confirmation, 1)
    assert replicate["replicates"] is None
    assert replicate["replicate_of"] == {"id": stored.search.run_id, "study": "searched", "trial": 1, "seed": 1000}


def test_replicates_whose_study_is_gone_have_values_without_links(stored: Stored) -> None:
    stored.store.client.delete_tag(stored.confirmation.run_id, "study.replicates")

    found = stored.trial(stored.search, 1)["replicates"]

    assert found["id"] is None
    assert [each["number"] for each in found["trials"]] == [None] * 5
    assert [each["value"] for each in found["trials"]] == [*stored.winner.winner.values]


def test_files_that_come_late_are_seen_by_a_page_that_asks_again(store: TrackingStore, tmp_path: Path) -> None:
    run = write_search(store, tmp_path)
    reader, now = StudyReader(store), [0.0]
    known = KnownEvidence(reader, clock=lambda: now[0])
    study = reader.table(run.run_id).table.study
    assert known.of(study, fresh=True).review is None
    write_artifact(store, run.run_id, "review.json", review_text(review("searched")).encode())

    assert known.of(study, fresh=True).review is None  # it was looked for just now
    now[0] += 60.0
    assert known.of(study).review is None  # the list of studies waits for a change of the run itself
    assert known.of(study, fresh=True).review == review("searched")
    store.client.set_tag(run.run_id, Tag.STUDY_WINNER, "1")
    assert known.of(reader.table(run.run_id).table.study).review == review("searched")
    reader.close()


def test_the_single_file_has_the_winner_and_a_review_that_is_about_to_be_written(stored: Stored) -> None:
    clean = replace(review("searched"), findings=())
    text = build_single(stored.store, stored.search.run_id, files={"review.json": review_text(clean).encode()}).text
    found = re.search(r'id="tunetrack-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    path = f"/studies/{stored.search.run_id}"

    assert data["facts"]["compared"][0] == 1  # the winner, although trial 0 had more in the search
    assert data["answers"][path]["winner"]["chosen"] == 1
    assert data["answers"][path]["review"]["findings"] == []
    assert data["answers"][f"{path}/trials/1"]["replicates"]["confirmed"]["seeds"] == 5
