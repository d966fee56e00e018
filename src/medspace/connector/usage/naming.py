"""The digests that name a step and its pieces, computed before any transaction: those of a large step take long."""

from dataclasses import dataclass

from medspace.connector.usage import rules
from medspace.connector.usage.errors import StepError
from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.core.text import Text, msgid
from medspace.core.usage import Step, listed


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of the whole step (its name within its use), of its task, and of its inputs."""

    step: str
    task: str
    inputs: str


def digests_of(step: Step) -> Digests:
    """The digests of a step. Blocking: a large one takes a tenth of a second.

    Raises:
        StepError: it is not a valid step.
    """
    flaw = rules.flaw(step)
    if flaw is not None:
        raise StepError(reason=flaw)
    parts = {"parts": listed(step.parts)} if step.parts else {}
    mail = {"inbox": dict(step.inbox)} if step.inbox else {}
    asked = {"task": step.task, "round": step.round, "name": step.name, "inputs": step.inputs} | parts | mail
    try:
        said = exact(asked)
        return Digests(digest(said), digest(said["task"]), digest(said["inputs"]))
    except (ValueError, RecursionError) as error:
        reason = msgid("it is deeper than any task, or a number in it is too large or not finite")
        raise StepError(reason=Text(reason)) from error
