"""What both kinds of process offer the rest of the connector: the protocol endpoint, and decisions by people."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias

from medspace.connector import wire
from medspace.connector.binding import owned
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.errors import (
    EarlyMessageError,
    MessageError,
    TransitionError,
    UnknownProcessError,
    UseRefusedError,
)
from medspace.connector.model import P, Reaction
from medspace.connector.ports import CallbackCheck
from medspace.connector.process.description import ProcessDescription, type_of
from medspace.connector.process.steps import ProcessSteps
from medspace.connector.quotas import USUAL, Quotas
from medspace.connector.states import DeliveryStateOf, M
from medspace.connector.wire import Incoming
from medspace.core.actors import NOBODY
from medspace.core.paging import Cursor, newest
from medspace.core.store import Database, Transaction
from medspace.core.text import msgid
from medspace.trust.model import Caller

Unit: TypeAlias = Callable[[Transaction], ProcessUpdate[P]]
Begin: TypeAlias = Callable[[Transaction, DeliveryStateOf], ProcessUpdate[P]]


@dataclass(frozen=True, slots=True)
class Processes(Generic[P, M]):
    """The use cases. Methods that answer a message return an outcome: reply first, then `dispatcher.launch` it."""

    database: Database
    steps: ProcessSteps[P, M]
    dispatcher: Dispatcher
    check_callback: CallbackCheck
    quotas: Quotas = USUAL

    def check(self, _incoming: Incoming, _message: M) -> None:
        """Refuse an unusable message before any of it is stored."""

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def receive(self, caller: Caller, pid: str, content: bytes, *expected: M) -> ProcessUpdate[P]:
        """Handle a message about a process, which must be of one of the expected types.

        Raises:
            MessageError: it cannot be read, or names other pids.
            InvalidPolicyError: its terms cannot be read, or are too big.
            UnknownProcessError: this caller has no such process.
            TransitionError: it does not fit the state.
            AgreementError: the identity of its agreement is already in use.
            UseRefusedError: the consumer wants to resume what the agreement does not allow.
            CrossedError: it crossed a message of ours; to be sent again.
            QuotaError: the caller has sent as many bytes as it may.
        """
        incoming, message = self._read(content, expected)

        def take(known: DeliveryStateOf) -> Unit[P]:
            def unit(tx: Transaction) -> ProcessUpdate[P]:
                outcome = self.steps.receive(tx, caller, pid, incoming, message, known)
                if message not in self._described.leaving:
                    self._charge(tx, caller, content, outcome)
                return outcome

            return unit

        try:
            return self._permitted(await self._settled(pid, take))
        except TransitionError:
            await self.database.write(lambda tx: self.steps.decline(tx, pid, incoming))
            raise

    async def get(self, caller: Caller, pid: str) -> P:
        """The process, for its counterparty; includes whatever it acknowledged just before.

        Raises:
            UnknownProcessError: this caller has no such process, or it has not begun.
        """
        await self.dispatcher.landed(pid)
        process = owned(await self.database.read(lambda tx: tx.get(self._described.collection, pid)), pid, caller)
        if process.state is self._described.table.initial:
            raise UnknownProcessError(pid=pid)
        return process

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def terminate(self, pid: str, code: str, *reason: str, by: str = NOBODY) -> P:
        """End the process, replacing a message in flight. `by` is who asks for it, where a person does.

        Raises:
            TransitionError: it is over.
            CrossedError: the message that concludes it is in flight.
        """
        return await self._act(pid, Reaction(("terminate",), code=code, reason=reason, by=by))

    async def find(self, pid: str) -> P:
        """One process.

        Raises:
            UnknownProcessError: there is none.
        """
        return await self.database.read(lambda tx: self._known(tx, pid))

    # --- for the kinds ----------------------------------------------------------------------------------------

    def _read(self, content: bytes, expected: tuple[M, ...]) -> tuple[Incoming, M]:
        incoming = wire.read(content, *(type_of(message) for message in expected))
        message = _message_of(incoming, expected)
        self.check(incoming, message)
        return incoming, message

    async def _open(self, caller: Caller, content: bytes, incoming: Incoming, begin: Begin[P]) -> ProcessUpdate[P]:
        """Handle an initial message with `begin`."""
        self.check_callback(wire.address(incoming.body))

        def take(known: DeliveryStateOf) -> Unit[P]:
            return lambda tx: self._charge(tx, caller, content, begin(tx, known))

        try:
            outcome = await self.dispatcher.commit(take(self.dispatcher.standing))
        except EarlyMessageError as early:
            await self.dispatcher.landed(str(early.facts["pid"]))
            outcome = await self.dispatcher.commit(take(self.dispatcher.settled))
        return self._permitted(outcome)

    async def _begin(self, unit: Unit[P]) -> P:
        outcome = await self.dispatcher.commit(unit)
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def _act(self, pid: str, reaction: Reaction) -> P:
        return await self._decide(pid, lambda _tx, _process: reaction)

    async def _decide(self, pid: str, decide: Callable[[Transaction, P], Reaction]) -> P:
        """Do what `decide` says, in the same transaction in which it reads the process."""

        def unit(tx: Transaction) -> ProcessUpdate[P]:
            process = self._known(tx, pid)
            return self.steps.act(tx, process, decide(tx, process))

        return await self._launched(pid, unit)

    async def _launched(self, pid: str, unit: Unit[P]) -> P:
        outcome = await self._guarded(pid, unit)
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def _recent(self, after: Cursor | None, limit: int, **wanted: str | None) -> list[P]:
        where = {name: value for name, value in wanted.items() if value is not None}
        return await newest(self.database, self._described.collection, where, after, limit)

    # --- inside -----------------------------------------------------------------------------------------------

    @property
    def _described(self) -> ProcessDescription[P, M]:
        return self.steps.described

    def _known(self, tx: Transaction, pid: str) -> P:
        process = tx.get(self._described.collection, pid)
        if process is None:
            raise UnknownProcessError(pid=pid)
        return process

    def _charge(self, tx: Transaction, caller: Caller, content: bytes, outcome: ProcessUpdate[P]) -> ProcessUpdate[P]:
        if outcome.fresh:  # a refusal is recorded too
            self.quotas.charge(tx, caller.did, len(content), self.steps.local.now())
        return outcome

    async def _settled(self, pid: str, take: Callable[[DeliveryStateOf], Unit[P]]) -> ProcessUpdate[P]:
        try:
            return await self._guarded(pid, take(self.dispatcher.standing))
        except EarlyMessageError:
            await self.dispatcher.landed(pid)
        return await self._guarded(pid, take(self.dispatcher.settled))

    async def _guarded(self, pid: str, unit: Unit[P]) -> ProcessUpdate[P]:
        async with self.dispatcher.guard(pid):
            return await self.dispatcher.commit(unit)

    def _permitted(self, outcome: ProcessUpdate[P]) -> ProcessUpdate[P]:
        if outcome.refusal is None:
            return outcome
        self.dispatcher.launch(outcome.intent)
        raise UseRefusedError(outcome.refusal)


def _message_of(incoming: Incoming, expected: tuple[M, ...]) -> M:
    # Events share one type; their eventType distinguishes them.
    names = {incoming.type, f"{incoming.type}.{incoming.body.get('eventType')}"}
    told = next((message for message in expected if message.value in names), None)
    if told is None:
        raise MessageError(reason=msgid("its eventType does not belong here"))
    return told
