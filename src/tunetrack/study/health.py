"""Judges a trial while it runs: sees its epochs one after the other and says which rules find something unhealthy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tunetrack.errors import TrainingDivergedError
from tunetrack.spec import EpochRecord, Finding, WeightStats
from tunetrack.spec.weights import HealthConfig, HealthRule
from tunetrack.study.health_rules import Rule, Sign, rules_of

__all__ = ["HealthJudge"]


class HealthJudge:
    """Follows one trial.

    Every rule is held against the state at the end of each epoch. It finds something where the same layer has shown the
    same sign for `patience` epochs in a row, and reports that once. Later epochs may show it worse: then `findings`
    has the worst state, in the words of that epoch.
    """

    def __init__(self, config: HealthConfig) -> None:
        self._config = config
        self._watches = {name: _Watch(name, *pair) for name, pair in rules_of(config).items()}
        self._divergence: Finding | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, at most one a rule, in the order in which it was found."""
        found = [watch.finding for watch in self._watches.values()]
        if self._divergence is not None:
            found.append(self._divergence)
        return tuple(sorted((f for f in found if f is not None), key=lambda finding: finding.epoch))

    def see(self, record: EpochRecord) -> tuple[Finding, ...]:
        """What is newly found after this epoch; nothing where no weight statistics were recorded."""
        if record.weights is None:
            return ()
        new = (watch.see(record.epoch, record.weights) for watch in self._watches.values())
        return tuple(finding for finding in new if finding is not None)

    def diverged(self, error: TrainingDivergedError, epoch: int) -> tuple[Finding, ...]:
        """What is newly found where the trainer itself has given up in this epoch, under the rule ``non_finite``.

        It never asks for the trial to be pruned: there is nothing left to be ended.
        """
        if self._config.non_finite.action == "off":
            return ()
        watch = self._watches["non_finite"]
        if watch.finding is not None:
            return ()
        text = str(error).partition(". ")[0]  # the advice that follows is in the trial's reason
        self._divergence = Finding("non_finite", epoch, text)
        return (self._divergence,)


class _Watch:
    """One rule over one trial.

    Attributes:
        finding: what it has found, in its worst state so far.
    """

    def __init__(self, name: str, config: HealthRule, rule: Rule) -> None:
        self._name, self._config, self._rule = name, config, rule
        self._in_a_row: dict[tuple[str, int], int] = {}
        self._worst = (0.0, 0)
        self.finding: Finding | None = None

    def see(self, epoch: int, stats: WeightStats) -> Finding | None:
        """The finding, in the epoch that brings it."""
        signs = self._rule.look(stats)
        places = [(sign.aspect, sign.place.row) for sign in signs]
        self._in_a_row = {place: self._in_a_row.get(place, 0) + 1 for place in places}
        ripe = [
            sign for sign, place in zip(signs, places, strict=True) if self._in_a_row[place] >= self._config.patience
        ]
        badness = (max((sign.degree for sign in ripe), default=0.0), len(ripe))
        if not ripe or badness <= self._worst:
            return None
        self._worst = badness
        return self._found(epoch, ripe, stats)

    def _found(self, epoch: int, signs: Sequence[Sign], stats: WeightStats) -> Finding | None:
        text = self._rule.words(signs, stats)
        layers = tuple(dict.fromkeys(sign.place.layer for sign in signs))
        if self.finding is None:
            self.finding = Finding(self._name, epoch, text, layers, self._config.action == "prune")
            return self.finding
        text = f"{text} (worst in epoch {epoch})"
        self.finding = dataclasses.replace(self.finding, text=text, layers=layers)
        return None
