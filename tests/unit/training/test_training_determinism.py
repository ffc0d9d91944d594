"""The same bits for the same seeds: in another process, after other trials, and from the seeds that were logged."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from determinism_cases import CASES, case_config, digest_of

from study_support import child_environment
from tunetrack import training
from tunetrack.errors import TrainingDivergedError
from tunetrack.training import ResidentData
from tunetrack.training.seeding import StreamSeeds


@pytest.fixture(scope="module")
def data() -> ResidentData:
    return training.load_data(case_config(CASES[0]).data)


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """The digests of all cases from a process of its own, with hashes of its own."""
    script = Path(__file__).with_name("determinism_cases.py")
    environment = child_environment(PYTHONHASHSEED="12345")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    digests: dict[str, str] = json.loads(done.stdout)
    return digests


@pytest.mark.parametrize("case", random.Random(1).sample(CASES, len(CASES)))
def test_the_same_bits_in_another_process_and_after_other_trials(
    case: str, elsewhere: dict[str, str], data: ResidentData
) -> None:
    # Before each case: another model in another precision, a trial that ends in an exception, and one left half-way.
    other = case_config("sgd bf16 plain" if "fp32" in case else "adam fp32 augmented", deterministic=False, seed=None)
    list(training.fit(other, data))
    wild = other.model_copy(update={"optimizer": other.optimizer.model_copy(update={"lr": 1e30})})
    with pytest.raises(TrainingDivergedError):
        list(training.fit(wild, data))
    next(iter(training.fit(case_config(case, seed=1), data)))
    torch.rand(3)
    assert digest_of(training.fit(case_config(case), data)) == elsewhere[case]


def test_the_cases_differ(elsewhere: dict[str, str]) -> None:
    assert len(set(elsewhere.values())) == len(CASES)


def test_an_unfixed_seed_is_drawn_and_repeats_the_trial_when_given_back(data: ResidentData) -> None:
    case = "adam fp32 augmented"
    free = [training.fit(case_config(case, seed=None), data) for _ in range(2)]
    digests = [digest_of(fit) for fit in free]
    assert digests[0] != digests[1]
    seeds = dict(free[0].conditions.seeds)
    assert seeds.pop("split") == 0
    again = training.fit(case_config(case, **{f"{stream}_seed": seed for stream, seed in seeds.items()}), data)
    assert digest_of(again) == digests[0]
    assert again.conditions.seeds == free[0].conditions.seeds


def test_a_repetition_of_a_fixed_seed_is_the_same_to_the_last_bit(data: ResidentData) -> None:
    digests = {digest_of(training.fit(case_config("sgd fp32 plain", repeat=n), data)) for n in (1, 2, 3)}
    assert len(digests) == 1


@pytest.mark.parametrize("stream", ["init", "order", "augmentation"])
def test_each_seed_moves_its_own_stream(stream: str, data: ResidentData) -> None:
    def first(**trainer: Any) -> dict[str, object]:
        state = training.fit(case_config("adam fp32 augmented", **trainer), data).state
        weight = next(iter(state.model.parameters())).detach()
        order, augmentation = state.streams.order, state.streams.augmentation
        return {
            "init": weight.flatten().tolist(),
            "order": torch.randperm(50, generator=order).tolist(),
            "augmentation": torch.rand(4, generator=augmentation).tolist(),
        }

    plain, other = first(), first(**{f"{stream}_seed": 5})
    assert {name for name in plain if plain[name] != other[name]} == {stream}


def test_without_seeds_of_their_own_the_streams_follow_the_base() -> None:
    config = case_config(CASES[0], seed=7, order_seed=3).trainer
    plain = StreamSeeds.of(config.model_copy(update={"order_seed": None}))
    assert StreamSeeds.of(config) == StreamSeeds(plain.init, 3, plain.augmentation)
