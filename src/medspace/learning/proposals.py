"""What a site proposes after a round under masks: the step of a Newton round, as integers, or nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.runs.masked.errors import ProposalInvalidError

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,63}")


@dataclass(frozen=True, slots=True)
class ProposedStep:
    """A step with 96 bits behind the point, proposed after so many rounds."""

    step: list[int]
    round: int

    def that(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
        """Refuse it.

        Raises:
            ProposalInvalidError: it does not hold.
        """
        if not holds:
            raise ProposalInvalidError(self.round, Text(otherwise))


def written_step(step: Sequence[int]) -> JsonObject:
    """The step as canonical JSON."""
    return {"step": [str(value) for value in step]}


def empty(proposal: Json, round: int) -> None:  # noqa: A002 - as in the error
    """Refuse a proposal where none is due.

    Raises:
        ProposalInvalidError: it proposes something.
    """
    ProposedStep([], round).that(proposal == {}, msgid("no step is due now"))


def step_of(proposal: Json, width: int, round: int) -> ProposedStep:  # noqa: A002 - as in the error
    """The step that was written; every integer has one form.

    Raises:
        ProposalInvalidError: it is no step of so many coefficients.
    """
    told = proposal.get("step") if isinstance(proposal, dict) and set(proposal) == {"step"} else None
    fits = isinstance(told, list) and len(told) == width
    fits = fits and all(isinstance(value, str) and _INTEGER.fullmatch(value) for value in told or ())
    ProposedStep([], round).that(fits, msgid("it is not a step of this task"))
    return ProposedStep([int(value) for value in told or ()], round)
