"""Errors of the connector.

MedspaceError
 |- InvalidInputError
 |   |- MessageError             a message cannot be read
 |   |   |- MessageTooLargeError
 |   |   `- FilterError
 |   |- CallbackError            a callback address must not be used
 |   |- DatasetIdError           a dataset cannot be offered under this identity
 |   `- CodeInvalidError         a feature brings a code that cannot be one
 |- RefusedError
 |   |- TransitionError          the message or action does not fit the state
 |   |- UnknownProcessError      no such process for this counterparty
 |   |- UnknownDatasetError
 |   |- UnknownAgreementError
 |   |- AgreementError           the agreement is not what was negotiated
 |   |- UseRefusedError          the agreement does not allow this use
 |   |- OwnRequestError          nobody approves what they asked for themselves
 |   |- SecondPersonError        two persons must say yes, and this one does not count
 |   `- OfferError               the offer cannot be published or agreed to
 `- WaitingError
     |- QuotaError               a member uses as much as it may
     |- CrossedError             our own message is under way
     |   `- EarlyMessageError    and its answer will tell
     `- UnreachableError         no answer from the counterparty
         `- NotSentError         and surely not delivered
"""

from medspace.core.decision import Decision
from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import Text, msgid


class MessageError(InvalidInputError):
    """A message cannot be read."""

    code = "message.invalid"
    sentence = msgid("The message cannot be read: {reason}.")
    next_step = msgid("Send it as the Dataspace Protocol 2025-1 describes it.")


class MessageTooLargeError(MessageError):
    """A message is larger than the public endpoint accepts."""

    code = "message.too_large"
    sentence = msgid("The message is larger than {limit} bytes.")
    next_step = msgid("Send a smaller message.")


class FilterError(MessageError):
    """A catalogue filter cannot be evaluated."""

    code = "catalog.filter"
    sentence = msgid("This catalogue cannot evaluate the filter: {reason}.")
    next_step = msgid("Compare what a dataset shows by =, !=, <, >, <=, >=, in, like or contains, or leave it out.")


class CallbackError(InvalidInputError):
    """A callback address must not be used."""

    code = "callback.refused"
    sentence = msgid("The callback address {address} cannot be used: {reason}.")
    next_step = msgid("Give an address at which this connector may reach you.")


class DatasetIdError(InvalidInputError):
    """A dataset cannot be offered under this identity: nobody could ask for it."""

    code = "dataset.id"
    sentence = msgid("The dataset id {asset} cannot be used: {reason}.")
    next_step = msgid("Give it another id: letters, digits and the signs - _ . : are safe everywhere.")


class CodeInvalidError(InvalidInputError):
    """A feature declares a code that the log could not hold."""

    code = "codes.invalid"
    sentence = msgid("{code} cannot be a code that others are told.")
    next_step = msgid("Name it in lower case, with a dot, such as `consent.withdrawn`, in at most 64 characters.")


class TransitionError(RefusedError):
    """A message or action does not fit the state of the process."""

    code = "process.transition"
    sentence = msgid("{message} from the {sender} does not fit a process in the state {state}.")
    next_step = msgid("Read the state of the process, then send what fits it.")


class UnknownProcessError(RefusedError):
    """There is no such process, or it belongs to somebody else."""

    code = "process.unknown"
    sentence = msgid("There is no process {pid} here.")
    next_step = msgid("Check the id, which `medspace negotiations` shows, and the identity with which you ask.")


class UnknownDatasetError(RefusedError):
    """There is no such dataset in the catalogue."""

    code = "catalog.unknown"
    sentence = msgid("There is no dataset {dataset} in this catalogue.")
    next_step = msgid(
        "Choose one that is there: `medspace catalog` shows what others offer, `medspace offers` your own datasets."
    )


class UnknownAgreementError(RefusedError):
    """There is no such agreement with this counterparty."""

    code = "agreement.unknown"
    sentence = msgid("There is no agreement {agreement} with you here.")
    next_step = msgid("Negotiate an agreement for the dataset first.")


class AgreementError(RefusedError):
    """An agreement differs from what was negotiated."""

    code = "agreement.mismatch"
    sentence = msgid("The agreement is not what was negotiated: {reason}.")
    next_step = msgid("Send the agreement with the parties, the target and the terms of the negotiation.")


class UseRefusedError(RefusedError):
    """The agreement does not allow this use; the decision says by which clause."""

    code = "transfer.refused"
    sentence = msgid("The agreement does not allow this use ({code}, {clause}).")
    next_step = msgid("Ask for a kind of use that the agreement allows, or negotiate other terms.")

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.clause = next((premise.clause for premise in decision.failures), None)
        super().__init__(code=decision.code, clause=self.clause or "-")

    @property
    def text(self) -> Text:
        """What happened; a clause that is called as its code is not said twice."""
        if self.clause == self.decision.code:
            return Text(msgid("The agreement does not allow this use ({code})."), self.facts)
        return Text(self.sentence, self.facts)


class OfferError(RefusedError):
    """An offer cannot be published or agreed to."""

    code = "offer.refused"
    sentence = msgid("The offer cannot be used: {reason}.")
    next_step = msgid("Change the terms of the offer.")


class FormError(OfferError):
    """An asset is offered for a use that cannot take its form, such as images for a regression on tables."""

    code = "offer.form"
    sentence = msgid("{asset} holds {form} and is offered for {format}, which takes {forms} here.")
    next_step = msgid("Offer it for a kind of use that takes {form}, or name a source of {forms}.")


class QuotaError(WaitingError):
    """A member has reached its quota on this connector; `seconds` says when to try again."""

    code = "quota.exceeded"
    sentence = msgid("You use as much of this connector as one member may: {reason}.")
    next_step = msgid("End what is open, or ask again in {seconds} seconds.")


class OwnRequestError(RefusedError):
    """Nobody approves what they asked for themselves."""

    code = "approval.own"
    sentence = msgid("You asked for this yourself, so somebody else must approve it.")
    next_step = msgid("Ask a colleague who has a token or an account of their own to look at it.")


class SecondPersonError(RefusedError):
    """Two persons must say yes, and this person's yes does not count."""

    code = "approval.second_person"
    sentence = msgid("Two persons must say yes to this, and yours does not count: {reason}.")
    next_step = msgid("Ask a colleague who has a token of their own to look at it; one no is enough to end it.")


class MovedError(RefusedError):
    """Somebody decides on what is no longer so: other terms are on the table, or a colleague was faster."""

    code = "process.moved"
    sentence = msgid("This was changed meanwhile: what you looked at is no longer what you would decide on.")
    next_step = msgid("Read how it stands now, and decide again if it still waits for you.")


class CrossedError(WaitingError):
    """A message of ours about this process is in flight; the counterparty may try again."""

    code = "process.crossed"
    sentence = msgid("A message about the process {pid} is under way to you.")
    next_step = msgid("Answer that message, then send yours again.")


class EarlyMessageError(CrossedError):
    """Whether this message fits depends on the pending answer to our own message."""

    code = "process.early"


class UnreachableError(WaitingError):
    """The counterparty did not answer; the message may have been delivered all the same."""

    code = "peer.unreachable"
    sentence = msgid("No answer from {address}: {reason}.")
    next_step = msgid("Nothing is lost: the message is sent again. Check that the address is right.")


class NotSentError(UnreachableError):
    """There was no connection, so the message was surely not delivered."""

    code = "peer.not_sent"
    sentence = msgid("No connection to {address}: {reason}.")
