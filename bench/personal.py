"""One model for hospitals that differ: how well calibrated it is at the worst of them, before and after adapting it.

The heart disease records of four hospitals, random 60/40 splits of each; one logistic model fitted under masks on
all training rows, then adapted at each hospital to its own training rows; measured on its other rows. "Worst" is the
mean over splits of the worst hospital. Reads MEDSPACE_DATA.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medspace.learning.glm.design import Vector, raw
from medspace.learning.using.adapting import LocalRows, adapted, calibration_error, chosen, ways
from medspace.learning.using.glm import pipeline
from medspace.learning.using.pipeline import Pipeline
from medspace.runs.model import Lineage, Model
from tests.unit.learning import hearts
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.simulated import TableRows

SPLITS, SHARE = 30, 0.6
COLUMNS = [f"{name}.number" for name in hearts.FIELDS[:-1]]
TOP = "did:web:cleveland"


def task() -> dict[str, Any]:
    """All columns as numbers, with flags for gaps."""
    features = [{"name": name} for name in COLUMNS]
    return hearts.task(features=features, l2=1.0, protection="masked-sums", min_sites=1)


def model(tables: Mapping[str, Any]) -> Pipeline:
    """What a model fitted under masks on these tables computes."""
    run = MaskedRun(task(), dict(tables))
    found = run.fitted()
    lineage = Lineage("run", "", (), (), (), "masked-sums")
    return pipeline(Model("m", "", run.summed.task.document(), "", found.content, found.rows, 1, 0.0, lineage, ""))


def local(columns: Mapping[str, Any], made: Pipeline) -> LocalRows:
    """The rows of a hospital as it adapts a model to them."""
    count = len(columns["num"])
    values = raw(made.features, TableRows(columns, count))
    return LocalRows(values, (np.array(columns["num"]) > 0).astype(float), np.arange(count)).known_to(made)


def _some(columns: Mapping[str, Any], places: NDArray[np.int64]) -> dict[str, Any]:
    return {name: [values[at] for at in places] for name, values in columns.items()}


def _measured(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A cholesterol of 0 was not measured."""
    known = [np.nan if value == 0.0 else value for value in columns["chol.number"]]
    return {**columns, "chol.number": known}


@dataclass(frozen=True)
class Split:
    """What came of one split: chances and outcomes of test rows, by way of adapting and by hospital."""

    chances: Mapping[str, Mapping[str, tuple[Vector, Vector]]]

    def worst(self, how: str) -> float:
        """The calibration error at the worst hospital."""
        return max(calibration_error(*one) for one in self.chances[how].values())

    def floor(self, seed: int) -> float:
        """The same if outcomes were drawn from the chances: of a model that is perfectly calibrated."""
        source = np.random.default_rng(seed)
        found = [chances for chances, _ in self.chances["intercept"].values()]
        return max(calibration_error(p, (source.random(len(p)) < p).astype(float)) for p in found)


def one_split(tables: Mapping[str, Any], seed: int) -> Split:
    """Fit on 60 of 100 rows of each hospital, adapt there, measure on the others."""
    source = np.random.default_rng(seed)
    orders = {site: source.permutation(len(columns["num"])) for site, columns in tables.items()}
    cuts = {site: int(SHARE * len(order)) for site, order in orders.items()}
    train = {site: _some(tables[site], order[: cuts[site]]) for site, order in orders.items()}
    test = {site: _some(tables[site], order[cuts[site] :]) for site, order in orders.items()}
    made, top = model(train), model({TOP: train[TOP]})
    found: dict[str, dict[str, tuple[Vector, Vector]]] = {how: {} for how in ("top", *ways(made), "chosen")}
    for site in tables:
        own, others = local(train[site], made), local(test[site], made)
        found["top"][site] = _scored(top, local(test[site], top))
        for how in ways(made):
            found[how][site] = _scored(adapted(made, own, how), others)
        found["chosen"][site] = found[chosen(made, own, seed)][site]
    return Split(found)


def _scored(made: Pipeline, rows: LocalRows) -> tuple[Vector, Vector]:
    return made.score(rows.values)[:, 0], rows.target


def _mean_area(found: list[Split], how: str) -> float:
    pairs = [one for split in found for one in split.chances[how].values() if 0.0 < one[1].mean() < 1.0]
    return statistics.fmean(float(roc_auc_score(target, chances)) for chances, target in pairs)


def _together(found: list[Split], how: str) -> float:
    """The worst hospital's error over the test rows of all splits together."""
    sites = found[0].chances[how]
    both = {
        site: [np.concatenate(part) for part in zip(*(one.chances[how][site] for one in found), strict=True)]
        for site in sites
    }
    return max(calibration_error(*one) for one in both.values())


def measure() -> dict[str, dict[str, Any]]:
    """The measures of adapted models."""
    tables = {site: _measured(columns) for site, columns in hearts.hospitals().items()}
    found = [one_split(tables, seed) for seed in range(SPLITS)]
    worst = {how: [one.worst(how) for one in found] for how in found[0].chances}
    areas = {how: _mean_area(found, how) for how in worst}
    floor = statistics.fmean(one.floor(seed) for seed, one in enumerate(found))
    shown = ", ".join(f"{how} {statistics.fmean(values):.3f}" for how, values in worst.items())
    together = ", ".join(f"{how} {_together(found, how):.3f}" for how in worst)
    return {
        "heart.worst_ece": {
            "value": statistics.fmean(worst["intercept"]),
            "unit": "calibration error",
            "reference": f"same {SPLITS} splits: {shown}; sd {statistics.stdev(worst['intercept']):.3f}; a model "
            f"that is perfectly calibrated has {floor:.3f} on so few patients",
            "target": "<= 0.09",
        },
        "heart.worst_ece.together": {
            "value": _together(found, "intercept"),
            "unit": "calibration error",
            "reference": f"test rows of all splits together, worst hospital: {together}",
            "target": "-",
        },
        "heart.adapted_auc": {
            "value": areas["intercept"],
            "unit": "AUC",
            "reference": ", ".join(f"{how} {value:.4f}" for how, value in areas.items()),
            "target": "that of the untouched model",
        },
    }
