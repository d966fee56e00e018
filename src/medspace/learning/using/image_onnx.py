"""A net for images as an ONNX graph: from bytes to scores, so that whoever runs it scales nothing by hand.

The input `images` are bytes, rows x height x width x channels. Convolutions are found with 32-bit floats, as by
PyTorch here, and the head with 64: its scores are ours but for the order of sums.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from json import dumps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medspace.learning.net.densenet import GROUPS, DenseBlocks
from medspace.learning.net.images import BRIGHTEST, POOLED, SPREAD
from medspace.learning.net.weights import KERNEL
from medspace.learning.using.image_pipeline import ImagePipeline
from medspace.learning.using.onnx import BYTE, DOUBLE, FLOAT, Graph, head, value_of

VIEWS = ((), (2,), (3,), (2, 3))  # the axes along which an image is mirrored
FARTHEST = -(2**31)  # where a slice backwards ends


def image_onnx(made: ImagePipeline, properties: Mapping[str, str]) -> bytes:
    """The model file; `properties` are kept in it as texts, beside the names of outputs."""
    drawn = _Drawing(made)
    last = head(drawn.graph, made.head, len(made.outputs), drawn.logits())
    sizes = [made.images.height, made.images.width, made.images.channels]
    said = {"outputs": dumps(made.outputs), "target": made.target.words, **properties}
    return drawn.graph.file(value_of("images", BYTE, sizes), last, len(made.outputs), said)


@dataclass(slots=True)
class _Drawing:
    """The graph of a model while it is drawn."""

    made: ImagePipeline
    graph: Graph = field(default_factory=Graph)

    def single(self, values: NDArray[np.float64] | list[float]) -> str:
        """A constant of 32-bit floats."""
        return self.graph.constant(np.asarray(values, dtype=np.float32))

    def logits(self) -> str:
        """The logits of each image, 64-bit floats: the mean over its mirror images, if training mirrors."""
        graph, mirrored = self.graph, self.made.images.augmentation.flip
        now = self._scaled()
        if mirrored:
            now = graph.node("Concat", *(self._mirrored(now, axes) for axes in VIEWS), axis=0)
        now = self._layers(self._looked(now))
        now = graph.node("Cast", now, to=DOUBLE)
        if mirrored:
            now = graph.node("Reshape", now, graph.constant([len(VIEWS), -1, self.made.network.dense.widths[-1]]))
            now = graph.node("ReduceMean", now, axes=[0], keepdims=0)
        return now

    def _scaled(self) -> str:
        """Channels first, centred and scaled; a channel that is not kept is 0 (`net.images.scaled`)."""
        graph, made = self.graph, self.made
        centre, times = np.zeros((2, made.images.channels))
        centre[list(made.kept)], times[list(made.kept)] = made.centre, SPREAD / made.scale
        now = graph.node("Cast", graph.node("Transpose", "images", perm=[0, 3, 1, 2]), to=FLOAT)
        now = graph.node("Div", now, self.single([BRIGHTEST]))
        now = graph.node("Sub", now, self.single(centre.reshape(-1, 1, 1)))
        return graph.node("Mul", now, self.single(times.reshape(-1, 1, 1)))

    def _mirrored(self, images: str, axes: tuple[int, ...]) -> str:
        if not axes:
            return images
        starts, ends, steps = ([value] * len(axes) for value in (-1, FARTHEST, -1))
        places = (self.graph.constant(given) for given in (starts, ends, list(axes), steps))
        return self.graph.node("Slice", images, *places)

    def _layers(self, now: str) -> str:
        graph, made = self.graph, self.made
        for place, (matrix, constant) in enumerate(made.layers):
            now = graph.node("MatMul", now, self.single(matrix))
            now = graph.node("Add", now, self.single(constant))
            if place < len(made.layers) - 1:
                now = graph.node("Tanh" if made.activation == "tanh" else "Relu", now)
        return now

    def _looked(self, now: str) -> str:
        """What the blocks leave of images."""
        images, arrays = self.made.images, iter(self.made.trunk)
        if images.shrink > 1:
            now = self._pooled("AveragePool", now, images.shrink, images.shrink)
        return self._blocks(now, arrays) if images.dense is None else self._dense(now, images.dense, arrays)

    def _blocks(self, now: str, arrays: Iterator[NDArray[Any]]) -> str:
        graph, images = self.graph, self.made.images
        sides = np.array([images.height, images.width]) // images.shrink
        for place in range(len(images.filters)):
            if place:
                now, sides = self._pooled("MaxPool", now, 2, 2), sides // 2
            now = graph.node("Relu", self._convolved(now, next(arrays), next(arrays)))
        # Halves of an odd side have its middle pixel in common, as PyTorch's adaptive_avg_pool2d has it.
        reach, steps = (-(-sides // POOLED)).tolist(), (sides // POOLED).tolist()
        quarters = graph.node("AveragePool", now, kernel_shape=reach, strides=steps)
        largest = graph.node("ReduceMax", now, axes=[2, 3], keepdims=0)
        return graph.node("Concat", graph.node("Flatten", quarters, axis=1), largest, axis=1)

    def _dense(self, now: str, blocks: DenseBlocks, arrays: Iterator[NDArray[Any]]) -> str:
        """The layers of MONAI's DenseNet in its order."""
        graph = self.graph
        now = self._convolved(now, next(arrays), stride=2)
        now = self._pooled("MaxPool", self._normed(now, arrays), KERNEL, 2, KERNEL // 2)
        for number, layers in enumerate(blocks.blocks):
            if number:
                now = self._convolved(self._normed(now, arrays), next(arrays))
                now = self._pooled("AveragePool", now, 2, 2)
            for _ in range(layers):
                added = self._convolved(self._normed(now, arrays), next(arrays))
                added = self._convolved(self._normed(added, arrays), next(arrays))
                now = graph.node("Concat", now, added, axis=1)
        return graph.node("ReduceMean", self._normed(now, arrays), axes=[2, 3], keepdims=0)

    def _convolved(self, now: str, kernels: NDArray[Any], biases: NDArray[Any] | None = None, stride: int = 1) -> str:
        side = kernels.shape[-1]
        constants = [self.single(part) for part in (kernels, biases) if part is not None]
        edge = [side // 2] * 4
        return self.graph.node("Conv", now, *constants, kernel_shape=[side] * 2, strides=[stride] * 2, pads=edge)

    def _pooled(self, kind: str, now: str, side: int, stride: int, edge: int = 0) -> str:
        return self.graph.node(kind, now, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[edge] * 4)

    def _normed(self, now: str, arrays: Iterator[NDArray[Any]]) -> str:
        """Normalisation over groups of channels, with gains and biases of each channel, then what is above 0."""
        graph, gains, biases = self.graph, next(arrays), next(arrays)
        grouped = graph.node("Reshape", now, graph.constant([0, GROUPS, -1]))
        ones, zeros = self.single([1.0] * GROUPS), self.single([0.0] * GROUPS)
        evened = graph.node("InstanceNormalization", grouped, ones, zeros)
        evened = graph.node("Reshape", evened, graph.node("Shape", now))
        evened = graph.node("Mul", evened, self.single(gains.reshape(-1, 1, 1)))
        return graph.node("Relu", graph.node("Add", evened, self.single(biases.reshape(-1, 1, 1))))
