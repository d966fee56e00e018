"""A small DenseNet (Huang et al. 2017) of MONAI, whose every layer sees what all layers before it in its block made.

MONAI builds and runs it; its weights are ours, under MONAI's names and in the order of its `state_dict`. All
normalisation is by groups within an image (Wu and He 2018): nothing is remembered of other images, as the statistics
of batch normalisation are, so what leaves a hospital is weights alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import local
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.learning.net.errors import MonaiMissingError
from medspace.learning.net.weights import KERNEL, WeightArray

PREFIX = "features."  # of the names of all but the last layer
STEM = 7  # rows and columns of the first kernels
BN_SIZE = 4  # as MONAI has it
GROUPS = 1  # of normalisation: all channels of an image together
Tensor = Any  # PyTorch is imported once somebody trains on images


@dataclass(frozen=True, slots=True)
class DenseBlocks:
    """What is chosen of a DenseNet, under MONAI's names but for `blocks`, its `block_config`.

    `init_features` filters first look at the image, every second pixel, and the largest of every 3 x 3 of theirs are
    kept, every second one. Each of the `blocks` has so many layers, and each layer adds `growth_rate` channels, found
    through `bn_size` times as many. Between two blocks channels and sides are halved.
    """

    init_features: int
    growth_rate: int
    blocks: tuple[int, ...]
    bn_size: int = BN_SIZE

    @property
    def made(self) -> tuple[int, ...]:
        """The channels behind each block."""
        found, now = [], self.init_features
        for layers in self.blocks:
            found.append(now + layers * self.growth_rate)
            now = found[-1] // 2
        return tuple(found)

    def left(self, side: int) -> int:
        """How many pixels are left behind the last block of so many in a row."""
        stem = (side + 3) // 4  # two steps of two pixels, whose last one may lie over the edge
        return stem >> (len(self.blocks) - 1)

    def document(self) -> JsonObject:
        """The canonical form."""
        return {
            "network": "densenet",
            "init_features": self.init_features,
            "growth_rate": self.growth_rate,
            "blocks": list(self.blocks),
            "bn_size": self.bn_size,
        }

    def arrays(self, channels: int) -> tuple[WeightArray, ...]:
        """All its arrays but those of the last layer, as MONAI orders them."""
        found = [_kernels("conv0", self.init_features, channels, STEM), *_norm("norm0", self.init_features)]
        now = self.init_features
        for number, (layers, made) in enumerate(zip(self.blocks, self.made, strict=True), 1):
            for layer in range(layers):
                found += self._layer(
                    f"denseblock{number}.denselayer{layer + 1}.layers", now + layer * self.growth_rate
                )
            if number < len(self.blocks):
                name, now = f"transition{number}", made // 2
                found += [*_norm(f"{name}.norm", made), _kernels(f"{name}.conv", now, made, 1)]
            else:
                found += _norm("norm5", made)
        return tuple(found)

    def _layer(self, name: str, inner: int) -> list[WeightArray]:
        between = self.bn_size * self.growth_rate
        return [
            *_norm(f"{name}.norm1", inner),
            _kernels(f"{name}.conv1", between, inner, 1),
            *_norm(f"{name}.norm2", between),
            _kernels(f"{name}.conv2", self.growth_rate, between, KERNEL),
        ]

    def look(self, names: Sequence[str], parts: Sequence[Tensor], images: Tensor) -> Tensor:
        """The mean of each channel behind the last block, rectified: images x channels."""
        call = import_module("torch.func").functional_call
        given = {name.removeprefix(PREFIX): part for name, part in zip(names, parts, strict=True)}
        made = call(_OWN.net(self, int(images.shape[1])), given, (images,))
        return made.relu().mean(dim=(2, 3))


def _kernels(name: str, outer: int, inner: int, side: int) -> WeightArray:
    return WeightArray(f"{PREFIX}{name}.weight", (outer, inner, side, side), "kernels")


def _norm(name: str, channels: int) -> tuple[WeightArray, WeightArray]:
    return (
        WeightArray(f"{PREFIX}{name}.weight", (channels,), "gains"),
        WeightArray(f"{PREFIX}{name}.bias", (channels,), "biases"),
    )


class _Nets(local):
    """Those that a thread has built: while one is called it holds the numbers of the call, so none is shared."""

    def __init__(self) -> None:
        self.net = cache(built)


def built(blocks: DenseBlocks, channels: int) -> Any:  # noqa: ANN401 - a module of PyTorch
    """MONAI's net of this shape without its last layer, and without numbers: they are given at each call.

    Raises:
        MonaiMissingError: it is not installed.
    """
    try:
        nets = import_module("monai.networks.nets.densenet")
    except ModuleNotFoundError:
        raise MonaiMissingError from None
    library = import_module("torch")
    with library.device("meta"):
        made = nets.DenseNet(
            spatial_dims=2,
            in_channels=channels,
            out_channels=1,
            init_features=blocks.init_features,
            growth_rate=blocks.growth_rate,
            block_config=blocks.blocks,
            bn_size=blocks.bn_size,
            norm=("group", {"num_groups": GROUPS}),
        )
        return made.features


_OWN = _Nets()
