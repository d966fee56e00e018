"""Scoring rows with a model, on the columns as they were measured."""

import numpy as np

from medspace.core.usage import Rows
from medspace.learning.glm.design import Vector, first_columns, raw
from medspace.learning.glm.maths import mean
from medspace.learning.glm.outcome import read
from medspace.learning.glm.task import parse
from medspace.learning.runs.model import Model


def linear(model: Model, rows: Rows) -> Vector:
    """The linear predictor of every row, shape (rows,).

    Missing values are treated as in the fit; a model that was fitted without rows with gaps gives NaN for them.

    Raises:
        ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
    """
    task = parse(model.task)
    values = raw(task, rows)
    gaps = np.isnan(values)
    first = int(task.intercept)
    terms = read(model).terms
    weights = np.array([float(term.coefficient) for term in terms])
    columns = values
    if task.missing != "drop":
        fill = np.array([float(term.fill) for term in terms if term.fill is not None])
        columns = np.column_stack([np.where(gaps, fill, values), gaps[:, first_columns(task)]])
    eta: Vector = columns @ weights[first:]
    return eta + weights[0] if first else eta


def score(model: Model, rows: Rows) -> Vector:
    """The expected target of every row: a probability for binomial, a mean for gaussian and poisson."""
    return mean(parse(model.task).family, linear(model, rows))
