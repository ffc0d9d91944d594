"""Every sampler of both engines through the one suite."""

from __future__ import annotations

from typing import Any, ClassVar

from tunetrack.testing import SamplerContract


class TestOptunaTpe(SamplerContract):
    name = "tpe"


class TestOptunaTpeGroup(SamplerContract):
    name = "tpe"
    options: ClassVar[dict[str, Any]] = {"multivariate": True, "group": True}


class TestOptunaRandom(SamplerContract):
    name = "random"


class TestOptunaGp(SamplerContract):
    name = "gp"
    spaces = ("flat",)  # half a second a proposal, and of "nested" it would model two parameters only
    trials = 15


class TestOptunaCmaEs(SamplerContract):
    name = "cmaes"
    options: ClassVar[dict[str, Any]] = {"popsize": 4}


class TestOptunaQmc(SamplerContract):
    name = "qmc"
    options: ClassVar[dict[str, Any]] = {"scramble": True}


class TestOptunaNsgaii(SamplerContract):
    name = "nsgaii"
    options: ClassVar[dict[str, Any]] = {"population_size": 4}


class TestOptunaGrid(SamplerContract):
    name = "grid"
    spaces = ("grid",)


class TestOptunaBruteForce(SamplerContract):
    name = "brute_force"
    spaces = ("grid", "finite")


class TestHyperoptTpe(SamplerContract):
    engine = "hyperopt"
    name = "tpe"
    options: ClassVar[dict[str, Any]] = {"n_startup_jobs": 8}


class TestHyperoptRandom(SamplerContract):
    engine = "hyperopt"
    name = "random"


class TestHyperoptAnneal(SamplerContract):
    engine = "hyperopt"
    name = "anneal"


class TestHyperoptAtpe(SamplerContract):
    engine = "hyperopt"
    name = "atpe"
    trials = 12
