"""Knows what tracking has to be told about a study, and how that is kept in tags and in the run description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tunetrack.errors import TrackingError
from tunetrack.spec.confirm import Confirms
from tunetrack.tracking.names import FROM_TEST_IMAGES, File, Tag, objective_metric
from tunetrack.tracking.values import ParamValue

__all__ = [
    "Objective",
    "SearchedParam",
    "StudyInfo",
    "describe_study",
    "important_tags",
    "info_from_tags",
    "info_tags",
]

#: MLflow silently cuts tags beyond this many characters.
_TAG_LIMIT = 8000
_NO_LINKS: Mapping[str, str] = {}


@dataclass(frozen=True)
class SearchedParam:
    """One parameter that the study searches.

    Attributes:
        path: dotted path, such as ``optimizer.lr``.
        log: whether it is searched on a log scale.
        numeric: whether its values are numbers, so that it can be an axis of a plot.
        text: the range in words, such as ``1e-05 … 0.1 (log)``.
        conditional: whether only some trials have it (it belongs to one branch of a choice).
        where: the values by which the trials that search it are known, one mapping for each branch that does; empty:
            every trial that has it.
    """

    path: str
    log: bool = False
    numeric: bool = True
    text: str = ""
    conditional: bool = False
    where: tuple[Mapping[str, ParamValue], ...] = ()

    def is_searched(self, params: Mapping[str, object]) -> bool:
        """Whether a trial's branches search it; in others it may have a value, such as a default, but does not vary.

        Args:
            params: of the trial, value by dotted path.
        """
        value = params.get(self.path)
        if self.path not in params or (self.log and isinstance(value, int | float) and value <= 0):
            return False
        known = (
            all(path not in params or params[path] == mark for path, mark in marks.items()) for marks in self.where
        )
        return not self.where or any(known)


@dataclass(frozen=True)
class Objective:
    """What is optimised: a metric's name and its direction."""

    metric: str
    maximize: bool


@dataclass(frozen=True)
class StudyInfo:
    """A study as tracking sees it.

    Attributes:
        name: the study's name.
        document: the whole study file as plain data; stored, so that the study can be run again from MLflow alone.
        searched: the searched parameters in the order of the study file.
        objectives: one or more.
        key: tells this study from others of the same name, which somebody else may have on the same server.
            A resumed study has the key that it had; default: the name.
        validates_on_test_images: whether trials, or some of them, draw their validation images from the official test
            set.
        changes: of the study file since the study began, in words.
        important: paths of searched parameters, the most important first; empty as long as nothing is known.
        weight_statistics: whether its trials log the summary metrics of weight statistics.
        confirms: the study whose best configurations this one trains again; its run is the parent of this one's.
    """

    name: str
    document: Mapping[str, Any]
    searched: tuple[SearchedParam, ...]
    objectives: tuple[Objective, ...]
    key: str = ""
    validates_on_test_images: bool = False
    changes: tuple[str, ...] = ()
    important: tuple[str, ...] = ()
    weight_statistics: bool = False
    confirms: Confirms | None = None

    @property
    def identity(self) -> str:
        """The key, or the name where there is none."""
        return self.key or self.name

    def log_scaled(self, params: Mapping[str, object]) -> frozenset[str]:
        """Paths of the parameters that a trial's branches search on a log scale.

        Args:
            params: of the trial, value by dotted path.
        """
        return frozenset(param.path for param in self.searched if param.log and param.is_searched(params))

    @property
    def by_importance(self) -> tuple[SearchedParam, ...]:
        """The searched parameters, the most important first; those of which nothing is known in the file's order."""
        rank = {path: place for place, path in enumerate(self.important)}
        return tuple(sorted(self.searched, key=lambda param: rank.get(param.path, len(rank))))

    @property
    def objective_metrics(self) -> tuple[str, ...]:
        """Names under which the objective values are logged, in the objectives' order."""
        return tuple(objective_metric(goal.metric, len(self.objectives)) for goal in self.objectives)


def info_tags(info: StudyInfo) -> dict[str, str]:
    """The tags from which `info_from_tags` rebuilds everything but the document."""
    searched = json.dumps([_said(param) for param in info.searched])
    if len(searched) > _TAG_LIMIT:  # the ranges in words are the part that can be spared
        searched = json.dumps([_said(replace(param, text="")) for param in info.searched])
    further: dict[str, str] = {Tag.VALIDATION: FROM_TEST_IMAGES} if info.validates_on_test_images else {}
    if info.weight_statistics:
        further[Tag.STUDY_WEIGHTS] = "true"
    if info.confirms is not None:
        further |= {
            Tag.PARENT: info.confirms.run,
            Tag.STUDY_CONFIRMS: info.confirms.run,
            Tag.STUDY_REPLICATES: info.confirms.model_dump_json(),
        }
    return {
        **further,
        **important_tags(info),
        Tag.STUDY_NAME: info.name,
        Tag.STUDY_KEY: info.identity,
        Tag.STUDY_SEARCHED: searched[:_TAG_LIMIT],
        Tag.STUDY_OBJECTIVES: json.dumps([asdict(goal) for goal in info.objectives]),
    }


