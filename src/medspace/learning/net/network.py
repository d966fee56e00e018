"""Multilayer perceptrons: pure numpy, nothing here knows a site or a round.

All weights are one vector: for each layer the matrix (inputs x outputs, row by row), then its biases. Gradients are
found by backpropagation (Rumelhart et al. 1986).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.net.task import Activation

RANDOM_BITS = 53  # of a first weight
Carrying = Callable[[Matrix], Matrix]  # from logits to what each row carries of a gradient, rows x outputs
Varying = Callable[[int], Vector]  # so many numbers of a seeded source, from 0 up to 1


class TrainableNetwork(Protocol):
    """A net of any shape, whose weights are one vector."""

    @property
    def head(self) -> OutputHead:
        """What the last layer stands for."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Its inputs, its hidden layers, its outputs."""
        ...

    @property
    def size(self) -> int:
        """How many weights and biases there are."""
        ...

    @property
    def penalised(self) -> Vector:
        """1 for each weight and 0 for each bias."""
        ...

    def first(self, seed: int) -> Vector:
        """The first weights: the same on every processor."""
        ...

    def logits(self, weights: Vector, rows: Matrix) -> Matrix:
        """What the head makes chances of: rows x outputs."""
        ...

    def scored(self, weights: Vector, rows: Matrix) -> Matrix:
        """The same as a trained net is used: rows x outputs."""
        ...

    def gradient(self, weights: Vector, rows: Matrix, residuals: Matrix) -> Vector:
        """The gradient of a sum over rows, by its derivatives to the logits of each (rows x outputs)."""
        ...

    def descent(self, weights: Vector, rows: Matrix, carry: Carrying) -> Vector:
        """The same, with the derivatives found from the logits: looks at the rows once."""
        ...

    def varied(self, rows: Matrix, source: Varying) -> Matrix:
        """The rows as they are trained on this time."""
        ...


@dataclass(frozen=True)
class Perceptron:
    """The shape of a net: `widths` are its inputs, its hidden layers, and its outputs, as many as its head wants."""

    widths: tuple[int, ...]
    activation: Activation = "relu"
    head: OutputHead = BINARY

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many weights and biases each layer has."""
        return tuple((inner + 1) * outer for inner, outer in pairwise(self.widths))

    @property
    def size(self) -> int:
        """How many there are."""
        return sum(self.sizes)

    @cached_property
    def penalised(self) -> Vector:
        """1 for each weight and 0 for each bias."""
        blocks = [[1.0] * inner * outer + [0.0] * outer for inner, outer in pairwise(self.widths)]
        return np.array([value for block in blocks for value in block])

    def layers(self, weights: Vector) -> list[tuple[Matrix, Vector]]:
        """Matrix and biases of each layer."""
        ends = accumulate(self.sizes, initial=0)
        found = []
        for (start, end), (inner, outer) in zip(pairwise(ends), pairwise(self.widths), strict=True):
            cut = start + inner * outer
            found.append((weights[start:cut].reshape(inner, outer), weights[cut:end]))
        return found

    def first(self, seed: int) -> Vector:
        """The first weights, uniform within +-sqrt(6 / (inputs + outputs)) of each layer (Glorot and Bengio 2010).

        They follow from the seed by integers and elementwise arithmetic: every processor gets the same.
        """
        shift = np.uint64(64 - RANDOM_BITS)
        raw = (np.random.PCG64(seed).random_raw(self.size) >> shift).astype(np.float64)
        limits = np.repeat([math.sqrt(6.0 / (inner + outer)) for inner, outer in pairwise(self.widths)], self.sizes)
        made: Vector = (raw * 2.0 ** (1 - RANDOM_BITS) - 1.0) * limits * self.penalised
        return made

    def logits(self, weights: Vector, rows: Matrix) -> Matrix:
        """What the head makes chances of: rows x outputs."""
        return self._forward(weights, rows)[-1]

    def scored(self, weights: Vector, rows: Matrix) -> Matrix:
        """The logits."""
        return self.logits(weights, rows)

    def descent(self, weights: Vector, rows: Matrix, carry: Carrying) -> Vector:
        """The gradient of a sum over rows, whose derivatives to the logits `carry` finds."""
        return self.gradient(weights, rows, carry(self.logits(weights, rows)))

    def varied(self, rows: Matrix, source: Varying) -> Matrix:
        """The rows as they are."""
        del source
        return rows

    def gradient(self, weights: Vector, rows: Matrix, residuals: Matrix) -> Vector:
        """The gradient of a sum over rows, by its derivatives to the logits of each (rows x outputs)."""
        layers, values = self.layers(weights), self._forward(weights, rows)
        back, found = residuals, []
        for number in reversed(range(len(layers))):
            found.append(np.concatenate([(values[number].T @ back).ravel(), back.sum(axis=0)]))
            if number:
                back = (back @ layers[number][0].T) * self._slope(values[number])
        return np.concatenate(found[::-1])

    def _forward(self, weights: Vector, rows: Matrix) -> list[Matrix]:
        """The rows, the values of each hidden layer, the logits."""
        values, layers = [rows], self.layers(weights)
        for number, (matrix, biases) in enumerate(layers):
            straight = values[-1] @ matrix + biases
            values.append(straight if number == len(layers) - 1 else self._bent(straight))
        return values

    def _bent(self, straight: Matrix) -> Matrix:
        return np.tanh(straight) if self.activation == "tanh" else np.maximum(straight, 0.0)

    def _slope(self, bent: Matrix) -> Matrix:
        """The derivative of the activation, by its value."""
        return 1.0 - bent * bent if self.activation == "tanh" else (bent > 0.0).astype(np.float64)
