"""Scoring rows with a trained net."""

import numpy as np

from medspace.core.material import Material
from medspace.learning.glm.design import Matrix, design, raw
from medspace.learning.glm.predict import counted
from medspace.learning.net.description import held
from medspace.learning.net.network import Perceptron
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
    values, unknown = counted(task.table, raw(task.table, rows), fitted.uncarried)
    if task.table.missing == "drop":
        unknown = unknown | np.isnan(values).any(axis=1)
    columns = design(task.table, fitted.layout, values)[:, 1:]
    network = Perceptron(fitted.widths, task.activation, task.head)
    logits = network.logits(np.array([float(weight) for weight in fitted.weights]), columns)
    made: Matrix = np.where(unknown[:, None], np.nan, network.head.chances(logits))
    return made
