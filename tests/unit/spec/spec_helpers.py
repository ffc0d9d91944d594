"""Documents and shorthands that the tests of the study file share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tunetrack.errors import Problem, SpecError
from tunetrack.spec import Parameter, SearchSpace, StudySpec, load_study

#: The study file of the manual's first page.
FULL = """
name: fashion-cnn
data:      {name: fashion_mnist, train: 50000, validation: 10000, seed: 0}
model:
  name: cnn
  filters:     {low: 16, high: 128, step: 8}
  kernel_size: {low: 2, high: 5}
  num_layers:  {low: 1, high: 10}
optimizer:
  one_of:
    - {name: adam,  lr: {low: 1.0e-5, high: 1.0e-1, log: true}}
    - {name: adamw, lr: {low: 1.0e-5, high: 1.0e-1, log: true}, weight_decay: {low: 1.0e-6, high: 1.0e-1, log: true}}
    - {name: sgd,   lr: {low: 1.0e-4, high: 1.0,    log: true}, momentum: {low: 0.0, high: 0.99}}
trainer:   {epochs: 10, batch_size: {choices: [32, 64, 128]}, precision: auto}
objective: {metric: validation/accuracy, direction: maximize}
sampler:   {engine: optuna, name: tpe, seed: 0}
pruner:    {name: hyperband}
budget:    {trials: 50, seconds: 7200}
"""

SMALL: dict[str, Any] = {"name": "small", "data": {"name": "digits"}}


def document(**sections: Any) -> dict[str, Any]:
    """The smallest study file, with these sections."""
    return copy.deepcopy({**SMALL, **sections})


def study(overrides: Mapping[str, Any] | None = None, **sections: Any) -> StudySpec:
    return load_study(document(**sections), overrides)


def problems(overrides: Mapping[str, Any] | None = None, **sections: Any) -> tuple[Problem, ...]:
    """The mistakes in the smallest study file with these sections."""
    with pytest.raises(SpecError) as caught:
        load_study(document(**sections), overrides)
    return caught.value.problems


def lines(overrides: Mapping[str, Any] | None = None, **sections: Any) -> list[str]:
    """The mistakes as a user reads them."""
    return [str(problem) for problem in problems(overrides, **sections)]


def names(space: SearchSpace) -> list[str]:
    return [parameter.name for parameter in space.parameters]


def parameter(spec: StudySpec, name: str) -> Parameter:
    return next(p for p in spec.space.parameters if p.name == name)
