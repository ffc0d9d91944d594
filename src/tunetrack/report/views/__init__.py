"""What the comparison pages show, as plain data: one module a payload, and `Views`, which reads what they need."""

from __future__ import annotations

from tunetrack.report.views.compare import compare_payload, compared_trials
from tunetrack.report.views.confusion import compare_confusion
from tunetrack.report.views.images import compare_images
from tunetrack.report.views.models import compare_models
from tunetrack.report.views.plain import history_payload
from tunetrack.report.views.query import MissingTrialError, QueryError
from tunetrack.report.views.studies import studies_payload
from tunetrack.report.views.study import StudyFacts, study_payload
from tunetrack.report.views.tables import compare_csv, history_csv, trials_csv
from tunetrack.report.views.trial import TrialFacts, trial_payload
from tunetrack.report.views.trials import PageQuery, trials_page
from tunetrack.report.views.views import Views
from tunetrack.report.views.weights import compare_weights

__all__ = [
    "MissingTrialError",
    "PageQuery",
    "QueryError",
    "StudyFacts",
    "TrialFacts",
    "Views",
    "compare_confusion",
    "compare_csv",
    "compare_images",
    "compare_models",
    "compare_payload",
    "compare_weights",
    "compared_trials",
    "history_csv",
    "history_payload",
    "studies_payload",
    "study_payload",
    "trial_payload",
    "trials_csv",
    "trials_page",
]
