"""All layers of a model trained on at one place, freely for a few steps, or held to where they were.

Weights of a net on columns are those for columns scaled by the rows of the place, so that no step and no distance
depends on units. Images have no units: weights are those that left the federation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.convolution import AT_ONCE
from medspace.learning.net.heads import BINARY
from medspace.learning.net.local import TrainingRows, mean_gradient
from medspace.learning.net.network import Perceptron
from medspace.learning.using.image_pipeline import ImagePipeline, Pixels
from medspace.learning.using.packing import Computed, Values
from medspace.learning.using.pipeline import Pipeline

STEPS, RATE = 20, 0.1  # of the training that nothing holds
MOST_STEPS, MOST_IMAGE_STEPS, HALVINGS = 200, 20, 30  # a step on images costs a look at all of them
FLAT = 1e-9  # the largest slope where a search ends
ENOUGH = 1e-4  # of the fall that the slope promises (Armijo 1966)
Measured = Callable[[Vector], tuple[float, Vector]]  # a value and its slope


class Trainable(Protocol):
    """A model as one vector of weights, beside the rows that it is trained on."""

    @property
    def weights(self) -> Vector:
        """Where they begin."""
        ...

    @property
    def most(self) -> int:
        """How many steps a search may take."""
        ...

    def with_weights(self, weights: Vector) -> Computed:
        """The model with other weights."""
        ...

    def measured(self, weights: Vector) -> tuple[float, Vector]:
        """The mean loss and its gradient."""
        ...


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
        """That of a model and the value columns and outcomes (places of classes) of rows."""
        columns = model.arranged(values)
        middle, spread = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(spread > 0.0, spread, 1.0)
        (first, constant), *others = model.layers
        layers = ((first * scale[:, None], constant + middle @ first), *others)
        widths = (len(scale), *(matrix.shape[1] for matrix, _ in layers))
        network = Perceptron(widths, model.activation, model.output_head or BINARY)
        weights = np.concatenate([part.ravel() for layer in layers for part in layer])
        rows = TrainingRows((columns - middle) / scale, target, np.ones(len(columns)))
        return cls(model, network, weights, rows, middle, scale)

    @property
    def most(self) -> int:
        """How many steps a search may take."""
        return MOST_STEPS

    def with_weights(self, weights: Vector) -> Pipeline:
        """The model with other weights."""
        (first, constant), *others = self.network.layers(weights)
        first = first / self.scale[:, None]
        return replace(self.model, layers=((first, constant - self.middle @ first), *others))

    def measured(self, weights: Vector) -> tuple[float, Vector]:
        """The mean loss and its gradient."""
        logits = self.network.logits(weights, self.rows.columns)
        loss = float(self.network.head.losses(logits, self.rows.target).mean())
        return loss, mean_gradient(self.network, weights, self.rows, 0.0)


@dataclass(frozen=True, slots=True)
class ImageNetwork:
    """A net for images, and images with their outcomes (places of classes)."""

    model: ImagePipeline
    images: Matrix
    target: Vector

    @classmethod
    def of(cls, model: ImagePipeline, values: Pixels, target: Vector) -> "ImageNetwork":
        """That of a model and images as bytes."""
        return cls(model, model.arranged(values), target)

    @property
    def weights(self) -> Vector:
        """Those that left the federation."""
        return self.model.weights

    @property
    def most(self) -> int:
        """How many steps a search may take."""
        return MOST_IMAGE_STEPS

    def with_weights(self, weights: Vector) -> ImagePipeline:
        """The model with other weights."""
        return self.model.with_weights(weights)

    def measured(self, weights: Vector) -> tuple[float, Vector]:
        """The mean loss and its gradient; of some images at a time, which bounds the memory."""
        network, count = self.model.network, len(self.target)
        losses, slope = 0.0, np.zeros(len(weights))
        for start in range(0, count, AT_ONCE):
            labels = self.target[start : start + AT_ONCE]

            def carried(logits: Matrix, labels: Vector = labels) -> Matrix:
                nonlocal losses
                losses += float(network.head.losses(logits, labels).sum())
                made: Matrix = network.head.residuals(logits, labels) / count
                return made

            slope += network.descent(weights, self.images[start : start + AT_ONCE], carried)
        return losses / count, slope


def trainable(model: Computed, values: Values, target: Vector) -> Trainable:
    """A model as it is trained on; `values` are what it takes."""
    if isinstance(model, ImagePipeline):
        return ImageNetwork.of(model, values, target)  # type: ignore[arg-type]  # those that belong to the model
    return ScaledNetwork.of(model, values, target)  # type: ignore[arg-type]  # as above


def tuned(model: Computed, values: Values, target: Vector) -> Computed:
    """All layers after a few steps of gradient descent."""
    given = trainable(model, values, target)
    now = given.weights
    for _ in range(STEPS):
        now = now - RATE * given.measured(now)[1]
    return given.with_weights(now)


def held(model: Computed, values: Values, target: Vector, pull: float) -> Computed:
    """The personal model of Ditto (Li et al. 2021): the least of mean loss + pull / 2 * ||weights - shared ones||^2.

    Of a net, whose loss has many least places, the one that a descent from the shared weights comes to.
    """
    given = trainable(model, values, target)
    shared = given.weights

    def objective(weights: Vector) -> tuple[float, Vector]:
        away = weights - shared
        loss, slope = given.measured(weights)
        return loss + pull / 2.0 * float(away @ away), slope + pull * away

    return given.with_weights(_least(objective, shared, given.most))


def _least(measured: Measured, start: Vector, most: int) -> Vector:
    """Where a descent ends that never goes up: the steps of Barzilai and Borwein (1988), halved where too long."""
    now, (value, slope), length = start, measured(start), 1.0
    for _ in range(most):
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
