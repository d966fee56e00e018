"""The arrays among the weights of what looks at images: their names, their shapes, and where they begin.

Nothing here needs PyTorch: whoever follows or checks a run knows sizes and first weights without it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from medspace.learning.glm.design import Vector

KERNEL = 3  # rows and columns of a kernel
Role = Literal["kernels", "gains", "biases"]


@dataclass(frozen=True, slots=True)
class WeightArray:
    """One array: kernels (filters x inputs x rows x columns), or one gain or bias for each channel."""

    name: str
    shape: tuple[int, ...]
    role: Role

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def limit(self) -> float:
        """First kernels are uniform between this and its negative: sqrt(6 / inputs) (He et al. 2015)."""
        return math.sqrt(6.0 / math.prod(self.shape[1:])) if self.role == "kernels" else 0.0


def block_arrays(channels: int, filters: Sequence[int]) -> tuple[WeightArray, ...]:
    """Kernels and biases of each block of convolutions."""
    found: list[WeightArray] = []
    for number, (inner, outer) in enumerate(pairwise((channels, *filters))):
        found.append(WeightArray(f"blocks.{number}.weight", (outer, inner, KERNEL, KERNEL), "kernels"))
        found.append(WeightArray(f"blocks.{number}.bias", (outer,), "biases"))
    return tuple(found)


def of_each(arrays: Sequence[WeightArray], values: Sequence[float]) -> Vector:
    """A vector with the same number for all weights of a part."""
    return np.repeat(np.array(values, dtype=np.float64), [one.size for one in arrays])
