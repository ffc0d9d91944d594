"""What is loaded before workers are forked: everything that the first trial of a process would import for long."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from study_support import tiny
from tunetrack.spec import load_study
from tunetrack.training import libraries

#: Trains a trial's first epoch after the libraries are loaded, and says which modules came with it.
FIRST_EPOCH = """
import importlib, json, sys
from tunetrack import training
from tunetrack.spec import load_study
config = load_study(json.loads(sys.argv[1])).first_config()
for name in training.libraries(config):
    importlib.import_module(name)
before = set(sys.modules)
next(iter(training.fit(config, training.load_data(config.data, training.choose_device(config.trainer)))))
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_first_epoch_imports_no_library_more() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_EPOCH, json.dumps(tiny())], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    late = Counter(name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1]))
    # Of hundreds that a library has; what is left are parts that are loaded when they are first used.
    assert {name: count for name, count in late.items() if count > 10} == {}


@pytest.mark.parametrize(
    ("data", "library"),
    [
        ({"name": "digits"}, "sklearn.datasets"),
        ({"name": "voxel_mnist"}, "torchvision.datasets"),
        ({"name": "image_folder", "dir": "images", "image_size": 8}, ""),
    ],
)
def test_the_library_that_reads_the_data_set(data: dict[str, object], library: str) -> None:
    found = libraries(load_study(tiny(data=data)).first_config())
    assert (library in found) == bool(library)
    assert sum(name in ("sklearn.datasets", "torchvision.datasets") for name in found) == bool(library)
