"""One step of a negotiation as a unit of work: state, log entry, reaction and what we owe next, all or none."""

from dataclasses import dataclass, replace

from medspace.connector import binding, journal, wire
from medspace.connector.dispatch import outbox
from medspace.connector.dispatch.outbox import Outcome
from medspace.connector.errors import AgreementError, CrossedError, EarlyMessageError, MessageError, TransitionError
from medspace.connector.local import Local
from medspace.connector.model import (
    AGREEMENTS,
    INTENTS,
    NEGOTIATIONS,
    Agreement,
    Failure,
    Intent,
    Negotiation,
    NegotiationState,
    Reaction,
    Role,
)
from medspace.connector.negotiation import messages
from medspace.connector.negotiation.rules import ACTIONS, TABLE, Message, yields
from medspace.connector.ports import NegotiationEvent, NegotiationStrategy
from medspace.connector.process import Crossing, Meeting, Standing, StandingOf, crossing
from medspace.connector.wire import Incoming
from medspace.core.canonical import Json, JsonObject
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
class Steps:
    """The steps of all negotiations of this participant."""

    local: Local
    strategy: NegotiationStrategy

    # --- begun by the counterparty ----------------------------------------------------------------------------

    def open(self, tx: Transaction, caller: Caller, incoming: Incoming, message: Message) -> Outcome[Negotiation]:
        """Take the counterparty's initial request or offer; the same one again finds the same process."""
        role = Role.PROVIDER if message is Message.REQUEST else Role.CONSUMER
        peer = wire.identifier(incoming.body, f"{role.other.value}Pid")
        known = tx.find(NEGOTIATIONS, where={"role": role, "counterparty": caller.did, "initial": peer}, limit=1)
        if known:
            return Outcome(known[0], fresh=False)
        offer = wire.offer(incoming.body)
        negotiation = Negotiation(
            id=self.local.new_id(),
            role=role,
            state=TABLE.step(NegotiationState.INITIAL, message, role.other),
            initiator=role.other,
            counterparty=caller.did,
            address=wire.address(incoming.body),
            peer_pid=peer,
            offer=offer,
            asked=offer if role is Role.PROVIDER else None,
            created=self.local.now(),
            updated=self.local.now(),
        )
        tx.insert(NEGOTIATIONS, negotiation)
        self._note(tx, negotiation, caller.did)
        event = NegotiationEvent.REQUEST if role is Role.PROVIDER else NegotiationEvent.OFFER
        return Outcome(negotiation, self._react(tx, negotiation, event))

    # --- begun by us ------------------------------------------------------------------------------------------

    def begin(self, tx: Transaction, role: Role, did: str, address: str, offer: JsonObject) -> Outcome[Negotiation]:
        """Begin a negotiation: with a request as consumer, with an offer as provider."""
        negotiation = Negotiation(
            id=self.local.new_id(),
            role=role,
            state=NegotiationState.INITIAL,
            initiator=role,
            counterparty=did,
            address=address.rstrip("/"),
            peer_pid=None,
            offer=offer,
            asked=offer if role is Role.CONSUMER else None,
            created=self.local.now(),
            updated=self.local.now(),
        )
        tx.insert(NEGOTIATIONS, negotiation)
        action = "request" if role is Role.CONSUMER else "offer"
        return Outcome(negotiation, self._schedule(tx, negotiation, Reaction((action,))))

    # --- what comes in ----------------------------------------------------------------------------------------

    def receive(
        self, tx: Transaction, caller: Caller, pid: str, incoming: Incoming, message: Message, known: StandingOf
    ) -> Outcome[Negotiation]:
        """Take a message of the counterparty; `known` tells what is known of our own message."""
        negotiation = binding.owned(tx.get(NEGOTIATIONS, pid), pid, caller)
        binding.check_pids(negotiation, incoming)
        if binding.repeated(negotiation, incoming):
            return Outcome(negotiation, fresh=False)
        if binding.declined(negotiation, incoming):
            raise TransitionError(
                message=message.value, sender=negotiation.role.other.value, state=negotiation.state.value
            )
        kept = tx.get(INTENTS, pid)
        standing = Standing.NONE if kept is None else known(kept)
        if kept is not None:
            negotiation = self._meet(tx, negotiation, kept, incoming, message, standing)
        state = TABLE.step(negotiation.state, message, negotiation.role.other)
        changed = replace(
            self._with_content(tx, negotiation, message, incoming.body, own=False),
            state=state,
            updated=self.local.now(),
            seen=binding.remember(negotiation, incoming),
            trouble=None,
        )
        self._keep(tx, negotiation, changed, message, caller.did)
        if standing is Standing.RESTING:
            self._drop_unfit(tx, changed)
        event = _RECEIVED.get(message)
        reacted = None if event is None else self._react(tx, changed, event)
        # An implied acknowledgement may have brought up a message of its own.
        return Outcome(changed, reacted if kept is None else tx.get(INTENTS, pid))

    def decline(self, tx: Transaction, pid: str, incoming: Incoming) -> None:
        """Remember that a message was refused, so that a late copy of it is refused too."""
        negotiation = tx.get(NEGOTIATIONS, pid)
        if negotiation is not None and not binding.declined(negotiation, incoming):
            seen = binding.remember(negotiation, incoming, taken=False)
            tx.replace(NEGOTIATIONS, negotiation, replace(negotiation, seen=seen))

    def _meet(
        self,
        tx: Transaction,
        negotiation: Negotiation,
        kept: Intent,
        incoming: Incoming,
        message: Message,
        standing: Standing,
    ) -> Negotiation:
        own = ACTIONS[kept.action]
        met = Meeting(negotiation.role, negotiation.state, message, own, standing, yields=yields(message, own))
        match crossing(TABLE, met):
            case Crossing.WAIT:
                raise EarlyMessageError(pid=negotiation.id)
            case Crossing.LATER:
                raise CrossedError(pid=negotiation.id)
            case Crossing.IMPLY:
                return self._acknowledge(tx, negotiation, kept, binding.peer_pid(negotiation, incoming)).process
            case _:
                return negotiation

    def _drop_unfit(self, tx: Transaction, negotiation: Negotiation) -> None:
        # What surely was not taken and fits no longer is not sent at all; anything else is repeated until answered.
        kept = tx.get(INTENTS, negotiation.id)
        if kept is not None and not _fits(negotiation, kept):
            outbox.remove(tx, kept)

    # --- what becomes of our messages -------------------------------------------------------------------------

    def due(self, tx: Transaction, intent: Intent) -> bool:
        """Whether the message still fits the state."""
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        return negotiation is not None and _fits(negotiation, intent)

    def question(self, tx: Transaction, intent: Intent) -> tuple[str, str] | None:
        """Where to ask for the counterparty's state, and the state that says that the message was taken."""
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        if negotiation is None or negotiation.peer_pid is None:
            return None
        reached = TABLE.after(negotiation.state, ACTIONS[intent.action], negotiation.role)
        return None if reached is None else (messages.state_url(negotiation), reached.value)

    def acknowledged(self, tx: Transaction, intent: Intent, reply: Json) -> Intent | None:
        """The counterparty took the message: the state is reached, and what follows is due."""
        kept = outbox.stored(tx, intent)
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        if kept is None or negotiation is None:
            return None
        peer = negotiation.peer_pid
        if peer is None:
            try:
                peer = wire.identifier(reply if isinstance(reply, dict) else {}, f"{negotiation.role.other.value}Pid")
            except MessageError as error:
                return self.failed(tx, intent, Failure(error.code, (str(error.text),), "delivery"))
        return self._acknowledge(tx, negotiation, kept, peer).intent

    def failed(self, tx: Transaction, intent: Intent, failure: Failure) -> Intent | None:
        """The counterparty refused the message, or could not be told it in time: the reason is kept for people."""
        kept = outbox.stored(tx, intent)
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        if kept is None or negotiation is None:
            return None
        outbox.remove(tx, kept)
        if not _fits(negotiation, kept):
            return None if kept.then is None else self._schedule(tx, negotiation, kept.then)
        if negotiation.state is TABLE.initial or ACTIONS[kept.action] is Message.TERMINATION:
            self._give_up(tx, negotiation, binding.ending_reason(kept, failure))
            return None
        # Only our message could have led on: the process ends, on both sides.
        changed = replace(negotiation, failure=failure, trouble=None, updated=self.local.now())
        tx.replace(NEGOTIATIONS, negotiation, changed)
        return self._schedule(tx, changed, outbox.ending(failure))

    def ended(self, tx: Transaction, intent: Intent, failure: Failure) -> None:
        """The counterparty could not be told in time that it is over: over here, and the message stays."""
        kept = outbox.stored(tx, intent)
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        if kept is not None and negotiation is not None and _fits(negotiation, kept):
            self._give_up(tx, negotiation, failure)
            outbox.linger(tx, kept)

    def troubled(self, tx: Transaction, intent: Intent, failure: Failure) -> None:
        """Keep for people why the message is not taken yet."""
        negotiation = tx.get(NEGOTIATIONS, intent.id)
        if outbox.stored(tx, intent) is not None and negotiation is not None:
            tx.replace(NEGOTIATIONS, negotiation, replace(negotiation, trouble=failure))

    def _give_up(self, tx: Transaction, negotiation: Negotiation, failure: Failure) -> None:
        # What made the process end comes before what became of the message that says so.
        reason = negotiation.failure or failure
        state, now = NegotiationState.TERMINATED, self.local.now()
        changed = replace(negotiation, state=state, failure=reason, trouble=None, updated=now)
        tx.replace(NEGOTIATIONS, negotiation, changed)
        self._note(tx, changed, self.local.did)

    def _acknowledge(
        self, tx: Transaction, negotiation: Negotiation, kept: Intent, peer: str | None
    ) -> Outcome[Negotiation]:
        outbox.remove(tx, kept)
        message = ACTIONS[kept.action]
        follow = kept.then or Reaction()
        state = TABLE.after(negotiation.state, message, negotiation.role)
        if state is None:
            return Outcome(negotiation, self._schedule(tx, negotiation, follow))
        named = replace(negotiation, peer_pid=peer)
        content = self._with_content(tx, named, message, kept.message, own=True)
        changed = replace(content, state=state, trouble=None, updated=self.local.now())
        self._keep(tx, negotiation, changed, message, self.local.did)
        if kept.action == "request":
            reaction = self.strategy.react(tx, changed, NegotiationEvent.REQUESTED)
            follow = follow if follow.actions else reaction
        return Outcome(changed, self._schedule(tx, changed, follow))

    def usable(self, tx: Transaction, agreement_id: str, consumer: str, known: StandingOf) -> Agreement | None:
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

    def _finalize_early(self, tx: Transaction, agreement_id: str, consumer: str, known: StandingOf) -> None:
        where = {"agreement_id": agreement_id, "counterparty": consumer, "role": Role.PROVIDER}
        for negotiation in tx.find(NEGOTIATIONS, where=where, limit=1):
            kept = tx.get(INTENTS, negotiation.id)
            if kept is None or ACTIONS[kept.action] is not Message.FINALIZED:
                return
            standing = known(kept)
            if standing is Standing.FLYING:
                raise EarlyMessageError(pid=negotiation.id)
            if standing is Standing.DOUBTFUL:
                self._acknowledge(tx, negotiation, kept, negotiation.peer_pid)

    # --- common to both directions ----------------------------------------------------------------------------

    def act(self, tx: Transaction, negotiation: Negotiation, reaction: Reaction) -> Outcome[Negotiation]:
        """Do what a person or another room decided; a termination takes the place of a message under way.

        Raises:
            TransitionError: the first action does not fit the state.
            CrossedError: another message is under way.
        """
        message = ACTIONS[reaction.actions[0]]
        kept = tx.get(INTENTS, negotiation.id)
        if negotiation.state is TABLE.initial and kept is not None and message is Message.TERMINATION:
            return Outcome(negotiation, outbox.lead(tx, kept, reaction))
        TABLE.step(negotiation.state, message, negotiation.role)
        if kept is not None and not yields(message, ACTIONS[kept.action]):
            raise CrossedError(pid=negotiation.id)
        outbox.remove(tx, kept)
        return Outcome(negotiation, self._schedule(tx, negotiation, reaction))

    def _react(self, tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Intent | None:
        return self._schedule(tx, negotiation, self.strategy.react(tx, negotiation, event))

    def _schedule(self, tx: Transaction, negotiation: Negotiation, reaction: Reaction) -> Intent | None:
        if not reaction.actions:
            return None
        kept = tx.get(INTENTS, negotiation.id)
        if kept is not None:
            return outbox.follow(tx, kept, reaction)
        first, rest = reaction.actions[0], reaction.actions[1:]
        if TABLE.after(negotiation.state, ACTIONS[first], negotiation.role) is None:
            return None
        then = replace(reaction, actions=rest) if rest else None
        intent = messages.intent(self.local, negotiation, first, reaction, then)
        tx.insert(INTENTS, intent)
        return intent

    def _with_content(
        self, tx: Transaction, negotiation: Negotiation, message: Message, body: JsonObject, *, own: bool
    ) -> Negotiation:
        match message:
            case Message.REQUEST:
                offer = wire.offer(body)
                return replace(negotiation, offer=offer, asked=offer, failure=None)
            case Message.OFFER:
                return replace(negotiation, offer=wire.offer(body), failure=None)
            case Message.AGREEMENT:
                return replace(negotiation, agreement=self._new_agreement(tx, wire.agreement(body)), failure=None)
            case Message.TERMINATION:
                stated = wire.stated_reason(body)
                return replace(negotiation, failure=binding.own_reason(negotiation, stated) if own else stated)
            case _:
                return replace(negotiation, failure=None)

    def _new_agreement(self, tx: Transaction, agreement: JsonObject) -> JsonObject:
        taken = tx.get(AGREEMENTS, agreement["@id"]) or tx.find(
            NEGOTIATIONS, where={"agreement_id": agreement["@id"]}, limit=1
        )
        if taken:
            raise AgreementError(reason=msgid("its identity is taken"))
        return agreement

    def _keep(self, tx: Transaction, old: Negotiation, new: Negotiation, message: Message, actor: str) -> None:
        tx.replace(NEGOTIATIONS, old, new)
        self._note(tx, new, actor)
        if message is Message.FINALIZED and new.agreement is not None:
            tx.insert(AGREEMENTS, self._agreement(new, new.agreement))

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

    def _note(self, tx: Transaction, negotiation: Negotiation, actor: str) -> None:
        journal.note_negotiation(tx, negotiation.state.value.lower(), actor, negotiation)


def _fits(negotiation: Negotiation, intent: Intent) -> bool:
    return TABLE.after(negotiation.state, ACTIONS[intent.action], negotiation.role) is not None
