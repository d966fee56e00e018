"""The steps of a transfer: how it begins, what its messages bring, and when a use is not allowed."""

from dataclasses import dataclass, replace

from medspace.connector import binding, journal, wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import UnknownAgreementError
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Reaction, Role, Transfer, TransferState
from medspace.connector.ports import Agreements, TransferEvent, TransferStrategy
from medspace.connector.process import steps
from medspace.connector.process.description import Description
from medspace.connector.states import DeliveryStateOf
from medspace.connector.transfer import messages
from medspace.connector.transfer.rules import ACTIONS, ENDINGS, Message
from medspace.connector.wire import Incoming
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.trust.model import Caller

# What the strategy is told: (our role, message, sent by us) -> event.
_EVENTS = {
    (Role.PROVIDER, Message.START, True): TransferEvent.STARTED,
    (Role.PROVIDER, Message.START, False): TransferEvent.STARTED,
    (Role.PROVIDER, Message.SUSPENSION, True): TransferEvent.SUSPENDED,
    (Role.PROVIDER, Message.SUSPENSION, False): TransferEvent.SUSPENDED,
    (Role.CONSUMER, Message.REQUEST, True): TransferEvent.REQUESTED,
    (Role.CONSUMER, Message.START, False): TransferEvent.START,
    (Role.CONSUMER, Message.SUSPENSION, False): TransferEvent.SUSPENSION,
    **{(role, Message.COMPLETION, own): TransferEvent.COMPLETED for role in Role for own in (True, False)},
    **{(role, Message.TERMINATION, own): TransferEvent.TERMINATED for role in Role for own in (True, False)},
}


@dataclass(frozen=True, slots=True)
class Steps(steps.Steps[Transfer, Message]):
    """The steps of all transfers of this participant."""

    strategy: TransferStrategy
    agreements: Agreements

    @property
    def described(self) -> Description[Transfer, Message]:
        """The kind of process."""
        return messages.TRANSFER

    # --- how it begins ----------------------------------------------------------------------------------------

    def open(
        self, tx: Transaction, caller: Caller, incoming: Incoming, known: DeliveryStateOf
    ) -> ProcessUpdate[Transfer]:
        """Take a consumer's request; the same one again finds the same process; a refusal keeps only its entry.

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
        asked = self._asked(caller, peer, agreement, incoming.body)
        refusal = self._refused(tx, agreement, asked)
        if refusal is not None:
            return ProcessUpdate(asked, refusal=refusal)
        transfer = replace(asked, state=TransferState.REQUESTED)
        tx.insert(TRANSFERS, transfer)
        self.described.note(tx, caller.did, transfer)
        reaction = self.strategy.react(tx, transfer, TransferEvent.REQUEST)
        return ProcessUpdate(transfer, self.schedule(tx, transfer, reaction))

    def _asked(self, caller: Caller, peer: str, agreement: Agreement, body: JsonObject) -> Transfer:
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
    ) -> ProcessUpdate[Transfer]:
        """As consumer, request a use of the agreement; with a data address, to be pushed there.

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
        )
        tx.insert(TRANSFERS, transfer)
        return ProcessUpdate(transfer, self.schedule(tx, transfer, Reaction(("request",))))

    # --- whether the use is allowed ---------------------------------------------------------------------------

    def objection(self, tx: Transaction, transfer: Transfer, message: Message) -> Decision | None:
        """The refusal of what the agreement does not allow any more: it is not resumed by the consumer either."""
        if transfer.role is Role.CONSUMER or message is not Message.START:
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

    def content(self, tx: Transaction, transfer: Transfer, message: Message, reaction: Reaction) -> JsonObject:
        """What a message of ours holds besides its identity and the pids."""
        starts = message is Message.START and transfer.role is Role.PROVIDER
        address = self.strategy.address(tx, transfer) if starts else None
        return messages.content(self.local, transfer, message, reaction, address)

    def told(
        self, _tx: Transaction, transfer: Transfer, message: Message, body: JsonObject, sender: Role
    ) -> Transfer:
        """The transfer with the data address or the reason that a message gives."""
        match message:
            case Message.START:
                # The provider need not keep the token that it gave away.
                told = wire.data_address(body.get("dataAddress")) if transfer.role is Role.CONSUMER else None
                return replace(transfer, data_address=told or transfer.data_address, suspended_by=None, failure=None)
            case Message.SUSPENSION:
                return replace(transfer, suspended_by=sender, failure=binding.reason(transfer, body, sender))
            case Message.TERMINATION:
                return replace(transfer, failure=binding.reason(transfer, body, sender))
            case _:
                return replace(transfer, failure=None)

    def received(self, tx: Transaction, transfer: Transfer, message: Message) -> Reaction:
        """What the strategy does after a message of the counterparty."""
        return self._react(tx, transfer, message, own=False)

    def delivered(self, tx: Transaction, transfer: Transfer, action: str) -> Reaction:
        """What the strategy does after a message of ours was taken, or where it is over without that."""
        return self._react(tx, transfer, ACTIONS[action], own=True)

    def _react(self, tx: Transaction, transfer: Transfer, message: Message, *, own: bool) -> Reaction:
        event = _EVENTS.get((transfer.role, message, own))
        return Reaction() if event is None else self.strategy.react(tx, transfer, event)

    def owed(self, tx: Transaction, transfer: Transfer, message: Message) -> None:
        """Our own will holds from now on; only the state waits for the acknowledgement."""
        if transfer.role is Role.PROVIDER and message in ENDINGS:
            self.strategy.react(tx, transfer, TransferEvent.CLOSING)
