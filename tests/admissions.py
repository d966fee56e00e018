"""Admissions for tests of what takes one; in the product only usage control makes them."""

from datetime import UTC, datetime

from medspace.core.usage import Admission


def admission(**changes) -> Admission:
    """An admission to train on an asset whose outputs leave whoever is behind them; `changes` are other fields."""
    fields = {
        "id": "urn:uuid:admission",
        "agreement": "urn:uuid:agreement",
        "use": "urn:uuid:use",
        "holder": "did:web:holder.example",
        "user": "did:web:user.example",
        "asset": "hearts",
        "kind": "medspace:train",
        "purpose": "ehds:HealthcareScientificResearch",
        "task": "sha256:" + "0" * 64,
        "outputs": ("glm.moments", "glm.newton", "glm.evaluation"),
        "min_cohort": 1,
        "min_sites": 1,
        "expires": datetime(2030, 1, 1, tzinfo=UTC),
        "entry": 0,
        "seed": b"the holder's own",
    }
    return Admission(**(fields | changes))
