"""The attacks of a member with a contract: planes, slopes, thresholds, rare values, differences of sets.

Each takes `ask(task, step, inputs)`, which gives the values of one answer or None, and returns rows as it reads them
(in the layout of its view). None of them knows anything of the hospital but what is public.
"""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from bench._patients import Column, Matrix, Vector, View, columns

Ask = Callable[[dict[str, Any], str, dict[str, Any]], dict[str, Any] | None]
PURPOSE = "ehds:HealthcareScientificResearch"
SHARP = 1e9  # the steepest plane: everybody on one side weighs the same, the others nothing
CLIP = 300.0  # where the predictor of a Poisson model was cut off when this attack was found
FLAT = 1e-6
ALONE = 1e-3  # a count is 1 within this
CODE = 0.5  # half a step of a column of 0 and 1
SLOPES = (1.0, 2.0, 3.0, 4.5, 7.0, 15.0)  # of the steepest coefficient, for a column of -1 .. 1


def task(family: str, target: object, view: View, **more: object) -> dict[str, Any]:
    """A task over the columns of a view, without penalty."""
    said = {"task": "glm", "family": family, "target": target, "features": view.features, "purpose": PURPOSE}
    return said | {"l2": "0.0", "standardise": False, "max_rounds": 30, "min_sites": 3} | more


def without(*names: str) -> View:
    """The view of every column but some."""
    return View(tuple(column for column in columns() if column.name not in names))


def hessian(ask: Ask, view: View, asked: dict[str, Any], beta: Iterable[float]) -> Matrix | None:
    """The Hessian of one answer."""
    values = ask(asked, "newton", {"beta": [float(b) for b in beta], "layout": view.layout})
    return None if values is None else np.array(values["hessian"], dtype=float)


def rows_in(differences: Iterable[Matrix]) -> Matrix:
    """Each difference of two sums read as one row: its first column by its corner."""
    read = [each[0, 1:] / each[0, 0] for each in differences if abs(each[0, 0]) > 0.0]
    return np.array(read) if read else np.empty((0, 0))


class HardPlanes:
    """Bisect along one direction until a slab holds one patient: the difference of two planes is that row."""

    def __init__(self, ask: Ask, target: str, seed: int = 7) -> None:
        self._ask, self.view = ask, without(target)
        self._task = task("poisson", {"column": target}, self.view)
        width = len(self.view.layout["scale"])
        self._direction = np.random.default_rng(seed).normal(size=width)
        self._reach = float(np.abs(self._direction).sum()) + 1.0
        self._slabs: list[Matrix] = []

    def read(self) -> Matrix:
        """Both directions, so that those at either end are read too."""
        for sign in (1.0, -1.0):
            low = -self._reach
            everybody = self._beyond(low, sign)
            if everybody is not None:
                self._bisect((low, everybody), self._last(low, everybody, sign), sign)
        return rows_in(self._slabs)

    def _beyond(self, at: float, sign: float) -> Matrix | None:
        """The sum over everybody beyond a plane."""
        beta = [CLIP - SHARP * at, *(SHARP * sign * self._direction)]
        made = hessian(self._ask, self.view, self._task, beta)
        return None if made is None else made / math.exp(CLIP)

    def _last(self, low: float, sums: Matrix, sign: float) -> tuple[float, Matrix]:
        """The farthest plane beyond which there are enough for an answer."""
        last, end = (low, sums), self._reach
        while end - last[0] > FLAT:
            middle = (last[0] + end) / 2.0
            beyond = self._beyond(middle, sign)
            if beyond is None:
                end = middle
            else:
                last = (middle, beyond)
        return last

    def _bisect(self, low: tuple[float, Matrix], high: tuple[float, Matrix], sign: float) -> None:
        slab = low[1] - high[1]
        count = round(float(slab[0, 0]))
        if count == 1:
            self._slabs.append(slab)
        if count <= 1 or high[0] - low[0] < FLAT:
            return
        middle = (low[0] + high[0]) / 2.0
        beyond = self._beyond(middle, sign)
        if beyond is not None:
            self._bisect(low, (middle, beyond), sign)
            self._bisect((middle, beyond), high, sign)


class SoftPlanes:
    """Planes up to as steep as the bounds allow: first and second differences of neighbours."""

    def __init__(self, ask: Ask, family: str, target: str, seed: int = 7, shifts: int = 10) -> None:
        self._ask, self.view = ask, without(target.split(maxsplit=1)[0])
        self._task = task(family, {"column": target} if family == "poisson" else target, self.view)
        self._random = np.random.default_rng(seed)
        self._shifts = shifts
        self.asked: list[tuple[Vector, Matrix]] = []

    def read(self) -> Matrix:
        """One direction after another, gentle slopes first: whoever asks for too much is not answered any more."""
        made: list[Matrix] = []
        for slope in SLOPES:
            line = self._line(slope)
            first = [b - a for a, b in pairwise(line)]
            made += first + [b - a for a, b in pairwise(first)]
        return rows_in(made)

    def _line(self, slope: float) -> list[Matrix]:
        direction = self._random.normal(size=len(self.view.layout["scale"]))
        steep = slope * direction / np.abs(direction).max()
        answers = []
        for shift in np.linspace(-slope, slope, self._shifts):
            beta = np.array([shift, *steep])
            answer = hessian(self._ask, self.view, self._task, beta)
            if answer is not None:
                answers.append(answer)
                self.asked.append((beta, answer))
        return answers


