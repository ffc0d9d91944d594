"""What every sampler must do, whichever engine it comes from: the same questions, one suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import optuna

from tunetrack.ledger import Ledger, Ticket, TrialRecord
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.space import Parameter
from tunetrack.spec.study import StudySpec
from tunetrack.testing.toy import drive, toy_spec

__all__ = ["SamplerContract"]


class SamplerContract:
    """Inherit, and set `engine` and `name`.

    Attributes:
        engine: optuna or hyperopt.
        name: the sampler's name in a study file.
        options: further options of the sampler.
        spaces: keys of `tunetrack.testing.SPACES` that the sampler can search.
        trials: length of the studies; beyond the sampler's random start.
    """

    engine: ClassVar[str] = "optuna"
    name: ClassVar[str] = "random"
    options: ClassVar[Mapping[str, Any]] = {}
    spaces: ClassVar[tuple[str, ...]] = ("flat", "nested")
    trials: ClassVar[int] = 27

    def spec(self, space: str, seed: int = 3, maximize: bool = False, pruner: str = "none") -> StudySpec:
        """A study over one of the toy spaces with the sampler under test."""
        sampler = {"engine": self.engine, "name": self.name, "seed": seed, **self.options}
        direction = "maximize" if maximize else "minimize"
        objective = {"metric": "validation/loss", "direction": direction}
        return toy_spec(space, sampler=sampler, objective=objective, pruner={"name": pruner})

    def run(self, spec: StudySpec, piece: int | None = None) -> tuple[TrialRecord, ...]:
        """The trials of one study, run in one go or in pieces of so many trials by a fresh ledger each."""
        storage = optuna.storages.InMemoryStorage()
        ledger = Ledger.create(storage, spec)
        done = 0
        while done < self.trials:
            count = min(piece or self.trials, self.trials - done)
            if len(drive(ledger, count)) < count:
                break
            done += count
            ledger = Ledger.load(storage, spec.name)
        return ledger.trials()

    def test_pieces_propose_what_one_go_proposes(self) -> None:
        for space in self.spaces:
            whole = self.run(self.spec(space))
            pieces = self.run(self.spec(space), piece=4)
            assert [trial.values for trial in whole] == [trial.values for trial in pieces], space

    def test_pieces_propose_what_one_go_proposes_within_brackets(self) -> None:
        spec = self.spec(self.spaces[0], pruner="hyperband")
        whole, pieces = self.run(spec), self.run(spec, piece=4)
        assert [(t.values, t.state) for t in whole] == [(t.values, t.state) for t in pieces]

    def test_values_are_of_their_domains_and_branches(self) -> None:
        for space in self.spaces:
            spec = self.spec(space)
            parameters = {parameter.name: parameter for parameter in spec.space.parameters}
            for trial in self.run(spec):
                on_the_way: list[str] = []
                spec.space.resolve(lambda p, names=on_the_way, t=trial: names.append(p.name) or t.values[p.name])  # type: ignore[misc]
                assert list(trial.values) == on_the_way
                for name, value in trial.values.items():
                    _assert_fits(parameters[name], value)
                spec.config(trial.config or {})

    def test_seed_decides(self) -> None:
        space = self.spaces[0]
        one, again = self.run(self.spec(space)), self.run(self.spec(space))
        other = self.run(self.spec(space, seed=4))
        assert [trial.values for trial in one] == [trial.values for trial in again]
        assert [trial.values for trial in one] != [trial.values for trial in other]

    def test_maximising_the_negative_proposes_the_same(self) -> None:
        space = self.spaces[0]
        down, up = self.run(self.spec(space)), self.run(self.spec(space, maximize=True))
        assert [trial.values for trial in down] == [trial.values for trial in up]

    def test_released_trial_changes_no_later_proposal(self) -> None:
        spec = self.spec(self.spaces[0])
        ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec)
        half = self.trials // 2
        drive(ledger, half)
        ticket = ledger.ask()
        assert isinstance(ticket, Ticket)
        ledger.release(ticket)
        drive(ledger, self.trials - half)
        assert [t.values for t in ledger.trials()] == [t.values for t in self.run(spec)]


def _assert_fits(parameter: Parameter, value: Any) -> None:
    domain = parameter.domain
    match domain:
        case IntDomain(low, high, step):
            assert type(value) is int
            assert low <= value <= high
            assert (value - low) % step == 0
        case FloatDomain(low, high, step):
            assert type(value) is float
            assert low <= value <= high
            assert step is None or abs((value - low) / step - round((value - low) / step)) < 1e-6
        case CategoricalDomain():
            assert any(value == label and type(value) is type(label) for label in domain.labels)
