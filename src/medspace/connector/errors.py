"""Errors of the connector.

MedspaceError
 |- InvalidInputError
 |   |- MessageError             a message cannot be read
 |   |   |- TooLargeError
 |   |   `- FilterError
 |   |- CallbackError            a callback address must not be used
 |   `- DatasetIdError           a dataset cannot be offered under this identity
 |- RefusedError
 |   |- TransitionError          the message or action does not fit the state
 |   |- UnknownProcessError      no such process for this counterparty
 |   |- UnknownDatasetError
 |   |- UnknownAgreementError
 |   |- AgreementError           the agreement is not what was negotiated
 |   |- UseRefusedError          the agreement does not allow this use
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
from medspace.core.text import msgid


class MessageError(InvalidInputError):
    """A message cannot be read."""

    code = "message.invalid"
    sentence = msgid("The message cannot be read: {reason}.")
    next_step = msgid("Send it as the Dataspace Protocol 2025-1 describes it.")


class TooLargeError(MessageError):
    """A message is larger than the door lets in."""

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
        "Choose one that is there: `medspace catalog` shows what others offer, `medspace label` your own datasets."
    )


class UnknownAgreementError(RefusedError):
    """There is no such agreement with this counterparty."""

    code = "agreement.unknown"
    sentence = msgid("There is no agreement {agreement} with you here.")
    next_step = msgid("Negotiate an agreement for the dataset first.")


class AgreementError(RefusedError):
    """An agreement is not what was negotiated."""

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


class OfferError(RefusedError):
    """An offer cannot be published or agreed to."""

    code = "offer.refused"
    sentence = msgid("The offer cannot be used: {reason}.")
    next_step = msgid("Change the terms of the offer.")


class FormError(OfferError):
    """An asset is offered for a use that cannot take what it is, such as images for a regression on tables."""

    code = "offer.form"
    sentence = msgid("{asset} holds {form} and is offered for {format}, which takes {forms} here.")
    next_step = msgid("Offer it for a kind of use that takes {form}, or name a source of {forms}.")


class QuotaError(WaitingError):
    """A member uses as much of this connector as one member may; `seconds` says when to ask again."""

    code = "quota.exceeded"
    sentence = msgid("You use as much of this connector as one member may: {reason}.")
    next_step = msgid("End what is open, or ask again in {seconds} seconds.")


class CrossedError(WaitingError):
    """Our own message about this process is under way; the counterparty may try again."""

    code = "process.crossed"
    sentence = msgid("A message about the process {pid} is under way to you.")
    next_step = msgid("Answer that message, then send yours again.")


class EarlyMessageError(CrossedError):
    """The answer to our own message will tell whether this one fits."""

    code = "process.early"


class UnreachableError(WaitingError):
    """The counterparty did not answer; the message may have been delivered all the same."""

    code = "peer.unreachable"
    sentence = msgid("No answer from {address}: {reason}.")
    next_step = msgid("Nothing is lost: the message is sent again. Check that the address is right.")


class NotSentError(UnreachableError):
    """There was no connection: the message has surely not been delivered."""

    code = "peer.not_sent"
    sentence = msgid("No connection to {address}: {reason}.")
