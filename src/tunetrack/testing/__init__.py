"""Contract suites that every sampler and every storage must pass, as pytest classes to be inherited from.

Like `optuna.testing`, this is part of the package so that a storage or a sampler from elsewhere can be held to the
same contract. It needs pytest.
"""

from __future__ import annotations

from tunetrack.testing.ledger_contract import LedgerContract
from tunetrack.testing.sampler_contract import SamplerContract
from tunetrack.testing.toy import SPACES, drive, toy_loss, toy_spec

__all__ = ["SPACES", "LedgerContract", "SamplerContract", "drive", "toy_loss", "toy_spec"]
