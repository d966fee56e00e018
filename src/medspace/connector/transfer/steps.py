"""The steps of a transfer: how it begins, what its messages change, and when a use is not allowed."""

from dataclasses import dataclass, replace

from medspace.connector import binding, journal, wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import UnknownAgreementError
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Reaction, Role, Transfer, TransferState
from medspace.connector.ports import FinalisedAgreements, TransferEvent, TransferStrategy
from medspace.connector.process import steps
from medspace.connector.process.description import ProcessDescription
from medspace.connector.states import DeliveryStateOf
from medspace.connector.transfer import messages
from medspace.connector.transfer.rules import ACTIONS, ENDINGS, TransferMessage
from medspace.connector.wire import Incoming
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.trust.model import Caller

# The event that the strategy gets: (our role, message, sent by us) -> event.
_EVENTS = {
    (Role.PROVIDER, TransferMessage.START, True): TransferEvent.STARTED,
    (Role.PROVIDER, TransferMessage.START, False): TransferEvent.STARTED,
    (Role.PROVIDER, TransferMessage.SUSPENSION, True): TransferEvent.SUSPENDED,
    (Role.PROVIDER, TransferMessage.SUSPENSION, False): TransferEvent.SUSPENDED,
    (Role.CONSUMER, TransferMessage.REQUEST, True): TransferEvent.REQUESTED,
    (Role.CONSUMER, TransferMessage.START, False): TransferEvent.START,
    (Role.CONSUMER, TransferMessage.SUSPENSION, False): TransferEvent.SUSPENSION,
    **{(role, TransferMessage.COMPLETION, own): TransferEvent.COMPLETED for role in Role for own in (True, False)},
    **{(role, TransferMessage.TERMINATION, own): TransferEvent.TERMINATED for role in Role for own in (True, False)},
}


