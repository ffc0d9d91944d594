"""A study in which one trial needs more memory than there is: it fails with the reason, and the others run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from study_support import child_environment

_STUDY = """
import json, re, resource, sys
import torch
from mlflow import MlflowClient
import tunetrack
from tunetrack.study.progress import Progress
from tunetrack.training.pooling import relu_max_pool

class Scarce(Progress):
    # Leaves 300 MiB of address space to the trials, and all to what comes after them.
    def study_started(self, start):
        relu_max_pool(torch.zeros(1, 1, 2, 2), 2)  # loads the compiler, which takes address space of its own
        used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, resource.RLIM_INFINITY))

    def trial_finished(self, number, outcome):
        if number == 2:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

document = {
    "name": "scarce",
    "data": {"name": "digits", "train": 100, "validation": 50, "test": 50},
    # 4096 filters: 576 MiB of weights in the second convolution
    "model": {"filters": {"choices": [4, 4096, 8]}, "convs_per_layer": 2, "num_layers": 1},
    "trainer": {"epochs": 1, "batch_size": 50, "device": "cpu", "precision": "fp32", "threads": 1},
    "sampler": {"name": "grid"},
    "budget": {"trials": 3},
}
study = tunetrack.run_study(document, home=sys.argv[1], progress=Scarce())
client = MlflowClient(study.tracking_uri)
for trial in study.trials:
    tags = client.get_run(trial.run_id).data.tags
    print(json.dumps([trial.params["model.filters"], tags["trial.state"], tags["trial.reason"]]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is set as Linux has it")
def test_a_trial_without_memory_fails_alone(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STUDY, home], capture_output=True, text=True, timeout=200, env=child_environment()
    )
    assert done.returncode == 0, done.stderr
    ended = {filters: (state, reason) for filters, state, reason in map(json.loads, done.stdout.splitlines())}
    assert ended[4] == ended[8] == ("COMPLETE", "")
    assert ended[4096][0] == "FAILED"
    assert ended[4096][1].startswith("out of memory")
    assert "can't allocate memory" in ended[4096][1]
