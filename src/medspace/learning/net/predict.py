"""Scoring rows with a trained net."""

import numpy as np

from medspace.core.material import Material
from medspace.learning.glm.design import Matrix, design, raw
from medspace.learning.glm.predict import counted
from medspace.learning.net.description import held
from medspace.learning.net.following import network_of
from medspace.learning.net.images import ChannelRows
from medspace.learning.net.task import parse
from medspace.runs.model import Model


def score(model: Model, rows: Material) -> Matrix:
    """The chances of the classes of every row, shape (rows, classes); of a yes/no target, no and yes.

    Missing values are treated as in training; NaN where the task drops rows with gaps, or where nobody was counted
    with a level.

    Raises:
        ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
    """
    task, fitted = parse(model.task), held(model.result)
    weights = np.array([float(weight) for weight in fitted.weights])
    if task.images is not None:
        images = ChannelRows.of(rows, task.images)
        seen = images.columns(np.ones(images.count, dtype=np.bool_), fitted.layout)
        found: Matrix = task.head.chances(network_of(task, 0).scored(weights, seen))
        return found
    values, unknown = counted(task.table, raw(task.table, rows), fitted.uncarried)
    if task.table.missing == "drop":
        unknown = unknown | np.isnan(values).any(axis=1)
    columns = design(task.table, fitted.layout, values)[:, 1:]
    logits = network_of(task, columns.shape[1]).scored(weights, columns)
    made: Matrix = np.where(unknown[:, None], np.nan, task.head.chances(logits))
    return made
