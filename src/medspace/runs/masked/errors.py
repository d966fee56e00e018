"""The errors of masked rounds.

RunError
 |- TotalInvalidError     the total of a round cannot be right; nobody can tell whose fault it is
 `- ProposalInvalidError  the next question does not follow from the total; whoever proposed it is named
InvalidInputError
 |- TotalRefusedError     a site does not go on from a total that cannot be right
 |- MaskedError           a site does not go on; by default, whoever carried the messages is named
 |   |- MaskedKeysError | OutOfTurnError | SurvivorsError | OpeningsMissingError | VectorsExchangedError
 |   |- MasksDifferError      two sites contradict each other; nobody can tell which one lies
 |   `- MessageInvalidError   what another site sent cannot be used; it is named
 |       `- FalseOpeningError | FalseProposalError | ProposalsDifferError
 `- RecordsMalformedError | ModelFileError   a file that an auditor is shown holds something else
"""

from medspace.core.errors import InvalidInputError, ProofError
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

    The computation knows no names: the protocol, which does, raises it again with `of`.
    """

    code = "masked.proposal_invalid"
    sentence = msgid(
        "The question that {site} proposed after round {round} does not follow from the total: {reason}."
    )
    next_step = msgid("Do not run with this hospital until it can say what happened; its name is in every log.")
    exit_code = ProofError.exit_code

    def __init__(self, round: int, reason: Fact | Text, site: str = "") -> None:  # noqa: A002 - as in its sentence
        super().__init__(round=round, reason=reason, site=site)
        self._round, self._reason = round, reason

    def of(self, site: str) -> "ProposalInvalidError":
        """The same error with the DID of who proposed it."""
        return ProposalInvalidError(self._round, self._reason, site)


class TotalRefusedError(InvalidInputError):
    """A site does not go on from a total that cannot be right."""

    code = TotalInvalidError.code
    sentence = TotalInvalidError.sentence
    next_step = TotalInvalidError.next_step


class MaskedError(InvalidInputError):
    """A site does not go on with a masked round because of what it was sent."""

    named: str | None = None  # the DID that the log names for it: "" nobody, None whoever carried the messages

    code = "masked.refused"
    sentence = msgid("This site stops the masked round: {reason}.")
    next_step = msgid("Start a new run; if it happens again, look at the log for whom it names.")


class MaskedKeysError(MaskedError):
    """The seats of the run have no keys."""

    code = "masked.keys"
    sentence = msgid("The seats of the run have no keys for one another.")
    next_step = msgid("Start the run with a connector that hands the seats their keys.")


class OutOfTurnError(MaskedError):
    """A step is left out, repeated or forked."""

    code = "masked.turn"
    sentence = msgid("This step is out of turn: the last one of this site was {turn}.")
    next_step = msgid("Steps follow one another once, in one order. Start a new run.")


class SurvivorsError(MaskedError):
    """The list of those who are in a total cannot be agreed to."""

    code = "masked.survivors"
    sentence = msgid("The list of the sites in this total cannot be agreed to: {reason}.")
    next_step = msgid("Wait for the sites that are missing, or start a new run without them.")


class OpeningsMissingError(MaskedError):
    """Too few sites have given what opens a total."""

    code = "masked.openings"
    sentence = msgid("Too few sites gave what opens the part of {site} in the total.")
    next_step = msgid("The coordinator did not carry all messages: resume the run, or start a new one.")


class VectorsExchangedError(MaskedError):
    """A vector beside a step is not the one that its site has signed."""

    code = "masked.vectors"
    sentence = msgid("The vector that was brought as that of {site} is not the one that it has signed.")
    next_step = msgid("The coordinator carried another one. Start a new run; do it again with another coordinator.")


class MasksDifferError(MaskedError):
    """Two other sites say different things of the mask that they share."""

    named = ""

    code = "masked.masks_differ"
    sentence = msgid("{site} and {other} contradict each other about the mask that they share: one of them is lying.")
    next_step = msgid("Look at the logs of both: each names the other there. Then run without the one that lied.")


class MessageInvalidError(MaskedError):
    """A message of a site is not what its step asks for; the site is named."""

    code = "masked.message"
    sentence = msgid("What {site} sent cannot be used: {reason}.")
    next_step = msgid("Do not run with this hospital until it can say what happened; its name is in the log.")

    def __init__(self, site: str, reason: Fact | Text, **facts: Fact | Text) -> None:
        super().__init__(site=site, reason=reason, **facts)
        self.named = "" if site == "-" else site  # of what the coordinator alone has written


class FalseOpeningError(MessageInvalidError):
    """What a site opened is not what it had committed to; the site is named."""

    code = "masked.opening"
    sentence = msgid("What {site} opened does not match its commitment: {reason}.")


class ProposalsDifferError(MessageInvalidError):
    """A site proposed different questions to different sites; it has signed both."""

    code = "masked.proposals_differ"
    sentence = msgid("{site} cannot be followed: {reason}.")


class FalseProposalError(MessageInvalidError):
    """The next question that a site proposed does not follow from the total; the site is named."""

    code = ProposalInvalidError.code
    sentence = ProposalInvalidError.sentence
    next_step = ProposalInvalidError.next_step


class RecordsMalformedError(InvalidInputError):
    """A file that does not hold a holder's records of a run."""

    code = "masked.records_malformed"
    sentence = msgid("These are not the records of a masked run: {reason}.")
    next_step = msgid("Ask the holder to export them again with `medspace audit records`.")


class ModelFileError(InvalidInputError):
    """A file that does not hold an exported model."""

    code = "masked.model_malformed"
    sentence = msgid("This is not an exported model: {reason}.")
    next_step = msgid("Ask the owner of the model to export it again with `medspace audit model`.")
