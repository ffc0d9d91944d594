"""What a study has cost, of made-up trials whose sums are known by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from report_samples import ACCURACY, LOSS, SECONDS, START, study, trial

from tunetrack.report.understanding import words
from tunetrack.report.understanding.accounts import accounts_info, watts_of
from tunetrack.report.views.understanding import accounts_payload
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow


def spent(number: int, value: float | None, seconds: float, state: str = "", **more: object) -> TrialRow:
    fields: dict[str, object] = {"metrics": {"train_seconds": seconds}, "device": "cpu", "threads": 2} | more
    return trial(number, value, state, seconds=seconds, **fields)


def costly() -> StudyTable:
    values = [0.80, 0.89, 0.8995, 0.90, 0.85]
    trials = [
        spent(number, value, 100.0 * (number + 1), worker=f"node:{number % 2}") for number, value in enumerate(values)
    ]
    return study([*trials, spent(5, None, 50.0, "PRUNED", worker="node:1")])


def test_sums_and_energy() -> None:
    info = accounts_info(costly())
    assert [(row.state, row.trials, row.seconds) for row in info.rows] == [
        (TrialState.COMPLETE, 5, 1500.0),
        (TrialState.PRUNED, 1, 50.0),
    ]
    assert (info.seconds, info.wall) == (1550.0, 7200.0)
    assert info.kwh == pytest.approx(1550 * 24 / 3.6e6)  # two threads of 12 W
    assert info.devices == (("2 threads of a CPU", 1550.0),)
    # One worker from second 0 to 240 + 500, the other one from 60 to 180 + 400.
    assert (info.workers, info.open) == (2, 740.0 + 520.0)
    assert info.idle == pytest.approx(1 - 1550 / 1260)
    assert "some time was counted twice" in " ".join(words.accounts_words(costly(), info))


def test_what_the_last_bit_cost() -> None:
    info = accounts_info(costly())
    # Trials begin a minute after one another, so that number 5, of 50 s, ends before number 2, of 300 s.
    assert [(row.within, row.trial, row.seconds, row.after) for row in info.reach] == [
        (0.05, 1, 300.0, 1250.0),
        (0.01, 1, 300.0, 1250.0),
        (0.005, 2, 650.0, 900.0),
        (0.001, 2, 650.0, 900.0),
        (0.0, 3, 1050.0, 500.0),
    ]
    said = words.reach_words(info, "validation/accuracy")
    assert said == (
        "Trial 2 was the first within 0.1 percentage points of the best, after 10 min 50 s; the 15 min 0 s that "
        "followed (58% of all) brought the last 0.1 percentage points or less."
    )


def test_a_loss_counts_by_its_own_size_and_several_objectives_do_not() -> None:
    loss = study([spent(0, 0.2, 10.0), spent(1, 0.19, 10.0), spent(2, 0.1902, 5.0)], goals=(LOSS,))
    info = accounts_info(loss)
    assert [(row.trial, row.seconds) for row in info.reach] == [(1, 20.0)] * 5
    assert info.reach[0].within == pytest.approx(0.05 * 0.19)
    assert "brought nothing better" in words.reach_words(info, "validation/loss")
    assert accounts_info(study([trial(0, (0.9, 3.0))], goals=(ACCURACY, SECONDS))).reach == ()
    assert accounts_info(study([])).reach == ()
    assert accounts_info(study([])).rows == ()


def test_power_is_assumed_by_device_only_where_that_is_known() -> None:
    assert watts_of(spent(0, 0.9, 1.0)) == 24.0
    assert watts_of(spent(0, 0.9, 1.0, device="cuda")) == 200.0
    assert watts_of(spent(0, 0.9, 1.0, device="mps")) is None
    assert watts_of(spent(0, 0.9, 1.0, threads=None)) is None
    mixed = study([spent(0, 0.9, 10.0), spent(1, 0.8, 3600.0, device="cuda", threads=8)])
    info = accounts_info(mixed)
    assert info.kwh == pytest.approx(0.2 + 10 * 24 / 3.6e6)
    assert "60 min 0 s on a GPU, 10 s on 2 threads of a CPU" in words.accounts_words(mixed, info)[0]
    unknown = study([spent(0, 0.9, 10.0), spent(1, 0.8, 5.0, device="")])
    assert accounts_info(unknown).kwh is None
    assert any("No energy is estimated" in said for said in words.accounts_words(unknown, accounts_info(unknown)))


@pytest.mark.parametrize(("tag", "watts"), [("60", 60.0), ("0", None), ("-5", None), ("much", None), ("nan", None)])
def test_whoever_knows_the_power_says_it_on_the_run(tag: str, watts: float | None) -> None:
    table = study([spent(0, 0.9, 3600.0), spent(1, 0.9, 1800.0, device="")])
    table = replace(table, study=replace(table.study, tags={"tunetrack.watts": tag}))
    info = accounts_info(table)
    assert info.watts == watts
    assert info.kwh == (None if watts is None else pytest.approx(0.09))
    said = " ".join(words.accounts_words(table, info))
    assert ("if 60 W are drawn while a trial trains, as the tag tunetrack.watts says" in said) == (watts is not None)


def test_workers_that_waited_are_said() -> None:
    trials = [
        replace(spent(number, 0.9, 60.0, worker="node:1"), start=START + timedelta(minutes=2 * number),
                end=START + timedelta(minutes=2 * number + 1))
        for number in range(3)
    ]  # fmt: skip
    table = study(trials)
    info = accounts_info(table)
    assert (info.workers, info.open, info.seconds) == (1, 300.0, 180.0)
    assert "1 worker was there for 5 min 0 s in all; for 40% of it no trial was training." in words.accounts_words(
        table, info
    )
    one_unknown = study([*trials, spent(3, 0.9, 60.0)])
    assert accounts_info(one_unknown).open is None


def test_the_payload_is_plain_data() -> None:
    for table in (study([]), costly()):
        payload = accounts_payload(table)
        assert json.loads(json.dumps(payload, allow_nan=False)) == payload
    assert payload["reach"][-1] == {
        "name": "the best itself",
        "within": 0.0,
        "trial": 3,
        "seconds": 1050.0,
        "after": 500.0,
    }
