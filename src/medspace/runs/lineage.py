"""From the result of a run to a model that says where it came from."""

from collections.abc import Sequence
from datetime import datetime

from medspace.core.canonical import exact
from medspace.core.clock import instant, stamp
from medspace.core.hashing import digest
from medspace.runs.model import Lineage, LineageRound, Model, Round, Run
from medspace.runs.ports import Result


def build(run: Run, result: Result, rounds: Sequence[Round], model_id: str, now: datetime) -> Model:
    """The model of a run that is done."""
    content = {"task": run.task, "rows": result.rows, "sites": result.sites, "result": result.content}
    return Model(
        id=model_id,
        created=stamp(now),
        task=run.task,
        task_digest=run.task_digest,
        result=result.content,
        rows=result.rows,
        rounds=run.asked or run.round,
        seconds=(now - instant(run.started or run.created)).total_seconds(),
        lineage=lineage(run, result.sites, rounds),
        digest=digest(exact(content)),
    )


def lineage(run: Run, sites: Sequence[str], rounds: Sequence[Round]) -> Lineage:
    """Where the model came from: the sites that it was fitted on, who else was asked, agreements, every round."""
    return Lineage(
        run=run.id,
        task=run.task_digest,
        agreements=tuple(seat.agreement for seat in run.seats if seat.site in sites),
        sites=tuple(sites),
        rounds=tuple(LineageRound(one.round, one.step, one.question, one.answers) for one in rounds),
        protection=run.protection,
        asked=tuple(seat.site for seat in run.seats),
        missing=run.faults,
        manifest=run.manifest,
        carried=run.carried,
    )
