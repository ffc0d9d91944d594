"""Seeds and streams."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tunetrack.training.seeding import RandomStreams, StreamSeeds, stream_seeds

_CPU = torch.device("cpu")
_SEEDS = StreamSeeds(3, 4, 5)


@given(seed=st.integers(0, 2**32 - 2))
def test_streams_differ_from_each_other_and_from_the_neighbours(seed: int) -> None:
    assert len({*stream_seeds(seed), *stream_seeds(seed + 1)}) == 6
    assert stream_seeds(seed) == stream_seeds(seed)


def test_the_run_goes_on_where_it_stopped() -> None:
    whole, parts = RandomStreams(_SEEDS, _CPU), RandomStreams(_SEEDS, _CPU)
    with whole.active():
        expected = torch.rand(4)
    with parts.active():
        first = torch.rand(2)
    torch.rand(5)
    with parts.active():
        second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), expected)
