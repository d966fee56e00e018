"""The attacks on one known patient: everything about that patient is known but one column of yes and no.

Each gives its best guess of that column. What a guess owes to the patient's own row is seen by attacking the same
hospital without that row too: what can be guessed there is what the others teach.
"""

from dataclasses import dataclass

import numpy as np

from bench._patients import Column, Matrix, Vector, View, columns
from bench._planes import Ask, between_thresholds, hessian, rare_value, task

SPREADS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 4.5)  # standard deviations of the predictor, the gentle ones first
SHIFTS = (0.0, -2.0, 2.0)
RIDGE = 1e-6
TINY = 1e-12
HIGHEST = 300.0  # no exponential of more, so that squares stay finite


@dataclass(frozen=True)
class Victim:
    """A patient's row, and the column of yes and no that is not known of it."""

    row: dict[str, str]
    hidden: Column

    def at(self, view: View) -> int:
        """Where the hidden column stands in the design of a view."""
        return sum(column.width for column in view.shown[: view.shown.index(self.hidden)])

    @property
    def middle(self) -> float:
        """What lies between no and yes in the design: codes are 0 and 1, flags -1 and 1."""
        return 0.5 if self.hidden.codes else 0.0

    @property
    def answer(self) -> bool:
        """What is to be guessed."""
        return self.hidden.values(self.row[self.hidden.name])[0] == 1.0


def by_rare_value(ask: Ask, victim: Victim, *, usual: bool) -> bool:
    """By whatever number the patient is alone with."""
    return _by_number(ask, victim, usual=usual, rare=True)


def by_thresholds(ask: Ask, victim: Victim, *, usual: bool) -> bool:
    """By the difference of two thresholds around each of the patient's numbers."""
    return _by_number(ask, victim, usual=usual, rare=False)


def _by_number(ask: Ask, victim: Victim, *, usual: bool, rare: bool) -> bool:
    for column in columns():
        value = column.values(victim.row[column.name])[0]
        if column.codes or column.most - column.least < 5.0 or np.isnan(value):
            continue
        others = View(tuple(other for other in columns() if other is not column))
        read = (rare_value if rare else between_thresholds)(ask, column, value, others)
        if read is not None:
            return bool(read[victim.at(others)] > victim.middle)
    return usual


def by_leaning(ask: Ask, victim: Victim, others: tuple[dict[str, str], ...], *, usual: bool, lean: bool) -> bool:
    """By weights that grow towards the patient, put together so that the patient stands out of the others most.

    The attacker is given more than it has: it may see how much each of the others weighs (not what it weighs).
    Without `lean` it is the guess of a regression on the other columns, which anybody may make for anybody.
    """
    view = View(tuple(column for column in columns() if column.name != "num"))
    asked = task("poisson", {"column": "num"}, view)
    width = len(view.layout["scale"])
    first = hessian(ask, view, asked, np.zeros(width + 1))
    if first is None:
        return usual
    mean = first[0, 1:] / first[0, 0]
    spread = first[1:, 1:] / first[0, 0] - np.outer(mean, mean)
    own, place = view.design((victim.row,))[0], victim.at(view)
    explained = _solved(spread, spread[:, place], place)  # what the other columns tell of the hidden one
    expected = float(mean[place] + explained @ (own - mean))
    if not lean:
        return expected > victim.middle
    slope = _solved(spread, own - mean, place)
    slope /= max(float(np.sqrt(slope @ spread @ slope)), TINY)
    surplus = _surplus(_leaning(ask, view, asked, slope, mean), own, view.design(others), (place, mean, explained))
    return expected + surplus > victim.middle


def _solved(spread: Matrix, right: Vector, place: int) -> Vector:
    """The solution without the hidden column and without columns that are the same for all."""
    known = [index for index in range(len(right)) if index != place and spread[index, index] > TINY]
    made = np.zeros(len(right))
    made[known] = np.linalg.solve(spread[np.ix_(known, known)] + RIDGE * np.eye(len(known)), right[known])
    return made


def _leaning(
    ask: Ask, view: View, asked: dict[str, object], lean: Vector, mean: Vector
) -> list[tuple[Vector, Matrix]]:
    found: list[tuple[Vector, Matrix]] = []
    for steepness in SPREADS:
        for shift in SHIFTS:
            slope = steepness * lean
            beta = np.array([shift - float(slope @ mean), *slope])
            answer = hessian(ask, view, asked, beta)
            if answer is not None:
                found.append((beta, answer))
    return found


def _surplus(
    answers: list[tuple[Vector, Matrix]], own: Vector, others: Matrix, known: tuple[int, Vector, Vector]
) -> float:
    """How far the patient's hidden value lies above what the other columns tell, by the best sum of the answers."""
    if not answers:
        return 0.0
    place, mean, explained = known
    betas = np.array([beta for beta, _ in answers])
    sums = np.array([answer[0] for _, answer in answers]) / np.array([answer[0, 0] for _, answer in answers])[:, None]
    total = np.array([answer[0, 0] for _, answer in answers])
    weight = np.exp(np.minimum(betas[:, 0] + betas[:, 1:] @ own, HIGHEST)) / total
    crowd = np.exp(np.minimum(betas[:, 0] + others @ betas[:, 1:].T, HIGHEST)) / total
    chosen = np.linalg.lstsq(crowd.T @ crowd, weight, rcond=TINY)[0]
    residual = sums[:, 1 + place] - mean[place] - (sums[:, 1:] - mean) @ explained
    return float(chosen @ residual) / float(chosen @ weight)
