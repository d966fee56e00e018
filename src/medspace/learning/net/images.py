"""Images as the input of a net: what a task says of them, and how their pixels become numbers.

For its moments, an image counts by the mean of each of its channels, as a table whose columns these were: so the
totals over all hospitals centre and scale the colours of each of them, whatever its camera (`glm.design.Layout`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.material import Form, Images, Material
from medspace.core.usage import RowScope
from medspace.learning.glm.design import Layout, Mask, Matrix, Vector
from medspace.learning.net.densenet import DenseBlocks
from medspace.learning.net.errors import ImageShapeError, ImagesMissingError
from medspace.learning.net.weights import WeightArray, block_arrays

Pixels = NDArray[Any]
BRIGHTEST = 255.0
SPREAD = 0.5  # the deviation of a pixel is larger than that of a mean over an image
LONGEST_SIDE, MOST_CHANNELS, MOST_BLOCKS, MOST_FILTERS = 1024, 4, 8, 256
MOST_NUMBERS = 1 << 28  # pixels times channels of all rows of a site at once, as 32-bit numbers: 1 GiB
POOLED = 2  # rows and columns of what is left of an image behind the last block


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How an image is varied each time that it is trained on: each such image has the same label.

    `flip`: mirrored left to right and upside down, each half of the time. `turn`: by up to so many degrees to either
    side. `zoom`: larger or smaller by up to this share. `colour`: each channel stronger or weaker, and lighter or
    darker, by up to this share of its spread, as by another lamp or another eye.
    """

    flip: bool = False
    turn: float = 0.0
    zoom: float = 0.0
    colour: float = 0.0

    @property
    def any(self) -> bool:
        """Whether images are varied at all."""
        return self.flip or max(self.turn, self.zoom, self.colour) > 0.0

    def document(self) -> JsonObject:
        """The canonical form."""
        return {"flip": self.flip, "turn": repr(self.turn), "zoom": repr(self.zoom), "colour": repr(self.colour)}


