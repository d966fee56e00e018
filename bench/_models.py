"""What models tell of one known patient: attacks on what a member gets of fits under masks.

Nobody asks freely there. But each fit is exact: its coefficients solve equations that are linear in how many patients
have which values, and so are the elements of its Hessian, which its covariance tells as far as it is not rounded.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.optimize import nnls

from bench._federation import TASK, Rows
from bench._patients import Column, Matrix, Vector, View, columns, table
from bench._victim import Victim
from medspace.adapters.duckdb.source import TableSource, load
from medspace.app.demo.data import dictionary
from medspace.app.demo.space import MIN_COHORT
from medspace.core.dictionary import parse as described
from medspace.learning.glm.design import Layout, design, sample
from medspace.learning.glm.maths import mean, measured, weights_of
from medspace.learning.glm.task import GlmTask, parse
from medspace.privacy.rounding import BITS, ERROR_BITS
from tests.masked import ADMISSION

Fit = Callable[[dict[str, Any]], dict[str, Any] | None]
CELLS = ("sex", "cp", "fbs", "restecg", "exang")  # codes that every hospital has, the hidden ones among them
SHOWN = ("age", "sex", "cp", "fbs", "thalch", "oldpeak")  # no two of which say the same
FINE = {
    "tolerance": "1e-10",
    "evaluation": {"thresholds": 2},
}  # equations hold to the last bits, and few numbers leave
LEAST = 1e-7  # what a float of a sum over all patients is good for
ALONE = 1e-2
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Model:
    """What the hospitals handed over, as numbers."""

    task: GlmTask
    layout: Layout
    rows: int
    beta: Vector
    covariance: Matrix  # of the columns as they were measured
    deviance: float

    @classmethod
    def read(cls, said: dict[str, Any], outcome: dict[str, Any]) -> "Model":
        """The model of a task."""
        layout = msgspec.convert(outcome["layout"], Layout, strict=False)
        beta = np.array([float(one) for one in outcome["beta"]])
        upper = np.zeros((len(beta), len(beta)))
        upper[np.triu_indices(len(beta))] = [float(one) for one in outcome["covariance"]]
        task = parse(TASK | said)
        whole = upper + np.triu(upper, 1).T
        return cls(task, layout, int(outcome["rows"]), beta, whole, float(outcome["deviance"]))

    @property
    def dispersion(self) -> float:
        """Of a gaussian model the residual variance."""
        return self.deviance / (self.rows - len(self.beta)) if self.task.family == "gaussian" else 1.0

    def hessian(self) -> tuple[Matrix, Matrix]:
        """On the scale of the fit, of a model without penalty; and how far each element may lie from the truth."""
        made = np.linalg.inv(self.covariance / self.dispersion)
        size = np.sqrt(np.outer(np.diag(self.covariance), np.diag(self.covariance))) / self.dispersion
        wrong = np.abs(made) @ (size * 2.0 ** -self._bits()) @ np.abs(made)
        back = measured(self.task, self.layout)
        return back.T @ made @ back, np.abs(back.T) @ wrong @ np.abs(back)

    def _bits(self) -> int:
        """How finely the covariance is rounded, seen from its numbers."""
        _, exponent = np.frexp(np.diag(self.covariance))
        whole = np.ldexp(np.diag(self.covariance), ERROR_BITS - exponent)
        return ERROR_BITS if (whole == np.round(whole)).all() else BITS


# --- how many patients have which codes -----------------------------------------------------------------------------
def plan() -> Iterator[dict[str, Any]]:
    """The fits of one contract: as many as the audit of all answers lets pass, their weights as unlike as may be."""
    features = [column.feature for column in columns() if column.name in CELLS]
    for family, target in (("gaussian", "age"), ("poisson", "age"), ("poisson", "num")):
        yield {"family": family, "target": target, "features": features} | FINE


@dataclass(frozen=True, slots=True)
class Counted:
    """How many patients have which codes, by models: values of the columns of each cell, and the numbers found."""

    cells: dict[tuple[float, ...], float]

    def says(self, own: Sequence[float], place: int) -> float | None:
        """How many more with these codes have the hidden one than have it not; None where nobody is seen."""
        found = [self.cells.get(_key([*own[:place], side, *own[place + 1 :]]), 0.0) for side in (0.0, 1.0)]
        return None if sum(found) < HALF else found[1] - found[0]


def _key(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(-1.0 if np.isnan(value) else float(value) for value in values)


def counted(fit: Fit, values: Matrix) -> Counted:
    """Solve for the numbers of patients in all cells of `CELLS`, none below zero.

    The attacker is told more than it knows: which values stand in each column (`values`, once the hospitals have
    joined what is rare).
    """
    task = parse(TASK | next(plan()))
    grid = _grid(task, values)
    left: list[Matrix] = []
    right: list[Vector] = []
    for said in plan():
        outcome = fit(said)
        if outcome is not None:
            for matrix, sums in _equations(task, Model.read(said, outcome), grid):
                left.append(matrix)
                right.append(sums)
    if not left:
        return Counted({})
    found, _ = nnls(np.vstack(left), np.concatenate(right), maxiter=20 * len(grid))
    return Counted({_key(cell): float(number) for cell, number in zip(grid, found, strict=True)})


def joined(tables: Mapping[str, Rows]) -> Matrix:
    """The value columns of `CELLS`, all patients one hospital after the other, as hospitals sum them."""
    task, found = parse(TASK | next(plan())), []
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in tables.items():
            path = Path(folder) / f"{name}.csv"
            path.write_text(table(rows), encoding="utf-8")
            source = TableSource({name: load(path, described(dictionary()))}).open(replace(ADMISSION, asset=name))
            found.append(sample(task, source, key=bytes(32), least=MIN_COHORT).fitted.values)
    return np.vstack(found)


def alike(values: Matrix) -> Counter[tuple[float, ...]]:
    """How many patients there really are in each cell."""
    return Counter(_key(row) for row in values)


def hidden_places() -> list[int]:
    """Where the columns of yes and no stand in a cell."""
    task = parse(TASK | next(plan()))
    return [_places(task, name)[0] for name in ("sex", "fbs", "exang")]


def _grid(task: GlmTask, values: Matrix) -> Matrix:
    """All combinations of what stands in the columns of each feature."""
    options, first = [], 0
    for feature in task.features:
        own = values[:, first : first + len(feature.columns)]
        first += len(feature.columns)
        options.append([*{_key(row): row for row in own}.values()])
    return np.array([np.concatenate(each) for each in product(*options)])


def _equations(task: GlmTask, model: Model, grid: Matrix) -> Iterator[tuple[Matrix, Vector]]:
    """Equations of a model in the numbers of the cells, each in units of what it may be wrong by."""
    chosen = np.concatenate([_places(task, feature.name) for feature in model.task.features])
    matrix = design(model.task, model.layout, grid[:, chosen])
    yield matrix.T / LEAST, np.array([model.rows, *np.zeros(len(model.beta) - 1)]) / LEAST  # columns are centred
    eta = matrix @ model.beta
    weights = weights_of(model.task.family, eta, mean(model.task.family, eta))
    sums, wrong = model.hessian()
    upper = np.triu_indices(len(sums))
    unit = np.maximum(wrong[upper], LEAST)
    yield (matrix[:, upper[0]] * matrix[:, upper[1]] * weights[:, None]).T / unit[:, None], sums[upper] / unit


def _places(task: GlmTask, name: str) -> list[int]:
    first = 0
    for feature in task.features:
        if feature.name == name:
            return list(range(first, first + len(feature.columns)))
        first += len(feature.columns)
    raise KeyError(name)


def by_cells(found: Counted, victim: Victim, own: Vector, *, usual: bool) -> bool:
    """What the numbers of patients say who have all codes of the victim but the hidden one; `own` are its columns."""
    place = _places(parse(TASK | next(plan())), victim.hidden.name)[0]
    says = found.says(list(own), place)
    return usual if says is None or abs(says) < HALF else says > 0.0


# --- the model of the hidden column ---------------------------------------------------------------------------------
def asked_of(hidden: Column) -> dict[str, Any]:
    """The task of a model of the hidden column by all others."""
    target = {"column": hidden.name, "level": hidden.codes[1]} if hidden.codes else {"column": hidden.name}
    shown = [column.feature for column in columns() if column is not hidden]
    return {"family": "binomial", "target": target, "features": shown, "l2": "0.1"} | FINE


def by_model(outcome: dict[str, Any] | None, victim: Victim, *, usual: bool) -> bool:
    """What a model of the hidden column by all others says: nearest to those whom it was fitted to."""
    if outcome is None:
        return usual
    model = Model.read(asked_of(victim.hidden), outcome)
    shown = [column for column in columns() if column is not victim.hidden]
    own = np.array([[value for column in shown for value in _valued(column, victim.row)]])
    return float((design(model.task, model.layout, own) @ model.beta)[0]) > 0.0


def _valued(column: Column, row: dict[str, str]) -> list[float]:
    """The value columns of a cell, that of joined levels among them."""
    values = column.values(row[column.name])
    return [*values, np.nan if np.isnan(values[0]) else 0.0] if column.codes else values


# --- rows -----------------------------------------------------------------------------------------------------------
def slices(fit: Fit) -> tuple[View, Matrix]:
    """Rows of whoever is alone with a code, among all patients or those that one share holds out and another not.

    The sum of products of a code of one patient with all columns is that patient's row.
    """
    view = View(tuple(column for column in columns() if column.name in SHOWN))
    said = {"family": "gaussian", "target": "num", "features": view.features}
    sums = []
    for share in ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5"):
        asked = said | FINE | {"evaluation": {"thresholds": 2, "holdout": share}}
        outcome = fit(asked)
        if outcome is not None:
            sums.append(_products(Model.read(asked, outcome)))
    between = [a - b for a in sums for b in sums if a is not b]
    rows = [row / row[0] for each in [*sums, *between] for row in each if abs(row[0] - 1.0) < ALONE]
    return view, np.array([_in_view(view, row) for row in rows]) if rows else np.empty((0, 0))


def _products(model: Model) -> Matrix:
    """The sums of products of the columns as measured, of a gaussian model; 0 for columns that were left out."""
    made = np.linalg.inv(model.covariance / model.dispersion)
    places = [0, *(1 + place for place in model.layout.kept)]
    whole = np.zeros((1 + len(model.task.columns),) * 2)
    whole[np.ix_(places, places)] = made
    return whole


def _in_view(view: View, row: Vector) -> Vector:
    layout = view.layout
    kept = np.array(layout["kept"])
    scaled: Vector = (row[1:][kept] - np.array(layout["centre"])) / np.array(layout["scale"])
    return scaled
