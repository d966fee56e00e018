"""The reference for the demo: the same model, fitted on all rows in one place.

Only the demo can do this, since it has written all tables itself; no connector can. The fit shares no code with the
federated one: it has its own CSV reader, its own design matrix, and iteratively reweighted least squares by QR
instead of Newton steps on summed Hessians.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medspace.core.canonical import JsonObject

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Rows = list[dict[str, str]]

_FLAGS = {"true": 1.0, "false": 0.0}
_ITERATIONS = 100
JOINED = "(joined)"  # what the rare codes of a hospital become when joined
FEW_VALUES = 20  # numbers with more distinct values than this, and many patients, are measurements


def largest_difference(
    task: JsonObject, tables: Mapping[str, str], coefficients: Mapping[str, float], least: int
) -> float:
    """The largest absolute difference between these coefficients and those fitted on the pooled tables (CSV).

    As at the hospitals, values that fewer than `least` patients of a hospital have are not distinguished there. Each
    patient has one row.
    """
    parts = [list(csv.DictReader(io.StringIO(table))) for table in tables.values()]
    names, values, first = _columns(task, parts, least)
    target = np.array([float(float(row["num"]) > 0) for part in parts for row in part])
    pooled = _fit(names, values, first, target, float(task["l2"]))
    return max(abs(pooled[name] - coefficients.get(name, 0.0)) for name in pooled)


def _columns(task: JsonObject, parts: Sequence[Rows], least: int) -> tuple[list[str], Matrix, list[int]]:
    """Names and values of the columns (NaN where missing), and the first column of each feature."""
    names: list[str] = []
    columns: list[list[float]] = []
    first = []
    for feature in task["features"]:
        first.append(len(names))
        name, levels = feature["name"], feature.get("levels", [])
        if not levels:
            names.append(name)
            columns.append([x for part in parts for x in _merged([_number(name, row[name]) for row in part], least)])
            continue
        codes = [code for part in parts for code in _joined([row[name] or None for row in part], least)]
        for level in (*levels[1:], JOINED):
            names.append(f"{name}={level}")
            columns.append([np.nan if code is None else float(code == level) for code in codes])
    return names, np.array(columns).T, first


def _joined(codes: list[str | None], least: int) -> list[str | None]:
    """Codes with the rare ones joined; gaps that few have are filled with the most frequent code."""
    counts = Counter(code for code in codes if code is not None)
    if counts.total() < least:
        return [None] * len(codes)
    rare = {code for code, count in counts.items() if count < least}
    together, gaps = sum(counts[code] for code in rare), len(codes) - counts.total()
    hidden = bool(0 < together < least and gaps and together + gaps >= least)
    while 0 < together < least and not hidden and rare != set(counts):
        count, code = min((count, code) for code, count in counts.items() if code not in rare)
        rare, together = rare | {code}, together + count
    made = [(None if hidden else JOINED) if code in rare else code for code in codes]
    if not 0 < made.count(None) < least:
        return made
    kept = Counter(code for code in made if code is not None)
    usual = min(kept, key=lambda code: (-kept[code], "" if code == JOINED else code))
    return [usual if code is None else code for code in made]


def _merged(numbers: list[float], least: int) -> list[float]:
    """Numbers with rare values replaced by their neighbours; gaps that few have are filled with the mean."""
    counts = Counter(number for number in numbers if not np.isnan(number))
    two = 2
    if counts.total() < least or (len(counts) == two and min(counts.values()) < least):
        return [np.nan] * len(numbers)
    becomes = {number: number for number in counts}
    if len(counts) <= max(FEW_VALUES, len(numbers) // least):
        becomes = _neighbours(counts, least)
    made = [becomes.get(number, np.nan) for number in numbers]
    if 0 < len(made) - counts.total() < least:
        return [float(np.nanmean(made)) if np.isnan(number) else number for number in made]
    return made


def _neighbours(counts: Mapping[float, int], least: int) -> dict[float, float]:
    groups = [(count, number, {number}) for number, count in sorted(counts.items())]
    while len(groups) > 1:
        place = min(range(len(groups)), key=lambda at: (groups[at][0], at))
        count, number, members = groups[place]
        if count >= least:
            break
        beside = [at for at in (place - 1, place + 1) if 0 <= at < len(groups)]
        near = min(beside, key=lambda at: (abs(groups[at][1] - number), -groups[at][0], groups[at][1]))
        groups[near] = (groups[near][0] + count, groups[near][1], groups[near][2] | members)
        del groups[place]
    return {member: number for _, number, members in groups for member in members}


def _number(name: str, cell: str) -> float:
    if cell == "" or (name in ("chol", "trestbps") and float(cell) == 0):  # 0 means not measured
        return float("nan")
    return _FLAGS[cell.lower()] if cell.lower() in _FLAGS else float(cell)


def _fit(names: list[str], values: Matrix, first: list[int], target: Vector, l2: float) -> dict[str, float]:
    gaps = np.isnan(values)
    filled = np.where(gaps, np.nanmean(values, axis=0), values)
    features = [names[at].partition("=")[0] for at in first]
    full = np.column_stack([filled, gaps[:, first].astype(np.float64)])
    labels = names + [f"{name} is missing" for name in features]
    spread = np.concatenate([np.nanstd(values, axis=0), gaps[:, first].std(axis=0)])
    varies = spread > 0
    centre, scale = full[:, varies].mean(axis=0), spread[varies]
    beta = _reweighted((full[:, varies] - centre) / scale, target, l2)
    slopes = beta[1:] / scale
    found = dict.fromkeys(labels, 0.0)
    found.update(zip([label for label, kept in zip(labels, varies, strict=True) if kept], slopes, strict=True))
    found["intercept"] = float(beta[0] - slopes @ centre)
    return found


def _reweighted(design: Matrix, target: Vector, l2: float) -> Vector:
    """Ridge logistic regression: rows sqrt(l2) * e_j added to the weighted problem penalise all but the intercept."""
    count, width = design.shape
    matrix = np.column_stack([np.ones(count), design])
    penalty = np.sqrt(l2) * np.eye(width + 1)[1:]
    beta = np.zeros(width + 1)
    for _ in range(_ITERATIONS):
        eta = matrix @ beta
        chance = 1.0 / (1.0 + np.exp(-eta))
        weight = chance * (1.0 - chance)
        working = eta + (target - chance) / weight
        rows = np.vstack([matrix * np.sqrt(weight)[:, None], penalty])
        right = np.concatenate([working * np.sqrt(weight), np.zeros(width)])
        following: Vector = np.linalg.lstsq(rows, right, rcond=None)[0]
        if np.max(np.abs(following - beta)) < 1e-13:  # noqa: PLR2004 - where doubles end
            return following
        beta = following
    return beta
