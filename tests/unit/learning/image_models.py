"""Nets for images as pipelines, for tests: plain blocks and a DenseNet, with weights from a seed."""

import numpy as np

from medspace.learning.glm.task import Target
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.densenet import DenseBlocks
from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.net.images import Augmentation, ImageInput
from medspace.learning.using.image_pipeline import ImagePipeline, cut

OUTPUTS = {"logistic": ("chance",), "classes": ("a", "b", "c"), "ordinal": ("none", "mild", "severe")}


def input_of(network, *, height=15, width=18, channels=3, shrink=1, flip=True):
    """What such a net looks at: `blocks` or `densenet`."""
    how = Augmentation(flip=flip)
    if network == "densenet":
        return ImageInput(height, width, channels, (), shrink, how, DenseBlocks(4, 3, (2, 1), 2))
    return ImageInput(height, width, channels, (4, 5), shrink, how)


def made(network="blocks", head="ordinal", *, layers=(), activation="relu", kept=(0, 2), seed=3, **given):
    """A net with somewhat random weights everywhere, biases and gains too."""
    images = input_of(network, **given)
    output = BINARY if head == "logistic" else OutputHead(head, len(OUTPUTS[head]))
    net = conv_net(images, layers, activation, output)
    source = np.random.default_rng(seed)
    trunk, dense = cut(net, net.first(seed) + 0.1 * source.normal(size=net.size))
    return ImagePipeline(
        target=Target("sick", ">", 0.0),
        images=images,
        outputs=OUTPUTS[head],
        head=head,
        kept=kept,
        centre=source.uniform(0.3, 0.6, len(kept)),
        scale=source.uniform(0.4, 0.8, len(kept)),
        trunk=trunk,
        layers=dense,
        activation=activation,
    )


def photographs(model, count=9, seed=5):
    """Random bytes of the right size."""
    size = (count, model.images.height, model.images.width, model.images.channels)
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
