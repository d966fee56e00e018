"""Steps for the people of the holder: what their rows were asked, the state of each step, and what awaits them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from medspace.app.doors.views import Speak
from medspace.connector.usage.checking import ReviewedStep
from medspace.connector.usage.going import StepProgress
from medspace.connector.usage.model import AdmittedQuestion, QuestionOutcome
from medspace.connector.usage.states import kept_as
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.policy import outputs

KEPT = {kept_as(outcome).value: outcome for outcome in QuestionOutcome}  # by the state that people see


def shown(
    question: AdmittedQuestion, far: StepProgress | None, names: Mapping[str, str], now: datetime
) -> JsonObject:
    """One step, without what was asked; how `far` it is, where its engine tells."""
    return {
        "id": question.id,
        "state": kept_as(question.outcome).value,
        "dataset": question.asset,
        "user": question.user,
        "user_name": names.get(question.user, ""),
        "agreement": question.agreement,
        "use": question.job,
        "round": question.round,
        "step": question.step,
        "time": question.time,
        "entry": question.entry,
        "repeats": question.repeats,
        "code": question.code,
        "held_for": list(question.held_for),
        "approved_by": list(question.approved_by),
        "refused_by": question.refused_by,
        "changed_by": list(question.changed_by),
        "left_out": list(question.left_out),
        "progress": None if far is None else {"done": far.done, "of": far.of, "seconds_left": far.left(now)},
    }


def opened(found: ReviewedStep, speak: Speak) -> JsonObject:
    """What was asked in a step; the output that waits for a person, what the gate finds in it, who must let it go."""
    output = found.output
    held = None if output is None else {"kind": output.kind, "cohort": output.cohort, "values": dict(output.values)}
    return {
        "asked": {"task": found.step.task, "inputs": found.step.inputs, "sites": list(found.sites)},
        "output": held,
        "waits": output is not None,
        "optional": parts(found.optional, speak),
        "left_out": parts(found.question.left_out, speak),
        "checks": [
            {
                "rule": one.clause,
                "asked": one.asked.render(speak),
                "found": one.held.render(speak),
                "passed": one.satisfied,
            }
            for one in found.checks
        ],
        "persons": found.persons,
        "until": None if found.until is None else stamp(found.until),
    }


def parts(kinds: Sequence[str], speak: Speak) -> list[JsonObject]:
    """Parts of an output: each by its name in the terms, and in words."""
    told = ((kind, outputs.WORDS.get(kind)) for kind in kinds)
    return [{"name": kind, "words": kind if said is None else said.render(speak)} for kind, said in told]


def comments(found: ReviewedStep) -> list[JsonObject]:
    """What persons wrote who looked at the output."""
    return [
        {
            "moved_by": one.by,
            "approve": one.approve,
            "left_out": list(one.left_out),
            "text": one.text,
            "time": one.time,
        }
        for one in found.comments
    ]
