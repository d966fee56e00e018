"""Scoring rows with a survival model."""

from dataclasses import replace

import numpy as np

from medspace.learning.cox.description import held
from medspace.learning.cox.task import parse
from medspace.learning.using.glm import linear_pipeline
from medspace.learning.using.pipeline import Pipeline
from medspace.runs.model import Model


def pipeline(model: Model) -> Pipeline:
    """What a survival model computes: the logarithm of a hazard ratio, and the ratio.

    The ratio is to a patient with the mean of every column of the fit, so 1 is the middle (as lifelines'
    `predict_partial_hazard`). How soon events happen is not known: every hospital has a baseline of its own.
    """
    task, fitted = parse(model.task), held(model.result)
    said = {term.name: term for term in fitted.terms}
    outputs = ("log_hazard_ratio", "hazard_ratio")
    made = linear_pipeline(task.table, said, 0.0, outputs, "hazard", fitted.uncarried)
    means = np.array([float(said[task.table.columns[place]].mean) for place in made.kept])
    return replace(made, centre=means)
