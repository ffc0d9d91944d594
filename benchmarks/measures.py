"""Measures what each of the trainer's measures brings on the CPU: one more at a time, in one run.

Run it with `python benchmarks/measures.py --data-dir DIR` (DIR holds FashionMNIST/raw); about six minutes. The result
goes to `benchmarks/results/measures.json`, `docs/performance.md` reads it.

The loop of `benchmarks/trainer.py` (3 layers of 64 filters, batch 64, Adam, one thread) is changed step by step, from
the plain one to what tunetrack does. Every step is a process of its own, and a round is one turn of each, so that
whatever else the machine does hits all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from _machine import describe_machine, today
from _numbers import spread
from torch import nn
from trainer import BATCH, Arm, Plain, config_of, plain_net

from tunetrack import training
from tunetrack.training.batches import Normaliser, training_batches
from tunetrack.training.fast import accelerated
from tunetrack.training.hardware import keep_freed_memory

STEPS = {
    "plain": "torchvision transforms, DataLoader, Adam, float32",
    "resident": "and all images in memory as bytes, normalised a batch at a time",
    "fused": "and Adam in one kernel (fused=True)",
    "malloc": "and glibc's malloc keeps freed memory",
    "channels_last": "and channels last",
    "bf16": "and bfloat16 in the forward and backward pass (autocast)",
    "pooling": "and ReLU with max pooling in one pass: what tunetrack does",
    "compile": "as bf16, but torch.compile in place of our pooling",
}
ORDER = list(STEPS)


class Loop:
    """The loop with all measures up to one of them."""

    def __init__(self, step: str, data: training.ResidentData) -> None:
        self._has = set(ORDER[: ORDER.index(step) + 1]) - ({"pooling"} if step == "compile" else set())
        self._data, self._normalise = data, Normaliser(data)
        torch.manual_seed(0)
        net: Any = plain_net()
        if "malloc" in self._has:
            keep_freed_memory()
        if "channels_last" in self._has:
            net = net.to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused="fused" in self._has or None)
        if "pooling" in self._has:
            net = accelerated(net, torch.device("cpu"))
        self._net = torch.compile(net) if step == "compile" else net
        self._bf16 = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in self._has)

    def epoch(self) -> None:
        """One pass over the training images."""
        order, none = torch.Generator().manual_seed(0), torch.Generator()
        last = torch.channels_last if "channels_last" in self._has else torch.contiguous_format
        for images, labels in training_batches(self._data.train, BATCH, order, None, none):
            inputs = self._normalise(images).to(memory_format=last)
            with self._bf16:
                logits = self._net(inputs)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()


def serve(step: str, options: dict[str, Any]) -> None:
    """The child: answer one JSON line on stdin with one on stdout, until stdin ends."""
    torch.set_num_threads(1)
    data = training.load_data(config_of(options, "tunetrack", 0, 1).data)
    plain = Plain(data, options["data_dir"], "cpu") if step == "plain" else None
    loop = None if plain is not None else Loop(step, data)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        if plain is not None:
            plain.train(0, 1)
        elif loop is not None:
            loop.epoch()
        seconds = time.perf_counter() - start
        print(json.dumps({"images_per_second": len(data.train) / seconds, "seconds": seconds}), flush=True)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-train", type=int, default=6400, help="images of a timed round")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "measures.json")
    parser.add_argument("--serve", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, json.loads(given.options))
        return
    options = {"data_dir": given.data_dir, "train": given.round_train, "validation": 1000, "device": "cpu"}
    load = round(os.getloadavg()[0], 2)
    arms = {name: Arm(name, options, __file__) for name in STEPS}
    rates: dict[str, list[float]] = {name: [] for name in STEPS}
    first = {}
    for number in range(given.rounds + 1):  # the first round warms up (and compiles) and is not counted
        for name, arm in arms.items():
            answer = arm.ask(number, 1, evaluate=False)
            if number == 0:
                first[name] = answer["seconds"]
            else:
                rates[name].append(answer["images_per_second"])
    for arm in arms.values():
        arm.close()
    ratios = {name: [ours / plain for ours, plain in zip(rates[name], rates["plain"], strict=True)] for name in STEPS}
    usual = given.round_train / max(rates["compile"])
    result = {
        "what": "Fashion-MNIST, 3 layers of 64 filters, kernel 3, max-pool 2, batch 64, Adam, one thread each",
        "date": today(),
        "machine": describe_machine(),
        "load_average_at_start": load,
        "images_per_round": given.round_train,
        "rounds": given.rounds,
        "steps": STEPS,
        "images_per_second": {name: spread(values, 0) for name, values in rates.items()},
        "ratio_to_plain": {name: spread(values, 2) for name, values in ratios.items()},
        "seconds_of_compilation": round(first["compile"] - usual, 1),
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
