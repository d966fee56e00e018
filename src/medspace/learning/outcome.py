"""From a finished fit to a model with its lineage."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np

from medspace.core.canonical import exact
from medspace.core.clock import instant, stamp
from medspace.core.hashing import digest
from medspace.learning import glm
from medspace.learning.design import Layout
from medspace.learning.evaluation import Quality
from medspace.learning.model import Fit, Lineage, LineageRound, Model, Round, Run, SiteQuality, Term
from medspace.learning.task import GlmTask


def build(
    *,
    task: GlmTask,
    run: Run,
    fit: Fit,
    layout: Layout,
    pooled: Quality,
    rounds: Sequence[Round],
    model_id: str,
    now: datetime,
) -> Model:
    """The model of a fit that is done."""
    made = terms(task, fit, layout)
    rows = sum(site.rows for site in fit.sites)
    content = {
        "family": task.family,
        "task": run.task,
        "terms": msgspec.to_builtins(made),
        "rows": rows,
        "deviance": repr(fit.deviance),
        "sites": msgspec.to_builtins(fit.sites),
        "pooled": msgspec.to_builtins(pooled),
    }
    return Model(
        id=model_id,
        created=stamp(now),
        family=task.family,
        task=run.task,
        task_digest=run.task_digest,
        terms=made,
        rows=rows,
        deviance=repr(fit.deviance),
        sites=fit.sites,
        pooled=pooled,
        measured_on="held-out rows" if task.evaluation.holdout else "training rows",
        rounds=run.round,
        seconds=(now - instant(run.started or run.created)).total_seconds(),
        lineage=lineage(run, fit.sites, rounds),
        digest=digest(exact(content)),
    )


def terms(task: GlmTask, fit: Fit, layout: Layout) -> tuple[Term, ...]:
    """The coefficients for the columns as they were measured, intercept first."""
    beta, errors = glm.original_scale(
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


def lineage(run: Run, sites: Sequence[SiteQuality], rounds: Sequence[Round]) -> Lineage:
    """Where the model came from: the sites whose rows it was fitted on, their agreements, every round."""
    names = tuple(site.site for site in sites)
    return Lineage(
        run=run.id,
        task=run.task_digest,
        agreements=tuple(seat.agreement for seat in run.seats if seat.site in names),
        sites=names,
        rounds=tuple(LineageRound(one.round, one.step, one.question, one.answers) for one in rounds),
        protection=run.protection,
    )
