"""Steps as the people of the holder see them: what was asked of their rows, how it stands, what waits for them."""

from datetime import datetime

from medspace.connector.usage.going import Progress
from medspace.connector.usage.model import Outcome, Question
from medspace.connector.usage.states import kept_as
from medspace.core.canonical import JsonObject
from medspace.core.usage import Output, Step

KEPT = {kept_as(outcome).value: outcome for outcome in Outcome}  # by the state that people see


def shown(question: Question, far: Progress | None, now: datetime) -> JsonObject:
    """One step, without what was asked; how `far` it is, where its engine tells."""
    return {
        "id": question.id,
        "state": kept_as(question.outcome).value,
        "dataset": question.asset,
        "user": question.user,
        "agreement": question.agreement,
        "use": question.job,
        "round": question.round,
        "step": question.step,
        "time": question.time,
        "entry": question.entry,
        "repeats": question.repeats,
        "code": question.code,
        "held_for": list(question.held_for),
        "progress": None if far is None else {"done": far.done, "of": far.of, "seconds_left": far.left(now)},
    }


def opened(question: Question, step: Step, output: Output | None, sites: tuple[str, ...]) -> JsonObject:
    """What was asked in a step, and the output that waits for a person."""
    held = None if output is None else {"kind": output.kind, "cohort": output.cohort, "values": dict(output.values)}
    asked = {"task": step.task, "inputs": step.inputs, "sites": list(sites)}
    return {"asked": asked, "output": held, "waits": question.outcome is Outcome.HELD}
