"""Negotiations for the rest of the connector: the protocol's door, and what people decide."""

from collections.abc import Callable
from dataclasses import dataclass

from medspace.connector import wire
from medspace.connector.binding import owned
from medspace.connector.dispatch.outbox import Outcome
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.errors import (
    AgreementError,
    EarlyMessageError,
    MessageError,
    TransitionError,
    UnknownProcessError,
)
from medspace.connector.model import (
    AGREEMENTS,
    NEGOTIATIONS,
    Agreement,
    Negotiation,
    NegotiationState,
    Reaction,
    Role,
)
from medspace.connector.negotiation import messages
from medspace.connector.negotiation.rules import TABLE, Message, agreement_flaw, check_terms
from medspace.connector.negotiation.steps import Steps
from medspace.connector.ports import CallbackCheck
from medspace.connector.process import Owner
from medspace.connector.quotas import USUAL, Quotas
from medspace.core.canonical import JsonObject
from medspace.core.paging import Place, newest
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.policy import odrl
from medspace.policy.jsonld import check_size
from medspace.trust.model import Caller

_APPROVALS = {
    (Role.PROVIDER, NegotiationState.REQUESTED): "agree",
    (Role.PROVIDER, NegotiationState.ACCEPTED): "agree",
    (Role.PROVIDER, NegotiationState.VERIFIED): "finalize",
    (Role.CONSUMER, NegotiationState.OFFERED): "accept",
    (Role.CONSUMER, NegotiationState.AGREED): "verify",
}


