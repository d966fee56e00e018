"""The steps of a negotiation: how it begins, what its messages bring, and the agreement that it ends in."""

from dataclasses import dataclass, replace

from medspace.connector import binding, wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import AgreementError, EarlyMessageError
from medspace.connector.model import (
    AGREEMENTS,
    INTENTS,
    NEGOTIATIONS,
    Agreement,
    Negotiation,
    NegotiationState,
    Reaction,
    Role,
)
from medspace.connector.negotiation import messages
from medspace.connector.negotiation.rules import ACTIONS, TABLE, Message
from medspace.connector.ports import NegotiationEvent, NegotiationStrategy
from medspace.connector.process import steps
from medspace.connector.process.description import Description
from medspace.connector.states import DeliveryState, DeliveryStateOf
from medspace.connector.wire import Incoming
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.core.text import msgid
from medspace.trust.model import Caller

_RECEIVED = {
    Message.REQUEST: NegotiationEvent.COUNTER,
    Message.ACCEPTED: NegotiationEvent.ACCEPTED,
    Message.VERIFICATION: NegotiationEvent.VERIFIED,
    Message.OFFER: NegotiationEvent.OFFER,
    Message.AGREEMENT: NegotiationEvent.AGREEMENT,
    Message.FINALIZED: NegotiationEvent.FINALIZED,
}


