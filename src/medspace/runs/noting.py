"""What the log says of runs."""

from collections.abc import Callable

from medspace.core.canonical import Json
from medspace.core.hashing import digest
from medspace.runs import manifest as manifests
from medspace.runs.model import Model, Round, Run

NOTHING = digest({})  # the question that is about no model yet
Noted = Callable[[str], str]  # a code of another's own making could hold anything: what the log may hold of one


def missing(run: Run, noted: Noted) -> dict[str, Json]:
    """Who did not take part to the end, and the code of each one's reason, in the same order."""
    if not run.faults:
        return {}
    return {"missing": [fault.site for fault in run.faults], "reasons": [noted(fault.code) for fault in run.faults]}


def start_kind(run: Run) -> str:
    """The kind of the entry that a run begins with: it is led here, or handed over."""
    return "run.delegated" if run.coordinator else "run.started"


def start_facts(run: Run) -> dict[str, Json]:
    """What the entry says that a run begins with."""
    parties = {"user": run.user, "coordinator": run.coordinator}
    by = {"by": run.asked_by} if run.asked_by else {}
    return (
        {name: did for name, did in parties.items() if did}
        | by
        | {
            "run": run.id,
            "task": run.task_digest,
            "agreements": [seat.agreement for seat in run.seats],
            "sites": [seat.site for seat in run.seats],
            "protection": run.protection,
        }
    )


def round_facts(past: Round, manifest: str) -> dict[str, Json]:
    """What the entry says of a round, asked under a signed manifest."""
    answers = [one.facts for one in past.answers]
    facts: dict[str, Json] = {"run": past.run, "round": past.round, "step": past.step, "answers": answers}
    facts |= {"manifest": manifests.named(manifest)} if manifest else {}
    facts |= {"parts": list(past.parts)} if past.parts else {}
    return facts if past.question == NOTHING else {**facts, "model": past.question}


def finish_facts(run: Run, model: Model, noted: Noted) -> dict[str, Json]:
    """What the entry says that a run ends with where a model came out."""
    return {
        "run": run.id,
        "model": model.digest,
        "rounds": run.round,
        "sites": list(model.lineage.sites),
        "protection": run.protection,
        "fitted": model.lineage.rounds[-1].question,
        **missing(run, noted),
    }


def failure_facts(run: Run, code: str, noted: Noted) -> dict[str, Json]:
    """What the entry says that a run ends with where none did; the code may be that of a site or a coordinator."""
    by = {"by": run.cancelled_by} if run.cancelled_by else {}
    return {"run": run.id, "code": noted(code), **missing(run, noted)} | by
