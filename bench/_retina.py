"""The pilot's training in one process: the product's own steps, without connectors, masks and HTTP between them.

A round is what `learning.net.summing` and `learning.net.following` make of it, with the same seeds in the place of
DIDs, the same clipping and the same rounding; the sums are floats in place of integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medspace.app.demo.retina.data import GRADES, Photographs
from medspace.app.demo.retina.space import MIN_COHORT
from medspace.learning.glm.design import Layout
from medspace.learning.net.convolution import ConvNet
from medspace.learning.net.following import network_of
from medspace.learning.net.images import BRIGHTEST, scaled
from medspace.learning.net.local import TrainingRows, clipped, passes, residuals, trained
from medspace.learning.net.task import NetTask
from medspace.privacy.rounding import UPDATE_BITS, rounded

Vector = NDArray[np.float64]
LEAST = MIN_COHORT  # rows of a batch: each photograph is a patient's own


@dataclass(frozen=True)
class Trained:
    """A net and how it looks at images."""

    network: ConvNet
    weights: Vector
    layout: Layout

    def logits(self, photographs: Photographs) -> Vector:
        """What its head makes chances of."""
        return self.network.scored(self.weights, scaled(photographs.images, self.layout))

    def chances(self, photographs: Photographs) -> Vector:
        """The chance of each grade."""
        return self.network.head.chances(self.logits(photographs))


def layout_of(given: Sequence[Photographs]) -> Layout:
    """Mean and deviation of the channels' means, over all photographs."""
    means = np.concatenate([one.images.mean(axis=(1, 2)) for one in given]) / BRIGHTEST
    places = tuple(range(means.shape[1]))
    return Layout(tuple(means.mean(axis=0)), places, tuple(means.mean(axis=0)), tuple(means.std(axis=0)))


def train(task: NetTask, given: Sequence[Photographs]) -> Trained:
    """A net trained by some hospitals (one: all rows in one place)."""
    layout, network = layout_of(given), network_of(task, 0)
    assert isinstance(network, ConvNet)
    rows = [
        TrainingRows(scaled(one.images, layout), one.grades.astype(np.float64), np.ones(one.count)) for one in given
    ]
    weights, total = network.first(task.seed), sum(one.size for one in rows)
    for number in range(1, task.rounds + 1):
        weights = weights + sum(
            _moved(task, network, weights, own, number, place) * (own.size / total) for place, own in enumerate(rows)
        )
    return Trained(network, weights, layout)


def _moved(task: NetTask, network: ConvNet, weights: Vector, rows: TrainingRows, number: int, place: int) -> Vector:
    how = task.local.of_round(number, task.rounds)
    after = trained(network, weights, rows, how, f"{task.seed}\n{number}\n{place}".encode(), least=LEAST)
    carried = float(np.abs(residuals(network, weights, rows)).sum(axis=1).mean())
    reach = min(how.rate * passes(rows.size, how, LEAST).steps * carried, task.clip)
    change = clipped(after - weights, task.clip)
    return clipped(rounded(change, np.full(len(change), reach), UPDATE_BITS), task.clip)


def auc(chances: Vector, grades: NDArray[np.int64]) -> float:
    """The mean over grades of each against all others, as MedMNIST measures it."""
    return float(np.mean([roc_auc_score(grades == grade, chances[:, grade]) for grade in range(len(GRADES))]))


def accuracy(chances: Vector, grades: NDArray[np.int64]) -> float:
    """The share of photographs whose likeliest grade is right."""
    return float((chances.argmax(axis=1) == grades).mean())
