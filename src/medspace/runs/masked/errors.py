"""The errors of masked rounds.

RunError
 |- TotalInvalidError     the total of a round cannot be right; nobody can tell whose fault it is
 `- ProposalInvalidError  the next question does not follow from the total; whoever proposed it is named
"""

from medspace.core.errors import ProofError
from medspace.core.text import Fact, Text, msgid
from medspace.runs.errors import RunError


class TotalInvalidError(RunError, ProofError):
    """The total of a round cannot be right. Only the total is seen, so nobody is named."""

    code = "masked.total_invalid"
    sentence = msgid("The total of round {round} cannot be right: {reason}.")
    next_step = msgid("Each hospital checks its own data and its version; then start the run again.")
    exit_code = ProofError.exit_code


class ProposalInvalidError(RunError, ProofError):
    """The next question that a site proposed does not follow from the total, so no site answers it.

    Whoever computes knows no names: the protocol, which knows them, raises it again with `of`.
    """

    code = "masked.proposal_invalid"
    sentence = msgid(
        "The question that {site} proposed after round {round} does not follow from the total: {reason}."
    )
    next_step = msgid("Do not run with this hospital until it can say what happened; its name stands in every log.")
    exit_code = ProofError.exit_code

    def __init__(self, round: int, reason: Fact | Text, site: str = "") -> None:  # noqa: A002 - as in its sentence
        super().__init__(round=round, reason=reason, site=site)
        self._round, self._reason = round, reason

    def of(self, site: str) -> "ProposalInvalidError":
        """The same error with the DID of who proposed it."""
        return ProposalInvalidError(self._round, self._reason, site)
