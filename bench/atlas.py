"""Survival in the cancer atlas: federated proportional hazards against FLamby's published results.

Six regions of Fed-TCGA-BRCA with their published split, all 39 columns; the concordance on the test rows of all
regions together, and the mean over regions. With a baseline for each region, and with one for all at half-years, the
penalty is chosen by cross-validation on the training rows. Reads MEDSPACE_DATA.
"""

import csv
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from lifelines.utils import concordance_index
from numpy.typing import NDArray

from medspace.core.usage import Brakes
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.model import CoxFitted
from tests.shared_data import DATA
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.survivals import numbers, records, task

Vector = NDArray[np.float64]
Table = dict[str, list[float]]
REGIONS, FOLDS, SEEDS = 6, 3, (42, 43, 44, 45, 46)
ALL_ON, FEW = Brakes(), 5
HALF_YEARS = tuple(182.625 * k for k in range(1, 21))


class Protocol(NamedTuple):
    """How the model is fitted: the weight of the penalty, and the times of a common baseline."""

    penalty: float
    grid: tuple[float, ...] = ()

    @property
    def words(self) -> str:
        """It in the words of a table."""
        return f"{'half-years' if self.grid else 'strata'} {self.penalty:g}"


STRATA = tuple(Protocol(penalty) for penalty in (3.0, 10.0, 30.0, 100.0, 300.0))
COMMON = tuple(Protocol(penalty, HALF_YEARS) for penalty in (30.0, 100.0, 300.0))
ADAPTIVE = ("FedAdam100", "FedYogi100", "FedAdagrad100")


def features() -> list[str]:
    """The 39 columns."""
    with (DATA / "fed-tcga-brca/brca.csv").open(encoding="utf-8") as file:
        return [name for name in next(csv.reader(file)) if name not in ("", "pid", "E", "T")]


def tables(part: str) -> list[Table]:
    """The rows of each region: of `train` or `test`."""
    region = {row["pid"]: row["fold2"] for row in records("fed-tcga-brca/train_test_split.csv")}
    rows = records("fed-tcga-brca/brca.csv")
    names = sorted({one for one in region.values() if one.startswith(part)})
    return [numbers([r for r in rows if region.get(r["pid"]) == one], *features(), "E", "T") for one in names]


def coefficients(sites: Sequence[Table], how: Protocol, brakes: Brakes = ALL_ON) -> Vector:
    """Those of a fit under masks, on the columns as they are measured."""
    document = task(features(), time="T", event="E", l2=how.penalty, grid=list(how.grid), tolerance=1e-6)
    given = {f"did:web:region{place}": one for place, one in enumerate(sites)}
    found = msgspec.convert(
        MaskedRun(document, given, brakes=brakes, tasks=MaskedCoxes()).fitted().content, CoxFitted
    )
    named = {term.name: float(term.coefficient) for term in found.terms}
    return np.array([named.get(name, 0.0) for name in features()])


def concordance(beta: Vector, rows: Table) -> float:
    """The share of comparable pairs in order."""
    risk = np.column_stack([rows[name] for name in features()]) @ beta
    return float(concordance_index(rows["T"], -risk, rows["E"]))


def together(sites: Sequence[Table]) -> Table:
    """All rows in one table."""
    return {name: [value for one in sites for value in one[name]] for name in sites[0]}


def _some(rows: Table, chosen: Vector) -> Table:
    return {
        name: [value for value, keep in zip(values, chosen, strict=True) if keep] for name, values in rows.items()
    }


def validated(sites: Sequence[Table], how: Protocol, seed: int) -> float:
    """The mean concordance on training rows of which the model has seen none."""
    source = np.random.default_rng(seed)
    parts = [source.permutation(len(one["T"])) % FOLDS for one in sites]
    found = []
    for fold in range(FOLDS):
        inner = [_some(one, at != fold) for one, at in zip(sites, parts, strict=True)]
        inner = [one for one in inner if sum(one["E"]) >= FEW]  # hardly any event: nothing to answer
        beta = coefficients(inner, how, Brakes(bounds=False))  # so few rows are often refused
        found.append(concordance(beta, together([_some(o, at == fold) for o, at in zip(sites, parts, strict=True)])))
    return statistics.fmean(found)


def theirs(method: str) -> list[float]:
    """The published concordance on the test rows together, by seed."""
    found = []
    for seed in SEEDS:
        with (DATA / f"flamby-baselines/tcga_seed{seed}.csv").open(encoding="utf-8") as file:
            rows: list[Mapping[str, str]] = list(csv.DictReader(file))
        found += [float(r["Metric"]) for r in rows if (r["Method"], r["Test"]) == (method, "Pooled Test")]
    return found


def chosen(protocols: Sequence[Protocol], train: Sequence[Table], test: Sequence[Table]) -> tuple[float, str]:
    """The concordance on the test rows of the protocol that validates best, and how it was chosen."""
    scores = {one: statistics.fmean(validated(train, one, seed) for seed in SEEDS) for one in protocols}
    best = max(scores, key=lambda how: scores[how])
    beta = coefficients(train, best)
    each = statistics.fmean(concordance(beta, one) for one in test)
    shown = ", ".join(f"{how.words}: {value:.4f}" for how, value in scores.items())
    said = f"one fit, {best.words} chosen in cross-validation on training rows ({shown}); mean of regions {each:.3f}"
    return concordance(beta, together(test)), said


def measure() -> dict[str, dict[str, Any]]:
    """The measures on the atlas."""
    start = time.perf_counter()
    train, test = tables("train"), tables("test")
    (strata, how), (common, common_how) = (chosen(protocols, train, test) for protocols in (STRATA, COMMON))
    others = {method: statistics.fmean(theirs(method)) for method in ADAPTIVE}
    return {
        "flamby.tcga_cindex": {
            "value": strata,
            "unit": "concordance",
            "reference": f"best of theirs {max(others.values()):.3f}; {how}",
            "target": ">= 0.85",
        },
        "flamby.tcga_cindex.common": {
            "value": common,
            "unit": "concordance",
            "reference": f"one baseline for all regions; {common_how}",
            "target": "-",
        },
        "flamby.tcga_seconds": {
            "value": time.perf_counter() - start,
            "unit": "s",
            "reference": f"{(len(STRATA) + len(COMMON)) * FOLDS * len(SEEDS) + 2} fits of 39 columns under masks, in "
            "one process",
            "target": "-",
        },
    }
