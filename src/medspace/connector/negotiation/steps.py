"""The steps of a negotiation: how it begins, what its messages change, and the agreement that it leads to."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from medspace.connector import binding, journal, wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import AgreementError, CrossedError, EarlyMessageError
from medspace.connector.local import Local
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
from medspace.connector.negotiation.rules import ACTIONS, TABLE, NegotiationMessage
from medspace.connector.ports import NegotiationEvent, NegotiationStrategy
from medspace.connector.process import steps
from medspace.connector.process.description import ProcessDescription
from medspace.connector.states import DeliveryState, DeliveryStateOf
from medspace.connector.wire import Incoming
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.core.text import msgid
from medspace.trust.model import Caller

_RECEIVED = {
    NegotiationMessage.REQUEST: NegotiationEvent.COUNTER,
    NegotiationMessage.ACCEPTED: NegotiationEvent.ACCEPTED,
    NegotiationMessage.VERIFICATION: NegotiationEvent.VERIFIED,
    NegotiationMessage.OFFER: NegotiationEvent.OFFER,
    NegotiationMessage.AGREEMENT: NegotiationEvent.AGREEMENT,
    NegotiationMessage.FINALIZED: NegotiationEvent.FINALIZED,
}


# These messages put new terms on the table, which need a new yes.
_TABLED = frozenset(
    {NegotiationMessage.REQUEST, NegotiationMessage.OFFER, NegotiationMessage.ACCEPTED, NegotiationMessage.AGREEMENT}
)


def _stands(_tx: Transaction, _local: Local, _made: Agreement) -> None:
    """An agreement that takes the place of none."""


@dataclass(frozen=True, slots=True)
class NegotiationSteps(steps.ProcessSteps[Negotiation, NegotiationMessage]):
    """The steps of all negotiations of this participant; `supersede` ends the agreement that a new one replaces."""

    strategy: NegotiationStrategy
    supersede: Callable[[Transaction, Local, Agreement], None] = _stands

    @property
    def described(self) -> ProcessDescription[Negotiation, NegotiationMessage]:
        """The kind of process."""
        return messages.NEGOTIATION

    # --- how it begins ----------------------------------------------------------------------------------------

    def open(
        self, tx: Transaction, caller: Caller, incoming: Incoming, message: NegotiationMessage
    ) -> ProcessUpdate[Negotiation]:
        """Handle the counterparty's initial request or offer; a repeated one finds the same process."""
        role = Role.PROVIDER if message is NegotiationMessage.REQUEST else Role.CONSUMER
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
        self, tx: Transaction, role: Role, did: str, address: str, offer: JsonObject, by: str = NOBODY
    ) -> ProcessUpdate[Negotiation]:
        """Begin a negotiation: with a request as consumer, with an offer as provider."""
        negotiation = replace(self._new(role, role, did, address.rstrip("/"), offer), asked_by=by)
        tx.insert(NEGOTIATIONS, negotiation)
        action = "request" if role is Role.CONSUMER else "offer"
        return ProcessUpdate(negotiation, self.schedule(tx, negotiation, Reaction((action,), by=by)))

    def asker(self, tx: Transaction, negotiation: Negotiation) -> str:
        """Which of our actors asked for it, where the counterparty is this connector itself; else ""."""
        if negotiation.counterparty != self.local.did:
            return NOBODY
        mirrored = tx.get(NEGOTIATIONS, negotiation.peer_pid or "")
        return NOBODY if mirrored is None else mirrored.asked_by

    def approve(
        self, tx: Transaction, negotiation: Negotiation, approved: Negotiation, reaction: Reaction
    ) -> ProcessUpdate[Negotiation]:
        """Store an actor's yes and do what follows from it.

        Where nothing follows yet, the yes is recorded in the log.

        Raises:
            TransitionError: it does not fit the state.
            CrossedError: a message is in flight.
        """
        if not reaction.actions and tx.get(INTENTS, negotiation.id) is not None:
            raise CrossedError(pid=negotiation.id)
        approved = replace(approved, alone=not reaction.actions)
        tx.replace(NEGOTIATIONS, negotiation, approved)
        if reaction.actions:
            return self.act(tx, approved, reaction)
        journal.note_approval(tx, self.local.did, approved, self.local.now(), reaction.by)
        return ProcessUpdate(approved)

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

    def content(
        self, _tx: Transaction, negotiation: Negotiation, message: NegotiationMessage, reaction: Reaction
    ) -> JsonObject:
        """The content of one of our messages, apart from its identity and the pids."""
        return messages.content(self.local, negotiation, message, reaction)

    def told(
        self, tx: Transaction, negotiation: Negotiation, message: NegotiationMessage, body: JsonObject, sender: Role
    ) -> Negotiation:
        """The negotiation updated with the terms, the agreement or the reason that a message carries."""
        negotiation = replace(negotiation, alone=False)
        if sender is not negotiation.role and message in _TABLED:  # an earlier yes was to what was then on the table
            negotiation = replace(negotiation, approved_by=())
        match message:
            case NegotiationMessage.REQUEST:
                offer = wire.offer(body)
                return replace(negotiation, offer=offer, asked=offer, failure=None)
            case NegotiationMessage.OFFER:
                return replace(negotiation, offer=wire.offer(body), failure=None)
            case NegotiationMessage.AGREEMENT:
                return replace(negotiation, agreement=_new_agreement(tx, wire.agreement(body)), failure=None)
            case NegotiationMessage.TERMINATION:
                return replace(negotiation, failure=binding.reason(negotiation, body, sender))
            case _:
                return replace(negotiation, failure=None)

    def received(self, tx: Transaction, negotiation: Negotiation, message: NegotiationMessage) -> Reaction:
        """The strategy's answer to a message of the counterparty; a termination is not answered."""
        event = _RECEIVED.get(message)
        return Reaction() if event is None else self.strategy.react(tx, negotiation, event)

    def delivered(self, tx: Transaction, negotiation: Negotiation, action: str) -> Reaction:
        """The strategy's reaction once our request was accepted; after other messages the counterparty answers."""
        if action != "request":
            return Reaction()
        return self.strategy.react(tx, negotiation, NegotiationEvent.REQUESTED)

    # --- the agreement ----------------------------------------------------------------------------------------

    def entered(self, tx: Transaction, negotiation: Negotiation, message: NegotiationMessage) -> None:
        """Store the finalised agreement, and end the one whose place it takes."""
        if message is NegotiationMessage.FINALIZED and negotiation.agreement is not None:
            made = self._agreement(negotiation, negotiation.agreement)
            tx.insert(AGREEMENTS, made)
            self.supersede(tx, self.local, made)

    def usable(self, tx: Transaction, agreement_id: str, consumer: str, known: DeliveryStateOf) -> Agreement | None:
        """The agreement with this identity with that consumer, if it is finalised.

        A consumer that uses an agreement has accepted our finalising message, even if its answer was lost.

        Raises:
            EarlyMessageError: the answer to that message is still pending.
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
            if kept is None or ACTIONS[kept.action] is not NegotiationMessage.FINALIZED:
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
            asked_by=negotiation.asked_by,
            approved_by=negotiation.approved_by,
        )


def _new_agreement(tx: Transaction, agreement: JsonObject) -> JsonObject:
    where = {"agreement_id": agreement["@id"]}
    if tx.get(AGREEMENTS, agreement["@id"]) or tx.find(NEGOTIATIONS, where=where, limit=1):
        raise AgreementError(reason=msgid("its identity is taken"))
    return agreement
