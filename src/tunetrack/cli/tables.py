"""What commands print on standard output: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from tunetrack.cli.consoles import NOT_THERE, console_of, table_of
from tunetrack.cli.options import place_options
from tunetrack.cli.winner_tables import print_winner
from tunetrack.cli.words import STATE_SIGNS, metric_text, short_name, sure_text, value_text
from tunetrack.errors import masked
from tunetrack.spec import TrialState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tunetrack.api.diagnosis import Finding
    from tunetrack.api.models import ModelDescription
    from tunetrack.api.parity import Parity
    from tunetrack.api.serving import Served
    from tunetrack.study.place import Place
    from tunetrack.study.result import StudyResult, StudyTrial

__all__ = [
    "NOT_THERE",
    "console_of",
    "print_findings",
    "print_json",
    "print_links",
    "print_model",
    "print_models",
    "print_parity",
    "print_result",
    "print_studies",
    "print_validation",
    "table_of",
]


def print_json(data: Any) -> None:
    """Any JSON-ready data, indented."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_result(result: StudyResult, place: Place, top: int = 5) -> None:
    """The best trials, how sure that is, and what to type next."""
    console = console_of()
    console.print()
    if result.best is not None:
        console.print(_ranking(result, top, console.width))
        console.print()
    print_winner(console, result)
    console.print(_states(result))
    if result.constraints:
        console.print(f"{result.constraints_in_words()}.", highlight=False)
    for line in _certainty(result):
        console.print(line)
    if result.stopped:
        console.print(f"Ended, since {result.stopped}.", highlight=False)
    console.print()
    _next_steps(console, result, place)


def _ranking(result: StudyResult, top: int, width: int) -> Table:
    """The best trials: one column a parameter where that fits, else all parameters in one column that wraps."""
    objectives = [str(objective.metric) for objective in result.objectives]
    rows = [
        [str(rank), str(trial.number), *_values(result, trial), *_params(trial, result.searched)]
        for rank, trial in enumerate(result.ranked()[:top], 1)
    ]
    if result.best is not None and result.interval(result.best) is not None:
        objectives = [f"{objectives[0]}, 1 seed"]
    header = ["#", "trial", *objectives, *map(short_name, result.searched)]
    if len(objectives) > 1:
        front = {str(trial.number) for trial in result.front}
        rows = [[row[0], f"{row[1]} {'◆' if row[1] in front else ' '}", *row[2:]] for row in rows]
        header[1] = "trial (◆ Pareto)"
    needed = sum(max(len(row[column]) for row in [header, *rows]) + 2 for column in range(len(header)))
    if needed <= width:
        table = table_of(*(f"{name}>" for name in header))
        for row in rows:
            table.add_row(*row)
        return table
    fixed = 2 + len(objectives)
    table = table_of(*(f"{name}>" for name in header[:fixed]), "parameters")
    for row in rows:
        pairs = zip(header[fixed:], row[fixed:], strict=True)
        table.add_row(*row[:fixed], "  ".join(f"{name}={value}" for name, value in pairs if value != NOT_THERE))
    return table


def _values(result: StudyResult, trial: StudyTrial) -> list[str]:
    """Values of the objectives; of a single accuracy with half of its interval."""
    interval = result.interval(trial)
    if interval is not None and trial.value is not None:
        return [sure_text(trial.value, (interval.high - interval.low) / 2.0)]
    return [metric_text(value) for value in trial.values or ()]


def _params(trial: StudyTrial, searched: Sequence[str]) -> list[str]:
    return [value_text(trial.params[path]) if path in trial.params else NOT_THERE for path in searched]


def _states(result: StudyResult) -> Text:
    text = Text(f"{len(result.trials)} trial{'' if len(result.trials) == 1 else 's'}: ")
    counts = result.counts()
    parts = [
        (f"{STATE_SIGNS[state][0]} {counts[state]} {state.value}", STATE_SIGNS[state][1])
        for state in TrialState
        if state in counts
    ]
    for position, part in enumerate(parts):
        text.append("  " if position else "")
        text.append(*part)
    return text


def _certainty(result: StudyResult) -> list[str]:
    lines = list(filter(None, [result.outdated_in_words()]))
    best = result.best
    interval = None if best is None else result.interval(best)
    if result.winner is not None and result.winner_is_current:
        lines += [result.winner.in_words().replace("**", ""), result.winner.cost_in_words()]
        interval = None  # that of one seed, of the best of many
    if result.confirms is not None:
        lines.append(f"It confirms {result.confirms.study}, whose summary names the winner.")
        interval = None
    if len(result.objectives) > 1 and result.front:
        lines.append(result.front_in_words())
    if interval is not None and best is not None:
        ties = result.ties_in_words()
        lines.append(
            f"{metric_text(best.value or 0)} has the 95 % interval {interval.low:.4f} to {interval.high:.4f} (1 seed x "
            f"{result.validation_images:,} validation images){'; ' * bool(ties)}{ties}."
        )
    if result.test is not None:
        lines.append(result.test_in_words())
    if result.validates_on_test_images:
        lines.append(result.protocol_in_words())
    return lines


def _next_steps(console: Console, result: StudyResult, place: Place) -> None:
    options = [masked(part) for part in place_options(place)]
    served = [masked(part) for part in place_options(replace(place, ledger_url=None))]  # pages need the runs alone
    console.print(f"Look at it   {shlex.join(['tunetrack', 'serve', *served])}", highlight=False)
    console.print(f"All trials   {shlex.join(['tunetrack', 'show', result.name, *options])}", highlight=False)
    if result.winner is None and result.confirms is None and len(result.objectives) == 1 and len(result.ranked()) > 1:
        console.print(f"Make sure    {shlex.join(['tunetrack', 'confirm', result.name, *options])}", highlight=False)
    console.print(f"Run id       {result.run_id or 'none'}", highlight=False)


