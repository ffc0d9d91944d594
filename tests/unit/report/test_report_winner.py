"""The winner and the review on paper and as Markdown: what is said, what is drawn, and what cannot break the page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from report_checks import check
from report_samples import ACCURACY, FILTERS, LOSS, LR, SECONDS, history, study, trial

from evidence_support import review, review_text, winner
from tunetrack.report import Context, render_report
from tunetrack.report.draw_winner import draw_winner
from tunetrack.report.evidence import Evidence, read_evidence
from tunetrack.report.leaderboard import leaderboard_info
from tunetrack.report.markdown_page import PageSource, render_markdown
from tunetrack.report.reference import Compared
from tunetrack.report.style import to_svg
from tunetrack.report.values import ranked
from tunetrack.report.winner import (
    caution_words,
    interval_words,
    outdated_words,
    unconfirmed_words,
    winner_heads,
    winner_rows,
    winner_sentence,
    winner_words,
)
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable

TABLE = study(
    [trial(number, 0.92 - number / 200, params={"optimizer.lr": 0.01, "model.filters": 8}) for number in range(6)],
    [LR, FILTERS],
)
BEST = [(one.number, one.params) for one in ranked(TABLE)[:4]]
FOUND = winner(("fashion-cnn", "parent"), BEST, searched_trials=len(ranked(TABLE)))
FIRST, SECOND, THIRD, LAST = (number for number, _ in BEST)


def page(table: StudyTable = TABLE, **evidence: object) -> str:
    """The words of the printed report."""
    context = Context("", 10_000, 10_000, {}, Evidence(**evidence))  # type: ignore[arg-type]
    return check(render_report(table, history({}), context)).words


def markdown(table: StudyTable = TABLE, **evidence: object) -> str:
    source = Compared(table, history({}), {"validation": 10_000})
    return render_markdown(PageSource(source, evidence=Evidence(**evidence)))  # type: ignore[arg-type]


def test_an_interval_has_the_decimals_that_its_width_makes_sense_of() -> None:
    assert interval_words(0.90523, 0.91712) == "95 % interval 0.9052 to 0.9171"
    assert interval_words(0.815, 0.975, 0.9) == "90 % interval 0.815 to 0.975"
    assert interval_words(120.0, 190.0) == "95 % interval 120 to 190"


def test_the_winner_is_said_with_its_interval_and_what_that_rests_on() -> None:
    sentence = f"Winner: trial {SECOND}, validation/accuracy 0.9118 (95 % interval 0.9058 to 0.9178, 5 seeds × 10,000"
    why, searched, tested = winner_words(FOUND)

    assert winner_sentence(FOUND, TABLE).startswith(sentence)
    assert "the smallest of 2 that cannot be told apart at 95 %" in why
    assert (
        f"As good, as far as these numbers tell: trial {FIRST}. The best mean is that of trial {FIRST}, 0.9132" in why
    )
    assert "had given it 0.9158; corrected for the choice among 6 trials 0.9128" in searched
    assert (
        tested
        == "On the test images, looked at once: 0.9050 (95 % interval 0.8987 to 0.9113, 5 seeds × 10,000 images)."
    )


def test_a_second_look_at_the_test_images_is_said_aloud() -> None:
    assert FOUND.test is not None
    again = replace(FOUND, test=replace(FOUND.test, looks=2))

    assert "looked at 2 times, so no longer untouched" in winner_words(again)[-1]
    assert len(winner_words(replace(FOUND, test=None))) == 2


def test_the_rows_of_the_table() -> None:
    heads, rows = winner_heads(FOUND), winner_rows(FOUND)
    first, second, _, last = (dict(zip(heads, row.cells, strict=True)) for row in rows)

    assert [row.trial for row in rows] == [FIRST, SECOND, THIRD, LAST]
    assert [(row.chosen, row.tied) for row in rows] == [(False, True), (True, True), (False, False), (False, False)]
    assert (first["mean validation/accuracy"], first["95 % interval"]) == ("0.9132", "0.9072 to 0.9192")
    assert (first["difference to the best"], first["adjusted p"]) == ("–", "–")
    assert second["difference to the best"] == "−0.0014 (−0.0044 to +0.0016)"
    assert (second["adjusted p"], second["P(best)"]) == ("0.310", "33%")
    assert second["model parameters"] == "23,106"
    assert (last["adjusted p"], last["shrunken"], last["in the search, 1 seed"]) == ("< 0.001", "–", "0.9017")
    assert {"optimizer.lr", "model.filters"} < set(heads)


def test_the_winner_comes_first_on_paper_and_the_search_after_it() -> None:
    words = page(winner=FOUND)

    assert words.index("Winner: trial") < words.index("6 trials searched") < words.index("The winner")
    assert f"trial {FIRST} came first with" in words
    assert "Test accuracy of trial" not in words  # that of the confirmation stands there instead
    assert "The confirmation is the study fashion-cnn-confirm: 20 trials, 312.0 s of training." in words
    assert "0.9118 ± 0.0060" in words  # in the leaderboard, too


def test_the_leaderboard_tells_one_seed_from_several() -> None:
    rows = leaderboard_info(TABLE, history({}), images=10_000, winner=FOUND).rows
    seeds = {row.number: None if row.confirmed is None else len(row.confirmed.values) for row in rows}

    assert {number: count for number, count in seeds.items() if count} == {FIRST: 5, SECOND: 5, THIRD: 5, LAST: 5}
    assert len(rows) > 4
    assert all(row.images == 10_000 and row.interval is not None for row in rows)
    assert "| confirmed mean ± half its interval | seeds | images |" in markdown(winner=FOUND)
    assert "confirmed mean" not in markdown()


def test_trials_of_a_confirmation_do_not_count_as_those_that_it_confirms() -> None:
    confirms = Confirms(study="fashion-cnn", key="k", run="other", trials=(1,), seeds=(1000, 1001))
    info = replace(TABLE.study.info, confirms=confirms)
    table = replace(TABLE, study=replace(TABLE.study, info=info))
    found = replace(FOUND, study_run="other")

    words = page(table, winner=found)

    assert "Winner of fashion-cnn: trial" in words
    assert "The 1 best configuration of fashion-cnn, each trained again on 2 seeds." in words
    assert all(row.confirmed is None for row in leaderboard_info(table, history({}), winner=found).rows)
    assert unconfirmed_words(table) == ""


def test_without_a_confirmation_the_page_says_how_to_get_one() -> None:
    how = "tunetrack confirm fashion-cnn"

    assert how in page()
    assert how in markdown()
    assert how not in page(winner=FOUND)
    assert unconfirmed_words(study([trial(0, (0.5, 1.0)), trial(1, (0.4, 2.0))], goals=[ACCURACY, SECONDS])) == ""
    assert unconfirmed_words(study([trial(0, 0.5)])) == ""


def test_a_search_that_went_on_makes_the_winner_out_of_date() -> None:
    older = replace(FOUND, searched_trials=FOUND.searched_trials - 2)

    assert "out of date: 2 more trials have ended" in outdated_words(older, TABLE)
    assert "out of date" in page(winner=older)
    assert outdated_words(FOUND, TABLE) == ""


def test_a_metric_that_is_no_share_has_intervals_over_seeds_alone() -> None:
    seconds = replace(FOUND, metric="validation/loss", by_image=False, seeds=FOUND.seeds[:2])

    assert "2 seeds)" in winner_sentence(seconds, TABLE)
    assert "seeds" in winner_heads(seconds)
    assert "new training seeds; the metric is no share" in caution_words(seconds)
    assert "2 seeds tell little" in caution_words(seconds)
    page(study([trial(0, 0.5), trial(1, 0.6)], goals=[LOSS]), winner=seconds)


@pytest.mark.parametrize("found", [FOUND, replace(FOUND, configurations=FOUND.configurations[:2])])
def test_the_figure_shows_every_configuration_and_is_the_same_each_time(found: Winner) -> None:
    drawn = draw_winner(found)
    names = [text.get_text() for text in drawn.axes[0].get_yticklabels()]

    assert names == [f"trial {one.trial}" + ("  ★" if one.trial == SECOND else "") for one in found.configurations]
    assert drawn.axes[0].get_ylim()[0] > drawn.axes[0].get_ylim()[1]  # the best on top
    low, high = drawn.axes[0].get_xlim()
    assert all(low <= value <= high for one in found.configurations for value in (one.low, one.high, one.raw))
    assert to_svg(draw_winner(found)) == to_svg(draw_winner(found))


def test_findings_stand_by_weight_with_evidence_and_advice() -> None:
    words = page(review=review("fashion-cnn"))

    assert "4 findings: 1 high, 1 medium, 1 low, 1 note." in words
    assert words.index("Selection has seen the test images") < words.index("The best 3 trials differ by less")
    assert "differences below 0.059 are noise at 95 %" in words
    assert "Set data.validation to 13,000 or more. (Trials 4, 9, 17)" in words
    assert "Could not be judged: pruning that was too eager (no trial was pruned)." in words
    assert "not applied: no trial was pruned" in words
    assert "- **high**: Selection has seen the test images. 24 of 24 trials" in markdown(review=review("fashion-cnn"))


def test_a_clean_review_says_so() -> None:
    clean = replace(review("x"), findings=())

    assert "Nothing was found by 5 rules." in page(review=clean)
    assert "Review" not in page()


def test_what_findings_quote_cannot_break_the_page() -> None:
    evil = "</h3><script>alert(1)</script>"
    found = ReviewFinding(evil, Severity.HIGH, evil, evil, evil, tuple(range(40)))

    words = page(review=review(evil, [found]))

    assert words.count(evil) == 3
    assert "and 28 more" in words


def test_files_that_are_not_understood_are_said_and_not_shown() -> None:
    newer = json.dumps({**json.loads(FOUND.to_json()), "version": 99}).encode()
    files = {"winner.json": newer, "review.json": b"[]"}

    found = read_evidence(files.get)

    assert (found.winner, found.review, len(found.troubles)) == (None, None, 2)
    assert "winner.json has version 99" in page(troubles=found.troubles)


def test_what_is_stored_is_read_again_as_it_was() -> None:
    files = {"winner.json": FOUND.to_json().encode(), "review.json": review_text(review("x")).encode()}

    assert read_evidence(files.get) == Evidence(FOUND, review("x"))
    assert read_evidence({}.get) == Evidence()
    assert Evidence(review=review("x")).count(Severity.HIGH) == 1
