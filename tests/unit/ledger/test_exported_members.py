"""What the packages export is sorted, real, and says where it comes from."""

from __future__ import annotations

from types import ModuleType

import pytest

from tunetrack import ledger, testing


@pytest.mark.parametrize("module", [ledger, testing])
def test_exported_members(module: ModuleType) -> None:
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    for name in module.__all__:
        assert getattr(module, name).__doc__
