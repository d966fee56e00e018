"""Transfers for the rest of the connector: the protocol's door, and what people and usage control decide."""

from collections.abc import Callable
from dataclasses import dataclass

from medspace.connector import wire
from medspace.connector.binding import owned
from medspace.connector.dispatch.outbox import Outcome
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.errors import (
    EarlyMessageError,
    TransitionError,
    UnknownAgreementError,
    UnknownProcessError,
    UseRefusedError,
)
from medspace.connector.model import (
    AGREEMENTS,
    NEGOTIATIONS,
    TRANSFERS,
    Reaction,
    Role,
    Transfer,
    TransferState,
)
from medspace.connector.ports import CallbackCheck
from medspace.connector.process import Owner, StandingOf
from medspace.connector.quotas import USUAL, Quotas
from medspace.connector.transfer.rules import ENDINGS, TABLE, Message
from medspace.connector.transfer.steps import Steps
from medspace.core.canonical import JsonObject
from medspace.core.paging import Place, newest
from medspace.core.store import Database, Transaction
from medspace.trust.model import Caller


@dataclass(frozen=True, slots=True)
class Transfers:
    """The use cases. Methods that answer a message return an outcome: reply first, then `dispatcher.launch` it."""

    database: Database
    steps: Steps
    dispatcher: Dispatcher
    check_callback: CallbackCheck
    quotas: Quotas = USUAL

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def open(self, caller: Caller, content: bytes) -> Outcome[Transfer]:
        """Take a consumer's request.

        Raises:
            MessageError: it cannot be read.
            CallbackError: its callback address must not be used.
            UnknownAgreementError: there is no such agreement with the caller.
            UseRefusedError: the agreement does not allow this use.
            QuotaError: the caller has as much open, or has sent as much, as it may.
        """
        incoming = wire.read(content, Message.REQUEST.value)
        self.check_callback(wire.address(incoming.body))

        def take(known: StandingOf) -> Callable[[Transaction], Outcome[Transfer]]:
            def unit(tx: Transaction) -> Outcome[Transfer]:
                self.quotas.transfer(tx, caller.did, wire.identifier(incoming.body, "consumerPid"))
                outcome = self.steps.open(tx, caller, incoming, known)
                if outcome.fresh:  # a refusal is noted too
                    self.quotas.charge(tx, caller.did, len(content), self.steps.local.now())
                return outcome

            return unit

        try:
            outcome = await self.dispatcher.commit(take(self.dispatcher.standing))
        except EarlyMessageError as early:
            await self.dispatcher.landed(str(early.facts["pid"]))
            outcome = await self.dispatcher.commit(take(self.dispatcher.settled))
        return self._permitted(outcome)

    async def receive(self, caller: Caller, pid: str, content: bytes, message: Message) -> Outcome[Transfer]:
        """Take a message about a process.

        Raises:
            MessageError: it cannot be read, or names other pids.
            UnknownProcessError: no such process of this caller.
            TransitionError: it does not fit the state.
            UseRefusedError: the consumer wants to resume what the agreement does not allow.
            CrossedError: it crossed a message of ours; to be sent again.
            QuotaError: the caller has sent as much as it may.
        """
        incoming = wire.read(content, message.value)

        def take(tx: Transaction) -> Outcome[Transfer]:
            return charged(tx, self.steps.receive(tx, caller, pid, incoming, message, self.dispatcher.standing))

        def insist(tx: Transaction) -> Outcome[Transfer]:
            return charged(tx, self.steps.receive(tx, caller, pid, incoming, message, self.dispatcher.settled))

        def charged(tx: Transaction, outcome: Outcome[Transfer]) -> Outcome[Transfer]:
            if outcome.fresh and message not in ENDINGS:  # who wants out, gets out
                self.quotas.charge(tx, caller.did, len(content), self.steps.local.now())
            return outcome

        try:
            return self._permitted(await self._settled(pid, take, insist))
        except TransitionError:
            await self.database.write(lambda tx: self.steps.decline(tx, pid, incoming))
            raise

    async def get(self, caller: Caller, pid: str) -> Transfer:
        """The process, for its counterparty: what it has acknowledged a moment ago has happened.

        Raises:
            UnknownProcessError: no such process of this caller, or it has not begun.
        """
        await self.dispatcher.landed(pid)
        transfer = owned(await self.database.read(lambda tx: tx.get(TRANSFERS, pid)), pid, caller)
        if transfer.state is TransferState.INITIAL:
            raise UnknownProcessError(pid=pid)
        return transfer

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def request_transfer(
        self,
        agreement_id: str,
        kind: str,
        data_address: JsonObject | None = None,
        address: str | None = None,
        pid: str | None = None,
    ) -> Transfer:
        """As consumer, request the use `kind` (a DSP format) of an agreement; `data_address` asks for a push to it.

        `address` is the provider's protocol base, as the negotiation knows it where it is not given. Who gives
        a `pid` of its own can ask again after a crash: the second request is refused as a duplicate.

        Raises:
            MessageError: `kind` cannot be a format.
            UnknownAgreementError: there is no such agreement, or no address is known for it.
            DuplicateRecordError: there is a transfer with this pid.
        """
        pushed = wire.data_address(data_address)

        def unit(tx: Transaction) -> Outcome[Transfer]:
            agreement = tx.get(AGREEMENTS, agreement_id)
            if agreement is None:
                raise UnknownAgreementError(agreement=agreement_id)
            negotiation = tx.get(NEGOTIATIONS, agreement.negotiation)
            base = address or (negotiation.address if negotiation is not None else None)
            if base is None:
                raise UnknownAgreementError(agreement=agreement_id)
            return self.steps.begin(tx, agreement, kind, base, pushed, pid)

        outcome = await self.dispatcher.commit(unit)
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def suspend(self, pid: str, code: str, *reason: str) -> Transfer:
        """Suspend a started transfer.

        Raises:
            TransitionError: it is not started.
            CrossedError: a message is under way.
        """
        return await self._act(pid, Reaction(("suspend",), code=code, reason=reason))

    async def resume(self, pid: str) -> Transfer:
        """Start a suspended transfer again, or (as provider) a requested one.

        Raises:
            TransitionError: it is neither.
            CrossedError: a message is under way.
        """
        return await self._act(pid, Reaction(("start",)))

    async def complete(self, pid: str) -> Transfer:
        """Complete a started transfer.

        Raises:
            TransitionError: it is not started.
            CrossedError: a message is under way.
        """
        return await self._act(pid, Reaction(("complete",)))

    async def terminate(self, pid: str, code: str, *reason: str) -> Transfer:
        """End the transfer; in place of a message that is under way.

        Raises:
            TransitionError: it is over.
            CrossedError: a completion is under way.
        """
        return await self._act(pid, Reaction(("terminate",), code=code, reason=reason))

    async def recent(
        self,
        state: TransferState | None = None,
        agreement: str | None = None,
        after: Place | None = None,
        limit: int = 100,
    ) -> list[Transfer]:
        """Transfers, the newest first; `after` is where the last page ended."""
        wanted = {"state": None if state is None else state.value, "agreement": agreement}
        where = {name: value for name, value in wanted.items() if value is not None}
        return await newest(self.database, TRANSFERS, where, after, limit)

    async def find(self, pid: str) -> Transfer:
        """One transfer.

        Raises:
            UnknownProcessError: there is none.
        """
        return await self.database.read(lambda tx: _known(tx, pid))

    # --- inside -----------------------------------------------------------------------------------------------

    async def _settled(
        self,
        pid: str,
        take: Callable[[Transaction], Outcome[Transfer]],
        insist: Callable[[Transaction], Outcome[Transfer]],
    ) -> Outcome[Transfer]:
        try:
            return await self._guarded(pid, take)
        except EarlyMessageError:
            await self.dispatcher.landed(pid)
        return await self._guarded(pid, insist)

    async def _act(self, pid: str, reaction: Reaction) -> Transfer:
        outcome = await self._guarded(pid, lambda tx: self.steps.act(tx, _known(tx, pid), reaction))
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def _guarded(self, pid: str, unit: Callable[[Transaction], Outcome[Transfer]]) -> Outcome[Transfer]:
        async with self.dispatcher.guard(pid):
            return await self.dispatcher.commit(unit)

    def _permitted(self, outcome: Outcome[Transfer]) -> Outcome[Transfer]:
        if outcome.refusal is None:
            return outcome
        self.dispatcher.launch(outcome.intent)
        raise UseRefusedError(outcome.refusal)


def awaits(transfer: Transfer) -> str:
    """Who moves next: "us", "peer", "either" or "nobody"."""
    owner = TABLE.owners[transfer.state]
    if owner in (Owner.NOBODY, Owner.EITHER):
        return owner.value
    return "us" if Role(owner.value) is transfer.role else "peer"


def _known(tx: Transaction, pid: str) -> Transfer:
    transfer = tx.get(TRANSFERS, pid)
    if transfer is None:
        raise UnknownProcessError(pid=pid)
    return transfer
