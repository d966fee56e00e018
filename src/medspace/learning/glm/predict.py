"""Scoring rows with a model, on the columns as they were measured."""

import numpy as np

from medspace.core.material import Material
from medspace.learning.glm.design import Mask, Matrix, Vector, first_columns, raw
from medspace.learning.glm.maths import mean
from medspace.learning.glm.outcome import read
from medspace.learning.glm.task import GlmTask, parse
from medspace.runs.model import Model


def linear(model: Model, rows: Material) -> Vector:
    """The linear predictor of every row, shape (rows,).

    Missing values are treated as in the fit; a model that was fitted without rows with gaps gives NaN for them. So
    does any model for a level that was uncarried when it was fitted, unless others were joined there.

    Raises:
        ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
    """
    task = parse(model.task)
    fitted = read(model)
    said = {term.name: term for term in fitted.terms}
    values, unknown = counted(task, raw(task, rows), fitted.uncarried)
    columns = values
    if task.missing != "drop":
        gaps = np.isnan(values)
        fill = [float(said[name].fill or 0.0) if name in said else 0.0 for name in task.columns[: values.shape[1]]]
        columns = np.column_stack([np.where(gaps, fill, values), gaps[:, first_columns(task)]])
    weights = np.array([float(said[name].coefficient) if name in said else 0.0 for name in task.columns])
    eta: Vector = np.where(unknown, np.nan, columns @ weights)
    return eta + float(said["intercept"].coefficient) if task.intercept else eta


def counted(task: GlmTask, values: Matrix, uncarried: tuple[str, ...]) -> tuple[Matrix, Mask]:
    """The values as the fit would count them, and the rows about which the model knows nothing.

    A person with an uncarried level counts as joined; where nobody was joined either, nothing is known.
    """
    made, unknown = values.copy(), np.zeros(len(values), dtype=np.bool_)
    start = 0
    for feature in task.features:
        block = made[:, start : start + len(feature.columns)]
        for place, level in enumerate(feature.levels):
            if f"{feature.name}={level}" in uncarried:
                has = block[:, place - 1] == 1.0 if place else (block == 0.0).all(axis=1)
                unknown |= has & (feature.columns[-1] in uncarried)
                block[has] = 0.0
                block[has, -1] = 1.0
        start += len(feature.columns)
    return made, unknown


def score(model: Model, rows: Material) -> Vector:
    """The expected target of every row: a probability for binomial, a mean for gaussian and poisson."""
    return mean(parse(model.task).family, linear(model, rows))