@dataclass(frozen=True, slots=True)
class Negotiations:
    """The use cases. Methods that answer a message return an outcome: reply first, then `dispatcher.launch` it."""

    database: Database
    steps: Steps
    dispatcher: Dispatcher
    check_callback: CallbackCheck
    quotas: Quotas = USUAL

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def open(self, caller: Caller, content: bytes, message: Message) -> Outcome[Negotiation]:
        """Take an initial request (we are the provider) or an initial offer (we are the consumer).

        Raises:
            MessageError: it cannot be read.
            InvalidPolicyError: its terms cannot be read, or are too big.
            CallbackError: its callback address must not be used.
            QuotaError: the caller has as much open, or has sent as much, as it may.
        """
        incoming = wire.read(content, message.value)
        self.check_callback(wire.address(incoming.body))
        _check_readable(incoming, message)

        def take(tx: Transaction) -> Outcome[Negotiation]:
            role = Role.PROVIDER if message is Message.REQUEST else Role.CONSUMER
            peer = wire.identifier(incoming.body, f"{role.other.value}Pid")
            self.quotas.negotiation(tx, role, caller.did, peer)
            outcome = self.steps.open(tx, caller, incoming, message)
            if outcome.fresh:
                self.quotas.charge(tx, caller.did, len(content), self.steps.local.now())
            return outcome

        return await self.dispatcher.commit(take)

    async def receive(self, caller: Caller, pid: str, content: bytes, *expected: Message) -> Outcome[Negotiation]:
        """Take one of the expected messages about a process.

        Raises:
            MessageError: it cannot be read, or names other pids.
            InvalidPolicyError: its terms cannot be read, or are too big.
            UnknownProcessError: no such process of this caller.
            TransitionError: it does not fit the state.
            AgreementError: it brings an agreement that is taken.
            CrossedError: it crossed a message of ours; to be sent again.
            QuotaError: the caller has sent as much as it may.
        """
        incoming = wire.read(content, *(message.value.partition(".")[0] for message in expected))
        message = _told(incoming, expected)
        _check_readable(incoming, message)

        def take(tx: Transaction) -> Outcome[Negotiation]:
            return charged(tx, self.steps.receive(tx, caller, pid, incoming, message, self.dispatcher.standing))

        def insist(tx: Transaction) -> Outcome[Negotiation]:
            return charged(tx, self.steps.receive(tx, caller, pid, incoming, message, self.dispatcher.settled))

        def charged(tx: Transaction, outcome: Outcome[Negotiation]) -> Outcome[Negotiation]:
            if outcome.fresh and message is not Message.TERMINATION:  # who wants out, gets out
                self.quotas.charge(tx, caller.did, len(content), self.steps.local.now())
            return outcome

        try:
            return await self._settled(pid, take, insist)
        except TransitionError:
            await self.database.write(lambda tx: self.steps.decline(tx, pid, incoming))
            raise

    async def get(self, caller: Caller, pid: str) -> Negotiation:
        """The process, for its counterparty: what it has acknowledged a moment ago has happened.

        Raises:
            UnknownProcessError: no such process of this caller, or it has not begun.
        """
        await self.dispatcher.landed(pid)
        negotiation = owned(await self.database.read(lambda tx: tx.get(NEGOTIATIONS, pid)), pid, caller)
        if negotiation.state is NegotiationState.INITIAL:
            raise UnknownProcessError(pid=pid)
        return negotiation

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def request_negotiation(self, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        """As consumer, ask the provider at `address` (its protocol base) for an agreement on the offer."""
        return await self._begin(Role.CONSUMER, did, address, offer, dataset)

    async def offer_to(self, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        """As provider, offer an agreement to the consumer at `address` (its protocol base)."""
        return await self._begin(Role.PROVIDER, did, address, offer, dataset)

    async def approve(self, pid: str) -> Negotiation:
        """Say yes to what waits for us: agree, finalize, accept or verify.

        Raises:
            TransitionError: nothing waits for us.
            AgreementError: the agreement names other parties or another dataset.
            OfferError, UnknownDatasetError: these terms may not be agreed to, whoever says yes.
            CrossedError: a message is under way.
        """

        def unit(tx: Transaction) -> Outcome[Negotiation]:
            negotiation = _known(tx, pid)
            action = _APPROVALS.get((negotiation.role, negotiation.state))
            if action is None:
                raise TransitionError(
                    message="approval", sender=negotiation.role.value, state=negotiation.state.value
                )
            flaw = agreement_flaw(self.steps.local.did, negotiation) if action == "verify" else None
            if flaw is not None:
                raise AgreementError(reason=Text(flaw))
            if action == "agree":
                check_terms(Role.PROVIDER, negotiation.offer)
            return self.steps.act(tx, negotiation, self.steps.strategy.approve(tx, negotiation, action))

        return await self._do(pid, unit)

    async def offer(self, pid: str, offer: JsonObject) -> Negotiation:
        """Answer with other terms: an offer as provider, a counter-offer as consumer."""

        def unit(tx: Transaction) -> Outcome[Negotiation]:
            negotiation = _known(tx, pid)
            terms = wire.offer({"offer": messages.message_offer(offer, negotiation.dataset)})
            check_terms(negotiation.role, terms)
            action = "offer" if negotiation.role is Role.PROVIDER else "counter"
            return self.steps.act(tx, negotiation, Reaction((action,), offer=terms))

        return await self._do(pid, unit)

    async def reject(self, pid: str, reason: str) -> Negotiation:
        """Say no to what waits for us."""
        return await self.terminate(pid, "negotiation.rejected", reason)

    async def terminate(self, pid: str, code: str, *reason: str) -> Negotiation:
        """End the negotiation; in place of a message that is under way."""

        def unit(tx: Transaction) -> Outcome[Negotiation]:
            return self.steps.act(tx, _known(tx, pid), Reaction(("terminate",), code=code, reason=reason))

        return await self._do(pid, unit)

    async def recent(
        self, state: NegotiationState | None = None, after: Place | None = None, limit: int = 100
    ) -> list[Negotiation]:
        """Negotiations, the newest first; `after` is where the last page ended."""
        where = {} if state is None else {"state": state.value}
        return await newest(self.database, NEGOTIATIONS, where, after, limit)

    async def find(self, pid: str) -> Negotiation:
        """One negotiation.

        Raises:
            UnknownProcessError: there is none.
        """
        return await self.database.read(lambda tx: _known(tx, pid))

    async def agreements(self, after: Place | None = None, limit: int = 100) -> list[Agreement]:
        """Finalised agreements, the newest first; `after` is where the last page ended."""
        return await newest(self.database, AGREEMENTS, {}, after, limit, by="finalized")

    # --- inside -----------------------------------------------------------------------------------------------

    async def _settled(
        self,
        pid: str,
        take: Callable[[Transaction], Outcome[Negotiation]],
        insist: Callable[[Transaction], Outcome[Negotiation]],
    ) -> Outcome[Negotiation]:
        try:
            return await self._guarded(pid, take)
        except EarlyMessageError:
            await self.dispatcher.landed(pid)
        return await self._guarded(pid, insist)

    async def _begin(self, role: Role, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        terms = wire.offer({"offer": messages.message_offer(offer, dataset)})
        check_terms(role, terms)
        outcome = await self.dispatcher.commit(lambda tx: self.steps.begin(tx, role, did, address, terms))
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def _do(self, pid: str, unit: Callable[[Transaction], Outcome[Negotiation]]) -> Negotiation:
        outcome = await self._guarded(pid, unit)
        self.dispatcher.launch(outcome.intent)
        return outcome.process

    async def _guarded(self, pid: str, unit: Callable[[Transaction], Outcome[Negotiation]]) -> Outcome[Negotiation]:
        async with self.dispatcher.guard(pid):
            return await self.dispatcher.commit(unit)


def awaits(negotiation: Negotiation) -> str:
    """Who moves next: "us", "peer" or "nobody"."""
    owner = TABLE.owners[negotiation.state]
    if owner is Owner.NOBODY:
        return "nobody"
    mine = negotiation.initiator if owner is Owner.EITHER else Role(owner.value)
    return "us" if mine is negotiation.role else "peer"


def _known(tx: Transaction, pid: str) -> Negotiation:
    negotiation = tx.get(NEGOTIATIONS, pid)
    if negotiation is None:
        raise UnknownProcessError(pid=pid)
    return negotiation


def _told(incoming: wire.Incoming, expected: tuple[Message, ...]) -> Message:
    # The two events share one type; their eventType tells them apart.
    names = {incoming.type, f"{incoming.type}.{incoming.body.get('eventType')}"}
    told = next((message for message in expected if message.value in names), None)
    if told is None:
        raise MessageError(reason=msgid("its eventType does not belong here"))
    return told


def _check_readable(incoming: wire.Incoming, message: Message) -> None:
    # Terms that nobody can read are not kept; what is too big is refused before anything walks through it.
    match message:
        case Message.REQUEST | Message.OFFER:
            check_size(incoming.body.get("offer"))
            odrl.parse(wire.offer(incoming.body))
        case Message.AGREEMENT:
            check_size(incoming.body.get("agreement"))
            odrl.parse(wire.agreement(incoming.body))
        case _:
            pass
