"""Models that an older version fitted are still read."""

import msgspec

from medspace.learning.glm.model import Fitted

QUALITY = {"rows": 9, "deviance": 1.0, "rmse": 0.3, "auc": 0.8, "auc_resolution": 0.0, "brier": 0.1, "ece": 0.05}
OLD = {
    "family": "binomial",
    "terms": [],
    "deviance": "9.0",
    "sites": [
        {"site": "did:web:a", "rows": 9, "quality": QUALITY},
        {"site": "did:web:b", "rows": 9, "quality": None},
    ],
    "pooled": QUALITY,
    "measured_on": "training rows",
}


def test_a_model_without_persons_and_joined_levels_is_read():
    found = msgspec.convert(OLD, Fitted)
    assert (found.persons, found.joined, found.uncarried) == (0, (), ())
    assert [(site.rows, site.persons) for site in found.sites] == [(9, 0), (9, 0)]
