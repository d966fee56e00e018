"""A seat that lies so that everybody's next question singles out a patient, and takes its own part out of the total.

Its contribution moves the coefficients to where it wants them: the others' push is small beside it. With coefficients
as large as that, chances are 0 on one side of a plane and 1 on the other, so two totals at neighbouring planes differ
by the score of the one patient between them, which is a multiple of that patient's row. The first plane can be laid
by what is said at the first gradient, so four gradients give three planes, and the rows of two patients.

The liar is granted to know where along one direction the patients lie; it adds no noise of its own.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import design, raw
from medspace.learning.glm.noisy.following import NoisyPhase
from medspace.learning.glm.task import parse
from medspace.privacy.noise.gaussian import draw, seeded
from tests.unit.learning.noisy import NoisyRun

STEEP = 1e6  # of the planes: chances are 0 and 1 for patients who are a ten thousandth of a deviation away
DIRECTION = np.array([1.0, 0.618, 0.147])  # of age, dose and sex: along which patients lie one by one
PER_FIT = 2  # patients
NEAR = {"age": 0.5, "dose": 0.05, "sex=m": 0.5}  # half of a step of each column


class Liar:
    """One seat; `rows` are the honest sites' rows, by which what it has read is judged, and where patients lie."""

    def __init__(self, summed, task, rows: Sequence):
        self.summed, self.task = summed, parse(task)
        self.values = np.concatenate([raw(self.task.features, one) for one in rows])
        self.said: list[list[int]] = []
        self.left: list[np.ndarray] = []  # of each total, what the others have added
        self.asked: list[BetaForm | None] = []

    def contribution(self, state) -> list[int]:
        """Nothing at the first question; then whatever leads to the next plane."""
        asked, count = self.summed.asked(state), self.summed.shape(state).count
        moments = asked.name == NoisyPhase.MOMENTS
        self.asked.append(None if moments else msgspec.convert(asked.inputs, BetaForm))
        planes = sum(one is not None for one in self.asked)
        last = moments or planes == 4  # after which nothing is asked
        self.said.append([0] * count if last else self._pushing(state, count, self._plane(planes)))
        return self.said[-1]

    def _matrix(self) -> np.ndarray:
        return design(self.task, self.asked[-1].layout, self.values)

    def _places(self) -> np.ndarray:
        return self._matrix()[:, 1 : 1 + len(DIRECTION)] @ DIRECTION

    def _plane(self, number: int) -> np.ndarray:
        """The number of patients below each further plane is one more."""
        places = np.sort(self._places())
        below = len(places) // 2 + number
        middle = (places[below - 1] + places[below]) / 2.0
        wanted = np.zeros(len(self.asked[-1].beta))
        wanted[: 1 + len(DIRECTION)] = [-middle, *DIRECTION]
        return STEEP * wanted

    def _pushing(self, state, count: int, wanted: np.ndarray) -> list[int]:
        """The integers with which the next question is at these coefficients: each is tried by itself."""

        def next_beta(numbers):
            following = self.summed.follow(state, numbers, {})
            return np.array(self.summed.asked(following).inputs["beta"])

        unit, start = 1 << 30, next_beta([0] * count)
        moved = np.array([next_beta([unit * (place == at) for place in range(count)]) - start for at in range(count)])
        pushed = np.linalg.lstsq(moved.T / unit, wanted - start, rcond=None)[0]
        return [round(number) for number in pushed]

    def sees(self, total: Sequence[int]) -> None:
        """A total is opened."""
        apart = [whole - own for whole, own in zip(total, self.said[-1], strict=True)]
        self.left.append(np.array(apart, dtype=float))

    def read(self) -> list[bool]:
        """Of each patient between two planes, whether every column is read within half a step of it."""
        layout, places = self.asked[-1].layout, self._places()
        order, middle = np.argsort(places), len(places) // 2
        found = []
        for number in range(1, PER_FIT + 1):
            apart = self.left[number + 2] - self.left[number + 1]
            standard = apart[1:] / apart[0] if apart[0] else np.zeros(len(apart) - 1)
            row = (standard * np.array(layout.scale) + np.array(layout.centre))[: len(NEAR)]
            truth = self.values[order[middle + number]][: len(NEAR)]
            found.append(bool((np.abs(row - truth) < list(NEAR.values())).all()))
        return found


def rows_read(tables: Sequence, task, seed: int, shares: int = 3) -> int:
    """How many rows one fit tells the liar; the honest sites add so many shares of noise."""
    run, stream = NoisyRun(tables, task), seeded(seed.to_bytes(32, "big"), "liar")
    liar, state = Liar(run.summed, task, run.sites), run.summed.first()
    while run.summed.asked(state) is not None:
        exact = np.sum([run.exact(state, rows) for rows in run.sites], axis=0)
        honest = (exact + sum(draw(len(exact), stream) for _ in range(shares))).tolist()
        total = [one + other for one, other in zip(honest, liar.contribution(state), strict=True)]
        run.summed.check(state, total, len(run.sites) + 1)
        liar.sees(total)
        state = run.summed.follow(state, total, {})
    return sum(liar.read())
