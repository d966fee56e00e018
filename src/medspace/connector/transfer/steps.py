"""One step of a transfer as a unit of work: state, log entry, reaction and what we owe next, all or none."""

from dataclasses import dataclass, replace

from medspace.connector import binding, journal, wire
from medspace.connector.dispatch import outbox
from medspace.connector.dispatch.outbox import Outcome
from medspace.connector.errors import (
    CrossedError,
    EarlyMessageError,
    MessageError,
    TransitionError,
    UnknownAgreementError,
)
from medspace.connector.local import Local
from medspace.connector.model import (
    AGREEMENTS,
    INTENTS,
    TRANSFERS,
    Agreement,
    Failure,
    Intent,
    Reaction,
    Role,
    Transfer,
    TransferState,
)
from medspace.connector.ports import Agreements, TransferEvent, TransferStrategy
from medspace.connector.process import Crossing, Meeting, Standing, StandingOf, crossing
from medspace.connector.transfer import messages
from medspace.connector.transfer.rules import ACTIONS, ENDINGS, TABLE, Message, yields
from medspace.connector.wire import Incoming
from medspace.core.canonical import Json, JsonObject
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
class Steps:
    """The steps of all transfers of this participant."""

    local: Local
    strategy: TransferStrategy
    agreements: Agreements

    # --- begun by the consumer --------------------------------------------------------------------------------

    def open(self, tx: Transaction, caller: Caller, incoming: Incoming, known: StandingOf) -> Outcome[Transfer]:
        """Take a consumer's request; the same one again finds the same process; a refusal keeps only its entry.

        Raises:
            UnknownAgreementError: there is no such agreement with the caller.
        """
        peer = wire.identifier(incoming.body, "consumerPid")
        where = {"role": Role.PROVIDER, "counterparty": caller.did, "initial": peer}
        found = tx.find(TRANSFERS, where=where, limit=1)
        if found:
            return Outcome(found[0], fresh=False)
        agreement_id = wire.identifier(incoming.body, "agreementId")
        agreement = self.agreements.usable(tx, agreement_id, caller.did, known)
        if agreement is None:
            raise UnknownAgreementError(agreement=agreement_id)
        asked = self._asked(caller, peer, agreement, incoming.body)
        decision = self.strategy.examine(tx, agreement, asked)
        if not decision.permitted:
            return self._refuse(tx, asked, decision)
        transfer = replace(asked, state=TransferState.REQUESTED)
        tx.insert(TRANSFERS, transfer)
        self._note(tx, transfer, caller.did)
        return Outcome(transfer, self._react(tx, transfer, TransferEvent.REQUEST))

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

    def _refuse(self, tx: Transaction, transfer: Transfer, decision: Decision) -> Outcome[Transfer]:
        clause = next((premise.clause for premise in decision.failures), None)
        noted = replace(transfer, updated=self.local.now())
        journal.note_refusal(tx, self.local.did, noted, decision.code, clause)
        return Outcome(transfer, refusal=decision)

    # --- begun by us ------------------------------------------------------------------------------------------

    def begin(
        self,
        tx: Transaction,
        agreement: Agreement,
        kind: str,
        address: str,
        data_address: JsonObject | None,
        pid: str | None = None,
    ) -> Outcome[Transfer]:
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
        return Outcome(transfer, self._schedule(tx, transfer, Reaction(("request",))))

    # --- what comes in ----------------------------------------------------------------------------------------

    def receive(
        self, tx: Transaction, caller: Caller, pid: str, incoming: Incoming, message: Message, known: StandingOf
    ) -> Outcome[Transfer]:
        """Take a message of the counterparty; `known` tells what is known of our own message."""
        transfer = binding.owned(tx.get(TRANSFERS, pid), pid, caller)
        binding.check_pids(transfer, incoming)
        if binding.repeated(transfer, incoming):
            return Outcome(transfer, fresh=False)
        if binding.declined(transfer, incoming):
            raise TransitionError(message=message.value, sender=transfer.role.other.value, state=transfer.state.value)
        kept = tx.get(INTENTS, pid)
        standing = Standing.NONE if kept is None else known(kept)
        if kept is not None:
            transfer = self._meet(tx, transfer, kept, incoming, message, standing)
        state = TABLE.step(transfer.state, message, transfer.role.other)
        refusal = self._resumption(tx, transfer, message)
        if refusal is not None:
            # An implied acknowledgement is kept with the refusal, and so is what it made due.
            return replace(self._refuse(tx, transfer, refusal), intent=tx.get(INTENTS, pid))
        content = _with_content(transfer, message, incoming.body, transfer.role.other)
        seen = binding.remember(transfer, incoming)
        changed = replace(content, state=state, updated=self.local.now(), seen=seen, trouble=None)
        tx.replace(TRANSFERS, transfer, changed)
        self._note(tx, changed, caller.did)
        if standing is Standing.RESTING:
            self._drop_unfit(tx, changed)
        event = _EVENTS.get((transfer.role, message, False))
        reacted = None if event is None else self._react(tx, changed, event)
        # An implied acknowledgement may have brought up a message of its own.
        return Outcome(changed, reacted if kept is None else tx.get(INTENTS, pid))

    def _resumption(self, tx: Transaction, transfer: Transfer, message: Message) -> Decision | None:
        # What the agreement does not allow any more is not resumed by the consumer either.
        if transfer.role is Role.CONSUMER or message is not Message.START:
            return None
        agreement = tx.get(AGREEMENTS, transfer.agreement)
        if agreement is None:
            raise UnknownAgreementError(agreement=transfer.agreement)
        decision = self.strategy.examine(tx, agreement, transfer)
        return None if decision.permitted else decision

    def decline(self, tx: Transaction, pid: str, incoming: Incoming) -> None:
        """Remember that a message was refused, so that a late copy of it is refused too."""
        transfer = tx.get(TRANSFERS, pid)
        if transfer is not None and not binding.declined(transfer, incoming):
            seen = binding.remember(transfer, incoming, taken=False)
            tx.replace(TRANSFERS, transfer, replace(transfer, seen=seen))

    def _meet(
        self,
        tx: Transaction,
        transfer: Transfer,
        kept: Intent,
        incoming: Incoming,
        message: Message,
        standing: Standing,
    ) -> Transfer:
        own = ACTIONS[kept.action]
        met = Meeting(transfer.role, transfer.state, message, own, standing, yields=yields(message, own))
        match crossing(TABLE, met):
            case Crossing.WAIT:
                raise EarlyMessageError(pid=transfer.id)
            case Crossing.LATER:
                raise CrossedError(pid=transfer.id)
            case Crossing.IMPLY:
                return self._acknowledge(tx, transfer, kept, binding.peer_pid(transfer, incoming)).process
            case _:
                return transfer

    def _drop_unfit(self, tx: Transaction, transfer: Transfer) -> None:
        # What surely was not taken and fits no longer is not sent at all; anything else is repeated until answered.
        kept = tx.get(INTENTS, transfer.id)
        if kept is not None and not _fits(transfer, kept):
            outbox.remove(tx, kept)

    # --- what becomes of our messages -------------------------------------------------------------------------

    def due(self, tx: Transaction, intent: Intent) -> bool:
        """Whether the message still fits the state."""
        transfer = tx.get(TRANSFERS, intent.id)
        return transfer is not None and _fits(transfer, intent)

    def question(self, tx: Transaction, intent: Intent) -> tuple[str, str] | None:
        """Where to ask for the counterparty's state, and the state that says that the message was taken."""
        transfer = tx.get(TRANSFERS, intent.id)
        if transfer is None or transfer.peer_pid is None:
            return None
        reached = TABLE.after(transfer.state, ACTIONS[intent.action], transfer.role)
        return None if reached is None else (messages.state_url(transfer), reached.value)

    def acknowledged(self, tx: Transaction, intent: Intent, reply: Json) -> Intent | None:
        """The counterparty took the message: the state is reached, and what follows is due."""
        kept = outbox.stored(tx, intent)
        transfer = tx.get(TRANSFERS, intent.id)
        if kept is None or transfer is None:
            return None
        peer = transfer.peer_pid
        if peer is None:
            try:
                peer = wire.identifier(reply if isinstance(reply, dict) else {}, "providerPid")
            except MessageError as error:
                return self.failed(tx, intent, Failure(error.code, (str(error.text),), "delivery"))
        return self._acknowledge(tx, transfer, kept, peer).intent

    def failed(self, tx: Transaction, intent: Intent, failure: Failure) -> Intent | None:
        """The counterparty refused the message, or could not be told it in time: the reason is kept for people."""
        kept = outbox.stored(tx, intent)
        transfer = tx.get(TRANSFERS, intent.id)
        if kept is None or transfer is None:
            return None
        outbox.remove(tx, kept)
        if not _fits(transfer, kept):
            return None if kept.then is None else self._schedule(tx, transfer, kept.then)
        if transfer.state is TABLE.initial or ACTIONS[kept.action] is Message.TERMINATION:
            self._give_up(tx, transfer, binding.ending_reason(kept, failure))
            return None
        changed = replace(transfer, failure=failure, trouble=None, updated=self.local.now())
        tx.replace(TRANSFERS, transfer, changed)
        # Either side can lead a started or suspended use on; one that was never started ends, on both sides.
        stuck = transfer.state is TransferState.REQUESTED
        return self._schedule(tx, changed, outbox.ending(failure)) if stuck else None

    def ended(self, tx: Transaction, intent: Intent, failure: Failure) -> None:
        """The counterparty could not be told in time that it is over: over here, and the message stays."""
        kept = outbox.stored(tx, intent)
        transfer = tx.get(TRANSFERS, intent.id)
        if kept is not None and transfer is not None and _fits(transfer, kept):
            self._give_up(tx, transfer, failure)
            outbox.linger(tx, kept)

    def troubled(self, tx: Transaction, intent: Intent, failure: Failure) -> None:
        """Keep for people why the message is not taken yet."""
        transfer = tx.get(TRANSFERS, intent.id)
        if outbox.stored(tx, intent) is not None and transfer is not None:
            tx.replace(TRANSFERS, transfer, replace(transfer, trouble=failure))

    def _give_up(self, tx: Transaction, transfer: Transfer, failure: Failure) -> None:
        # What made the process end comes before what became of the message that says so.
        reason = transfer.failure if transfer.state is TransferState.REQUESTED else None
        state, now = TransferState.TERMINATED, self.local.now()
        changed = replace(transfer, state=state, failure=reason or failure, trouble=None, updated=now)
        tx.replace(TRANSFERS, transfer, changed)
        self._note(tx, changed, self.local.did)
        self._react(tx, changed, TransferEvent.TERMINATED)

    def _acknowledge(self, tx: Transaction, transfer: Transfer, kept: Intent, peer: str | None) -> Outcome[Transfer]:
        outbox.remove(tx, kept)
        message = ACTIONS[kept.action]
        follow = kept.then or Reaction()
        state = TABLE.after(transfer.state, message, transfer.role)
        if state is None:
            return Outcome(transfer, self._schedule(tx, transfer, follow))
        named = replace(transfer, peer_pid=peer)
        content = _with_content(named, message, kept.message, transfer.role)
        changed = replace(content, state=state, trouble=None, updated=self.local.now())
        tx.replace(TRANSFERS, transfer, changed)
        self._note(tx, changed, self.local.did)
        event = _EVENTS.get((transfer.role, message, True))
        reaction = Reaction() if event is None else self.strategy.react(tx, changed, event)
        return Outcome(changed, self._schedule(tx, changed, follow if follow.actions else reaction))

    # --- common to both directions ----------------------------------------------------------------------------

    def act(self, tx: Transaction, transfer: Transfer, reaction: Reaction) -> Outcome[Transfer]:
        """Do what a person or another room decided; a termination takes the place of a message under way.

        Raises:
            TransitionError: the first action does not fit the state.
            CrossedError: another message is under way.
        """
        message = ACTIONS[reaction.actions[0]]
        kept = tx.get(INTENTS, transfer.id)
        if transfer.state is TABLE.initial and kept is not None and message is Message.TERMINATION:
            return Outcome(transfer, outbox.lead(tx, kept, reaction))
        TABLE.step(transfer.state, message, transfer.role)
        if kept is not None and not yields(message, ACTIONS[kept.action]):
            raise CrossedError(pid=transfer.id)
        outbox.remove(tx, kept)
        return Outcome(transfer, self._schedule(tx, transfer, reaction))

    def _react(self, tx: Transaction, transfer: Transfer, event: TransferEvent) -> Intent | None:
        return self._schedule(tx, transfer, self.strategy.react(tx, transfer, event))

    def _schedule(self, tx: Transaction, transfer: Transfer, reaction: Reaction) -> Intent | None:
        if not reaction.actions:
            return None
        kept = tx.get(INTENTS, transfer.id)
        if kept is not None:
            return outbox.follow(tx, kept, reaction)
        first, rest = reaction.actions[0], reaction.actions[1:]
        if TABLE.after(transfer.state, ACTIONS[first], transfer.role) is None:
            return None
        then = replace(reaction, actions=rest) if rest else None
        starts = ACTIONS[first] is Message.START and transfer.role is Role.PROVIDER
        address = self.strategy.address(tx, transfer) if starts else None
        intent = messages.intent(self.local, transfer, first, reaction, then, address)
        tx.insert(INTENTS, intent)
        if transfer.role is Role.PROVIDER and ACTIONS[first] in ENDINGS:
            # Our own will holds from now on; only the state waits for the acknowledgement.
            self.strategy.react(tx, transfer, TransferEvent.CLOSING)
        return intent

    def _note(self, tx: Transaction, transfer: Transfer, actor: str) -> None:
        journal.note_transfer(tx, transfer.state.value.lower(), actor, transfer)


def _with_content(transfer: Transfer, message: Message, body: JsonObject, sender: Role) -> Transfer:
    match message:
        case Message.START:
            # The provider need not keep the token that it gave away.
            told = wire.data_address(body.get("dataAddress")) if transfer.role is Role.CONSUMER else None
            return replace(transfer, data_address=told or transfer.data_address, suspended_by=None, failure=None)
        case Message.SUSPENSION:
            return replace(transfer, suspended_by=sender, failure=_reason(body, transfer, sender))
        case Message.TERMINATION:
            return replace(transfer, failure=_reason(body, transfer, sender))
        case _:
            return replace(transfer, failure=None)


def _reason(body: JsonObject, transfer: Transfer, sender: Role) -> Failure:
    stated = wire.stated_reason(body)
    return binding.own_reason(transfer, stated) if sender is transfer.role else stated


def _fits(transfer: Transfer, intent: Intent) -> bool:
    return TABLE.after(transfer.state, ACTIONS[intent.action], transfer.role) is not None
