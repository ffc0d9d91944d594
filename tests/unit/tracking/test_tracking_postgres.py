"""The tracking store on PostgreSQL: what goes wrong there is said in words, and nothing is lost when it goes away."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from postgres_support import PASSWORD, Postgres
from tracking_support import epoch, study_info
from tunetrack.errors import TrackingError
from tunetrack.ledger import Ledger
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import drive, toy_spec
from tunetrack.tracking import connect, list_studies, read_history, read_study
from tunetrack.tracking.upkeep import analyze


def test_what_waits_while_the_server_is_away_arrives(
    postgres: Postgres, postgres_tracking: str, tmp_path: Path
) -> None:
    said: list[str] = []
    with connect(postgres_tracking) as store:
        store.use_spool(tmp_path / "spool", told=said.append)
        study = store.open_study(study_info(), "images", tmp_path / "artifacts")
        trial = study.open_trial(0, {"a": 1})
        trial.log_epoch(epoch(1))
        assert study.flush(60)
        postgres.stop()
        try:
            trial.log_epoch(epoch(2, 0.75))
            study.open_trial(1, {"a": 2}).finish(TrialOutcome(TrialState.COMPLETE, (0.25,)))
            assert not study.flush(2)
        finally:
            postgres.start()
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
        assert study.flush(60)
        table = read_study(store, study.run_id)
        accuracy = read_history(store, [table.trials[0].run_id], ["validation/accuracy"])["value"]
        assert [len(accuracy), accuracy.iloc[-1], len(table.trials), store.status.refused] == [2, 0.74, 2, 0]
    assert any("answers again" in text for text in said)
    assert "ada:***@127.0.0.1" in " ".join(said)
    assert PASSWORD not in " ".join(said)
    assert postgres_tracking not in " ".join(said)


def test_server_that_has_become_a_replica_is_waited_for(
    postgres: Postgres, postgres_tracking: str, tmp_path: Path
) -> None:
    """It refuses to write, and MLflow says so as it says that an entry is wrong."""
    name = postgres_tracking.rpartition("/")[2]
    with connect(postgres_tracking) as store:
        study = store.open_study(study_info(), "images", tmp_path / "artifacts")
        study.open_trial(0, {"a": 1})
        assert study.flush(60)
        for mode in ("on", "off"):
            postgres.execute("postgres", "ALTER DATABASE {} SET default_transaction_read_only = {}", name, mode)
            postgres.cut_off()
            study.open_trial(1, {"a": 2}, existing=mode == "off").log_epoch(epoch(1))
            assert study.flush(60 if mode == "off" else 3) == (mode == "off")
        assert store.status.refused == 0
        assert [trial.number for trial in read_study(store, study.run_id).trials] == [0, 1]


def test_one_database_holds_ledger_and_runs_in_schemas_of_their_own(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    ledger_url, tracking_url = (f"{url}?options=-csearch_path%3D{schema}" for schema in ("ledger", "tracking"))
    for schema in ("ledger", "tracking"):
        postgres.execute(name, "CREATE SCHEMA {}", schema)
    drive(Ledger.create(ledger_url, toy_spec()), 2)
    opened: list[int] = []

    def open_store() -> None:
        with connect(tracking_url) as store:
            opened.append(len(list_studies(store)))

    together = [threading.Thread(target=open_store) for _ in range(3)]  # which make MLflow's tables once
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert opened == [0, 0, 0]
    assert len(Ledger.load(ledger_url, "toy").trials()) == 2
    with pytest.raises(TrackingError, match=r"ada:\*\*\*@.*holds tables that are not MLflow's.*search_path%3Dtracking"):
        connect(ledger_url)


def test_wrong_password_and_missing_database_in_words(postgres: Postgres) -> None:
    good = postgres.url("postgres")
    for uri, words in (
        (good.replace("s3cret", "secret2"), "password authentication failed"),
        (postgres.url("absent"), 'database "absent" does not exist'),
    ):
        with pytest.raises(TrackingError, match=words) as caught:
            connect(uri)
        assert "ada:***@127.0.0.1" in str(caught.value)
        assert "secret" not in str(caught.value).replace("***", "")


def test_postgresql_looks_at_its_tables_by_itself(postgres_tracking: str) -> None:
    with connect(postgres_tracking) as store:
        assert "autovacuum" in analyze(store).skipped
