"""What the reviewer has found in a study: plain frozen data, to and from JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CheckedRule", "Review", "ReviewFinding", "Severity"]

_VERSION = 1


class Severity(enum.StrEnum):
    """How much a finding weighs, heaviest first.

    ``high``: what the study concludes may be wrong. ``medium``: it is not supported by the numbers, or budget was lost.
    ``low``: worth a change the next time. ``note``: good to know when the numbers are read.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the heaviest."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class ReviewFinding:
    """One thing that a reader of the study should know.

    Attributes:
        rule: name of the rule that has found it, such as ``test_selection``.
        severity: how much it weighs.
        title: the finding in one sentence, without a full stop at its end.
        evidence: the numbers that it rests on, in sentences.
        advice: what to do, with the command or the key of the study file where there is one.
        trials: the numbers of the trials that it is about, ascending; empty where it is about the whole study.
    """

    rule: str
    severity: Severity
    title: str
    evidence: str
    advice: str
    trials: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "title": self.title,
            "evidence": self.evidence,
            "advice": self.advice,
            "trials": list(self.trials),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ReviewFinding:
        """The finding that `to_json` has written.

        Raises:
            KeyError: a value is missing.
            ValueError: the severity is none of ours.
        """
        return cls(
            data["rule"],
            Severity(data["severity"]),
            data["title"],
            data["evidence"],
            data["advice"],
            tuple(data.get("trials", ())),
        )


@dataclass(frozen=True)
class CheckedRule:
    """A rule that was applied, or could not be.

    Attributes:
        rule: its name.
        title: what it looks for, in a few words.
        skipped: why nothing could be said; None where the rule was applied.
    """

    rule: str
    title: str
    skipped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {"rule": self.rule, "title": self.title, "skipped": self.skipped}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckedRule:
        """What `to_json` has written.

        Raises:
            KeyError: a value is missing.
        """
        return cls(data["rule"], data["title"], data.get("skipped"))


@dataclass(frozen=True)
class Review:
    """All that was found in one study; the content of ``review.json``.

    Attributes:
        study: the study's name, or the experiment's where the runs are not ours.
        reviewed: when, ISO 8601 in UTC.
        findings: the heaviest first, then in the order of the rules.
        checked: every rule, in their order.
        guessed: what was guessed of runs that are not ours, in sentences; empty for our studies.
    """

    study: str
    reviewed: str
    findings: tuple[ReviewFinding, ...] = ()
    checked: tuple[CheckedRule, ...] = ()
    guessed: tuple[str, ...] = ()

    def at_least(self, severity: Severity) -> tuple[ReviewFinding, ...]:
        """The findings that weigh as much or more."""
        return tuple(finding for finding in self.findings if finding.severity.rank <= severity.rank)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "version": _VERSION,
            "study": self.study,
            "reviewed": self.reviewed,
            "findings": [finding.to_json() for finding in self.findings],
            "checked": [rule.to_json() for rule in self.checked],
            "guessed": list(self.guessed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Review:
        """The review that `to_json` has written.

        Raises:
            KeyError: a value is missing.
            ValueError: a severity is none of ours, or a later version has written this.
        """
        if data["version"] != _VERSION:
            raise ValueError(f"review.json has version {data['version']}; this tunetrack reads version {_VERSION}")
        return cls(
            data.get("study", ""),
            data["reviewed"],
            tuple(map(ReviewFinding.from_json, data["findings"])),
            tuple(map(CheckedRule.from_json, data["checked"])),
            tuple(data.get("guessed", ())),
        )
