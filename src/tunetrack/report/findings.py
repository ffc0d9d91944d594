"""Knows the section about what the reviewer has found, for paper and as Markdown."""

from __future__ import annotations

from tunetrack.report.parts import Grid, Part, Remark, Section, Words
from tunetrack.report.words import plural
from tunetrack.spec.review import Review, ReviewFinding

__all__ = ["counts_words", "review_section"]

_TRIALS = 12


def review_section(review: Review | None) -> Section:
    """The findings, heaviest first, and what was looked for; without parts where nobody has looked."""
    if review is None:
        return Section("review", "Review", ())
    parts: list[Part] = [Words(counts_words(review))]
    parts += [
        Remark(one.severity.value, one.title, one.evidence, " ".join(filter(None, (one.advice, _trials(one)))))
        for one in review.findings
    ]
    parts += [Words(guess, note=True) for guess in review.guessed]
    if review.checked:
        rows = tuple((rule.title, _outcome(review, rule.rule, rule.skipped)) for rule in review.checked)
        parts.append(Grid(("looked for", "outcome"), rows, (0, 1), f"What was looked for: {plural(len(rows), 'rule')}"))
    skipped = [f"{rule.title} ({rule.skipped})" for rule in review.checked if rule.skipped is not None]
    if skipped:
        parts.append(Words(f"Could not be judged: {'; '.join(skipped)}.", note=True))
    return Section("review", "Review", tuple(parts))


def counts_words(review: Review) -> str:
    """How much was found."""
    if not review.findings:
        return f"Nothing was found by {plural(len(review.checked), 'rule')}."
    counts = dict.fromkeys((one.severity for one in review.findings), 0)
    for one in review.findings:
        counts[one.severity] += 1
    said = ", ".join(f"{count} {severity.value}" for severity, count in counts.items())
    return f"{plural(len(review.findings), 'finding')}: {said}."


def _outcome(review: Review, rule: str, skipped: str | None) -> str:
    if skipped is not None:
        return f"not applied: {skipped}"
    found = sum(one.rule == rule for one in review.findings)
    return plural(found, "finding") if found else "nothing found"


def _trials(one: ReviewFinding) -> str:
    if not one.trials:
        return ""
    more = f" and {len(one.trials) - _TRIALS} more" if len(one.trials) > _TRIALS else ""
    numbers = ", ".join(map(str, one.trials[:_TRIALS]))
    return f"({'Trial' if len(one.trials) == 1 else 'Trials'} {numbers}{more})"
