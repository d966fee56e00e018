"""What the last layer of a net stands for: the chances of yes, of one of several classes, or of ordered ones.

Labels are the places of the classes, as floats. Losses are minus the log-likelihood of each row; residuals are the
derivatives of the losses to the logits, rows x outputs.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medspace.learning.glm.design import Matrix, Vector

HeadKind = Literal["binary", "classes", "ordinal"]


@dataclass(frozen=True, slots=True)
class OutputHead:
    """One kind of outcome, of so many classes.

    `binary`: one output, the log-odds of the second class. `classes`: an output for each (softmax). `ordinal`: one
    for each step upwards, the log-odds of a higher class than this one among those who have it or a higher one (the
    continuation-ratio model, Fienberg 1980), so that chances never contradict each other.
    """

    kind: HeadKind = "binary"
    classes: int = 2

    @property
    def outputs(self) -> int:
        """How many numbers the net gives for each row."""
        return self.classes if self.kind == "classes" else self.classes - 1

    def chances(self, logits: Matrix) -> Matrix:
        """The chance of each class, rows x classes; each row adds up to 1."""
        if self.kind == "classes":
            made: Matrix = np.exp(_normalised(logits))
            return made
        higher = sigmoid(logits)
        ahead: Matrix = np.cumprod(np.column_stack([np.ones(len(logits)), higher]), axis=1, dtype=np.float64)
        found: Matrix = ahead * np.column_stack([1.0 - higher, np.ones(len(logits))])
        return found

    def losses(self, logits: Matrix, labels: Vector) -> Vector:
        """The loss of each row."""
        if self.kind == "classes":
            made: Vector = -_normalised(logits)[np.arange(len(labels)), labels.astype(np.int64)]
            return made
        reached, above = self._steps(labels)
        found: Vector = (reached * (np.logaddexp(0.0, logits) - above * logits)).sum(axis=1)
        return found

    def residuals(self, logits: Matrix, labels: Vector) -> Matrix:
        """The derivative of each loss to each logit."""
        if self.kind == "classes":
            given: Matrix = self.chances(logits) - (labels[:, None] == np.arange(self.classes)).astype(np.float64)
            return given
        reached, above = self._steps(labels)
        made: Matrix = reached * (sigmoid(logits) - above)
        return made

    def _steps(self, labels: Vector) -> tuple[Matrix, Matrix]:
        """Which steps upwards each row stands before, and which of them it takes."""
        steps = np.arange(self.outputs)
        return (labels[:, None] >= steps).astype(np.float64), (labels[:, None] > steps).astype(np.float64)


BINARY = OutputHead()


def sigmoid(logits: Matrix) -> Matrix:
    """The chances of log-odds."""
    made: Matrix = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return made


def _normalised(logits: Matrix) -> Matrix:
    """The logarithms of the chances of a softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    made: Matrix = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return made
