"""Search state: who proposes trials (Optuna and Hyperopt), who stops them early, and the record of both.

The only folder that imports optuna and hyperopt.
"""

from __future__ import annotations

from tunetrack.errors import SpecError
from tunetrack.ledger.changes import Change
from tunetrack.ledger.distributions import distribution_of, distributions_of, suggest_config
from tunetrack.ledger.history import pareto_front
from tunetrack.ledger.hyperopt_sampler import HyperoptSampler
from tunetrack.ledger.hyperopt_space import hyperopt_space
from tunetrack.ledger.leading import leading
from tunetrack.ledger.ledger import Ledger
from tunetrack.ledger.pruners import pruner_of, pruner_problems
from tunetrack.ledger.records import WAIT, Reclaimed, Ticket, TrialRecord, Wait, WorkerRecord
from tunetrack.ledger.results import hyperopt_result, optuna_result
from tunetrack.ledger.samplers import sampler_factory, sampler_problems
from tunetrack.ledger.storage import open_storage
from tunetrack.ledger.studies import latest_name, list_studies
from tunetrack.ledger.workers import is_dead, worker_label
from tunetrack.spec.study import StudySpec

__all__ = [
    "WAIT",
    "Change",
    "HyperoptSampler",
    "Ledger",
    "Reclaimed",
    "Ticket",
    "TrialRecord",
    "Wait",
    "WorkerRecord",
    "check_options",
    "distribution_of",
    "distributions_of",
    "hyperopt_result",
    "hyperopt_space",
    "is_dead",
    "latest_name",
    "leading",
    "list_studies",
    "open_storage",
    "optuna_result",
    "pareto_front",
    "suggest_config",
    "worker_label",
]


def check_options(spec: StudySpec) -> None:
    """Checks the options of a study's sampler and pruner without starting anything.

    Raises:
        SpecError: every option that is unknown, of a wrong type, missing or refused.
    """
    problems = sampler_problems(spec) + pruner_problems(spec)
    if problems:
        raise SpecError(problems)
    sampler_factory(spec)
    pruner_of(spec)
