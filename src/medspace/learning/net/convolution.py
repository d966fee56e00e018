"""Convolutional nets: PyTorch (extra `imaging`) finds logits and gradients; all else is numpy, as for perceptrons.

All weights are one vector: for each block its kernels (filters x inputs x 3 x 3) and its biases, or the arrays of a
DenseNet; then the layers of a perceptron on what the blocks leave. Sizes and first weights need no PyTorch, so every
site can follow a run with it.
On one machine the same question has the same answer to the bit: one thread, deterministic kernels. A graphics card is
used where there is one (CUDA); there PyTorch warns of the few kernels that have no deterministic form.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.errors import TorchMissingError
from medspace.learning.net.heads import OutputHead
from medspace.learning.net.images import POOLED, ImageInput
from medspace.learning.net.network import RANDOM_BITS, Carrying, Perceptron, Varying
from medspace.learning.net.task import Activation
from medspace.learning.net.weights import KERNEL, of_each

# Of its allocator, C++, oneDNN, a graphics card.
NO_MEMORY = ("t allocate memory", "bad_alloc", "could not create a memory", "CUDA out of memory")
AT_ONCE = 256  # images whose logits are found together: bounds the memory
Tensor = Any  # PyTorch is imported once somebody trains on images
Look = Callable[[list[Tensor], Tensor], Tensor]


@cache
def torch() -> Any:  # noqa: ANN401 - a module
    """PyTorch, set to give the same bits each time; on a graphics card as far as its kernels do.

    Raises:
        TorchMissingError: it is not installed.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may add up in any order
    try:
        found = import_module("torch")
    except ModuleNotFoundError:
        raise TorchMissingError from None
    found.set_num_threads(1)
    found.use_deterministic_algorithms(True, warn_only=found.cuda.is_available())  # noqa: FBT003 - PyTorch's own
    return found


def device() -> str:
    """Where nets for images are computed: on a graphics card where there is one (CUDA), else on the processor."""
    return "cuda" if torch().cuda.is_available() else "cpu"


def placed(numbers: npt.NDArray[Any]) -> Tensor:
    """Numbers where they are computed with, as 32-bit fractions."""
    return torch().from_numpy(np.ascontiguousarray(numbers, np.float32)).to(device())


def taken(made: Tensor) -> npt.NDArray[np.float32]:
    """What was computed, as an array of ours."""
    found: npt.NDArray[np.float32] = made.detach().cpu().numpy()
    return found


@contextmanager
def allocating() -> Iterator[None]:
    """What PyTorch says where there is no memory for its numbers, as all others say it.

    Raises:
        MemoryError: there is none.
    """
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error) for words in NO_MEMORY):
            raise MemoryError from error
        raise


