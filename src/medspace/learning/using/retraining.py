"""All layers of a model trained on at one place, freely for a few steps, or held to where they were.

Weights are those for columns scaled by the rows of the place, so that no step and no distance depends on units.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY
from medspace.learning.net.local import TrainingRows, mean_gradient
from medspace.learning.net.network import Perceptron
from medspace.learning.using.pipeline import Pipeline

STEPS, RATE = 20, 0.1  # of the training that nothing holds
MOST_STEPS, HALVINGS = 200, 30
FLAT = 1e-9  # the largest slope where a search ends
ENOUGH = 1e-4  # of the fall that the slope promises (Armijo 1966)
Measured = Callable[[Vector], tuple[float, Vector]]  # a value and its slope


@dataclass(frozen=True, slots=True)
class ScaledNetwork:
    """A model as a net on columns that are scaled by some rows, its weights one vector, and these rows."""

    model: Pipeline
    network: Perceptron
    weights: Vector
    rows: TrainingRows
    middle: Vector
    scale: Vector

    @classmethod
    def of(cls, model: Pipeline, values: Matrix, target: Vector) -> "ScaledNetwork":
        """That of a model and the value columns and outcomes (1 or 0) of rows."""
        columns = model.arranged(values)
        middle, spread = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(spread > 0.0, spread, 1.0)
        (first, constant), *others = model.layers
        layers = ((first * scale[:, None], constant + middle @ first), *others)
        network = Perceptron((len(scale), *(matrix.shape[1] for matrix, _ in layers)), model.activation)
        weights = np.concatenate([part.ravel() for layer in layers for part in layer])
        rows = TrainingRows((columns - middle) / scale, target, np.ones(len(columns)))
        return cls(model, network, weights, rows, middle, scale)

    def with_weights(self, weights: Vector) -> Pipeline:
        """The model with other weights."""
        (first, constant), *others = self.network.layers(weights)
        first = first / self.scale[:, None]
        return replace(self.model, layers=((first, constant - self.middle @ first), *others))

    def slope(self, weights: Vector) -> Vector:
        """The gradient of the mean loss."""
        return mean_gradient(self.network, weights, self.rows, 0.0)

    def loss(self, weights: Vector) -> float:
        """The mean loss."""
        return float(BINARY.losses(self.network.logits(weights, self.rows.columns), self.rows.target).mean())


def tuned(model: Pipeline, values: Matrix, target: Vector) -> Pipeline:
    """All layers after a few steps of gradient descent."""
    scaled = ScaledNetwork.of(model, values, target)
    now = scaled.weights
    for _ in range(STEPS):
        now = now - RATE * scaled.slope(now)
    return scaled.with_weights(now)


def held(model: Pipeline, values: Matrix, target: Vector, pull: float) -> Pipeline:
    """The personal model of Ditto (Li et al. 2021): the least of mean loss + pull / 2 * ||weights - shared ones||^2.

    Of a net, whose loss has many least places, the one that a descent from the shared weights comes to.
    """
    scaled = ScaledNetwork.of(model, values, target)
    shared = scaled.weights

    def objective(weights: Vector) -> tuple[float, Vector]:
        away = weights - shared
        return scaled.loss(weights) + pull / 2.0 * float(away @ away), scaled.slope(weights) + pull * away

    return scaled.with_weights(_least(objective, shared))


def _least(measured: Measured, start: Vector) -> Vector:
    """Where a descent ends that never goes up: the steps of Barzilai and Borwein (1988), halved where too long."""
    now, (value, slope), length = start, measured(start), 1.0
    for _ in range(MOST_STEPS):
        if float(np.abs(slope).max()) < FLAT:
            break
        for _ in range(HALVINGS):
            ahead = now - length * slope
            reached, bent = measured(ahead)
            if reached <= value - ENOUGH * length * float(slope @ slope):
                break
            length /= 2.0
        else:
            break  # what is left to gain is below rounding
        moved, turned = ahead - now, bent - slope
        curve = float(moved @ turned)
        length = float(moved @ moved) / curve if curve > 0.0 else 2.0 * length
        now, value, slope = ahead, reached, bent
    return now