@dataclass(frozen=True, slots=True)
class Steps(steps.Steps[Negotiation, Message]):
    """The steps of all negotiations of this participant."""

    strategy: NegotiationStrategy

    @property
    def described(self) -> Description[Negotiation, Message]:
        """The kind of process."""
        return messages.NEGOTIATION

    # --- how it begins ----------------------------------------------------------------------------------------

    def open(
        self, tx: Transaction, caller: Caller, incoming: Incoming, message: Message
    ) -> ProcessUpdate[Negotiation]:
        """Take the counterparty's initial request or offer; the same one again finds the same process."""
        role = Role.PROVIDER if message is Message.REQUEST else Role.CONSUMER
        peer = wire.identifier(incoming.body, f"{role.other.value}Pid")
        known = self.known(tx, caller, role, peer)
        if known is not None:
            return ProcessUpdate(known, fresh=False)
        negotiation = replace(
            self._new(role, role.other, caller.did, wire.address(incoming.body), wire.offer(incoming.body)),
            state=TABLE.step(NegotiationState.INITIAL, message, role.other),
            peer_pid=peer,
        )
        tx.insert(NEGOTIATIONS, negotiation)
        self.described.note(tx, caller.did, negotiation)
        event = NegotiationEvent.REQUEST if role is Role.PROVIDER else NegotiationEvent.OFFER
        return ProcessUpdate(negotiation, self.schedule(tx, negotiation, self.strategy.react(tx, negotiation, event)))

    def begin(
        self, tx: Transaction, role: Role, did: str, address: str, offer: JsonObject
    ) -> ProcessUpdate[Negotiation]:
        """Begin a negotiation: with a request as consumer, with an offer as provider."""
        negotiation = self._new(role, role, did, address.rstrip("/"), offer)
        tx.insert(NEGOTIATIONS, negotiation)
        action = "request" if role is Role.CONSUMER else "offer"
        return ProcessUpdate(negotiation, self.schedule(tx, negotiation, Reaction((action,))))

    def _new(self, role: Role, initiator: Role, did: str, address: str, offer: JsonObject) -> Negotiation:
        return Negotiation(
            id=self.local.new_id(),
            role=role,
            state=NegotiationState.INITIAL,
            initiator=initiator,
            counterparty=did,
            address=address,
            peer_pid=None,
            offer=offer,
            asked=offer if initiator is Role.CONSUMER else None,
            created=self.local.now(),
            updated=self.local.now(),
        )

    # --- what messages bring ----------------------------------------------------------------------------------

    def content(self, _tx: Transaction, negotiation: Negotiation, message: Message, reaction: Reaction) -> JsonObject:
        """What a message of ours holds besides its identity and the pids."""
        return messages.content(self.local, negotiation, message, reaction)

    def told(
        self, tx: Transaction, negotiation: Negotiation, message: Message, body: JsonObject, sender: Role
    ) -> Negotiation:
        """The negotiation with the terms, the agreement or the reason that a message gives."""
        match message:
            case Message.REQUEST:
                offer = wire.offer(body)
                return replace(negotiation, offer=offer, asked=offer, failure=None)
            case Message.OFFER:
                return replace(negotiation, offer=wire.offer(body), failure=None)
            case Message.AGREEMENT:
                return replace(negotiation, agreement=_new_agreement(tx, wire.agreement(body)), failure=None)
            case Message.TERMINATION:
                return replace(negotiation, failure=binding.reason(negotiation, body, sender))
            case _:
                return replace(negotiation, failure=None)

    def received(self, tx: Transaction, negotiation: Negotiation, message: Message) -> Reaction:
        """What the strategy answers to a message of the counterparty; a termination is not answered."""
        event = _RECEIVED.get(message)
        return Reaction() if event is None else self.strategy.react(tx, negotiation, event)

    def delivered(self, tx: Transaction, negotiation: Negotiation, action: str) -> Reaction:
        """What the strategy does once our request was taken; anything else is the counterparty's to answer."""
        if action != "request":
            return Reaction()
        return self.strategy.react(tx, negotiation, NegotiationEvent.REQUESTED)

    # --- the agreement ----------------------------------------------------------------------------------------

    def entered(self, tx: Transaction, negotiation: Negotiation, message: Message) -> None:
        """Keep the agreement that is finalised."""
        if message is Message.FINALIZED and negotiation.agreement is not None:
            tx.insert(AGREEMENTS, self._agreement(negotiation, negotiation.agreement))

    def usable(self, tx: Transaction, agreement_id: str, consumer: str, known: DeliveryStateOf) -> Agreement | None:
        """The agreement of that identity with that consumer, if it is finalised.

        A consumer that uses an agreement has taken our message that finalises it, even if its answer got lost.

        Raises:
            EarlyMessageError: the answer to that message will tell.
        """
        agreement = tx.get(AGREEMENTS, agreement_id)
        if agreement is None:
            self._finalize_early(tx, agreement_id, consumer, known)
            agreement = tx.get(AGREEMENTS, agreement_id)
        return agreement if agreement is not None and agreement.consumer == consumer else None

    def _finalize_early(self, tx: Transaction, agreement_id: str, consumer: str, known: DeliveryStateOf) -> None:
        where = {"agreement_id": agreement_id, "counterparty": consumer, "role": Role.PROVIDER}
        for negotiation in tx.find(NEGOTIATIONS, where=where, limit=1):
            kept = tx.get(INTENTS, negotiation.id)
            if kept is None or ACTIONS[kept.action] is not Message.FINALIZED:
                return
            standing = known(kept)
            if standing is DeliveryState.FLYING:
                raise EarlyMessageError(pid=negotiation.id)
            if standing is DeliveryState.DOUBTFUL:
                self.acknowledge(tx, negotiation, kept, negotiation.peer_pid)

    def _agreement(self, negotiation: Negotiation, policy: JsonObject) -> Agreement:
        parties = {negotiation.role: self.local.did, negotiation.role.other: negotiation.counterparty}
        return Agreement(
            id=policy["@id"],
            negotiation=negotiation.id,
            provider=parties[Role.PROVIDER],
            consumer=parties[Role.CONSUMER],
            dataset=policy["target"],
            policy=policy,
            digest=digest(policy),
            agreed=policy.get("timestamp", negotiation.updated),
            finalized=negotiation.updated,
        )


def _new_agreement(tx: Transaction, agreement: JsonObject) -> JsonObject:
    where = {"agreement_id": agreement["@id"]}
    if tx.get(AGREEMENTS, agreement["@id"]) or tx.find(NEGOTIATIONS, where=where, limit=1):
        raise AgreementError(reason=msgid("its identity is taken"))
    return agreement