def rare_value(ask: Ask, column: Column, value: float, others: View) -> Vector | None:
    """The row of whoever is alone with a value: at beta 0, the gradient and twice the first column of the Hessian."""
    asked = task("binomial", f"{column.name} == {value:g}", others)
    width = len(others.layout["scale"]) + 1
    values = ask(asked, "newton", {"beta": [0.0] * width, "layout": others.layout})
    if values is None:
        return None
    row = np.array(values["gradient"], dtype=float) + 2.0 * np.array(values["hessian"], dtype=float)[0]
    return row[1:] if abs(row[0] - 1.0) < 1e-3 else None


def between_thresholds(ask: Ask, column: Column, value: float, others: View) -> Vector | None:
    """The same out of two thresholds that have enough patients on both sides."""
    width = len(others.layout["scale"]) + 1
    gradients = []
    for bound in (">=", ">"):
        asked = task("binomial", f"{column.name} {bound} {value:g}", others)
        values = ask(asked, "newton", {"beta": [0.0] * width, "layout": others.layout})
        if values is None:
            return None
        gradients.append(np.array(values["gradient"], dtype=float))
    row = gradients[0] - gradients[1]
    return row[1:] if abs(row[0] - 1.0) < 1e-3 else None


def between_sets(ask: Ask, target: str) -> tuple[View, Matrix]:
    """Rows that one set has and another has not: hold-out shares, and rows dropped for one more column's gaps."""
    few = View(tuple(column for column in columns() if column.name in ("age", "sex", "cp", "thalch", "exang")))
    width = len(few.layout["scale"]) + 1
    made: list[Matrix] = []
    for share in ("0.1", "0.2", "0.25", "0.3", "0.4", "0.5"):
        asked = task("binomial", target, few, evaluation={"holdout": share})
        answer = hessian(ask, few, asked, [0.0] * width)
        if answer is not None:
            made.append(answer * 4.0)
    return few, rows_in(b - a for a in made for b in made if round(float(b[0, 0] - a[0, 0])) == 1)


def slices_of_codes(ask: Ask, target: str) -> tuple[View, Matrix]:
    """Rows of whoever is alone with a code among those that one share of the split holds out and another does not."""
    view = without(target.split(maxsplit=1)[0])
    width = len(view.layout["scale"]) + 1
    made: list[Matrix] = []
    for share in ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5"):
        answer = hessian(ask, view, task("binomial", target, view, evaluation={"holdout": share}), [0.0] * width)
        if answer is not None:
            made.append(answer * 4.0)
    found = [row[1:] for a in made for b in made for row, own in _by_code(a - b) if abs(own - 1.0) < ALONE]
    return view, np.array(found) if found else np.empty((0, 0))


def _by_code(sums: Matrix) -> Iterable[tuple[Vector, float]]:
    return zip(sums, np.diag(sums), strict=True)


def pairs_of_codes(ask: Ask, target: str, questions: int = 50, seed: int = 3) -> tuple[View, Matrix]:
    """Rows of whoever is alone with two codes: the entry of the pair is that patient's weight, and tells a predictor.

    As many answers as there are columns tell the row.
    """
    view = without(target)
    asked, draw = task("poisson", {"column": target}, view), np.random.default_rng(seed)
    width = len(view.layout["scale"]) + 1
    first = hessian(ask, view, asked, [0.0] * width)
    if first is None:
        return view, np.empty((0, 0))
    codes = [at for at in range(1, width) if view.tolerance()[at - 1] >= CODE]
    pairs = [(i, j) for i in codes for j in codes if i < j and abs(first[i, j] - 1.0) < ALONE]
    betas: list[Vector] = []
    told: list[list[float]] = []
    for _ in range(questions):
        beta = np.concatenate([[0.0], draw.normal(size=width - 1) / 4.0])
        answer = hessian(ask, view, asked, beta)
        if answer is not None:
            betas.append(beta[1:])
            told.append([math.log(max(answer[pair], FLAT)) for pair in pairs])
    if not (pairs and betas):
        return view, np.empty((0, 0))
    return view, np.linalg.lstsq(np.array(betas), np.array(told), rcond=FLAT)[0].T
