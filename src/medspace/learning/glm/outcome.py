"""From a finished fit to what its model holds."""

from collections.abc import Sequence

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout, Vector
from medspace.learning.glm.model import Fit, Fitted, Joined, Term
from medspace.learning.glm.task import GlmTask
from medspace.runs.errors import RunError
from medspace.runs.model import Model
from medspace.runs.ports import Result


def result(task: GlmTask, fit: Fit) -> Result:
    """The result of a finished fit.

    Raises:
        RunError: it is not done.
    """
    if fit.layout is None or fit.pooled is None:  # a fit that is done has both
        raise RunError
    fitted = Fitted(
        family=task.family,
        terms=terms(task, fit, fit.layout),
        deviance=repr(fit.deviance),
        sites=fit.sites,
        pooled=fit.pooled,
        measured_on="held-out rows" if task.evaluation.holdout else "training rows",
        persons=sum(site.persons for site in fit.sites),
        joined=joined(task, fit),
        uncarried=uncarried(task, fit.layout),
    )
    rows = sum(site.rows for site in fit.sites)
    return Result(msgspec.to_builtins(fitted), rows, tuple(site.site for site in fit.sites))


def read(model: Model) -> Fitted:
    """What the model of a GLM holds."""
    return held(model.result)


def held(content: JsonObject) -> Fitted:
    """What the content of such a model says."""
    return msgspec.convert(content, Fitted)


def joined(task: GlmTask, fit: Fit) -> tuple[Joined, ...]:
    """Where how many levels were joined."""
    return tuple(
        Joined(site.site, feature.name, count)
        for site in fit.sites
        for feature, count in zip(task.features, site.joined, strict=True)
        if count
    )


def uncarried(task: GlmTask, layout: Layout) -> tuple[str, ...]:
    """The levels, and the columns of joined ones, that nobody at any site was counted with."""
    found, start = [], 0
    for feature in task.features:
        fills = layout.fill[start : start + len(feature.columns)]
        if feature.coded and any(fills):
            if maths.without_reference(fills):
                found.append(f"{feature.name}={feature.levels[0]}")
            found += [name for name, fill in zip(feature.columns, fills, strict=True) if fill == 0.0]
        start += len(feature.columns)
    return tuple(found)


def terms(task: GlmTask, fit: Fit, layout: Layout, errors: Vector | None = None) -> tuple[Term, ...]:
    """The coefficients for the columns as they were measured, intercept first; so are `errors`, if given."""
    beta, found = maths.original_scale(
        task, layout, np.asarray(fit.beta, dtype=np.float64), np.asarray(fit.covariance, dtype=np.float64)
    )
    errors = found if errors is None else errors
    first = int(task.intercept)
    made = [Term("intercept", repr(float(beta[0])), repr(float(errors[0])), None, "0.0", "1.0")] if first else []
    place = {column: position for position, column in enumerate(layout.kept)}
    absent = set(uncarried(task, layout))
    for column, name in enumerate(task.columns):
        if name in absent:
            continue
        fill = repr(layout.fill[column]) if column < len(layout.fill) else None
        if column not in place:
            made.append(Term(name, "0.0", None, fill, "0.0", "1.0"))
            continue
        at = place[column]
        made.append(
            Term(
                name,
                repr(float(beta[first + at])),
                repr(float(errors[first + at])),
                fill,
                repr(layout.centre[at]),
                repr(layout.scale[at]),
            )
        )
    return tuple(made)


def covariance_of(triangle: Sequence[float], width: int) -> tuple[tuple[float, ...], ...]:
    """The covariance of which this is the upper triangle, row by row."""
    rows = [[0.0] * width for _ in range(width)]
    numbers = iter(triangle)
    for k in range(width):
        for j in range(k, width):
            rows[k][j] = rows[j][k] = next(numbers)
    return tuple(map(tuple, rows))