@dataclass(frozen=True, slots=True)
class TransferSteps(steps.ProcessSteps[Transfer, TransferMessage]):
    """The steps of all transfers of this participant."""

    strategy: TransferStrategy
    agreements: FinalisedAgreements

    @property
    def described(self) -> ProcessDescription[Transfer, TransferMessage]:
        """The kind of process."""
        return messages.TRANSFER

    # --- how it begins ----------------------------------------------------------------------------------------

    def open(
        self, tx: Transaction, caller: Caller, incoming: Incoming, known: DeliveryStateOf
    ) -> ProcessUpdate[Transfer]:
        """Handle a consumer's request; a repeated one finds the same process; a refusal leaves only its log entry.

        Raises:
            UnknownAgreementError: there is no such agreement with the caller.
        """
        peer = wire.identifier(incoming.body, "consumerPid")
        found = self.known(tx, caller, Role.PROVIDER, peer)
        if found is not None:
            return ProcessUpdate(found, fresh=False)
        agreement_id = wire.identifier(incoming.body, "agreementId")
        agreement = self.agreements.usable(tx, agreement_id, caller.did, known)
        if agreement is None:
            raise UnknownAgreementError(agreement=agreement_id)
        asked = self._requested(caller, peer, agreement, incoming.body)
        refusal = self._refused(tx, agreement, asked)
        if refusal is not None:
            return ProcessUpdate(asked, refusal=refusal)
        transfer = replace(asked, state=TransferState.REQUESTED)
        tx.insert(TRANSFERS, transfer)
        self.described.note(tx, caller.did, transfer)
        reaction = self.strategy.react(tx, transfer, TransferEvent.REQUEST)
        return ProcessUpdate(transfer, self.schedule(tx, transfer, reaction))

    def _requested(self, caller: Caller, peer: str, agreement: Agreement, body: JsonObject) -> Transfer:
        return Transfer(
            id=self.local.new_id(),
            role=Role.PROVIDER,
            state=TransferState.INITIAL,
            counterparty=caller.did,
            address=wire.address(body),
            peer_pid=peer,
            agreement=agreement.id,
            dataset=agreement.dataset,
            format=wire.identifier(body, "format"),
            created=self.local.now(),
            updated=self.local.now(),
            data_address=wire.data_address(body.get("dataAddress")),
        )

    def begin(
        self,
        tx: Transaction,
        agreement: Agreement,
        kind: str,
        address: str,
        data_address: JsonObject | None,
        pid: str | None = None,
        by: str = NOBODY,
    ) -> ProcessUpdate[Transfer]:
        """As consumer, request a use of the agreement; with a data address, a push to that address.

        Raises:
            MessageError: `kind` cannot be a format.
        """
        transfer = Transfer(
            id=pid or self.local.new_id(),
            role=Role.CONSUMER,
            state=TransferState.INITIAL,
            counterparty=agreement.provider,
            address=address.rstrip("/"),
            peer_pid=None,
            agreement=agreement.id,
            dataset=agreement.dataset,
            format=wire.identifier({"format": kind}, "format"),
            created=self.local.now(),
            updated=self.local.now(),
            data_address=data_address,
            asked_by=by,
        )
        tx.insert(TRANSFERS, transfer)
        return ProcessUpdate(transfer, self.schedule(tx, transfer, Reaction(("request",), by=by)))

    # --- whether the use is allowed ---------------------------------------------------------------------------

    def objection(self, tx: Transaction, transfer: Transfer, message: TransferMessage) -> Decision | None:
        """The refusal of a use that the agreement no longer allows; the consumer cannot resume it either."""
        if transfer.role is Role.CONSUMER or message is not TransferMessage.START:
            return None
        agreement = tx.get(AGREEMENTS, transfer.agreement)
        if agreement is None:
            raise UnknownAgreementError(agreement=transfer.agreement)
        return self._refused(tx, agreement, transfer)

    def _refused(self, tx: Transaction, agreement: Agreement, transfer: Transfer) -> Decision | None:
        decision = self.strategy.examine(tx, agreement, transfer)
        if decision.permitted:
            return None
        clause = next((premise.clause for premise in decision.failures), None)
        noted = replace(transfer, updated=self.local.now())
        journal.note_refusal(tx, self.local.did, noted, decision.code, clause)
        return decision

    # --- what messages bring ----------------------------------------------------------------------------------

    def content(
        self, tx: Transaction, transfer: Transfer, message: TransferMessage, reaction: Reaction
    ) -> JsonObject:
        """The content of one of our messages, apart from its identity and the pids."""
        starts = message is TransferMessage.START and transfer.role is Role.PROVIDER
        address = self.strategy.address(tx, transfer) if starts else None
        return messages.content(self.local, transfer, message, reaction, address)

    def told(
        self, _tx: Transaction, transfer: Transfer, message: TransferMessage, body: JsonObject, sender: Role
    ) -> Transfer:
        """The transfer updated with the data address or the reason that a message carries."""
        match message:
            case TransferMessage.START:
                # The provider need not keep the token that it issued.
                told = wire.data_address(body.get("dataAddress")) if transfer.role is Role.CONSUMER else None
                return replace(transfer, data_address=told or transfer.data_address, suspended_by=None, failure=None)
            case TransferMessage.SUSPENSION:
                return replace(transfer, suspended_by=sender, failure=binding.reason(transfer, body, sender))
            case TransferMessage.TERMINATION:
                return replace(transfer, failure=binding.reason(transfer, body, sender))
            case _:
                return replace(transfer, failure=None)

    def received(self, tx: Transaction, transfer: Transfer, message: TransferMessage) -> Reaction:
        """The strategy's reaction to a message of the counterparty."""
        return self._react(tx, transfer, message, own=False)

    def delivered(self, tx: Transaction, transfer: Transfer, action: str) -> Reaction:
        """The strategy's reaction once a message of ours was accepted, or the transfer ended without it."""
        return self._react(tx, transfer, ACTIONS[action], own=True)

    def _react(self, tx: Transaction, transfer: Transfer, message: TransferMessage, *, own: bool) -> Reaction:
        event = _EVENTS.get((transfer.role, message, own))
        return Reaction() if event is None else self.strategy.react(tx, transfer, event)

    def owed(self, tx: Transaction, transfer: Transfer, message: TransferMessage) -> None:
        """Our own decision takes effect now; only the state waits for the acknowledgement."""
        if transfer.role is Role.PROVIDER and message in ENDINGS:
            self.strategy.react(tx, transfer, TransferEvent.CLOSING)
