"""What a net for images computes, from their bytes to its scores: colours scaled, convolutions, layers, a head.

PyTorch looks at the images; what is read, written and compared of such a model needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from medspace.core.canonical import JsonObject, exact
from medspace.core.misfits import MisfitError, fit
from medspace.learning.glm.design import Layout, Matrix, Vector
from medspace.learning.glm.task import Target
from medspace.learning.net.convolution import AT_ONCE, ConvNet
from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.net.images import BRIGHTEST, ImageForm, ImageInput, scaled
from medspace.learning.net.network import Perceptron
from medspace.learning.net.task import MOST_LAYERS, MOST_WEIGHTS, WIDEST_LAYER, image_input
from medspace.learning.using.errors import ImageSizeError, PackedModelError
from medspace.learning.using.pipeline import Bend, GroupThresholds, Layer, digest_of
from medspace.runs.errors import TaskInvalidError

Pixels = NDArray[np.uint8]  # images x height x width x channels
ImageHead = Literal["logistic", "classes", "ordinal"]
MOST_OUTPUTS = 20
LARGEST = float(np.finfo(np.float32).max)  # of a number, as images are looked at with 32 bits
NARROWEST = 1e-30  # of a scale, likewise
_BESIDE = ("kept", "centre", "scale")


class ImagePipelineText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Such a pipeline without its numbers; `images` as a task says them."""

    target: Target
    images: dict[str, Any]
    outputs: list[str]
    head: ImageHead
    activation: Bend = "relu"
    deciding: GroupThresholds | None = None