def print_validation(summary: Mapping[str, Any]) -> None:
    """What `tunetrack validate` found in a good study file."""
    console = console_of()
    console.print(Text.assemble((summary["name"], "bold"), " is valid"))
    goals = ", ".join(f"{goal['direction']} {goal['metric']}" for goal in summary["objectives"])
    console.print(f"  objective     {goals}", highlight=False)
    if summary["constraints"]:
        console.print(f"  constraints   {', '.join(summary['constraints'])}", highlight=False)
    for section in ("sampler", "pruner", "budget", "stop", "points", "confirm"):
        if summary[section]:
            console.print(f"  {section:<13} {summary[section]}", highlight=False)
    count = summary["combinations"]
    console.print(f"  combinations  {'infinitely many' if count is None else f'{count:,}'}", highlight=False)
    if summary["parameters"]:
        console.print()
        table = table_of("searched", "values")
        for parameter in summary["parameters"]:
            table.add_row(parameter["name"], parameter["values"])
        console.print(table)
    console.print("\nOne sampled configuration:", highlight=False)
    table = table_of("", "")
    table.show_header = False
    for path, value in summary["sample"].items():
        table.add_row(f"  {path}", value_text(value))
    console.print(table)


def print_models(models: Sequence[Mapping[str, Any]]) -> None:
    """Every network in one line, with the numbers of its defaults."""
    console = console_of()
    table = table_of("model", "input", "parameters>", "MFLOPs>", "MB>", "")
    for model in models:
        flops, memory = f"{model['flops'] / 1e6:,.1f}", f"{model['memory_mb']:.2f}"
        table.add_row(model["name"], model["input"], f"{model['parameters']:,}", flops, memory, model["about"])
    console.print(table)
    console.print("\nLayers of one   tunetrack model NAME", highlight=False)


def print_model(described: ModelDescription) -> None:
    """One network: what it is, what was counted, its layers."""
    console = console_of()
    console.print(Text(described.name, style="bold"))
    if described.about:
        console.print(Text(described.about))
    console.print()
    for subject, number in described.numbers().items():
        console.print(f"  {subject:<11} {number}", highlight=False)
    console.print()
    table = table_of("layer", "kind", "output", "parameters>")
    for row in described.rows():
        table.add_row(*row)
    console.print(table)


def print_studies(studies: Sequence[Mapping[str, Any]], place: Place) -> None:
    """What `tunetrack list` found."""
    console = console_of()
    if not studies:
        console.print(
            f"No studies in {place.ledger_url or place.home}. Start one: tunetrack run search_spaces/quickstart.yaml",
            highlight=False,
        )
        return
    table = table_of("study", "state", "trials>", "best>", "objective", "started")
    for study in _with_confirmations_below(studies):
        best = "–" if study["best_value"] is None else metric_text(study["best_value"])
        of = f"/{study['budget_trials']}" if study["budget_trials"] else ""
        table.add_row(
            f"{'└ ' if study['confirms'] else ''}{study['name']}",
            study["state"],
            f"{study['finished']}{of}",
            best,
            study["objective"],
            study["started"] or "–",
        )
    console.print(table)


def _with_confirmations_below(studies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The studies in their order, each followed by those that confirm it."""
    names = {study["name"] for study in studies}
    ordered: list[Mapping[str, Any]] = []
    for study in studies:
        if study["confirms"] not in names:
            ordered += [study, *(other for other in studies if other["confirms"] == study["name"])]
    return ordered


def print_links(served: Served) -> None:
    """Where the server is and which links open which study."""
    console = console_of()
    console.print(Text.assemble("MLflow is at ", (served.base_url, "bold"), "  (Ctrl-C stops it)"))
    console.print(f"Studies: {served.studies_url}", highlight=False, soft_wrap=True)
    for link in served.links:
        console.print(Text(f"  {link.study}", style="bold"))
        console.print(Text(f"    {link.page_url}"), soft_wrap=True)
        console.print(Text(f"    in MLflow: {link.url}"), soft_wrap=True)
        if link.note:
            console.print(Text(f"    {link.note}", style="yellow"))
    if not served.links:
        console.print("  No studies yet: tunetrack run search_spaces/quickstart.yaml", highlight=False)
    if served.warning:
        console.print(Text(served.warning, style="yellow"))


def print_parity(parity: Parity) -> None:
    """What `tunetrack parity` found."""
    live = "; a process works on it, and what is under way is left out" if parity.live else ""
    if parity.waiting and not parity.live:
        size = f"{max(1, parity.waiting // 1024):,} KiB"
        click.echo(f"{size} wait for the tracking server; the next start or `tunetrack doctor --fix` sends them")
    if not parity.differences:
        click.echo(f"Ledger and MLflow agree in all {parity.trials} trials of {parity.study}{live}.")
        return
    table = table_of("trial>", "", "")
    for difference in parity.differences:
        number = NOT_THERE if difference.trial is None else str(difference.trial)
        table.add_row(number, Text(difference.kind.value, style="yellow"), difference.text)
    console_of().print(table)
    click.echo(f"`tunetrack doctor --fix` makes MLflow say what the ledger says{live}.")


def print_findings(findings: Sequence[Finding]) -> None:
    """What `tunetrack doctor` found."""
    console = console_of()
    table = table_of("", "", "")
    table.show_header = False
    for finding in findings:
        sign, style = finding.sign
        table.add_row(Text(sign, style=style), finding.subject, finding.text)
    console.print(table)
