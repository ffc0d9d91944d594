"""Reads study files for every way in, and says what a study would search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunetrack.errors import SpecError
from tunetrack.ledger import check_options
from tunetrack.spec import StudySpec, flatten, load_study
from tunetrack.spec.config import DATA_PLACES
from tunetrack.spec.imports import check_imports
from tunetrack.spec.loading import Source, load_config
from tunetrack.spec.matching import reference_problems
from tunetrack.spec.study import SEARCHED_SECTIONS

__all__ = ["describe_study_file", "load_single", "load_study_file", "override_paths"]

#: Keyword of the Python API and option of the command line -> path in the study file.
SHORT_NAMES = {
    "trials": "budget.trials",
    "seconds": "budget.seconds",
    "device_seconds": "budget.device_seconds",
    "data_dir": "data.dir",
}


def override_paths(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as dotted paths: short names spelled out, `__` standing for a dot."""
    return {SHORT_NAMES.get(name, name.replace("__", ".")): value for name, value in overrides.items()}


def _narrows(path: str) -> bool:
    """Whether an override may take configurations away: all but those that say where the files are."""
    section, _, key = path.partition(".")
    return section in SEARCHED_SECTIONS and not (section == "data" and key in DATA_PLACES)


def load_study_file(source: Source | StudySpec, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """A checked study, the options of its sampler and pruner and the keys of an imported model included.

    Args:
        source: path of a study file, its content as a mapping, or a spec.
        overrides: dotted path -> value.

    Raises:
        SpecError: what is wrong, with dotted paths.
    """
    if isinstance(source, StudySpec):
        source = source.document
        narrowed = True
    else:
        narrowed = any(_narrows(path) for path in overrides or ())
    spec = load_study(source, overrides)
    check_options(spec)
    check_imports(spec)
    problems = [] if narrowed else reference_problems(spec)  # who narrows the space gives rows up on purpose
    if problems:
        raise SpecError(problems, "" if isinstance(source, Mapping) else str(source))
    return spec


def load_single(source: Source, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """One fixed configuration, as a study of a single trial.

    Raises:
        SpecError: a value is wrong, or is a range.
    """
    load_config(source, overrides)
    spec = load_study(source, {**(overrides or {}), "budget": {"trials": 1}, "sampler": {"name": "random"}})
    check_imports(spec)
    return spec


def describe_study_file(spec: StudySpec) -> dict[str, Any]:
    """What would be searched, as JSON-ready data: objectives, sampler, parameters, combinations, one sample."""
    head, again = spec.head, ""
    if (confirm := head.confirm) is not None:
        again = f"the best {confirm.top} on {confirm.seeds} seeds: {confirm.top * confirm.seeds} trials"
    sampler = " ".join([head.sampler.engine, head.sampler.name, f"seed {head.sampler.seed}", *_options(head.sampler)])
    limits = [f"{head.budget.trials} trials"] if head.budget.trials else []
    limits += [f"{head.budget.seconds:g} s"] if head.budget.seconds else []
    control = [f"control={head.pruner.control:g}"] if head.pruner.control else []
    limits += [f"{head.budget.device_seconds:g} s on devices"] if head.budget.device_seconds else []
    stop = [f"{key} {value}" for key, value in head.stop if value not in (None, False)]
    return {
        "name": spec.name,
        "objectives": [
            {"metric": str(o.metric), "direction": "maximize" if o.maximize else "minimize"} for o in spec.objectives
        ],
        "sampler": sampler,
        "pruner": " ".join([str(head.pruner.name), *_options(head.pruner), *control]),
        "budget": ", ".join(limits),
        "points": f"{len(head.points)} proposed first" if head.points else "",
        "confirm": again,
        "constraints": list(map(str, spec.constraints)),
        "stop": ", ".join(stop),
        "combinations": spec.space.size,
        "parameters": [
            {"name": parameter.name, "path": parameter.path, "values": parameter.domain.describe()}
            for parameter in spec.space.parameters
        ],
        "sample": flatten(spec.sample(head.sampler.seed), spec.searched_paths),
    }


def _options(section: Any) -> list[str]:
    return [f"{key}={value}" for key, value in section.options.items()]
