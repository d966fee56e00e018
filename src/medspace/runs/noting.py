"""What the log says of runs."""

from medspace.core.canonical import Json
from medspace.core.hashing import digest
from medspace.runs import manifest as manifests
from medspace.runs.model import Round, Run

NOTHING = digest({})  # the question that is about no model yet


def missing(run: Run) -> dict[str, Json]:
    """Who did not take part to the end, and the code of each one's reason, in the same order."""
    if not run.faults:
        return {}
    return {"missing": [fault.site for fault in run.faults], "reasons": [fault.code for fault in run.faults]}


def start_kind(run: Run) -> str:
    """The kind of the entry that a run begins with: it is led here, or handed over."""
    return "run.delegated" if run.coordinator else "run.started"


def start_facts(run: Run) -> dict[str, Json]:
    """What the entry says that a run begins with."""
    parties = {"user": run.user, "coordinator": run.coordinator}
    return {name: did for name, did in parties.items() if did} | {
        "run": run.id,
        "task": run.task_digest,
        "agreements": [seat.agreement for seat in run.seats],
        "sites": [seat.site for seat in run.seats],
        "protection": run.protection,
    }


def round_facts(past: Round, manifest: str) -> dict[str, Json]:
    """What the entry says of a round, asked under a signed manifest."""
    answers = [one.facts for one in past.answers]
    facts: dict[str, Json] = {"run": past.run, "round": past.round, "step": past.step, "answers": answers}
    facts |= {"manifest": manifests.named(manifest)} if manifest else {}
    facts |= {"parts": list(past.parts)} if past.parts else {}
    return facts if past.question == NOTHING else {**facts, "model": past.question}
