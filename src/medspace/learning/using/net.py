"""Scoring rows with a trained net."""

import numpy as np

from medspace.core.material import Columns, Material
from medspace.learning.glm.design import Matrix
from medspace.learning.glm.task import Target
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.description import held
from medspace.learning.net.following import network_of
from medspace.learning.net.images import ChannelRows, ImageInput
from medspace.learning.net.model import NetFitted
from medspace.learning.net.network import Perceptron
from medspace.learning.net.task import NetTask, parse
from medspace.learning.using.image_pipeline import ImageHead, ImagePipeline, cut
from medspace.learning.using.pipeline import Pipeline, deciding
from medspace.runs.model import Model

HEADS: dict[str, ImageHead] = {"binary": "logistic", "classes": "classes", "ordinal": "ordinal"}


def pipeline(model: Model) -> Pipeline | ImagePipeline:
    """What a net computes of columns or images: the chance of yes, or of each class."""
    task, fitted = parse(model.task), held(model.result)
    if task.images is not None:
        return _of_images(task, task.images, fitted)
    network = Perceptron(fitted.widths, task.activation, task.head)
    weights = np.array([float(weight) for weight in fitted.weights])
    layout = fitted.layout
    return Pipeline(
        target=_target(task),
        features=task.table.features,
        outputs=fitted.classes or ("chance",),
        head=HEADS[task.head.kind],
        fill=np.array(layout.fill),
        kept=layout.kept,
        centre=np.array(layout.centre),
        scale=np.array(layout.scale),
        layers=tuple(network.layers(weights)),
        drops=task.table.missing == "drop",
        activation=task.activation,
        uncarried=fitted.uncarried,
        deciding=deciding(fitted.mitigated),
    )


def _target(task: NetTask) -> Target:
    return Target(task.table.target.column) if task.classes else task.table.target


def _of_images(task: NetTask, images: ImageInput, fitted: NetFitted) -> ImagePipeline:
    network = conv_net(images, task.layers, task.activation, task.head)
    trunk, layers = cut(network, np.array([float(weight) for weight in fitted.weights]))
    layout, head = fitted.layout, HEADS[task.head.kind]
    return ImagePipeline(
        target=_target(task),
        images=images,
        outputs=fitted.classes or ("chance",),
        head=head,
        kept=layout.kept,
        centre=np.array(layout.centre),
        scale=np.array(layout.scale),
        trunk=trunk,
        layers=layers,
        activation=task.activation,
        deciding=deciding(fitted.mitigated),
    )


def score(model: Model, rows: Columns) -> Matrix:
    """The chances of the classes of every row, shape (rows, classes); of a yes/no target, no and yes.

    Missing values are treated as in training; NaN where the task drops rows with gaps, or where nobody was counted
    with a level.

    Raises:
        ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
    """
    made = pipeline(model)
    assert isinstance(made, Pipeline)  # noqa: S101 - the model is one of columns
    found = made.score_rows(rows)
    return found if found.shape[1] > 1 else np.column_stack([1.0 - found, found])


def score_images(model: Model, rows: Material) -> Matrix:
    """The chances of the classes of every image, shape (images, classes); of a yes/no target, no and yes."""
    task, fitted = parse(model.task), held(model.result)
    assert task.images is not None  # noqa: S101 - the model is one of images
    images = ChannelRows.of(rows, task.images)
    seen = images.columns(np.ones(images.count, dtype=np.bool_), fitted.layout)
    weights = np.array([float(weight) for weight in fitted.weights])
    found: Matrix = task.head.chances(network_of(task, 0).scored(weights, seen))
    return found
