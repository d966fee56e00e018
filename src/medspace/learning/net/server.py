"""What is made of the mean update of a round (Reddi et al. 2021), the same bits at every site.

Only + - x / and square roots of single numbers, which IEEE 754 rounds alike on every processor.
"""

from dataclasses import dataclass

import numpy as np

from medspace.learning.glm.design import Vector
from medspace.learning.net.task import ADAPTIVE, ServerStep


@dataclass(frozen=True, slots=True)
class AdaptiveMoments:
    """What an adaptive strategy remembers: the running mean of the updates and of their squares; else nothing."""

    first: Vector
    second: Vector


def stepped(
    how: ServerStep, weights: Vector, update: Vector, before: AdaptiveMoments
) -> tuple[Vector, AdaptiveMoments]:
    """The next weights, and what is remembered."""
    if how.strategy not in ADAPTIVE:
        return weights + how.rate * update, before
    first = how.beta1 * before.first + (1.0 - how.beta1) * update
    second = _second(how, before.second, update * update)
    return weights + how.rate * first / (np.sqrt(second) + how.tau), AdaptiveMoments(first, second)


def _second(how: ServerStep, before: Vector, square: Vector) -> Vector:
    found: Vector
    if how.strategy == "fedadagrad":
        found = before + square
    elif how.strategy == "fedyogi":
        found = before - (1.0 - how.beta2) * square * np.sign(before - square)
    else:
        found = how.beta2 * before + (1.0 - how.beta2) * square
    return found
