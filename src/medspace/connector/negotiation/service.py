"""Negotiations for the rest of the connector: the protocol's door, and what people decide."""

from dataclasses import dataclass

from medspace.connector import wire
from medspace.connector.dispatch.outbox import ProcessUpdate
from medspace.connector.errors import AgreementError, TransitionError
from medspace.connector.model import AGREEMENTS, Agreement, Negotiation, NegotiationState, Reaction, Role
from medspace.connector.negotiation import messages
from medspace.connector.negotiation.rules import Message, agreement_flaw, check_terms
from medspace.connector.negotiation.steps import Steps
from medspace.connector.process.service import Processes
from medspace.connector.states import DeliveryStateOf
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


@dataclass(frozen=True, slots=True)
class Negotiations(Processes[Negotiation, Message]):
    """The use cases of negotiations."""

    steps: Steps

    # --- the protocol's door ----------------------------------------------------------------------------------

    async def open(self, caller: Caller, content: bytes, message: Message) -> ProcessUpdate[Negotiation]:
        """Take an initial request (we are the provider) or an initial offer (we are the consumer).

        Raises:
            MessageError: it cannot be read.
            InvalidPolicyError: its terms cannot be read, or are too big.
            CallbackError: its callback address must not be used.
            QuotaError: the caller has as much open, or has sent as much, as it may.
        """
        incoming, _ = self._read(content, (message,))
        role = Role.PROVIDER if message is Message.REQUEST else Role.CONSUMER

        def begin(tx: Transaction, _: DeliveryStateOf) -> ProcessUpdate[Negotiation]:
            peer = wire.identifier(incoming.body, f"{role.other.value}Pid")
            self.quotas.negotiation(tx, role, caller.did, peer)
            return self.steps.open(tx, caller, incoming, message)

        return await self._open(caller, content, incoming, begin)

    def check(self, incoming: wire.Incoming, message: Message) -> None:
        """Terms that nobody can read are not kept; what is too big is refused before anything walks through it."""
        match message:
            case Message.REQUEST | Message.OFFER:
                check_size(incoming.body.get("offer"))
                odrl.parse(wire.offer(incoming.body))
            case Message.AGREEMENT:
                check_size(incoming.body.get("agreement"))
                odrl.parse(wire.agreement(incoming.body))
            case _:
                pass

    # --- what people and the other rooms want -----------------------------------------------------------------

    async def request_negotiation(self, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        """As consumer, ask the provider at `address` (its protocol base) for an agreement on the offer."""
        return await self._propose(Role.CONSUMER, did, address, offer, dataset)

    async def offer_to(self, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        """As provider, offer an agreement to the consumer at `address` (its protocol base)."""
        return await self._propose(Role.PROVIDER, did, address, offer, dataset)

    async def approve(self, pid: str) -> Negotiation:
        """Say yes to what waits for us: agree, finalize, accept or verify.

        Raises:
            TransitionError: nothing waits for us.
            AgreementError: the agreement names other parties or another dataset.
            OfferError, UnknownDatasetError: these terms may not be agreed to, whoever says yes.
            CrossedError: a message is under way.
        """

        def decide(tx: Transaction, negotiation: Negotiation) -> Reaction:
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
            return self.steps.strategy.approve(tx, negotiation, action)

        return await self._decide(pid, decide)

    async def offer(self, pid: str, offer: JsonObject) -> Negotiation:
        """Answer with other terms: an offer as provider, a counter-offer as consumer."""

        def decide(_: Transaction, negotiation: Negotiation) -> Reaction:
            terms = wire.offer({"offer": messages.message_offer(offer, negotiation.dataset)})
            check_terms(negotiation.role, terms)
            action = "offer" if negotiation.role is Role.PROVIDER else "counter"
            return Reaction((action,), offer=terms)

        return await self._decide(pid, decide)

    async def reject(self, pid: str, reason: str) -> Negotiation:
        """Say no to what waits for us."""
        return await self.terminate(pid, "negotiation.rejected", reason)

    async def recent(
        self, state: NegotiationState | None = None, after: Cursor | None = None, limit: int = 100
    ) -> list[Negotiation]:
        """Negotiations, the newest first; `after` is where the last page ended."""
        return await self._recent(after, limit, state=state)

    async def agreements(self, after: Cursor | None = None, limit: int = 100) -> list[Agreement]:
        """Finalised agreements, the newest first; `after` is where the last page ended."""
        return await newest(self.database, AGREEMENTS, {}, after, limit, by="finalized")

    async def _propose(self, role: Role, did: str, address: str, offer: JsonObject, dataset: str) -> Negotiation:
        terms = wire.offer({"offer": messages.message_offer(offer, dataset)})
        check_terms(role, terms)
        return await self._begin(lambda tx: self.steps.begin(tx, role, did, address, terms))
