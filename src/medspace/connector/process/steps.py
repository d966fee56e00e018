"""One step of a process as one unit of work: state, log entry, reaction and next message, all or none."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Generic

from medspace.connector import binding, wire
from medspace.connector.dispatch import outbox
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import CrossedError, EarlyMessageError, MessageError, TransitionError
from medspace.connector.local import Local
from medspace.connector.model import INTENTS, Intent, P, ProcessFailure, Reaction, Role
from medspace.connector.process.description import ProcessDescription
from medspace.connector.states import Crossing, DeliveryState, DeliveryStateOf, M, Meeting, crossing
from medspace.connector.wire import Incoming
from medspace.core.actors import NOBODY
from medspace.core.canonical import Json, JsonObject
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.trust.model import Caller

_NOTHING = Reaction()


@dataclass(frozen=True, slots=True)
class ProcessSteps(ABC, Generic[P, M]):
    """The steps that both kinds of process share; each kind adds the content of its messages and its strategy."""

    local: Local

    # --- what a kind of process adds --------------------------------------------------------------------------

    @property
    @abstractmethod
    def described(self) -> ProcessDescription[P, M]:
        """The kind of process."""
        ...

    @abstractmethod
    def content(self, tx: Transaction, process: P, message: M, reaction: Reaction) -> JsonObject:
        """The content of one of our messages, apart from its identity and the pids."""
        ...

    @abstractmethod
    def told(self, tx: Transaction, process: P, message: M, body: JsonObject, sender: Role) -> P:
        """The process updated with the content of a message, ours or the counterparty's.

        Its state is updated later.
        """
        ...

    @abstractmethod
    def received(self, tx: Transaction, process: P, message: M) -> Reaction:
        """The strategy's answer to a message of the counterparty; the process is given as it is after the message."""
        ...

    @abstractmethod
    def delivered(self, tx: Transaction, process: P, action: str) -> Reaction:
        """The strategy's reaction once the counterparty accepted our message, or the process ended without it."""
        ...

    def objection(self, _tx: Transaction, _process: P, _message: M) -> Decision | None:
        """The decision, already recorded, that refuses a message although it fits the state."""
        return None

    def entered(self, _tx: Transaction, _process: P, _message: M) -> None:
        """Store what belongs to the state that a message led to."""

    def owed(self, _tx: Transaction, _process: P, _message: M) -> None:
        """Apply what takes effect as soon as we owe a message, rather than on its acknowledgement."""

    # --- begun by the counterparty ----------------------------------------------------------------------------

    def known(self, tx: Transaction, caller: Caller, role: Role, peer: str) -> P | None:
        """The process that the caller began earlier under its pid `peer`; `role` is ours."""
        where = {"role": role, "counterparty": caller.did, "initial": peer}
        return next(iter(tx.find(self.described.collection, where=where, limit=1)), None)

    # --- what comes in ----------------------------------------------------------------------------------------

    def receive(
        self, tx: Transaction, caller: Caller, pid: str, incoming: Incoming, message: M, known: DeliveryStateOf
    ) -> ProcessUpdate[P]:
        """Handle a message of the counterparty; `known` says what is known about our own message."""
        process = binding.owned(tx.get(self.described.collection, pid), pid, caller)
        binding.check_pids(process, incoming)
        if binding.repeated(process, incoming):
            return ProcessUpdate(process, fresh=False)
        if binding.declined(process, incoming):
            sender = process.role.other.value
            raise TransitionError(message=message.value, sender=sender, state=process.state.value)
        kept = tx.get(INTENTS, pid)
        standing = DeliveryState.NONE if kept is None else known(kept)
        if kept is not None:
            process = self._meet(tx, process, kept, incoming, message, standing)
        state = self.described.table.step(process.state, message, process.role.other)
        refusal = self.objection(tx, process, message)
        if refusal is not None:
            # An implied acknowledgement is stored together with the refusal, and so is whatever it made due.
            return ProcessUpdate(process, tx.get(INTENTS, pid), refusal=refusal)
        taken = replace(
            self.told(tx, process, message, incoming.body, process.role.other),
            state=state,
            updated=self.local.now(),
            seen=binding.remember(process, incoming),
            trouble=None,
            moved_by=NOBODY,
        )
        self._keep(tx, process, taken, message, caller.did)
        if standing is DeliveryState.RESTING:
            self._drop_unfit(tx, taken)
        owed = self.schedule(tx, taken, self.received(tx, taken, message))
        # An implied acknowledgement may itself have made a message due.
        return ProcessUpdate(taken, owed if kept is None else tx.get(INTENTS, pid))

    def decline(self, tx: Transaction, pid: str, incoming: Incoming) -> None:
        """Remember that a message was refused, so that a late copy of it is refused too."""
        process = tx.get(self.described.collection, pid)
        if process is not None and not binding.declined(process, incoming):
            seen = binding.remember(process, incoming, taken=False)
            tx.replace(self.described.collection, process, replace(process, seen=seen))

    def _meet(
        self, tx: Transaction, process: P, kept: Intent, incoming: Incoming, message: M, standing: DeliveryState
    ) -> P:
        own = self.described.actions[kept.action]
        met = Meeting(process.role, process.state, message, own, standing)
        match crossing(self.described.table, met):
            case Crossing.WAIT:
                raise EarlyMessageError(pid=process.id)
            case Crossing.LATER:
                raise CrossedError(pid=process.id)
            case Crossing.IMPLY:
                return self.acknowledge(tx, process, kept, binding.peer_pid(process, incoming)).process
            case _:
                return process

    def _drop_unfit(self, tx: Transaction, process: P) -> None:
        # A message that was surely not accepted and no longer fits is not sent at all; any other is repeated until
        # answered.
        kept = tx.get(INTENTS, process.id)
        if kept is not None and not self.described.fits(process, kept.action):
            outbox.remove(tx, kept)

    # --- what becomes of our messages -------------------------------------------------------------------------

    def due(self, tx: Transaction, intent: Intent) -> bool:
        """Whether the message still fits the state."""
        process = tx.get(self.described.collection, intent.id)
        return process is not None and self.described.fits(process, intent.action)

    def question(self, tx: Transaction, intent: Intent) -> tuple[str, str] | None:
        """Where to ask for the counterparty's state, and the state that shows that the message was accepted."""
        process, described = tx.get(self.described.collection, intent.id), self.described
        if process is None or process.peer_pid is None:
            return None
        reached = described.table.after(process.state, described.actions[intent.action], process.role)
        return None if reached is None else (described.state_url(process), reached.value)

    def acknowledged(self, tx: Transaction, intent: Intent, reply: Json) -> Intent | None:
        """The counterparty accepted the message: the state is reached, and what follows is due."""
        kept = outbox.stored(tx, intent)
        process = tx.get(self.described.collection, intent.id)
        if kept is None or process is None:
            return None
        peer = process.peer_pid
        if peer is None:
            try:
                peer = wire.identifier(reply if isinstance(reply, dict) else {}, f"{process.role.other.value}Pid")
            except MessageError as error:
                return self.failed(tx, intent, ProcessFailure(error.code, (str(error.text),), "delivery"))
        return self.acknowledge(tx, process, kept, peer).intent

    def failed(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> Intent | None:
        """The counterparty refused the message, or could not be reached in time: the reason is stored for people."""
        kept, described = outbox.stored(tx, intent), self.described
        process = tx.get(described.collection, intent.id)
        if kept is None or process is None:
            return None
        outbox.remove(tx, kept)
        if not described.fits(process, kept.action):
            return self.schedule(tx, process, kept.then or _NOTHING)
        table = described.table
        if process.state is table.initial or described.actions[kept.action] is table.termination:
            by = kept.by if described.actions[kept.action] is table.termination else NOBODY
            self._give_up(tx, process, binding.ending_reason(kept, failure), by)
            return None
        stuck = replace(process, failure=failure, trouble=None, updated=self.local.now())
        tx.replace(described.collection, process, stuck)
        # Where either side can continue it, it stays; otherwise it ends, on both sides.
        return self.schedule(tx, stuck, outbox.ending(failure)) if process.state in described.ours else None

    def ended(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> None:
        """The counterparty could not be told in time that it is over: it ends here, and the message stays pending."""
        kept = outbox.stored(tx, intent)
        process = tx.get(self.described.collection, intent.id)
        if kept is not None and process is not None and self.described.fits(process, kept.action):
            self._give_up(tx, process, failure, kept.by)
            outbox.linger(tx, kept)

    def troubled(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> None:
        """Store, for people, why the message has not been accepted yet."""
        process = tx.get(self.described.collection, intent.id)
        if outbox.stored(tx, intent) is not None and process is not None:
            tx.replace(self.described.collection, process, replace(process, trouble=failure))

    def acknowledge(self, tx: Transaction, process: P, kept: Intent, peer: str | None) -> ProcessUpdate[P]:
        """Our message was accepted by a counterparty with the pid `peer`, as its answer or a later message shows."""
        outbox.remove(tx, kept)
        message, follow = self.described.actions[kept.action], kept.then or _NOTHING
        state = self.described.table.after(process.state, message, process.role)
        if state is None:
            return ProcessUpdate(process, self.schedule(tx, process, follow))
        told = self.told(tx, replace(process, peer_pid=peer), message, kept.message, process.role)
        taken = replace(told, state=state, trouble=None, updated=self.local.now(), moved_by=kept.by)
        self._keep(tx, process, taken, message, self.local.did, kept.by)
        reaction = self.delivered(tx, taken, kept.action)
        return ProcessUpdate(taken, self.schedule(tx, taken, follow if follow.actions else reaction))

    def _give_up(self, tx: Transaction, process: P, failure: ProcessFailure, by: str) -> None:
        # What caused the process to end takes precedence over what became of the message that says so.
        reason = process.failure if process.state in self.described.ours else None
        state, now = self.described.table.terminated, self.local.now()
        over = replace(process, state=state, failure=reason or failure, trouble=None, updated=now, moved_by=by)
        self._keep(tx, process, over, self.described.table.termination, self.local.did, by)
        self.schedule(tx, over, self.delivered(tx, over, "terminate"))

    # --- common to both directions ----------------------------------------------------------------------------

    def act(self, tx: Transaction, process: P, reaction: Reaction) -> ProcessUpdate[P]:
        """Do what a person or another room decided; a termination replaces a message in flight.

        Raises:
            TransitionError: the first action does not fit the state.
            CrossedError: another message is in flight.
        """
        table, actions = self.described.table, self.described.actions
        message = actions[reaction.actions[0]]
        kept = tx.get(INTENTS, process.id)
        if process.state is table.initial and kept is not None and message is table.termination:
            return ProcessUpdate(process, outbox.lead(tx, kept, reaction))
        table.step(process.state, message, process.role)
        if kept is not None and not table.yields(message, actions[kept.action]):
            raise CrossedError(pid=process.id)
        outbox.remove(tx, kept)
        return ProcessUpdate(process, self.schedule(tx, process, reaction))

    def schedule(self, tx: Transaction, process: P, reaction: Reaction) -> Intent | None:
        """Queue what the reaction says, after what is owed already; returns the message to send now, if any."""
        if not reaction.actions:
            return None
        kept = tx.get(INTENTS, process.id)
        if kept is not None:
            return outbox.follow(tx, kept, reaction)
        first, rest = reaction.actions[0], reaction.actions[1:]
        if not self.described.fits(process, first):
            return None
        message = self.described.actions[first]
        blank = self.described.intent(
            self.local, process, reaction, replace(reaction, actions=rest) if rest else None
        )
        intent = replace(blank, message=blank.message | self.content(tx, process, message, reaction))
        tx.insert(INTENTS, intent)
        self.owed(tx, process, message)
        return intent

    def _keep(self, tx: Transaction, old: P, new: P, message: M, actor: str, by: str = NOBODY) -> None:
        tx.replace(self.described.collection, old, new)
        self.described.note(tx, actor, new, by)
        self.entered(tx, new, message)
