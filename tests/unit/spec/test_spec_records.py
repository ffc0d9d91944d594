"""Why a trial was pruned: written down in words, and read back from them."""

from __future__ import annotations

from tunetrack.spec import Finding
from tunetrack.spec.records import pruned_reason, pruning_rule


def test_the_pruner_and_a_health_rule_are_told_apart() -> None:
    finding = Finding("dead_units", 3, "9 of 10 units: dead", prune=True)
    assert pruned_reason(3, 10) == "pruned after epoch 3 of 10"
    assert pruned_reason(3, 10, finding) == "pruned after epoch 3 of 10: dead_units: 9 of 10 units: dead"
    assert pruning_rule(pruned_reason(3, 10)) is None
    assert pruning_rule(pruned_reason(3, 10, finding)) == "dead_units"
    assert pruning_rule("the training loss became nan: what: else") is None
