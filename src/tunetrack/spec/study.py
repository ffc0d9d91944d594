"""A study as the user asked for it: the search space and how it is searched. Made by `tunetrack.spec.loading`."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec.annotations import did_you_mean
from tunetrack.spec.config import DATA_PLACES, Config, TrialConfig
from tunetrack.spec.confirm import ConfirmConfig, Confirms
from tunetrack.spec.constraints import Constraint, ConstraintText, parse_constraint
from tunetrack.spec.domains import CategoricalDomain
from tunetrack.spec.problems import problems_in
from tunetrack.spec.records import OBJECTIVE_METRICS
from tunetrack.spec.reference import Reference
from tunetrack.spec.space import OneOf, SearchSpace

__all__ = [
    "HYPEROPT_SAMPLERS",
    "OPTUNA_SAMPLERS",
    "PRUNERS",
    "SEARCHED_SECTIONS",
    "WORDS_AND_BUDGET",
    "Budget",
    "Direction",
    "Objective",
    "PrunerConfig",
    "SamplerConfig",
    "Stop",
    "StudyHead",
    "StudySpec",
]

SEARCHED_SECTIONS = tuple(TrialConfig.model_fields)

OPTUNA_SAMPLERS = ("tpe", "random", "gp", "cmaes", "qmc", "nsgaii", "grid", "brute_force")
HYPEROPT_SAMPLERS = ("tpe", "random", "anneal", "atpe")
SAMPLERS = {"optuna": OPTUNA_SAMPLERS, "hyperopt": HYPEROPT_SAMPLERS}
PRUNERS = (
    "none",
    "median",
    "percentile",
    "successive_halving",
    "hyperband",
    "patient",
    "threshold",
    "wilcoxon",
)

#: Sections that a resumed study may change: they neither say what is searched nor how.
WORDS_AND_BUDGET = ("name", "description", "budget", "stop", "reference", "confirm")

Direction = Literal["maximize", "minimize"]


class Objective(Config):
    """One number to be made as large or as small as possible."""

    metric: Literal[OBJECTIVE_METRICS] = Field(  # type: ignore[valid-type]
        "validation/accuracy", description="plain name: the last epoch's value; best/...: the best epoch's"
    )
    direction: Direction | None = Field(None, description="default: maximize an accuracy, minimize all else")

    @property
    def maximize(self) -> bool:
        """Whether larger values are better."""
        if self.direction is None:
            return str(self.metric).endswith("accuracy")
        return self.direction == "maximize"


class _WithOptions(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    @property
    def options(self) -> dict[str, Any]:
        """What else the section says: passed on by name, checked against the real signature by the ledger."""
        return dict(self.model_extra or {})


def _names_by_engine() -> dict[str, Any]:
    """What the schema cannot derive from the fields: the names that each engine has."""
    return {
        "allOf": [
            {
                "if": {
                    "properties": {"engine": {"const": engine}},
                    "required": [] if engine == "optuna" else ["engine"],
                },
                "then": {"properties": {"name": {"enum": list(names)}}},
            }
            for engine, names in SAMPLERS.items()
        ]
    }


class SamplerConfig(_WithOptions):
    """Who proposes trials. Further keys are options of that sampler, such as n_startup_trials."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(_names_by_engine()))

    engine: Literal["optuna", "hyperopt"] = Field("optuna", description="the library that proposes")
    name: str = Field(
        "tpe", description=f"optuna: {', '.join(OPTUNA_SAMPLERS)}; hyperopt: {', '.join(HYPEROPT_SAMPLERS)}"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the proposals")
    lag: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="the same trials with any number of workers: trial n sees the trials before n - lag alone, and is "
        "proposed once these have ended",
    )

    @field_validator("name")
    @classmethod
    def _name_is_known_to_the_engine(cls, name: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine")  # absent where the engine itself was wrong
        if engine is None or name in SAMPLERS[engine]:
            return name
        elsewhere = [other for other in SAMPLERS if name in SAMPLERS[other]]
        hint = f"; {name} belongs to engine: {elsewhere[0]}" if elsewhere else did_you_mean(name, SAMPLERS[engine])
        raise ValueError(f"must be one of {', '.join(SAMPLERS[engine])} for {engine}{hint}")


class PrunerConfig(_WithOptions):
    """Who stops hopeless trials early. Further keys are options of that pruner; for patient, `wrapped` is a pruner."""

    name: Literal[PRUNERS] = Field("none", description="kind of pruner")  # type: ignore[valid-type]
    control: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="share of the trials that the pruner would stop which are run to their end all the same, so that "
        "the report can say what pruning costs",
    )

    @model_validator(mode="after")
    def _controls_a_pruner(self) -> PrunerConfig:
        if self.control and self.name == "none":
            raise ValueError("control needs a pruner: name one, or take control away")
        return self

    def is_control(self, seed: int, number: int) -> bool:
        """Whether this trial is run to its end even where the pruner would stop it; the same in every process.

        Args:
            seed: of the study's proposals.
            number: of the trial.
        """
        drawn = int.from_bytes(hashlib.sha256(f"control {seed} {number}".encode()).digest()[:8]) / 2**64
        return drawn < self.control


