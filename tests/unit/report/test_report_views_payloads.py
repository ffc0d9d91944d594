"""The payloads of a small stored study: every number is known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_samples import ACCURACY, LR, SECONDS, START, realistic, study, trial
from view_samples import HOSTILE, small_study

from tunetrack.report.importance import ImportanceInfo, importance_info
from tunetrack.report.savings import savings_info
from tunetrack.report.views import (
    MissingTrialError,
    PageQuery,
    QueryError,
    StudyFacts,
    Views,
    compare_confusion,
    study_payload,
)
from tunetrack.report.views.images import answers, sprite
from tunetrack.report.views.models import model_payload
from tunetrack.report.views.weights import STATS, weights_payload
from tunetrack.spec.records import TrialState, pruned_reason
from tunetrack.spec.weight_records import BINS
from tunetrack.tracking import Tag, TrackingStore
from tunetrack.tracking.queries import StudyTable, read_history, weight_frame
from tunetrack.tracking.reader import StudyReader, Versioned


@pytest.fixture
def views(store: TrackingStore, tmp_path: Path) -> Iterator[tuple[Views, Versioned]]:
    run = small_study(store, tmp_path)
    store.client.set_tag(read_run(store, run.run_id, 1), Tag.TRIAL_WORKER, "host-1")
    reader = StudyReader(store)
    yield Views(reader), reader.table(run.run_id)
    reader.close()


def read_run(store: TrackingStore, study_run: str, number: int) -> str:
    reader = StudyReader(store)
    found = {trial.number: trial.run_id for trial in reader.table(study_run).table.trials}
    reader.close()
    return found[number]


def as_json(payload: Any) -> Any:
    """What a browser gets; fails where a number is none."""
    return json.loads(json.dumps(payload, allow_nan=False))


def test_a_study(views: tuple[Views, Versioned]) -> None:
    found = as_json(views[0].study(views[1]))

    assert found["version"] == views[1].version
    assert (found["study"]["name"], found["study"]["state"], found["study"]["end"]) == ("fashion-cnn", "RUNNING", None)
    assert found["study"]["objectives"] == [{"metric": "validation/accuracy", "key": "objective", "maximize": True}]
    params = {param["path"]: param for param in found["study"]["params"]}
    assert (params["optimizer.lr"]["log"], params["optimizer.lr"]["numeric"]) == (True, True)
    assert params["optimizer.name"]["choices"] == [HOSTILE, "adam", "sgd"]
    assert params["model.filters"]["whole"]
    assert params["optimizer.momentum"]["conditional"]
    columns = found["trials"]
    assert columns["number"] == [0, 1, 2, 3, 4, 5]
    assert columns["state"] == ["COMPLETE", "COMPLETE", "PRUNED", "FAILED", "DUPLICATE", "RUNNING"]
    assert columns["values"] == [[0.8, 0.9, None, None, 0.8, None]]
    assert columns["provisional"] == pytest.approx([None, None, 0.39, None, None, 0.59])
    assert columns["epochs"] == [3, 3, 2, 1, None, 1]
    assert columns["worker"] == ["", "host-1", "", "", "", ""]
    assert columns["duplicate_of"] == [None, None, None, None, 0, None]
    assert columns["health"][0] == []
    assert columns["health"][1:3] == [["dead_units"], None]
    assert columns["params"]["optimizer.momentum"] == [None, 0.9, None, None, None, None]
    assert columns["metrics"]["train/loss"][3] is None  # NaN
    flat = [each for key, each in columns.items() if key not in ("values", "params", "metrics")]
    flat += [*columns["values"], *columns["params"].values(), *columns["metrics"].values()]
    assert {len(each) for each in flat} == {6}
    assert found["best_so_far"] == [[0, 1]]
    assert (found["front"], found["tied"]) == ([], [0])  # 20 images do not tell 0.9 from 0.8
    assert found["importance"] == {
        "params": None,
        "reason": "2 trials finished; at least 10 are needed",
        "trials": 2,
    }
    assert found["interactions"]["pairs"] is None
    assert found["budget"] == {
        "trials": {"used": 5, "limit": 12},
        "seconds": {"used": pytest.approx(10, abs=60), "limit": None},
    }
    assert found["cost"]["saved_by_pruning"] == pytest.approx(8 * 4.0 / 2)
    assert found["cost"]["how"] == "1 pruned trial did not train 8 epochs, each at its own mean time an epoch: 16 s."
    assert found["headline"][0].startswith(
        "6 trials searched 4 parameters for the highest validation/accuracy: trial 1"
    )
    assert "20 validation images" in found["headline"][1]
    curves = found["curves"]["metrics"]["validation/accuracy"]
    assert set(curves) == {"0", "1", "2"}
    assert curves["2"] == {"steps": [1, 2], "values": pytest.approx([0.29, 0.39])}
    assert found["study"]["links"]["saved_view"] is None
    assert found["study"]["links"]["mlflow_run"].startswith("/#/experiments/")


def test_all_studies(views: tuple[Views, Versioned], store: TrackingStore) -> None:
    run = views[1].table.study
    store.write_view(run.info, run.experiment_id)
    found = as_json(views[0].studies())
    (entry,) = found["studies"]
    assert entry["trials"] == {"RUNNING": 1, "COMPLETE": 2, "PRUNED": 1, "FAILED": 1, "DUPLICATE": 1}
    assert entry["best"] == {"number": 1, "values": [0.9]}
    assert entry["budget"] == {"trials": 12, "seconds": None}
    assert "viewStateShareKey=" in entry["links"]["saved_view"]
    assert as_json(views[0].studies())["version"] == found["version"]
    store.client.set_tag(run.run_id, Tag.STUDY_STATE, "KILLED")
    assert as_json(views[0].studies())["version"] != found["version"]


def test_curves(views: tuple[Views, Versioned], store: TrackingStore) -> None:
    pages, now = views
    found = as_json(pages.history(now, [2, 5], ["train/accuracy", "absent"]))
    assert found["metrics"]["absent"] == {}
    assert found["metrics"]["train/accuracy"]["2"]["steps"] == [1, 2]
    every = pages.history(now, [0], None)["metrics"]
    stored = read_history(store, [now.table.trials[0].run_id])
    assert set(every) == set(stored[stored["step"] > 0]["metric"])
    rows = list(csv.reader(io.StringIO(pages.history_csv(now, [2], ["train/accuracy"]))))
    assert rows == [
        ["trial", "metric", "step", "value"],
        *(["2", "train/accuracy", str(e), v] for e, v in ((1, "0.3"), (2, "0.4"))),
    ]
    with pytest.raises(MissingTrialError, match="no trial 9; it has 6 trials"):
        pages.history(now, [0, 9], None)


def test_trials_side_by_side(views: tuple[Views, Versioned]) -> None:
    pages, now = views
    found = as_json(pages.compare(now, [1, 0, 1]))
    assert [one["number"] for one in found["trials"]] == [1, 0]
    differs = {one["path"]: one["values"] for one in found["differs"]}
    assert differs == {"optimizer.lr": [0.001, 0.01], "optimizer.momentum": [0.9, None]}
    assert {one["path"]: one["value"] for one in found["same"]} == {
        "model.filters": 32,
        "model.head": "[64, 32]",
        "optimizer.name": "adam",
        "trainer.epochs": 3,
    }
    assert {one["name"]: one["values"] for one in found["metrics"]}["objective"] == [0.9, 0.8]
    assert set(found["curves"]["metrics"]) == {
        "train/loss",
        "train/accuracy",
        "validation/loss",
        "validation/accuracy",
        "lr",
    }
    rows = list(csv.reader(io.StringIO(pages.compare_csv(now, [0, 1]))))
    assert rows[:3] == [
        ["kind", "name", "trial 0", "trial 1"],
        ["state", "", "COMPLETE", "COMPLETE"],
        ["param", "optimizer.lr", "0.01", "0.001"],
    ]
    for numbers in ([0], [0, 0], []):
        with pytest.raises(QueryError, match="2 to 50 different trials can be compared"):
            pages.compare(now, numbers)


def test_weights_side_by_side(views: tuple[Views, Versioned]) -> None:
    found = as_json(views[0].weights(views[1], [0, 3]))
    assert found["trials"]["3"] is None
    weights = found["trials"]["0"]
    assert weights["epochs"] == [0, 1, 2, 3]
    tensors = len(weights["tensors"])
    assert set(weights["tensors"][0]) == {"name", "layer", "kind", "depth", "size"}
    assert set(weights["stats"]) == set(STATS)
    for values in weights["stats"].values():
        assert [len(each) for each in values] == [tensors] * 4
    assert weights["stats"]["update_ratio"][0] == [None] * tensors  # nothing before the initial state
    histogram = weights["histogram"]
    assert len(histogram["edges"]) == BINS + 1
    assert len(histogram["counts"]) == len(histogram["epochs"]) == 4
    sizes = [tensor["size"] for tensor in weights["tensors"]]
    assert [sum(counts) for counts in histogram["counts"][0]] == sizes
    content = views[0]._reader.artifact(views[1].table.trials[0].run_id, "weight_stats.parquet")
    assert weights_payload(content, histograms=False)["histogram"] is None  # type: ignore[index]
    assert weights_payload(b"no table") is None


def test_a_pruned_trial_shows_what_it_had_reached_apart_from_results(views: tuple[Views, Versioned]) -> None:
    pages, now = views
    rows = as_json(pages.trials(now, PageQuery(sort="provisional", order="desc")))["rows"]
    assert [(row["number"], row["values"], row["provisional"]) for row in rows[:2]] == [
        (5, [None], pytest.approx(0.59)),
        (2, [None], pytest.approx(0.39)),
    ]
    assert {row["provisional"] for row in rows[2:]} == {None}
    table = list(csv.DictReader(io.StringIO(pages.trials_csv(now, PageQuery(filter="state = PRUNED")))))
    assert (table[0]["objective.validation/accuracy"], float(table[0]["provisional.validation/accuracy"])) == ("", 0.39)


def test_metrics_by_epoch_are_named(views: tuple[Views, Versioned]) -> None:
    found = as_json(views[0].study(views[1]))["history_metrics"]
    assert found[:5] == ["train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "lr"]
    assert "epoch_seconds" in found
    assert "train_seconds" not in found


def test_dead_units_by_layer_and_epoch(views: tuple[Views, Versioned]) -> None:
    weights = as_json(views[0].weights(views[1], [0, 1]))["trials"]["0"]
    dead = weights["dead"]
    content = views[0]._reader.artifact(views[1].table.trials[0].run_id, "weight_stats.parquet")
    frame = weight_frame(content or b"")
    rows = frame[frame["item"] == "activation"]
    assert {layer["name"] for layer in dead["layers"]} == set(rows["name"])
    assert {layer["kind"] for layer in dead["layers"]} == {"activation"}
    for at, layer in enumerate(dead["layers"]):
        for epoch, shares in zip(weights["epochs"], dead["shares"], strict=True):
            stored = rows[(rows["name"] == layer["name"]) & (rows["epoch"] == epoch)]["dead_share"].tolist()
            assert shares[at] == (pytest.approx(stored[-1], rel=1e-5) if stored else None)


def test_models_side_by_side(views: tuple[Views, Versioned]) -> None:
    found = as_json(views[0].models(views[1], [0, 1, 2]))["trials"]
    assert found["2"] is None
    assert [found[key]["layers"][0][2] for key in "01"] == [[8, 6, 6], [6, 6, 6]]
    trial = views[1].table.trials[0]
    for other in (b"{", b"[]", b'{"layers": [1]}', b'{"layers": [["a", "b", ["x"], 1]]}', b"[" * 100_000, b"\xff"):
        assert model_payload(trial, other) == {"layers": None, "parameters": 690, "flops": None}


def test_answers_side_by_side(views: tuple[Views, Versioned]) -> None:
    pages, now = views
    confusion = as_json(pages.confusion(now, [0, 2]))
    assert confusion["trials"]["2"] is None
    assert confusion["trials"]["0"]["classes"] == ["class <0>", "class <1>", "class <2>"]
    assert confusion["trials"]["0"]["counts"] == [[90, 1, 1], [1, 90, 1], [1, 1, 90]]
    broken = (b"", b"a,b\nb,x", b"\xff", b"a,b,c\nb,1,2", b"a,b\nz,1")
    assert set(compare_confusion(dict(enumerate(broken)))["trials"].values()) == {None}

    found = as_json(pages.images(now, 0, 1, "/images.png"))
    assert found["reason"] == ""
    assert found["counts"] == {"both_right": 12, "only_a": 3, "only_b": 4, "both_wrong": 1}
    assert found["sprite"] == {"url": "/images.png", "width": 40, "height": 24, "tile": [8, 8], "columns": 5}
    assert found["only_a"] == [
        {"index": 5, "tile": 5, "label": 2, "a": 2, "b": 0},
        {"index": 10, "tile": 10, "label": 1, "a": 1, "b": 2},
        {"index": 15, "tile": None, "label": 0, "a": 0, "b": 1},
    ]
    assert [one["index"] for one in found["only_b"]] == [4, 8, 12, 16]
    none = as_json(pages.images(now, 0, 2, "/images.png"))
    assert none["reason"] == "no answers to single images are stored for trial 2"
    assert none["only_a"] == []
    assert answers(b"x") is None
    assert [sprite(text) for text in (None, b"{", b'{"tile": [0, 1], "columns": 1, "count": 1}', b"[]")] == [None] * 4


def test_answers_to_other_images_are_not_compared() -> None:
    from view_samples import predictions

    from tunetrack.report.views.images import compare_images

    given = answers(predictions([0, 1], [0, 1])), answers(predictions([0, 1], [0, 1], first=5))
    assert compare_images((3, 4), given, (), None, "")["reason"] == "the two trials were validated on different images"
    labels = answers(predictions([0, 1], [0, 1])), answers(predictions([0, 0], [0, 1]))
    assert "different images" in compare_images((3, 4), labels, (), None, "")["reason"]


def test_a_trial(views: tuple[Views, Versioned]) -> None:
    pages, now = views
    found = as_json(pages.trial(now, 1))
    assert found["trial"]["params"]["model.head"] == "[64, 32]"
    assert "name: digits" in found["config"]
    assert found["findings"] == [{"rule": "dead_units", "text": "a third of them"}]
    assert found["model"] == {"layers": [["layers.conv1", "Conv2d", [6, 6, 6], 690]], "parameters": 690, "flops": 1000}
    assert found["curves"]["metrics"]["train/loss"]["1"]["steps"] == [1, 2, 3]
    assert "objective" not in found["curves"]["metrics"]
    commands = [one["command"] for one in found["reproduce"]]
    assert commands[0].startswith(f"mlflow artifacts download --run-id {found['trial']['run_id']}")
    assert commands[1] == (
        "tunetrack train config.yaml --set name=trial-1-again --set trainer.init_seed=11 "
        "--set trainer.order_seed=12 --set trainer.augmentation_seed=13 --set data.seed=0"
    )
    assert {"config.yaml", "predictions.parquet"} <= {one["name"] for one in found["artifacts"]}
    assert found["weights"]["histogram"]["counts"]
    running = as_json(pages.trial(now, 5))
    assert (running["config"], running["reproduce"], running["weights"], running["confusion"]) == ("", [], None, None)
    with pytest.raises(MissingTrialError):
        pages.trial(now, -1)


def test_hostile_text_stays_data(views: tuple[Views, Versioned]) -> None:
    pages, now = views
    page = as_json(pages.trials(now, PageQuery(filter="number = 3")))
    assert page["rows"][0]["params"]["optimizer.name"] == HOSTILE
    table = list(csv.DictReader(io.StringIO(pages.trials_csv(now, PageQuery()))))
    assert [row["state"] for row in table][:3] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert table[3]["params.optimizer.name"] == HOSTILE
    assert (table[1]["health"], table[0]["health"], table[2]["health"]) == ("dead_units", "ok", "")


def test_a_formula_gets_an_apostrophe() -> None:
    from tunetrack.report.views import trials_csv

    table = study([trial(0, 0.5, params={"optimizer.lr": "=cmd()"}, reason="-x")])
    (row,) = csv.DictReader(io.StringIO(trials_csv(table, table.trials)))
    assert (row["params.optimizer.lr"], row["reason"]) == ("'=cmd()", "'-x")


def payload(table: StudyTable) -> Any:
    import pandas as pd

    history = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
    return as_json(study_payload(Versioned("v", table), history, StudyFacts()))


def test_two_objectives_have_a_front() -> None:
    values = [(0.9, 10.0), (0.8, 5.0), (0.7, 20.0), (0.9, 10.0), None, (0.95, float("inf"))]
    rows = [trial(number, value) for number, value in enumerate(values)]
    found = payload(study(rows, [LR], [ACCURACY, SECONDS]))
    assert found["front"] == [0, 1, 3]
    assert found["trials"]["values"] == [[0.9, 0.8, 0.7, 0.9, None, 0.95], [10, 5, 20, 10, None, None]]
    assert found["best_so_far"] == [[0, 5], [0, 1]]


def test_a_large_study_says_what_the_report_says() -> None:
    table, _ = realistic(300)
    found = payload(table)
    info: ImportanceInfo = importance_info(table)
    assert info.params is not None
    assert [one["path"] for one in found["importance"]["params"]] == [param.path for param in info.params]
    assert found["interactions"]["reason"] == ""
    assert found["trials"]["start"][1] == round(START.timestamp() * 1000) + 60_000
    assert payload(study([]))["trials"]["number"] == []


def test_what_pruning_saved_is_known_only_where_the_epochs_are() -> None:
    pruned = trial(0, None, "PRUNED", params={"trainer.epochs": 10}, metrics={"train_seconds": 6.0}, epochs=3)
    unknown = trial(1, None, "PRUNED", reason=pruned_reason(1, 3))
    info = savings_info(study([pruned, unknown, replace(pruned, number=2, state=TrialState.COMPLETE)]))
    assert (info.seconds, info.trials, info.unknown, info.epochs) == (14.0, 1, 1, 7)
    assert savings_info(study([unknown])).seconds is None
    assert "not known" in payload(study([unknown]))["cost"]["how"]