def _said(param: SearchedParam) -> dict[str, Any]:
    return {name: value for name, value in asdict(param).items() if value or name != "where"}


def important_tags(info: StudyInfo) -> dict[str, str]:
    """The order of importance as a tag; none as long as nothing is known, so that an older one stays."""
    if not info.important:
        return {}
    kept = list(info.important)
    while len(text := json.dumps(kept)) > _TAG_LIMIT:
        kept.pop()
    return {Tag.STUDY_IMPORTANT: text}


def info_from_tags(tags: Mapping[str, str], run_id: str) -> StudyInfo:
    """The study that a parent run stands for, with an empty document.

    Raises:
        TrackingError: the run carries no study, or its tags were changed by hand.
    """
    try:
        stored = json.loads(tags[Tag.STUDY_SEARCHED])
        searched = tuple(SearchedParam(**{**param, "where": tuple(param.get("where", ()))}) for param in stored)
        objectives = tuple(Objective(**goal) for goal in json.loads(tags[Tag.STUDY_OBJECTIVES]))
        replicates = tags.get(Tag.STUDY_REPLICATES)
        from_test = tags.get(Tag.VALIDATION) == FROM_TEST_IMAGES
        return StudyInfo(
            tags[Tag.STUDY_NAME],
            {},
            searched,
            objectives,
            tags[Tag.STUDY_KEY],
            from_test,
            important=tuple(json.loads(tags.get(Tag.STUDY_IMPORTANT, "[]"))),
            weight_statistics=Tag.STUDY_WEIGHTS in tags,
            confirms=Confirms.model_validate_json(replicates) if replicates else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrackingError(
            f"run {run_id} is not a study of tunetrack, or its tags were changed: {type(error).__name__}: {error}"
        ) from error


def describe_study(info: StudyInfo, outcome: str = "", links: Mapping[str, str] = _NO_LINKS) -> str:
    """The run description in Markdown: the outcome first, then links, then what is searched and why.

    Args:
        info: the study.
        outcome: how it stands, or has ended, in words.
        links: address by title. MLflow's UI keeps relative ones, which are then found wherever it is served.
    """
    goals = ", ".join(f"{'maximize' if goal.maximize else 'minimize'} `{goal.metric}`" for goal in info.objectives)
    rows = [f"| `{param.path}` | {param.text or ('log scale' if param.log else '')} |" for param in info.searched]
    budget = info.document.get("budget") or {}
    sampler = info.document.get("sampler") or {}
    facts = [f"**Objective**: {goals}"]
    limits = info.document.get("constraints") or []
    if limits:
        given = [limits] if isinstance(limits, str) else limits
        facts.append("**Constraints**: " + ", ".join(f"`{limit}`" for limit in given))
    if isinstance(sampler, Mapping) and sampler:
        facts.append("**Sampler**: " + " ".join(str(sampler[key]) for key in ("engine", "name") if key in sampler))
    if isinstance(budget, Mapping) and budget:
        facts.append("**Budget**: " + ", ".join(f"{value} {key}" for key, value in budget.items() if value is not None))
    stop = info.document.get("stop") or {}
    if isinstance(stop, Mapping) and stop:
        facts.append("**Stops early by**: " + ", ".join(f"{key} {value}" for key, value in stop.items() if value))
    shown = " · ".join(f"[{title}]({address})" for title, address in links.items())
    # MLflow shows the name above, and folds a description: only links in its first two lines can be clicked at once.
    first, _, rest = outcome.strip().partition(". ")
    top = "  \n".join(filter(None, (f"{first}." if rest else first, shown)))
    parts = [top, rest, "  \n".join(facts)]
    if info.changes:
        parts.append("\n".join(["**The study file was changed on the way**", "", *(f"- {c}" for c in info.changes)]))
    if rows:
        parts.append("\n".join(["| searched | range |", "|---|---|", *rows]))
    parts.append(f"The whole study file is the artifact `{File.STUDY}`.")
    return "\n\n".join(part for part in parts if part)
