"""What a hospital does in a round: it trains the net on its own rows, and bounds how far that moves it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.network import TrainableNetwork, Varying
from medspace.learning.net.task import LocalTraining

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The rows that a hospital trains on: the scaled columns, the labels, and how much each row counts.

    `pulls` is what a penalty adds to the derivative of each row's loss to its logit.
    """

    columns: Matrix
    target: Vector
    counts: Vector
    pulls: Vector | None = None

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.target)

    def chosen(self, places: Places) -> "TrainingRows":
        """Some of them."""
        pulls = None if self.pulls is None else self.pulls[places]
        return TrainingRows(self.columns[places], self.target[places], self.counts[places], pulls)


def trained(
    network: TrainableNetwork,
    weights: Vector,
    rows: TrainingRows,
    how: LocalTraining,
    seed: bytes,
    drift: Vector | None = None,
    least: int = 0,
) -> Vector:
    """The weights after a round's training; not finite where that diverges.

    `drift` is added to each gradient: SCAFFOLD's correction (Karimireddy et al. 2020). `least` is as in `passes`.
    In each pass every row weighs the same, also where a batch has one more than another.
    """
    now, speed, source = weights.copy(), np.zeros(len(weights)), varying(seed)
    mean = max(rows.size, 1) / passes(rows.size, how, least).batches
    with np.errstate(over="ignore", invalid="ignore"):
        for places in batches(rows.size, how, seed, least):
            batch = rows.chosen(places)
            batch = replace(batch, counts=batch.counts * (len(places) / mean))
            batch = replace(batch, columns=network.varied(batch.columns, source))
            slope = mean_gradient(network, now, batch, how.l2)
            slope += how.proximal * (now - weights)
            if drift is not None:
                slope += drift
            speed = how.momentum * speed + slope
            now -= how.rate * speed
            if not np.isfinite(now).all():
                break
    return now


def residuals(network: TrainableNetwork, weights: Vector, rows: TrainingRows) -> Matrix:
    """What each row carries of the gradient: the derivatives of its loss to its logits."""
    return _carried(network, rows, network.logits(weights, rows.columns))


def _carried(network: TrainableNetwork, rows: TrainingRows, logits: Matrix) -> Matrix:
    found: Matrix = network.head.residuals(logits, rows.target) * rows.counts[:, None]
    return found if rows.pulls is None else found + rows.pulls[:, None]


def mean_gradient(network: TrainableNetwork, weights: Vector, rows: TrainingRows, l2: float) -> Vector:
    """The gradient of the mean loss of some rows and the penalty."""
    count = max(rows.size, 1)
    found = network.descent(weights, rows.columns, lambda logits: _carried(network, rows, logits) / count)
    return found + l2 * network.penalised * weights


@dataclass(frozen=True, slots=True)
class Passes:
    """How a round goes through some rows: the batches of a pass, none of which has two rows more than another."""

    batches: int
    steps: int


def passes(count: int, how: LocalTraining, least: int = 0) -> Passes:
    """How a round goes through so many rows.

    With `least`, no batch has fewer rows, and every pass is a whole one: a step, and what two rounds of tiny steps
    differ by, could otherwise be about whatever rows a task puts into a batch.
    """
    cut = -(-count // how.batch) if how.batch else 1
    cut = max(min(cut, count // least) if least else cut, 1)
    steps = how.epochs * cut if how.updates is None else how.updates
    return Passes(cut, -(-steps // cut) * cut if least else steps)


def batches(count: int, how: LocalTraining, seed: bytes, least: int = 0) -> Iterator[Places]:
    """The rows of each step: all of them once per pass, in an order that follows from the seed."""
    found = passes(count, how, least)
    source = np.random.PCG64(int.from_bytes(sha256(seed).digest()[:16], "big"))
    for done in range(found.steps):
        if done % found.batches == 0:
            parts = np.array_split(np.argsort(source.random_raw(count), kind="stable"), found.batches)
        yield parts[done % found.batches]


def varying(seed: bytes) -> Varying:
    """Numbers from 0 up to 1 that follow from a seed, others than the order of its batches."""
    source = np.random.PCG64(int.from_bytes(sha256(b"varied\n" + seed).digest()[:16], "big"))
    return lambda count: (source.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def clipped(change: Vector, most: float) -> Vector:
    """A change whose norm is no larger than `most`, in the same direction."""
    size = float(np.linalg.norm(change))
    return change if size <= most else change * (most / size)
