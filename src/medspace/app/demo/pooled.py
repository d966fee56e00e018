"""The yardstick of the demo: the same model fitted on all rows in one place.

Only the demo may do this, since it made the rows itself; no connector can. The fit shares no code with the federated
one: own reading of the CSV, own design, and iteratively reweighted least squares by QR instead of Newton
steps on summed Hessians.
"""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medspace.core.canonical import JsonObject

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Code = tuple[float, ...]

_FLAGS = {"true": 1.0, "false": 0.0}
_ITERATIONS = 100


def largest_difference(
    task: JsonObject, tables: Mapping[str, str], coefficients: Mapping[str, float], least: int
) -> float:
    """The largest absolute difference between the coefficients given and those fitted on the pooled tables (CSV).

    As at the hospitals, what fewer than `least` patients of a hospital have does not stand out there.
    """
    parts = [list(csv.DictReader(io.StringIO(table))) for table in tables.values()]
    rows = [row for part in parts for row in part]
    names, values, first = _columns(task, rows)
    _coarsen(values, first, [len(part) for part in parts], least)
    target = np.array([float(float(row["num"]) > 0) for row in rows])
    pooled = _fit(names, values, first, target, float(task["l2"]))
    return max(abs(pooled[name] - coefficients[name]) for name in pooled)


def _columns(task: JsonObject, rows: Sequence[Mapping[str, str]]) -> tuple[list[str], Matrix, list[int]]:
    """Names and values of the columns (NaN where missing), and the first column of each feature."""
    names: list[str] = []
    columns: list[Vector] = []
    first = []
    for feature in task["features"]:
        first.append(len(names))
        name, levels = feature["name"], feature.get("levels", [])
        cells = [row[name] for row in rows]
        if not levels:
            names.append(name)
            columns.append(np.array([_number(name, cell) for cell in cells]))
        for level in levels[1:]:
            names.append(f"{name}={level}")
            columns.append(np.array([np.nan if cell == "" else float(cell == level) for cell in cells]))
    return names, np.column_stack(columns), first


def _coarsen(values: Matrix, first: list[int], sizes: Sequence[int], least: int) -> None:
    """What few patients of a hospital have does not stand out there, as at the hospitals (`privacy.disclosure`)."""
    start = 0
    for size in sizes:
        part = values[start : start + size]
        for at, following in zip(first, [*first[1:], values.shape[1]], strict=True):
            _coarsen_feature(part[:, at:following], least)
        start += size


def _coarsen_feature(cells: Matrix, least: int) -> None:
    known = ~np.isnan(cells[:, 0])
    if known.sum() < least:
        cells[:] = np.nan
        return
    codes = _join_rare([tuple(row) for row in cells[known]], cells.shape[1], least)
    cells[known] = codes
    if 0 < (~known).sum() < least:
        binary = {0.0, 1.0} >= {cell for code in codes for cell in code}
        usual = max(sorted(set(codes)), key=codes.count) if binary else cells[known].mean(axis=0)
        cells[~known] = usual


def _join_rare(codes: list[Code], width: int, least: int) -> list[Code]:
    """Rare codes join the first one; a rare first one is joined by the rarest of the others, until it is not rare."""
    counts = sorted((codes.count(code), code) for code in set(codes))
    if width == 1:
        rare = len(counts) == 2 and counts[0][0] < least  # noqa: PLR2004 - of two values
        return [counts[1][1]] * len(codes) if rare else codes
    first = (0.0,) * width
    codes = [first if codes.count(code) < least else code for code in codes]
    while 0 < codes.count(first) < least and set(codes) != {first}:
        rarest = min((codes.count(code), code.index(1.0), code) for code in set(codes) - {first})[2]
        codes = [first if code == rarest else code for code in codes]
    return codes


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