class Budget(Config):
    """When a study is finished: after so many trials, seconds or device seconds, whichever comes first."""

    trials: Annotated[int, Field(ge=1)] | None = Field(None, description="number of trials")
    seconds: Annotated[float, Field(gt=0)] | None = Field(None, description="no trial starts after that time")
    device_seconds: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="no trial starts once the trials that have ended took so many seconds of training together; one on "
        "a share of a GPU counts that share",
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        2, description="how often a trial is run again whose worker was killed; then it has FAILED"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        if self.trials is None and self.seconds is None and self.device_seconds is None:
            raise ValueError("needs trials, seconds or device_seconds")
        return self


class Stop(Config):
    """When a study ends before its budget is spent; whichever comes first."""

    no_improvement: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="after so many trials in a row without a better one; of several objectives: on the front",
    )
    target: float | None = Field(None, description="when the objective is as good as this")
    terminator: bool = Field(
        False,
        description="when what is left to be gained is probably less than the standard error of the best accuracy",
    )


def _listed(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


class StudyHead(Config):
    """The sections of a study file that are not searched."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
            description="1 to 100 letters, digits, _ . or -, a letter or digit first",
        ),
    ]
    description: str = Field("", description="free text, shown with the study")
    objective: Annotated[
        tuple[Objective, ...],
        Field(strict=False, min_length=1),
        BeforeValidator(_listed, json_schema_input_type=Objective | Annotated[list[Objective], Field(min_length=1)]),
    ] = Field((Objective(),), description="one objective, or a list of them")
    constraints: Annotated[
        tuple[ConstraintText, ...],
        Field(strict=False),
        BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    ] = Field((), description='limits that the best trial keeps, such as "model/parameters <= 8000"')
    sampler: SamplerConfig = Field(SamplerConfig(), description="who proposes trials")
    pruner: PrunerConfig = Field(PrunerConfig(), description="who stops hopeless trials early")
    budget: Budget = Field(Budget(trials=20), description="when the study is finished")
    points: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = Field(
        (), description="proposed first, in this order: values by dotted path; what is missing is proposed"
    )
    confirm: ConfirmConfig | None = Field(None, description="train the best again after the search; default: no")
    confirms: Confirms | None = Field(None, description="written by tunetrack: what this study confirms")
    stop: Stop = Field(Stop(), description="when the study ends before that")
    reference: Reference | None = Field(None, description="what an original experiment reports, to be compared with")


@dataclass(frozen=True)
class StudySpec:
    """One study, complete and valid.

    Attributes:
        head: name, objectives, sampler, pruner, budget.
        space: what is searched.
        document: the study file with all overrides applied, as plain data; loading it gives this spec again.
    """

    head: StudyHead
    space: SearchSpace
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that the study file gives."""
        return self.head.name

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives in order; one for a single-objective study."""
        return self.head.objective

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """The limits that the best trial keeps, in order."""
        return tuple(map(parse_constraint, self.head.constraints))

    def config(self, resolved: dict[str, Any]) -> TrialConfig:
        """A resolved point of the space as the trainer's configuration.

        Raises:
            InfeasibleConfigError: the combination breaks a rule that ties two values together; single values have
                been checked with the study file.
        """
        try:
            return TrialConfig.model_validate(resolved)
        except ValidationError as error:
            problems = problems_in(error, TrialConfig)
            raise InfeasibleConfigError("; ".join(map(str, problems))) from error

    def first_config(self) -> TrialConfig:
        """A configuration that is known to be valid: the first corner of the space."""
        corner = next((resolved for _, resolved in self.space.corners()), None)
        return self.config(self.space.values({}) if corner is None else corner)

    def sample(self, seed: int) -> dict[str, Any]:
        """One concrete config of the space, the same for the same seed."""
        return self.space.sample(random.Random(seed))  # noqa: S311  (a search, no secret)

    @property
    def searched_paths(self) -> tuple[str, ...]:
        """Paths of the searched parameters in file order, each once."""
        return tuple(dict.fromkeys(parameter.path for parameter in self.space.parameters))

    @cached_property
    def validates_on_test_images(self) -> bool:
        """Whether trials, or some of them, draw their validation images from the official test set."""
        corners = [resolved for _, resolved in self.space.corners()] or [self.space.values({})]
        return any(corner.get("data", {}).get("faithful") is True for corner in corners)

    @property
    def has_branches(self) -> bool:
        """Whether some parameter exists only in some trials."""
        return any(isinstance(node, OneOf) for node in self.space.nodes())

    @cached_property
    def fingerprint(self) -> str:
        """Changes with anything that a resumed study must not change: space, objectives, sampler, pruner."""
        kept = {key: value for key, value in self.document.items() if key not in WORDS_AND_BUDGET}
        kept["data"] = {key: value for key, value in kept.get("data", {}).items() if key not in DATA_PLACES}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]

    def continuous_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that have no finite list of values."""
        return tuple(p.name for p in self.space.parameters if p.domain.size is None)

    def categorical_parameters(self) -> tuple[str, ...]:
        """Names of the parameters whose values have no order."""
        return tuple(p.name for p in self.space.parameters if isinstance(p.domain, CategoricalDomain))
