"""Transfers for the rest of the connector: the protocol endpoint, and decisions by people and usage control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medspace.connector import wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import UnknownAgreementError
from medspace.connector.model import AGREEMENTS, NEGOTIATIONS, Agreement, Reaction, Transfer, TransferState
from medspace.connector.process.service import Processes
from medspace.connector.states import DeliveryStateOf
from medspace.connector.transfer.rules import TransferMessage
from medspace.connector.transfer.steps import TransferSteps
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.paging import Cursor
from medspace.core.store import Transaction
from medspace.trust.model import Caller

SUSPENDED, ENDED = "transfer.suspended", "transfer.ended"  # ended by a person, who need not say why
CODES = frozenset({SUSPENDED, ENDED})


# In a transaction, of an agreement, for whoever wants to use it: raises a RefusedError where it must not be.
Objection: TypeAlias = Callable[[Transaction, Agreement, str], None]


@dataclass(frozen=True, slots=True)
class Transfers(Processes[Transfer, TransferMessage]):
    """The use cases of transfers."""

    steps: TransferSteps
    objections: Sequence[Objection] = ()

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def open(self, caller: Caller, content: bytes) -> ProcessUpdate[Transfer]:
        """Handle a consumer's request.

        Raises:
            MessageError: it cannot be read.
            CallbackError: its callback address must not be used.
            UnknownAgreementError: there is no such agreement with the caller.
            UseRefusedError: the agreement does not allow this use.
            QuotaError: the caller has reached its quota of open processes or of bytes.
        """
        incoming, _ = self._read(content, (TransferMessage.REQUEST,))

        def begin(tx: Transaction, known: DeliveryStateOf) -> ProcessUpdate[Transfer]:
            self.quotas.transfer(tx, caller.did, wire.identifier(incoming.body, "consumerPid"))
            return self.steps.open(tx, caller, incoming, known)

        return await self._open(caller, content, incoming, begin)

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def request_transfer(
        self,
        agreement_id: str,
        kind: str,
        data_address: JsonObject | None = None,
        address: str | None = None,
        pid: str | None = None,
        by: str = NOBODY,
    ) -> Transfer:
        """As consumer, request the use `kind` (a DSP format) of an agreement.

        With `data_address`, a push to that address.

        `address` is the provider's protocol base URL; by default, the one the negotiation used. A caller that
        supplies its own `pid` can safely ask again after a crash: the second request is refused as a duplicate. `by`
        is who asks, where a person does.

        Raises:
            MessageError: `kind` cannot be a format.
            UnknownAgreementError: there is no such agreement, or no address is known for it.
            DuplicateRecordError: there is a transfer with this pid.
            RefusedError: something here objects to a use by `by`.
        """
        pushed = wire.data_address(data_address)

        def unit(tx: Transaction) -> ProcessUpdate[Transfer]:
            agreement = tx.get(AGREEMENTS, agreement_id)
            if agreement is None:
                raise UnknownAgreementError(agreement=agreement_id)
            for objection in self.objections:
                objection(tx, agreement, by)
            negotiation = tx.get(NEGOTIATIONS, agreement.negotiation)
            base = address or (negotiation.address if negotiation is not None else None)
            if base is None:
                raise UnknownAgreementError(agreement=agreement_id)
            return self.steps.begin(tx, agreement, kind, base, pushed, pid, by)

        return await self._begin(unit)

    async def suspend(self, pid: str, code: str, *reason: str, by: str = NOBODY) -> Transfer:
        """Suspend a started transfer.

        Raises:
            TransitionError: it is not started.
            CrossedError: a message is in flight.
        """
        return await self._act(pid, Reaction(("suspend",), code=code, reason=reason, by=by))

    async def resume(self, pid: str, *, by: str = NOBODY) -> Transfer:
        """Start a suspended transfer again, or (as provider) a requested one.

        Raises:
            TransitionError: it is neither suspended nor requested.
            CrossedError: a message is in flight.
        """
        return await self._act(pid, Reaction(("start",), by=by))

    async def complete(self, pid: str, *, by: str = NOBODY) -> Transfer:
        """Complete a started transfer.

        Raises:
            TransitionError: it is not started.
            CrossedError: a message is in flight.
        """
        return await self._act(pid, Reaction(("complete",), by=by))

    async def recent(
        self,
        state: TransferState | None = None,
        agreement: str | None = None,
        after: Cursor | None = None,
        limit: int = 100,
    ) -> list[Transfer]:
        """Transfers, newest first; `after` is where the last page ended."""
        return await self._recent(after, limit, state=state, agreement=agreement)
