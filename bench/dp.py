"""What noise costs in quality: heart disease at four hospitals, with the shares of noise that masked rounds add.

In each of ten splits a fifth of each hospital's patients is left out of the fit and measured on. Sites and sums are
the real ones; masks, which change no sum, are left out. One reference is the exact fit of the same rows; the other is
what hospitals would make that each add all of the noise by themselves.
"""

import io
import math
import random
import statistics
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from medspace.adapters.duckdb.source import TableSource, load
from medspace.adapters.memory import SeededRandomness
from medspace.app.demo.data import dictionary, records, split
from medspace.core.dictionary import Dictionary, parse
from medspace.core.engine import MASKED_SUMS
from medspace.core.material import Material
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.using.glm import linear
from medspace.privacy.noise.gaussian import draw
from tests.masked import ADMISSION

SPLITS = 10
LEFT_OUT = 0.2
DELTA = 1e-5
TARGETS = {3: "<= .03", 1: "<= .06"}
Model = Any


def task_of(described: Dictionary, epsilon: float | None) -> dict[str, Any]:
    """The demo's task, under masks; with noise where an epsilon is given."""
    text = (files("medspace.app.demo") / "heart-task.toml").read_text(encoding="utf-8")
    task = tomllib.loads(text) | {"protection": MASKED_SUMS, "min_sites": 3, "min_cohort": 1}
    if epsilon is None:
        return task
    for feature in task["features"]:
        if feature.get("kind") != "coded":
            feature["range"] = described.column(feature["name"]).span
    return task | {"noise": {"epsilon": epsilon, "delta": DELTA}}


def halves(text: str, seed: int) -> tuple[str, str]:
    """The rows of a table that are fitted, and those that are left out."""
    head, *rows = io.StringIO(text)
    chance = random.Random(seed)
    left = [chance.random() < LEFT_OUT for _ in rows]
    return tuple(
        head + "".join(row for row, out in zip(rows, left, strict=True) if out is side) for side in (False, True)
    )


def opened(text: str, described: Dictionary) -> Material:
    """The rows of a CSV text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8")
        return TableSource({ADMISSION.asset: load(path, described)}).open(ADMISSION)


def fitted(task: dict[str, Any], tables: Sequence[Material], seed: int, by_each: int = 1) -> Model:
    """The fit over all sites; each adds `by_each` squared times its share of the noise (in variance)."""
    kind, source = MaskedGlms(), SeededRandomness(seed)
    summed = kind.summed(task)
    state, number = summed.first(), 0
    while (asked := summed.asked(state)) is not None:
        shape, number = summed.shape(state), number + 1
        total = np.zeros(shape.count, dtype=object)
        for rows in tables:
            total += kind.summing.sums(replace(ADMISSION, min_cohort=1), task, asked, shape, rows, number)[0]
            if shape.shares:
                total += sum(draw(shape.count, source.token_bytes).astype(object) for _ in range(by_each))
        numbers = total.tolist()
        state = summed.follow(state, numbers, summed.propose(state, numbers), len(tables))
    result = summed.result(summed.outcome(state), [str(number) for number in range(len(tables))], {})
    return SimpleNamespace(task=task, result=result.content)


def auc(model: Model, tables: Sequence[Material]) -> float:
    """Over all rows of these tables."""
    scores = np.concatenate([linear(model, rows) for rows in tables])
    cases = np.concatenate([np.asarray(rows.numbers("num")) > 0 for rows in tables])
    ranks, count = rankdata(scores)[cases].sum(), int(cases.sum())
    return float((ranks - count * (count + 1) / 2) / (count * (len(cases) - count)))


def losses(described: Dictionary, epsilon: float, by_each: int = 1) -> list[float]:
    """What the noise takes from the AUC on rows that were left out, split by split."""
    found = []
    for seed in range(SPLITS):
        both = [halves(text, seed) for text in split(records()).values()]
        fit, out = ([opened(each[side], described) for each in both] for side in (0, 1))
        exact = auc(fitted(task_of(described, None), fit, seed), out)
        found.append(exact - auc(fitted(task_of(described, epsilon), fit, seed, by_each), out))
    return found


def measure() -> dict[str, dict[str, Any]]:
    """The measures of noise."""
    described = parse(dictionary())
    found: dict[str, dict[str, Any]] = {}
    for epsilon, target in TARGETS.items():
        lost = losses(described, float(epsilon))
        alone = losses(described, float(epsilon), by_each=3)  # min_sites of them make up the noise together
        half = 2.262 * statistics.stdev(lost) / math.sqrt(SPLITS)  # 95 %, Student with 9 degrees of freedom
        found[f"dp.heart_auc_loss.eps{epsilon}"] = {
            "value": statistics.mean(lost),
            "unit": "AUC",
            "reference": f"+- {half:.3f} (95 %, {SPLITS} splits) beside the exact fit of the same rows; "
            f"with all noise at each site {statistics.mean(alone):.3f}",
            "target": target,
        }
    return found
