"""Negotiations for the rest of the connector: the protocol endpoint, and decisions by people."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from medspace.connector import wire
from medspace.connector.approvals import insist_on_another, joined
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import AgreementError, TransitionError
from medspace.connector.model import AGREEMENTS, Agreement, Negotiation, NegotiationState, Reaction, Role
from medspace.connector.negotiation import messages
from medspace.connector.negotiation.rules import NegotiationMessage, agreement_flaw, check_terms
from medspace.connector.negotiation.steps import NegotiationSteps
from medspace.connector.process.service import Processes
from medspace.connector.states import DeliveryStateOf
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.paging import Cursor, newest
from medspace.core.store import Transaction
from medspace.core.text import Text
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

# Raises MovedError where a negotiation is not what somebody looked at when they decided.
StillSame = Callable[[Negotiation], None]

_REJECTED = "negotiation.rejected"
CODES = frozenset({_REJECTED})


@dataclass(frozen=True, slots=True)
class Negotiations(Processes[Negotiation, NegotiationMessage]):
    """The use cases of negotiations."""

    steps: NegotiationSteps

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def open(self, caller: Caller, content: bytes, message: NegotiationMessage) -> ProcessUpdate[Negotiation]:
        """Handle an initial request (we are the provider) or an initial offer (we are the consumer).

        Raises:
            MessageError: it cannot be read.
            InvalidPolicyError: its terms cannot be read, or are too big.
            CallbackError: its callback address must not be used.
            QuotaError: the caller has reached its quota of open processes or of bytes.
        """
        incoming, _ = self._read(content, (message,))
        role = Role.PROVIDER if message is NegotiationMessage.REQUEST else Role.CONSUMER

        def begin(tx: Transaction, _: DeliveryStateOf) -> ProcessUpdate[Negotiation]:
            peer = wire.identifier(incoming.body, f"{role.other.value}Pid")
            self.quotas.negotiation(tx, role, caller.did, peer)
            return self.steps.open(tx, caller, incoming, message)

        return await self._open(caller, content, incoming, begin)

    def check(self, incoming: wire.Incoming, message: NegotiationMessage) -> None:
        """Refuse unreadable terms before they are stored, and oversized ones before any code walks through them."""
        match message:
            case NegotiationMessage.REQUEST | NegotiationMessage.OFFER:
                check_size(incoming.body.get("offer"))
                odrl.parse(wire.offer(incoming.body))
            case NegotiationMessage.AGREEMENT:
                check_size(incoming.body.get("agreement"))
                odrl.parse(wire.agreement(incoming.body))
            case _:
                pass

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def request_negotiation(
        self, did: str, address: str, offer: JsonObject, dataset: str, *, replaces: str = "", by: str = NOBODY
    ) -> Negotiation:
        """As consumer, ask the provider at `address` (its protocol base) for an agreement on the offer.

        It takes the place of the agreement `replaces`, where one is named.
        """
        terms = messages.message_offer(offer, dataset, replaces)
        return await self._propose(Role.CONSUMER, did, address, terms, by)

    async def offer_to(
        self, did: str, address: str, offer: JsonObject, dataset: str, *, replaces: str = "", by: str = NOBODY
    ) -> Negotiation:
        """As provider, offer an agreement to the consumer at `address` (its protocol base); `replaces` as above."""
        terms = messages.message_offer(offer, dataset, replaces)
        return await self._propose(Role.PROVIDER, did, address, terms, by)

    async def approve(self, pid: str, *, by: str = NOBODY, still: StillSame | None = None) -> Negotiation:
        """Say yes to what waits for us: agree, finalize, accept or verify; to what was seen, where `still` looks.

        Where the strategy also requires another actor's yes, this one is stored, and the negotiation keeps waiting.

        Raises:
            SecondPersonError: an actor other than `by` must say yes.
            TransitionError: nothing waits for us.
            AgreementError: the agreement names other parties or another dataset.
            OfferError, UnknownDatasetError: these terms may not be agreed to, whoever says yes.
            CrossedError: a message is in flight.
            MovedError: it is not what was seen.
        """

        def decide(tx: Transaction, negotiation: Negotiation) -> tuple[Reaction, Negotiation]:
            (still or _whatever)(negotiation)
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
            asker = self.steps.asker(tx, negotiation)
            approved = replace(negotiation, approved_by=joined(negotiation.approved_by, by, asker))
            reaction = self.steps.strategy.approve(tx, approved, action)
            if not reaction.actions:
                insist_on_another(negotiation.approved_by, by, asker)
            return replace(reaction, by=by), approved

        def unit(tx: Transaction) -> ProcessUpdate[Negotiation]:
            negotiation = self._known(tx, pid)
            reaction, approved = decide(tx, negotiation)
            return self.steps.approve(tx, negotiation, approved, reaction)

        return await self._launched(pid, unit)

    async def offer(self, pid: str, offer: JsonObject, *, by: str = NOBODY) -> Negotiation:
        """Answer with other terms: an offer as provider, a counter-offer as consumer."""

        def decide(_: Transaction, negotiation: Negotiation) -> Reaction:
            replaced = str(negotiation.offer.get(odrl.REPLACES, ""))
            terms = wire.offer({"offer": messages.message_offer(offer, negotiation.dataset, replaced)})
            check_terms(negotiation.role, terms)
            action = "offer" if negotiation.role is Role.PROVIDER else "counter"
            return Reaction((action,), offer=terms, by=by)

        return await self._decide(pid, decide)

    async def reject(self, pid: str, reason: str, *, by: str = NOBODY, still: StillSame | None = None) -> Negotiation:
        """Say no to what waits for us, or was seen; one no is enough, however many must say yes."""

        def decide(_: Transaction, negotiation: Negotiation) -> Reaction:
            (still or _whatever)(negotiation)
            return Reaction(("terminate",), code=_REJECTED, reason=(reason,), by=by)

        return await self._decide(pid, decide)

    async def recent(
        self, state: NegotiationState | None = None, after: Cursor | None = None, limit: int = 100
    ) -> list[Negotiation]:
        """Negotiations, newest first; `after` is where the last page ended."""
        return await self._recent(after, limit, state=state)

    async def agreements(self, after: Cursor | None = None, limit: int = 100) -> list[Agreement]:
        """Finalised agreements, newest first; `after` is where the last page ended."""
        return await newest(self.database, AGREEMENTS, {}, after, limit, by="finalized")

    async def _propose(self, role: Role, did: str, address: str, offer: JsonObject, by: str) -> Negotiation:
        terms = wire.offer({"offer": offer})
        check_terms(role, terms)
        return await self._begin(lambda tx: self.steps.begin(tx, role, did, address, terms, by))


def _whatever(_: Negotiation) -> None:
    """Who says nothing of what they saw decides on what there is."""
