"""From a finished fit to what its model holds."""

import msgspec
import numpy as np

from medspace.learning.errors import RunError
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout
from medspace.learning.glm.model import Fit, Fitted, Term
from medspace.learning.glm.task import GlmTask
from medspace.learning.ports import Result
from medspace.learning.runs.model import Model


def result(task: GlmTask, fit: Fit) -> Result:
    """What a fit that is done came to.

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
    )
    rows = sum(site.rows for site in fit.sites)
    return Result(msgspec.to_builtins(fitted), rows, tuple(site.site for site in fit.sites))


def read(model: Model) -> Fitted:
    """What the model of a GLM holds."""
    return msgspec.convert(model.result, Fitted)


def terms(task: GlmTask, fit: Fit, layout: Layout) -> tuple[Term, ...]:
    """The coefficients for the columns as they were measured, intercept first."""
    beta, errors = maths.original_scale(
        task, layout, np.asarray(fit.beta, dtype=np.float64), np.asarray(fit.covariance, dtype=np.float64)
    )
    first = int(task.intercept)
    made = [Term("intercept", repr(float(beta[0])), repr(float(errors[0])), None, "0.0", "1.0")] if first else []
    place = {column: position for position, column in enumerate(layout.kept)}
    for column, name in enumerate(task.columns):
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
