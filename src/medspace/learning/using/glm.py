"""Scoring rows with a model, on the columns as they were measured."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medspace.core.material import Columns
from medspace.learning.glm.design import Vector, raw
from medspace.learning.glm.model import Term
from medspace.learning.glm.outcome import read
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.using.pipeline import Head, Pipeline, deciding
from medspace.runs.model import Model

HEADS: dict[str, Head] = {"binomial": "logistic", "gaussian": "identity", "poisson": "exponential"}


def pipeline(model: Model) -> Pipeline:
    """What a GLM computes: the expected target of a row, a probability for binomial, else a mean."""
    task, fitted = parse(model.task), read(model)
    said = {term.name: term for term in fitted.terms}
    constant = float(said["intercept"].coefficient) if task.intercept else 0.0
    outputs = ("chance" if task.family == "binomial" else "mean",)
    made = linear_pipeline(task, said, constant, outputs, HEADS[task.family], fitted.uncarried)
    return replace(made, deciding=deciding(fitted.mitigated))


def linear_pipeline(
    task: GlmTask,
    said: dict[str, Term],
    constant: float,
    outputs: tuple[str, ...],
    head: Head,
    uncarried: Sequence[str],
) -> Pipeline:
    """A linear model with terms on the columns as they were measured; a column without one does not count."""
    values = [name for feature in task.features for name in feature.columns]
    kept = tuple(place for place, name in enumerate(task.columns) if name in said)
    return Pipeline(
        target=task.target,
        features=task.features,
        outputs=outputs,
        head=head,
        fill=np.array([float(said[name].fill or 0.0) if name in said else 0.0 for name in values]),
        kept=kept,
        centre=np.zeros(len(kept)),
        scale=np.ones(len(kept)),
        layers=(
            (
                np.array([float(said[task.columns[place]].coefficient) for place in kept]).reshape(-1, 1),
                np.array([constant]),
            ),
        ),
        drops=task.missing == "drop",
        uncarried=tuple(uncarried),
    )


def linear(model: Model, rows: Columns) -> Vector:
    """The linear predictor of every row, shape (rows,).

    Missing values are treated as in the fit; a model that was fitted without rows with gaps gives NaN for them. So
    does any model for a level that was uncarried when it was fitted, unless others were joined there.

    Raises:
        ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
    """
    made = pipeline(model)
    found: Vector = made.linear(raw(made.features, rows))[:, 0]
    return found


def score(model: Model, rows: Columns) -> Vector:
    """The expected target of every row: a probability for binomial, a mean for gaussian and poisson."""
    found: Vector = pipeline(model).score_rows(rows)[:, 0]
    return found
