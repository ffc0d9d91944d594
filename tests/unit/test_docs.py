"""What the documentation says is what the code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from study_support import ROOT, child_environment
from tunetrack.spec import load_study
from tunetrack.spec.loading import read_yaml

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_tables_and_schema_are_up_to_date() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "write-study-docs"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_study_file_of_the_readme_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert load_study(read_yaml(blocks[0])).name == "fashion-cnn"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    shutil.copytree(ROOT / "search_spaces", tmp_path / "search_spaces")
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=child_environment()
    )
    assert ran.returncode == 0, ran.stderr
    assert "[12 rows x" in ran.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda path: path.name)
def test_study_files_are_valid_and_point_to_their_schema(path: Path) -> None:
    load_study(path)
    assert path.read_text().startswith("# yaml-language-server: $schema=study.schema.json\n")


def test_nothing_names_a_registry_or_a_home_folder() -> None:
    for path in [ROOT / "pyproject.toml", ROOT / "conda.yaml", ROOT / "Makefile", *PAGES]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/root/|/home/\w+/|index-url|simple/", text), path


def result_of(name: str) -> dict[str, Any]:
    """A benchmark's stored result."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return found


def words_of(page: str) -> str:
    """A page's text on one line."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def in_rounds(numbers: dict[str, float]) -> str:
    return f"{numbers['median']} ({numbers['min']} to {numbers['max']})"


def test_the_numbers_of_the_readme_are_those_of_the_benchmarks() -> None:
    """Numbers in the README, each as it stands in benchmarks/results."""
    trainer, overhead = result_of("trainer"), result_of("overhead")
    speed = trainer["speed"]["ratio_to_plain"]
    (accuracy,) = trainer["accuracy"]
    share = {name: value["share_percent"] for name, value in overhead["tracker_share_of_trial_time"].items()}
    ours, gain = speed["tunetrack"], accuracy["mean_difference_percentage_points"]["validation"]
    bf16 = result_of("precision")["bf16_minus_fp32_points"]
    text = words_of("README.md")
    for words in (
        f"{ours['median']} times ({ours['min']} to {ours['max']} in {trainer['speed']['rounds']} rounds)",
        f"| {trainer['speed']['percent_of_matrix_rate']['median']} percent |",
        f"`precision: fp32` it is {speed['tunetrack_fp32']['median']} times",
        f"{gain:+.2f} points ({accuracy['train']:,} training images)",
        f"| {bf16['mean']:+.2f} ± {bf16['standard_error']:.2f} points |",
        f"quickstart {share['quickstart']} %, Fashion-MNIST {share['fashion_mnist']} %",
        *(
            f"| {x['times_as_long_as_tunetrack']['glued']['median']} times as long |"
            for x in result_of("study")["studies"]
        ),
    ):
        assert words in text, words


def test_the_numbers_of_the_performance_page_are_those_of_the_benchmarks() -> None:
    trainer, measures = result_of("trainer")["speed"], result_of("measures")
    bf16 = result_of("precision")["bf16_minus_fp32_points"]
    text = words_of("docs/performance.md")
    for words in (
        *(
            f"| {name} | {measures['images_per_second'][step]['median']:.0f} |"
            for step, name in measures["steps"].items()
        ),
        *(f"| {in_rounds(numbers)} |" for numbers in measures["ratio_to_plain"].values()),
        *(f"| {in_rounds(numbers)} |" for numbers in trainer["ratio_to_plain"].values()),
        f"**{in_rounds(trainer['percent_of_matrix_rate'])} percent**",
        f"bfloat16 is {bf16['mean']:+.2f} ± {bf16['standard_error']:.2f} points apart",
        *(
            f"| {in_rounds(numbers)} |"
            for study in result_of("study")["studies"]
            for numbers in (*study["seconds"].values(), *study["times_as_long_as_tunetrack"].values())
        ),
    ):
        assert words in text, words


def test_what_a_trial_that_trains_nothing_takes_is_as_measured() -> None:
    arms = result_of("throughput")["arms"]
    readme, page = words_of("README.md"), words_of("docs/performance.md")

    def own(sampler: str) -> float:
        parts = arms[f"paced/{sampler}"]["ms_by_part"]
        return round(sum(parts[name] for name in ("ledger", "loop", "tracking")), 1)

    def rate(arm: str) -> float:
        return float(arms[arm]["trials_per_second_all_sent"])

    others = ("optuna_sqlite_and_mlflow", "mlflow_optuna_storage", "ray_tune_with_mlflow")
    assert f"| {own('random')} ms; {own('tpe')} ms |" in readme
    assert f"| {rate('sustained/random')}; {rate('sustained/tpe')} |" in readme
    assert f"| {'; '.join(str(rate(arm)) for arm in others)} a second |" in readme
    for name, words in (("random", "random"), ("tpe", "TPE")):
        for engine, prefix in (("optuna", ""), ("hyperopt", "hyperopt_")):
            parts = arms[f"paced/{prefix}{name}"]
            numbers = [own(prefix + name), *(parts["ms_by_part"][part] for part in ("ledger", "tracking", "sampler"))]
            numbers += [parts["ms_of_background_thread"], rate(f"sustained/{prefix}{name}")]
            assert f"| {engine} {words} | {' | '.join(map(str, numbers))} |" in page
            assert own(prefix + name) < 10
            assert rate(f"sustained/{prefix}{name}") > 15
    for arm in ("optuna_sqlite", *others):
        assert f"| {arms[arm]['trials']} | {arms[arm]['ms_a_trial']} |" in page
    slower = result_of("throughput_slower")["arms"]
    tpe = round(sum(slower["paced/tpe"]["ms_by_part"][part] for part in ("ledger", "loop", "tracking")), 1)
    rest = slower["sustained/hyperopt_tpe"]["trials_per_second_all_sent"]
    assert f"with Ray at {slower['ray_tune_with_mlflow']['ms_a_trial']} ms" in page
    assert f"own part of TPE took {tpe} ms, and Hyperopt's TPE back to back made {rest} trials a second" in page
    since = result_of("throughput_beside")["arms"]
    for arm, words in {
        "paced/random": "optuna random",
        "paced/tpe": "optuna TPE",
        "paced/hyperopt_tpe": "hyperopt TPE",
        "sustained/tpe": "optuna TPE, trials back to back",
    }.items():
        shares = (since[arm][f"share_of_{kind}"] for kind in ("own_ms", "ms_a_trial"))
        assert f"| {words} | {' | '.join(map(in_rounds, shares))} |" in page
    whole = result_of("throughput_10000")
    long, short = (whole["arms"][f"sustained/random{many}"] for many in ("", ", 500 trials"))
    assert f"{long['trials_per_second_all_sent']} trials a second" in page
    for part in ("ledger", "tracking"):
        assert f"({short['cpu_ms_by_part'][part]}" in page
        assert long["cpu_ms_by_part"][part] < 1.5 * short["cpu_ms_by_part"][part]
    grew = whole["before_the_list_in_order"]["paced/tpe"]["own_cpu_ms_before"]
    assert f"from {grew['1000']} ms of processor time at 1,000 trials to {grew['10000']} at the end" in page


def test_what_a_trial_takes_in_a_study_of_many_is_as_measured() -> None:
    arms, page, readme = result_of("throughput_growth")["arms"], words_of("docs/performance.md"), words_of("README.md")
    for arm, words in {
        "paced/random": "optuna random",
        "paced/tpe": "optuna TPE",
        "paced/hyperopt_random": "hyperopt random",
        "paced/hyperopt_tpe": "hyperopt TPE",
    }.items():
        own = [one["own_cpu_ms"] for one in arms[arm].values()]
        cells = [*map(in_rounds, own), in_rounds(arms[arm]["10000"]["sampler_cpu_ms"])]
        assert f"| {words} | {' | '.join(cells)} |" in page
        assert own[-1]["median"] < 1.5 * own[0]["median"]
    random, tpe = (arms[f"paced/{name}"]["10000"]["own_cpu_ms"]["median"] for name in ("random", "tpe"))
    assert f"| {random} ms; {tpe} ms |" in readme


def test_what_the_page_on_scaling_says_was_measured() -> None:
    workers, scaling, text = result_of("workers"), result_of("scaling"), words_of("docs/scaling.md")
    ratio, alone = workers["throughput"]["trials_an_hour"]["ratio"], workers["bare"]["ratio"]
    assert f"{ratio['median']} times ({ratio['min']} to {ratio['max']}) the trials an hour of one" in text
    assert f"| {ratio['median']} times ({ratio['min']} to {ratio['max']} in 5 rounds) |" in words_of("README.md")
    assert f"{alone['median']} times ({alone['min']} to {alone['max']}) the epochs of one" in text
    whole = workers["throughput"]["trials_an_hour_as_a_whole"]["ratio"]
    assert f"it is {whole['median']} times ({whole['min']} to {whole['max']})" in text
    assert f"the second one adds {workers['memory_mib']['second_adds']:.0f} MiB" in text
    for row in scaling["workers"][:3]:
        spent = row["processor_ms_a_trial"]
        share = f"{100 * row['share_of_ideal']:.2f} %"
        times = f"{spent['workers']} ms, {spent['ledger']} ms"
        assert f"| {row['workers']} | {row['trials_a_second']} | {share} | {times} |" in text
    assert scaling["workers"][1]["share_of_ideal"] > scaling["goal_share_of_ideal_64_workers"]


def test_what_a_lag_costs_is_as_measured() -> None:
    measured, text = result_of("lag")["share"], words_of("docs/scaling.md")
    for workers in (2, 8):
        equal, different = (measured[f"{workers} workers"][f"{kind} lengths"] for kind in ("equal", "different"))
        for lag, words in ((workers - 1, "w - 1"), (2 * workers, "2 w"), (4 * workers, "4 w")):
            cells = [
                f"{one['median']:g} ({one['min']:g} to {one['max']:g})"
                for one in (equal[f"lag {lag}"], different[f"lag {lag}"])
            ]
            assert f"| {workers} | {lag} ({words}) | {' | '.join(cells)} |" in text


def test_what_weight_statistics_cost_is_as_measured() -> None:
    nets = result_of("weight_stats")["nets"]
    shares = [f"{net['share_inside_percent']['every_epoch']['median']} percent" for net in nets.values()]
    assert f"| {', '.join(shares)} |" in words_of("README.md")
    text = words_of("docs/performance.md")
    for name, net in nets.items():
        inside, ratio = net["share_inside_percent"], net["epoch_time_ratio"]
        for arm, words in (("every_epoch", f"| {name} | every epoch"), ("every_step", "| | every step")):
            assert f"{words} | {in_rounds(inside[arm])} | {in_rounds(ratio[arm])} |" in text
        assert f"| | the naive way, every epoch | | {in_rounds(ratio['naive'])} |" in text
    assert all(net["share_inside_percent"]["every_epoch"]["median"] < 2 for net in nets.values())
    assert all(net["share_inside_percent"]["every_step"]["median"] < 15 for net in nets.values())


def test_what_health_rules_save_is_as_measured() -> None:
    result = result_of("health")
    rules = result["health"]
    words = (
        f"| health rules | {rules['trials_ended']} | {rules['epochs_saved_percent']:.0f} % | "
        f"{rules['ended_of_the_best_quarter']} | {rules['best_accuracy_percent']} % | "
        f"{rules['best_of_those_ended_percent']} % |"
    )
    assert words in words_of("docs/weight-statistics.md")


def test_what_the_honesty_page_promises_was_simulated() -> None:
    """Its tables are the stored results, and those lie in the range that is promised."""
    result, text = result_of("honesty"), words_of("docs/honesty.md")
    columns = ("mean", "difference", "best_mean", "difference_from_best", "test_mean", "group_holds_best")
    for images in (200, 1000, 10_000):
        for row in result[f"{images} images"]["coverage"]:
            numbers = [*(f"{row[name]:.1f}" for name in columns), f"{row['half_width_points']:.1f}"]
            assert f"| {images:,} | {row['seeds']} | {' | '.join(numbers)} |" in text
            if row["seeds"] > 1:
                assert all(93 <= row[name] <= 97 for name in ("mean", "difference", "test_mean")), row
                assert row["group_holds_best"] > 95
    for images in (1000, 10_000):
        rules = result[f"rules, {images} images"]["rules"]
        for name, row in rules.items():
            if name.startswith("smallest") and not name.endswith("5 x 5"):
                continue
            false = [f"{row[f'worse_by_{loss}_points']:.0f}" for loss in (0.1, 0.5)]
            points = [f"{row['lost_points']:.2f}", f"{row['better_than_plain_points']:+.2f}"]
            words = f"{' | '.join([*false, *points])} | {row['reported_minus_true_points']:+.2f} |"
            assert f"{name.replace('best epoch', 'its best epoch').replace('last', 'its last')} | {words}" in text, name
        for name in ("confirmed 5 x 5", "confirmed 5 x 3"):
            assert rules[name]["worse_by_0.5_points"] < rules["last epoch"]["worse_by_0.5_points"] / 2