@dataclass(frozen=True)
class ImageInput:
    """What the images of all hospitals have in common, and the convolutions that look at them.

    Every image is `height` x `width` pixels of `channels` bytes. It is averaged over squares of `shrink` pixels, then
    each block convolves 3 x 3 pixels into so many `filters`, rectifies, and takes the largest of every 2 x 2; the
    last one leaves the means of the four quarters and the largest of all. With `dense`, a DenseNet takes the place of
    these blocks.
    """

    height: int
    width: int
    channels: int
    filters: tuple[int, ...]
    shrink: int = 1
    augmentation: Augmentation = Augmentation()
    dense: DenseBlocks | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the channels' means, as columns."""
        return tuple(f"(channel {number})" for number in range(1, self.channels + 1))

    @property
    def pixels(self) -> int:
        """How many numbers an image has."""
        return self.height * self.width * self.channels

    @property
    def fits(self) -> bool:
        """Whether every block has pixels left to look at."""
        side = min(self.height, self.width) // self.shrink
        if self.dense is not None:
            return self.dense.left(side) > 0
        return side >> (len(self.filters) - 1) >= POOLED

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels, and those that each block makes of them."""
        return (self.channels, *(self.filters if self.dense is None else self.dense.made))

    @property
    def looked(self) -> int:
        """How many numbers the last block leaves of an image."""
        return self.widths[-1] if self.dense is not None else self.widths[-1] * (POOLED * POOLED + 1)

    @cached_property
    def arrays(self) -> tuple[WeightArray, ...]:
        """The arrays of all blocks, in the order of their weights."""
        if self.dense is not None:
            return self.dense.arrays(self.channels)
        return block_arrays(self.channels, self.filters)

    @property
    def convolved(self) -> int:
        """How many weights and biases the blocks have."""
        return sum(part.size for part in self.arrays)

    def document(self) -> JsonObject:
        """The canonical form."""
        return {
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            **({"filters": list(self.filters)} if self.dense is None else self.dense.document()),
            "shrink": self.shrink,
            "augmentation": self.augmentation.document(),
        }


class AugmentationForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """As a task says it."""

    flip: bool = False
    turn: float | str = 0.0
    zoom: float | str = 0.0
    colour: float | str = 0.0


Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_FILTERS)]
Channels = Annotated[int, msgspec.Meta(ge=2, le=MOST_FILTERS)]  # one alone, of one pixel, cannot be normalised
Counts = Annotated[list[Count], msgspec.Meta(max_length=MOST_BLOCKS)]


class ImageForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """As a task says it."""

    height: Annotated[int, msgspec.Meta(ge=4, le=LONGEST_SIDE)]
    width: Annotated[int, msgspec.Meta(ge=4, le=LONGEST_SIDE)]
    filters: Counts = []
    network: Literal["blocks", "densenet"] = "blocks"
    init_features: Channels | None = None
    growth_rate: Channels | None = None
    blocks: Counts = []
    bn_size: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    channels: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHANNELS)] = 3
    shrink: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    augmentation: AugmentationForm = AugmentationForm()


@dataclass(frozen=True)
class ChannelRows:
    """Images as a table that has the mean of each channel, between 0 and 1, beside their labels (`Material`)."""

    images: Images
    given: ImageInput

    @classmethod
    def of(cls, rows: Material, given: ImageInput) -> "ChannelRows":
        """The images of a site, if they are such as the task says.

        Raises:
            ImagesMissingError: it is a table without images.
            ImageShapeError: they have another size, or are too many.
        """
        if rows.form is not Form.IMAGES:
            raise ImagesMissingError
        images, wanted = cast("Images", rows), (given.height, given.width, given.channels)
        if tuple(images.shape) != wanted:
            raise ImageShapeError(found=_size(images.shape), wanted=_size(wanted))
        if images.count * given.pixels > MOST_NUMBERS:
            raise ImageShapeError(found=f"{images.count} x {_size(images.shape)}", wanted=str(MOST_NUMBERS))
        return cls(images, given)

    @property
    def form(self) -> Form:
        """A table."""
        return Form.TABLE

    @property
    def count(self) -> int:
        """How many images."""
        return self.images.count

    @property
    def scope(self) -> tuple[RowScope, ...]:
        """That of the images."""
        return self.images.scope

    @cached_property
    def dictionary(self) -> Dictionary:
        """That of the labels, and the channels."""
        added = (Column(name, ColumnType.NUMBER, minimum=0.0, maximum=1.0) for name in self.given.columns)
        return replace(self.images.dictionary, columns=(*self.images.dictionary.columns, *added))

    def persons(self) -> Iterable[int]:
        """The person of each image."""
        return self.images.persons()

    def marks(self, key: bytes) -> tuple[Iterable[int], Iterable[int]]:
        """Those of the images: pixels are part of a row's content."""
        return self.images.marks(key)

    def numbers(self, column: str) -> Iterable[float]:
        """A column of the labels, or the means of a channel."""
        if column not in self.given.columns:
            return self.images.numbers(column)
        found: Vector = self._means[:, self.given.columns.index(column)]
        return found

    def codes(self, column: str) -> Sequence[str | None]:
        """A coded column of the labels."""
        return self.images.codes(column)

    @cached_property
    def _means(self) -> Matrix:
        each = [self._pixels(place).mean(axis=(0, 1)) for place in range(self.count)]
        return np.array(each, dtype=np.float64).reshape(self.count, self.given.channels) / BRIGHTEST

    def _pixels(self, place: int) -> Matrix:
        raw = np.frombuffer(self.images.pixels(place), np.uint8)
        return raw.reshape(self.given.height, self.given.width, self.given.channels).astype(np.float32)

    def columns(self, chosen: Mask, layout: Layout) -> Matrix:
        """The scaled pixels of the chosen rows: rows x (channels, height, width), 32 bits each."""
        found = [self._pixels(place) for place in np.flatnonzero(chosen).tolist()]
        shape = (len(found), self.given.height, self.given.width, self.given.channels)
        return scaled(np.array(found, np.float32).reshape(shape), layout)


def scaled(images: Pixels, layout: Layout) -> Matrix:
    """Images (count x height x width x channels, from 0 to 255) as a net looks at them: channels first, 32 bits each.

    Channels that are the same at all hospitals are 0 everywhere.
    """
    count, height, width, channels = images.shape
    made = np.zeros((count, channels, height, width), np.float32)
    for channel, centre, scale in zip(layout.kept, layout.centre, layout.scale, strict=True):
        made[:, channel] = (images[..., channel] / np.float32(BRIGHTEST) - centre) * (SPREAD / scale)
    return made.reshape(count, -1)  # type: ignore[return-value]  # half the memory of doubles


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
