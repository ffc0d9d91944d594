"""Every health rule on a network that really trains: found where it is ill by design, silent where it is well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tunetrack import training
from tunetrack.spec import Finding, Objective, TrialState, load_config
from tunetrack.study.trial import TrialResult, TrialWatch, run_trial

DIGITS = {"name": "digits", "train": 1000, "validation": 300, "test": 300}
SMALL = {"name": "cnn", "filters": 16, "num_layers": 2}
ADAM, SGD = {"name": "adam", "lr": 1e-3}, {"name": "sgd", "lr": 0.1, "momentum": 0.0}
OBJECTIVES = (Objective(metric="validation/accuracy"),)


def trained(watch: TrialWatch | None = None, **sections: Any) -> TrialResult:
    """One trial of a few epochs on digits."""
    trainer = {"epochs": 4, "batch_size": 32, "threads": 1, "device": "cpu"} | sections.pop("trainer", {})
    config = load_config({"data": DIGITS, "model": SMALL, "optimizer": ADAM, "trainer": trainer} | sections)
    return run_trial(config, OBJECTIVES, training.load_data(config.data), watch or TrialWatch())


def found(result: TrialResult) -> dict[str, Finding]:
    assert result.outcome.state is TrialState.COMPLETE, result.outcome.reason
    return {finding.rule: finding for finding in result.findings}


@pytest.mark.parametrize("model", [SMALL, SMALL | {"batch_norm": True, "activation": "gelu"}], ids=["plain", "norms"])
@pytest.mark.parametrize("optimizer", [ADAM, SGD, {"name": "adam", "lr": 1e-5}], ids=["adam", "sgd", "slow"])
def test_a_healthy_net_has_no_findings(model: dict[str, Any], optimizer: dict[str, Any]) -> None:
    assert found(trained(model=model, optimizer=optimizer)) == {}


def test_too_high_a_learning_rate_explodes_and_kills() -> None:
    findings = found(trained(optimizer={"name": "sgd", "lr": 10.0, "momentum": 0.0}))
    assert set(findings) == {"exploding", "dead_units"}
    assert findings["exploding"].text.startswith("layers 1-3 (layer1.conv1 to output) have grown to ")
    assert findings["dead_units"].text.startswith("16 of 16 units after layer 2 (layer2.activation1) (100 %)")


def test_gradients_vanish_in_a_deep_plain_net() -> None:
    finding = found(trained(model={"import": "health_nets:deep"}, optimizer=SGD))["vanishing_gradients"]
    assert finding.epoch == 2
    assert finding.text.startswith("layers 1-6 (1 to 11) receive ")
    assert "x smaller gradients than layers 15-20 (29 to 39)" in finding.text


def test_units_are_dead_from_the_start() -> None:
    finding = found(trained(model={"import": "health_nets:dead"}))["dead_units"]
    assert (finding.epoch, finding.layers) == (2, ("2",))
    assert finding.text == "32 of 32 units after layer 1 (2) (100 %) are not above zero for any validation image"


@pytest.mark.parametrize(
    ("gain", "text"),
    [(0.0, "layer 2 (branch) does not move, while layer "), (1e-5, "layer 2 (branch) receives ")],
)
def test_a_layer_behind_a_closed_door_has_stalled(gain: float, text: str) -> None:
    findings = found(trained(model={"import": "health_nets:branch", "gain": gain}, optimizer=SGD))
    assert set(findings) == {"stalled_layer"}
    assert findings["stalled_layer"].text.startswith(text)


def test_a_frozen_layer_is_meant_to_stand_still() -> None:
    assert found(trained(model={"import": "health_nets:branch", "frozen": True}, optimizer=SGD)) == {}


def test_scales_and_shifts_oscillate_above_the_edge_of_stability() -> None:
    """One step an epoch, so that no step is hidden; a third of that learning rate does not oscillate."""
    whole = {"epochs": 4, "batch_size": 1000}
    model = {"import": "health_nets:scales"}
    findings = found(trained(model=model, optimizer=SGD | {"lr": 30.0}, trainer=whole))
    assert "turn back from one epoch to the next, and they spread" in findings["oscillation"].text
    assert "oscillation" not in found(trained(model=model, optimizer=SGD | {"lr": 10.0}, trainer=whole))


def test_a_diverged_trial_stays_failed_and_says_why() -> None:
    health = {"non_finite": {"action": "prune"}}
    told: list[Finding] = []
    result = trained(TrialWatch(finding=told.append), optimizer={"name": "sgd", "lr": 1e30}, weights={"health": health})
    assert result.outcome.state is TrialState.FAILED
    (finding,) = result.findings
    assert told == [finding]
    assert (finding.rule, finding.epoch, finding.prune) == ("non_finite", 1, False)
    assert result.outcome.reason.startswith(f"{finding.text}. ")


def test_a_rule_may_prune() -> None:
    health = {"dead_units": {"action": "prune"}, "vanishing_gradients": {"action": "off"}}
    result = trained(model={"import": "health_nets:dead"}, weights={"health": health})
    assert result.outcome.state is TrialState.PRUNED
    assert result.outcome.reason == (
        "pruned after epoch 2 of 4: dead_units: "
        "32 of 32 units after layer 1 (2) (100 %) are not above zero for any validation image"
    )
    assert len(result.records) == 2
    assert [finding.rule for finding in result.findings] == ["dead_units"]


def test_a_trial_that_is_done_is_not_pruned() -> None:
    health = {"dead_units": {"action": "prune"}}
    result = trained(model={"import": "health_nets:dead"}, weights={"health": health}, trainer={"epochs": 2})
    assert found(result)["dead_units"].epoch == 2


def test_without_a_record_nothing_is_judged() -> None:
    assert found(trained(model={"import": "health_nets:dead"}, weights={"record": False})) == {}


@pytest.mark.skipif("TUNETRACK_DATA_DIR" not in os.environ, reason="TUNETRACK_DATA_DIR is not set")
@pytest.mark.parametrize(
    "model",
    [SMALL, SMALL | {"num_layers": 3, "batch_norm": True, "head": [64]}, {"name": "compact_cnn"}],
    ids=["plain", "norms", "compact"],
)
def test_nets_that_learn_fashion_are_healthy(model: dict[str, Any]) -> None:
    folder = Path(os.environ["TUNETRACK_DATA_DIR"])
    images = {"name": "fashion_mnist", "dir": str(folder), "train": 2000, "validation": 1000, "test": 1000}
    assert found(trained(data=images, model=model, trainer={"epochs": 3})) == {}
