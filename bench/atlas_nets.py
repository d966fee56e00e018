"""Survival in the cancer atlas by FLamby's protocol: our strategies against their published results.

Six regions of Fed-TCGA-BRCA, all 39 columns as they are, a linear layer; 5 rounds of 100 updates of 8 rows each, on
the partial likelihood within a batch; seeds 42 to 46 (Ogier du Terrail et al. 2022). Steps of the server, batches and
the partial likelihood are the product's, in one process. Reads MEDSPACE_DATA.
"""

import csv
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.atlas import REGIONS, SEEDS, Table, Vector, concordance, features, tables, together
from bench.net import Protocol, first
from medspace.learning.cox.maths import Survival, partial
from medspace.learning.net.local import TrainingRows, batches
from medspace.learning.net.server import AdaptiveMoments, stepped
from medspace.learning.net.task import LocalTraining, ServerStep
from tests.shared_data import DATA

ROUNDS, UPDATES, BATCH = 5, 100, 8
LEAST = 0.005  # a standard deviation of seeds, below which a difference has no unit
THEIRS: Mapping[str, tuple[LocalTraining, ServerStep]] = {
    "FedAvg100": (LocalTraining(0.1), ServerStep("fedavg")),
    "FedProx100": (LocalTraining(0.1, proximal=0.1), ServerStep("fedprox")),
    "Scaffold100": (LocalTraining(0.01), ServerStep("scaffold")),
    "FedAdam100": (LocalTraining(0.01), ServerStep("fedadam", 0.1, tau=1e-8)),
    "FedYogi100": (LocalTraining(0.01), ServerStep("fedyogi", 0.1, tau=1e-8)),
    "FedAdagrad100": (LocalTraining(0.01), ServerStep("fedadagrad", 1.0, tau=1e-8)),
    "Cyclic100": (LocalTraining(0.01), ServerStep("cyclic")),
}


def _rows(table: Table) -> TrainingRows:
    """Columns, times, and whether they ended by the event."""
    columns = np.column_stack([table[name] for name in features()])
    return TrainingRows(columns, np.asarray(table["T"]), np.asarray(table["E"]))


def slope(beta: Vector, rows: TrainingRows) -> Vector:
    """The gradient of the mean loss of a batch."""
    survival = Survival(rows.target, rows.counts == 1.0)
    found = partial(rows.columns, survival, rows.columns @ beta[:-1], "breslow")
    return np.append(-found.gradient / max(rows.size, 1), 0.0)  # an intercept changes nothing


def trained(beta: Vector, rows: TrainingRows, how: LocalTraining, seed: str, drift: Vector | None = None) -> Vector:
    """The weights after a round at one region."""
    now = beta.copy()
    for places in batches(rows.size, how, seed.encode()):
        step = slope(now, rows.chosen(places)) + how.proximal * (now - beta)
        now -= how.rate * (step if drift is None else step + drift)
    return now


def weights(protocol: Protocol, sites: Sequence[TrainingRows], seed: int) -> Vector:
    """A model trained at all regions, averaged by their rows; by turns, each trains a copy, as theirs does."""
    now = first(len(features()), seed)
    if protocol.server.strategy == "cyclic":
        return _copies(protocol, sites, now, seed)[0]
    moments = AdaptiveMoments(np.zeros(len(now)), np.zeros(len(now)))
    shares = np.array([site.size for site in sites]) / sum(site.size for site in sites)
    own: list[Vector] = []
    for number in range(protocol.rounds):
        drifts: list[Vector | None] = [None] * len(sites)
        if protocol.server.strategy == "scaffold":
            drifts = [shares @ np.array(own) - one for one in own] or drifts
            own = [slope(now, site) for site in sites]
        moved = [
            trained(now, site, protocol.local, f"{seed} {number} {place}", drift) - now
            for place, (site, drift) in enumerate(zip(sites, drifts, strict=True))
        ]
        now, moments = stepped(protocol.server, now, shares @ np.array(moved), moments)
    return now


def _copies(protocol: Protocol, sites: Sequence[TrainingRows], begin: Vector, seed: int) -> list[Vector]:
    source, order, now = np.random.default_rng(seed), [0], [begin] * len(sites)
    for number in range(protocol.rounds):
        order = source.permutation(len(sites)).tolist() if number % len(sites) == 0 else order
        place = order[number % len(sites)]
        now[place] = trained(now[place], sites[place], protocol.local, f"{seed} {number}")
    return now


def theirs(method: str) -> Vector:
    """The published concordance, seeds x (regions, and all together)."""
    names = [*(f"client_test_{place}" for place in range(REGIONS)), "Pooled Test"]
    found = []
    for seed in SEEDS:
        with (DATA / f"flamby-baselines/tcga_seed{seed}.csv").open(encoding="utf-8") as file:
            rows = {row["Test"]: float(row["Metric"]) for row in csv.DictReader(file) if row["Method"] == method}
        found.append([rows[name] for name in names])
    return np.array(found)


def ours(method: str, train: Sequence[Table], test: Sequence[Table]) -> Vector:
    """Ours, alike."""
    local, server = THEIRS[method]
    protocol = Protocol(replace(local, batch=BATCH, updates=UPDATES), server, ROUNDS)
    sites = [_rows(one) for one in train]
    models = [weights(protocol, sites, seed)[:-1] for seed in SEEDS]
    return np.array([[concordance(beta, one) for one in (*test, together(test))] for beta in models])


def measure() -> dict[str, dict[str, Any]]:
    """The measures of their protocol on the atlas."""
    start = time.perf_counter()
    train, test = tables("train"), tables("test")
    gaps: dict[str, float] = {}
    for method in THEIRS:
        published = theirs(method)
        spread = published.std(axis=0, ddof=1)
        far = np.abs(ours(method, train, test).mean(axis=0) - published.mean(axis=0)) / np.maximum(spread, LEAST)
        gaps[method] = float(far.mean())
    shown = ", ".join(f"{method} {gap:.2f}" for method, gap in gaps.items())
    return {
        "flamby.tcga_z": {
            "value": statistics.fmean(gaps.values()),
            "unit": "their sd of seeds",
            "reference": f"FLamby's table: differences of means of seeds, mean of regions and pooled test: {shown}",
            "target": "<= 1",
        },
        "flamby.tcga_fit_seconds": {
            "value": (time.perf_counter() - start) / len(THEIRS) / len(SEEDS),
            "unit": "s",
            "reference": "5 rounds of 100 updates at each of six regions, in one process",
            "target": "-",
        },
    }