@dataclass(frozen=True)
class ConvNet:
    """A net for images: blocks of convolutions, then a perceptron whose inputs are what the last block leaves."""

    images: ImageInput
    dense: Perceptron

    @property
    def head(self) -> OutputHead:
        """What the last layer stands for."""
        return self.dense.head

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels, those that each block makes, the hidden layers, the output."""
        return (*self.images.widths, *self.dense.widths[1:])

    @property
    def size(self) -> int:
        """How many weights and biases there are."""
        return self.images.convolved + self.dense.size

    @cached_property
    def penalised(self) -> Vector:
        """1 for each weight, and 0 for each bias and each gain of a normalisation."""
        parts = self.images.arrays
        return np.concatenate([of_each(parts, [part.role == "kernels" for part in parts]), self.dense.penalised])

    def first(self, seed: int) -> Vector:
        """The first weights: kernels uniform within +-sqrt(6 / inputs) (He et al. 2015), gains 1; then layers.

        They follow from the seed by integers and elementwise arithmetic: every processor gets the same.
        """
        parts = self.images.arrays
        drawn = np.random.PCG64(seed).random_raw(self.images.convolved) >> np.uint64(64 - RANDOM_BITS)
        unit = drawn.astype(np.float64) * 2.0 ** (1 - RANDOM_BITS) - 1.0
        trunk = unit * of_each(parts, [part.limit for part in parts])
        trunk += of_each(parts, [part.role == "gains" for part in parts])
        return np.concatenate([trunk, self.dense.first(seed + 1)])

    def logits(self, weights: Vector, rows: Matrix) -> Matrix:
        """What the head makes chances of: rows x outputs."""
        return self._found(self._forward, weights, rows, self.dense.widths[-1])

    def features(self, weights: Vector, rows: Matrix) -> Matrix:
        """What the blocks leave of each image, before the layers: rows x inputs of the first layer."""
        return self._found(self._looked, weights, rows, self.dense.widths[0])

    @allocating()
    def _found(
        self, look: Callable[[list[Tensor], Tensor], Tensor], weights: Vector, rows: Matrix, count: int
    ) -> Matrix:
        parts, made = self._cut(weights), np.empty((len(rows), count))
        with torch().no_grad():
            for start in range(0, len(rows), AT_ONCE):
                made[start : start + AT_ONCE] = taken(look(parts, self._pixels(rows[start : start + AT_ONCE])))
        return made

    def scored(self, weights: Vector, rows: Matrix) -> Matrix:
        """The logits; where images are mirrored in training, the mean over each and its mirror images."""
        views = self.views(rows)
        return sum((self.logits(weights, view) for view in views[1:]), self.logits(weights, views[0])) / len(views)

    def views(self, rows: Matrix) -> tuple[Matrix, ...]:
        """The images, and where training mirrors them their mirror images."""
        if not self.images.augmentation.flip:
            return (rows,)
        seen = rows.reshape(len(rows), self.images.channels, self.images.height, self.images.width)
        turned = (seen[:, :, ::-1], seen[..., ::-1], seen[:, :, ::-1, ::-1])
        return (rows, *(view.reshape(rows.shape) for view in turned))

    def gradient(self, weights: Vector, rows: Matrix, residuals: Matrix) -> Vector:
        """The gradient of a sum over rows, by its derivatives to the logits of each (rows x outputs)."""
        return self.descent(weights, rows, lambda _: residuals)

    @allocating()
    def descent(self, weights: Vector, rows: Matrix, carry: Carrying) -> Vector:
        """The same, with the derivatives found from the logits: looks at the images once."""
        library, parts = torch(), self._cut(weights)
        for part in parts:
            part.requires_grad_(True)  # noqa: FBT003 - PyTorch's own
        said = self._forward(parts, self._pixels(rows))
        carried = carry(taken(said).astype(np.float64))
        back = placed(carried)
        found = library.autograd.grad(said, parts, grad_outputs=back)
        return np.concatenate([taken(part).ravel() for part in found]).astype(np.float64)

    @allocating()
    def varied(self, rows: Matrix, source: Varying) -> Matrix:
        """The images as they are trained on this time: mirrored, turned, larger or smaller, as the task says."""
        how = self.images.augmentation
        if not how.any:
            return rows
        library, drawn = torch(), source(4 * len(rows)).reshape(4, len(rows))
        mirrored = np.where(drawn[:2] < (0.5 if how.flip else 0.0), -1.0, 1.0)
        angle = (2.0 * drawn[2] - 1.0) * math.radians(how.turn)
        size = 1.0 + (2.0 * drawn[3] - 1.0) * how.zoom
        cos, sin, none = np.cos(angle) * size, np.sin(angle) * size, np.zeros(len(rows))
        map_of = np.stack(
            [[cos * mirrored[0], -sin * mirrored[1], none], [sin * mirrored[0], cos * mirrored[1], none]]
        )
        moves = placed(map_of.transpose(2, 0, 1))
        images, sample = self._pixels(rows), library.nn.functional
        grid = sample.affine_grid(moves, list(images.shape), align_corners=False)
        made: Matrix = taken(sample.grid_sample(images, grid, align_corners=False))  # type: ignore[assignment]
        return self._coloured(made, source).reshape(rows.shape)

    def _coloured(self, images: Matrix, source: Varying) -> Matrix:
        """The images in other colours: each channel times and plus something of its own."""
        most, shape = self.images.augmentation.colour, (len(images), self.images.channels, 1, 1)
        if not most:
            return images
        gain, shift = ((2.0 * source(shape[0] * shape[1]) - 1.0) * most for _ in range(2))
        made: Matrix = images * (1.0 + gain.reshape(shape)) + shift.reshape(shape)
        return made.astype(np.float32)

    def _pixels(self, rows: Matrix) -> Tensor:
        given = self.images
        return placed(rows.reshape(len(rows), given.channels, given.height, given.width))

    def _cut(self, weights: Vector) -> list[Tensor]:
        """The arrays of the blocks, then matrix and biases of each layer."""
        shapes: list[Sequence[int]] = [part.shape for part in self.images.arrays]
        for inner, outer in pairwise(self.dense.widths):
            shapes += [(inner, outer), (outer,)]
        found, start, flat = [], 0, np.ascontiguousarray(weights, np.float32)
        for shape in shapes:
            end = start + math.prod(shape)
            found.append(placed(flat[start:end].reshape(shape).copy()))
            start = end
        return found

    def _looked(self, parts: Sequence[Tensor], images: Tensor) -> Tensor:
        given, own = self.images, parts[: len(self.images.arrays)]
        now = torch().nn.functional.avg_pool2d(images, given.shrink) if given.shrink > 1 else images
        if given.dense is not None:
            return given.dense.look([part.name for part in given.arrays], own, now)
        return _blocks(own, now)

    def _forward(self, parts: Sequence[Tensor], images: Tensor) -> Tensor:
        now, layers = self._looked(parts, images), parts[len(self.images.arrays) :]
        for number in range(0, len(layers), 2):
            now = now @ layers[number] + layers[number + 1]
            if number < len(layers) - 2:
                now = now.tanh() if self.dense.activation == "tanh" else now.relu()
        return now


def _blocks(parts: Sequence[Tensor], images: Tensor) -> Tensor:
    """What blocks of convolutions leave of images, by kernels and biases of each."""
    steps, now = torch().nn.functional, images
    for place in range(0, len(parts), 2):
        now = steps.relu(steps.conv2d(now, parts[place], parts[place + 1], padding=KERNEL // 2))
        if place < len(parts) - 2:
            now = steps.max_pool2d(now, 2)
    quarters = steps.adaptive_avg_pool2d(now, POOLED).flatten(1)
    return torch().cat([quarters, now.amax(dim=(2, 3))], dim=1)


def conv_net(images: ImageInput, layers: Sequence[int], activation: Activation, head: OutputHead) -> ConvNet:
    """A net for images with these hidden layers behind its blocks."""
    return ConvNet(images, Perceptron((images.looked, *layers, head.outputs), activation, head))