@dataclass(frozen=True)
class ImagePipeline:
    """A net for images as what it computes.

    `kept` are the channels that differ between images, with the `centre` and `scale` of each (`net.images.scaled`);
    `trunk` the arrays of its blocks (`net.weights`), `layers` those behind them. `outputs` names what an image gets.
    """

    target: Target
    images: ImageInput
    outputs: tuple[str, ...]
    head: ImageHead
    kept: tuple[int, ...]
    centre: Vector
    scale: Vector
    trunk: tuple[NDArray[np.float64], ...]
    layers: tuple[Layer, ...]
    activation: Bend = "relu"
    deciding: GroupThresholds | None = None

    @cached_property
    def network(self) -> ConvNet:
        """The net, without its weights."""
        head = BINARY if self.head == "logistic" else OutputHead(self.head, len(self.outputs))
        widths = (self.images.looked, *(len(constant) for _, constant in self.layers))
        return ConvNet(self.images, Perceptron(widths, self.activation, head))

    @property
    def output_head(self) -> OutputHead:
        """How losses are found from what the head makes scores of."""
        return self.network.head

    @cached_property
    def weights(self) -> Vector:
        """All weights as one vector, in the order of the net."""
        dense = [part.ravel() for layer in self.layers for part in layer]
        return np.concatenate([*(part.ravel() for part in self.trunk), *dense])

    def with_weights(self, weights: Vector) -> "ImagePipeline":
        """The model with other weights."""
        trunk, layers = cut(self.network, weights)
        return replace(self, trunk=trunk, layers=layers)

    def score(self, values: Pixels) -> Matrix:
        """The scores of images, images x outputs; NaN where the numbers of a net are too large to tell.

        Raises:
            ImageSizeError: they have another size than those that it learned from.
            TorchMissingError, MonaiMissingError: what looks at images is not installed.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # of weights without bound: no score
            chances = self.network.head.chances(self.linear(values))
        return chances[:, 1:] if self.head == "logistic" else chances

    def linear(self, values: Pixels) -> Matrix:
        """What the head makes scores of."""
        self.check(values)
        found = [
            self.network.scored(self.weights, self.arranged(values[start : start + AT_ONCE]))
            for start in range(0, len(values), AT_ONCE)
        ]
        return np.concatenate(found) if found else np.empty((0, self.network.head.outputs))

    def inner(self, values: Pixels) -> Matrix:
        """What goes into the last layer: the mean over each image and, where training mirrors, its mirror images."""
        views = self.network.views(self.arranged(values))
        found: Matrix = sum((self._behind(view) for view in views[1:]), self._behind(views[0]))
        return found / len(views)

    def _behind(self, view: Matrix) -> Matrix:
        now = self.network.features(self.weights, view)
        for matrix, constant in self.layers[:-1]:
            straight = now @ matrix + constant
            now = np.tanh(straight) if self.activation == "tanh" else np.maximum(straight, 0.0)
        return now

    def check(self, values: Pixels) -> None:
        """Refuse images of another size.

        Raises:
            ImageSizeError: with both sizes.
        """
        wanted = (self.images.height, self.images.width, self.images.channels)
        if values.shape[1:] != wanted:
            found, said = (" x ".join(map(str, shape)) for shape in (values.shape[1:], wanted))
            raise ImageSizeError(found=found, wanted=said)

    def arranged(self, values: Pixels) -> Matrix:
        """The images as the net looks at them."""
        centre, scale = tuple(self.centre.tolist()), tuple(self.scale.tolist())
        return scaled(values, Layout(centre, self.kept, centre, scale))

    def standardised(self, values: Pixels) -> Matrix:
        """The mean of each kept channel of each image, centred and scaled."""
        means = values.mean(axis=(1, 2), dtype=np.float64)[:, self.kept] / BRIGHTEST
        made: Matrix = (means - self.centre) / self.scale
        return made

    def text(self) -> JsonObject:
        """All but the numbers."""
        said = ImagePipelineText(
            self.target, self.images.document(), list(self.outputs), self.head, self.activation, self.deciding
        )
        made: JsonObject = exact(msgspec.to_builtins(said))
        if self.deciding is None:
            del made["deciding"]
        return made

    def numbers(self) -> Mapping[str, NDArray[np.float64]]:
        """The numbers, by name: 64-bit floats, the places in `kept` among them."""
        found: dict[str, NDArray[np.float64]] = {
            "kept": np.array(self.kept, dtype=np.float64),
            "centre": self.centre,
            "scale": self.scale,
        }
        found |= {part.name: array for part, array in zip(self.images.arrays, self.trunk, strict=True)}
        for place, (matrix, constant) in enumerate(self.layers):
            found |= {f"layers.{place}.weight": matrix, f"layers.{place}.bias": constant}
        return found

    def digest(self) -> str:
        """A digest of all of it; of the numbers as exact text."""
        return digest_of(self.text(), self.numbers())


def cut(network: ConvNet, weights: Vector) -> tuple[tuple[NDArray[np.float64], ...], tuple[Layer, ...]]:
    """The arrays of the blocks and the layers, from all weights as one vector."""
    trunk, start = [], 0
    for part in network.images.arrays:
        trunk.append(weights[start : start + part.size].reshape(part.shape))
        start += part.size
    return tuple(trunk), tuple(network.dense.layers(weights[start:]))


def read(text: JsonObject, numbers: Mapping[str, NDArray[np.float64]]) -> ImagePipeline:
    """The pipeline of this text and these numbers.

    Raises:
        PackedModelError: they make none.
    """
    try:
        said = msgspec.convert(text, ImagePipelineText, strict=False)
        images = image_input(fit(said.images, ImageForm))
    except (msgspec.ValidationError, MisfitError, TaskInvalidError):
        raise PackedModelError from None
    count = sum(1 for name in numbers if name.startswith("layers.") and name.endswith(".weight"))
    names = [f"layers.{place}.{part}" for place in range(count) for part in ("weight", "bias")]
    wanted = {*_BESIDE, *names, *(part.name for part in images.arrays)}
    if numbers.keys() != wanted or not all((np.abs(values) <= LARGEST).all() for values in numbers.values()):
        raise PackedModelError
    made = ImagePipeline(
        target=said.target,
        images=images,
        outputs=tuple(said.outputs),
        head=said.head,
        kept=tuple(int(place) for place in numbers["kept"].ravel()),
        centre=numbers["centre"],
        scale=numbers["scale"],
        trunk=tuple(numbers[part.name] for part in images.arrays),
        layers=tuple((numbers[f"layers.{k}.weight"], numbers[f"layers.{k}.bias"]) for k in range(count)),
        activation=said.activation,
        deciding=said.deciding,
    )
    if not _fits(made):
        raise PackedModelError
    return made


def _fits(made: ImagePipeline) -> bool:
    """Whether all its numbers have the shapes that belong together, and are no more than those of a task."""
    channels, used = made.images.channels, len(made.kept)
    parts = zip(made.images.arrays, made.trunk, strict=True)
    widths = [made.images.looked, *(constant.shape[-1] if constant.ndim else 0 for _, constant in made.layers)]
    outputs = {"logistic": 1, "classes": len(made.outputs)}.get(made.head, len(made.outputs) - 1)
    return (
        0 < used <= channels
        and made.centre.shape == made.scale.shape == (used,)
        and list(made.kept) == sorted({place for place in made.kept if 0 <= place < channels})
        and bool((made.scale > NARROWEST).all())
        and 0 < len(made.layers) <= MOST_LAYERS + 1
        and 1 <= len(made.outputs) <= MOST_OUTPUTS
        and all(part.shape == array.shape for part, array in parts)
        and all(
            0 < outer <= WIDEST_LAYER and matrix.shape == (inner, outer) and constant.shape == (outer,)
            for (matrix, constant), (inner, outer) in zip(made.layers, pairwise(widths), strict=True)
        )
        and widths[-1] == outputs > 0
        and (len(made.outputs) == 1) is (made.head == "logistic")
        and made.images.convolved + sum(matrix.size + constant.size for matrix, constant in made.layers)
        <= MOST_WEIGHTS
        and (made.deciding is None or (made.head == "logistic" and made.deciding.fits))
    )
