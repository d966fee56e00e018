"""The yardstick of the demo: the same model fitted on all rows in one place.

Only the demo may do this, since it made the rows itself; no connector can. The fit shares no code with the federated
one: own reading of the CSV, own design, and iteratively reweighted least squares by QR instead of Newton
steps on summed Hessians.
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

JOINED = "(joined)"
FEW_VALUES = 20
_FLAGS = {"true": 1.0, "false": 0.0}
_ITERATIONS = 100


def largest_difference(
    task: JsonObject, tables: Mapping[str, str], coefficients: Mapping[str, float], least: int
) -> float:
    """The largest absolute difference between the coefficients given and those fitted on the pooled tables (CSV).

    As at the hospitals, what fewer than `least` patients of a hospital have does not stand out there.
    """
    parts = [list(csv.DictReader(io.StringIO(table))) for table in tables.values()]
    names, values, first = _columns(task, parts, least)
    target = np.array([float(float(row["num"]) > 0) for part in parts for row in part])
    pooled = _fit(names, values, first, target, float(task["l2"]))
    return max(abs(pooled[name] - coefficients[name]) for name in coefficients)


def _columns(
    task: JsonObject, parts: Sequence[Sequence[Mapping[str, str]]], least: int
) -> tuple[list[str], Matrix, list[int]]:
    """Names and values of the columns (NaN where missing), and the first column of each feature."""
    names: list[str] = []
    columns: list[Vector] = []
    first = []
    for feature in task["features"]:
        first.append(len(names))
        name, levels = feature["name"], feature.get("levels", [])
        if not levels:
            names.append(name)
            numbers = [_spread([_number(name, row[name]) for row in part], least) for part in parts]
            columns.append(np.concatenate(numbers))
            continue
        codes = [code for part in parts for code in _standing([row[name] for row in part], least)]
        for level in (*levels[1:], JOINED):
            names.append(f"{name}={level}")
            columns.append(np.array([np.nan if code == "" else float(code == level) for code in codes]))
    return names, np.column_stack(columns), first


def _standing(cells: list[str], least: int) -> list[str]:
    """The codes of one hospital, "" where missing: rare ones are joined, and with them as many as it needs."""
    count = Counter(cells)
    gaps = count.pop("", 0)
    if sum(count.values()) < least:
        return [""] * len(cells)
    rare = {code for code in count if count[code] < least}
    together = sum(count[code] for code in rare)
    becomes = JOINED
    if 0 < together < least <= together + gaps and gaps:
        becomes = ""
    else:
        for code in sorted(count, key=lambda code: (count[code], code)):
            if 0 < together < least and code not in rare:
                rare.add(code)
                together += count[code]
    made = [becomes if cell in rare else cell for cell in cells]
    usual = max(sorted(set(made) - {""}), key=made.count)
    return [usual if cell == "" and 0 < made.count("") < least else cell for cell in made]


def _spread(cells: list[float], least: int) -> Vector:
    """The numbers of one hospital, NaN where missing: of few values a rare one becomes the nearest."""
    numbers = np.array(cells)
    known = ~np.isnan(numbers)
    count = Counter(numbers[known].tolist())
    yes_or_no = len(count) == 2  # noqa: PLR2004 - two values
    if known.sum() < least or (yes_or_no and min(count.values()) < least):
        return np.full(len(cells), np.nan)
    if len(count) <= max(FEW_VALUES, len(cells) // least):
        said = {value: value for value in count}
        while len(count) > 1 and min(count.values()) < least:
            rare = min(count, key=lambda value: (count[value], value))
            others = [value for value in count if value != rare]
            near = min(others, key=lambda value: (abs(value - rare), -count[value], value))
            count[near] += count.pop(rare)
            said = {value: near if now == rare else now for value, now in said.items()}
        numbers[known] = [said[value] for value in numbers[known].tolist()]
    if (~known).sum() < least:
        numbers[~known] = numbers[known].mean()
    return numbers


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
