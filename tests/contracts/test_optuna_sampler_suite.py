"""Optuna's own contract suite for samplers, run on the Hyperopt sampler without a given space (define-by-run)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase

from tunetrack.ledger import HyperoptSampler


class _Suite(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """MultiObjectiveSamplerTestCase does not apply: Hyperopt knows one loss, and the sampler refuses several."""

    algorithm = ""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: HyperoptSampler(self.algorithm, seed=0)


class TestTpe(_Suite):
    algorithm = "tpe"


class TestRandom(_Suite):
    algorithm = "random"


class TestAnneal(_Suite):
    algorithm = "anneal"
