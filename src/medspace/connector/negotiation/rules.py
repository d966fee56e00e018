"""The contract negotiation as a state table (DSP 2025-1, Contract Negotiation Protocol 1.2)."""

from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from medspace.connector.errors import OfferError
from medspace.connector.model import Agreement, Negotiation, Role
from medspace.connector.model import NegotiationState as State
from medspace.connector.reasons import clause_of
from medspace.connector.states import ProcessOwner, StateTable, Transition
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.budgets import EPSILON
from medspace.policy.model import Policy, UseRequest, leaves
from medspace.policy.points import Point
from medspace.policy.rules import decide, enforceable
from medspace.policy.standing import ELAPSED


class NegotiationMessage(StrEnum):
    """The messages of a negotiation; the two events are told apart by their eventType."""

    REQUEST = "ContractRequestMessage"
    OFFER = "ContractOfferMessage"
    AGREEMENT = "ContractAgreementMessage"
    VERIFICATION = "ContractAgreementVerificationMessage"
    ACCEPTED = "ContractNegotiationEventMessage.ACCEPTED"
    FINALIZED = "ContractNegotiationEventMessage.FINALIZED"
    TERMINATION = "ContractNegotiationTerminationMessage"


_CONSUMER = frozenset({Role.CONSUMER})
_PROVIDER = frozenset({Role.PROVIDER})
_EITHER = _CONSUMER | _PROVIDER

RUNNING = (State.REQUESTED, State.OFFERED, State.ACCEPTED, State.AGREED, State.VERIFIED)

TABLE: StateTable[State, NegotiationMessage] = StateTable(
    initial=State.INITIAL,
    terminated=State.TERMINATED,
    termination=NegotiationMessage.TERMINATION,
    conclusion=NegotiationMessage.FINALIZED,
    transitions=MappingProxyType(
        {
            (State.INITIAL, NegotiationMessage.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.INITIAL, NegotiationMessage.OFFER): Transition(State.OFFERED, _PROVIDER),
            (State.REQUESTED, NegotiationMessage.OFFER): Transition(State.OFFERED, _PROVIDER),
            (State.REQUESTED, NegotiationMessage.AGREEMENT): Transition(State.AGREED, _PROVIDER),
            (State.OFFERED, NegotiationMessage.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.OFFERED, NegotiationMessage.ACCEPTED): Transition(State.ACCEPTED, _CONSUMER),
            (State.ACCEPTED, NegotiationMessage.AGREEMENT): Transition(State.AGREED, _PROVIDER),
            (State.AGREED, NegotiationMessage.VERIFICATION): Transition(State.VERIFIED, _CONSUMER),
            (State.VERIFIED, NegotiationMessage.FINALIZED): Transition(State.FINALIZED, _PROVIDER),
            # The specification's text says "at any state"; its diagram names fewer. We allow termination from any
            # state.
            **{(state, NegotiationMessage.TERMINATION): Transition(State.TERMINATED, _EITHER) for state in RUNNING},
        }
    ),
    owners=MappingProxyType(
        {
            State.INITIAL: ProcessOwner.EITHER,  # either side may begin
            State.REQUESTED: ProcessOwner.PROVIDER,
            State.OFFERED: ProcessOwner.CONSUMER,
            State.ACCEPTED: ProcessOwner.PROVIDER,
            State.AGREED: ProcessOwner.CONSUMER,
            State.VERIFIED: ProcessOwner.PROVIDER,
            State.FINALIZED: ProcessOwner.NOBODY,
            State.TERMINATED: ProcessOwner.NOBODY,
        }
    ),
)

# The message that each action of a `Reaction` sends.
ACTIONS = MappingProxyType(
    {
        "request": NegotiationMessage.REQUEST,
        "counter": NegotiationMessage.REQUEST,
        "offer": NegotiationMessage.OFFER,
        "agree": NegotiationMessage.AGREEMENT,
        "accept": NegotiationMessage.ACCEPTED,
        "verify": NegotiationMessage.VERIFICATION,
        "finalize": NegotiationMessage.FINALIZED,
        "terminate": NegotiationMessage.TERMINATION,
    }
)


def agreement_flaw(did: str, negotiation: Negotiation) -> str | None:
    """How the received agreement differs from the negotiated one, as a msgid; None where it does not."""
    agreement = negotiation.agreement or {}
    if agreement.get("assigner") != negotiation.counterparty:
        return msgid("The agreement names another provider.")
    if agreement.get("assignee") != did:
        return msgid("The agreement names another consumer.")
    if agreement.get("target") != negotiation.dataset:
        return msgid("The agreement is about another dataset.")
    if agreement.get(odrl.REPLACES) != negotiation.offer.get(odrl.REPLACES):
        return msgid("The agreement takes the place of another one than the offer.")
    return None


def counted(policy: Policy) -> bool:
    """Whether the policy bounds the number of uses; a second agreement on the same terms would double the bound."""
    return any(leaf.operand == "count" for rule in policy.permissions for leaf in leaves(rule.constraints))


def bounded(policy: Policy) -> bool:
    """Whether the policy bounds what may be done under it in all, so that one more agreement gives that once more."""
    bounds = ("count", EPSILON, ELAPSED)
    return any(leaf.operand in bounds for rule in policy.permissions for leaf in leaves(rule.constraints))


def timed(policy: Policy) -> bool:
    """Whether the policy ends some time after it was agreed; each further agreement on it begins that time anew."""
    return any(leaf.operand == ELAPSED for rule in policy.permissions for leaf in leaves(rule.constraints))


def check_terms(role: Role, offer: JsonObject) -> None:
    """Refuse terms that a person may not agree to: unreadable ones, or (as provider) unenforceable ones.

    Raises:
        InvalidPolicyError: they cannot be read.
        OfferError: they contain a clause that no enforcement point can enforce.
    """
    decision = enforceable(odrl.parse(offer))
    if role is Role.PROVIDER and not decision.permitted:
        facts: dict[str, Fact | Text] = {"clause": clause_of(decision) or "-"}
        raise OfferError(reason=Text(msgid("nothing can enforce {clause}"), facts))


def in_force(agreement: Agreement, now: datetime, region: str | None) -> bool:
    """Whether an agreement's own terms still allow anything at that instant; later decisions are left open."""
    request = UseRequest(assignee=agreement.consumer, region=region, time=now, target=agreement.dataset)
    return decide(odrl.parse(agreement.policy), request, Point.NEGOTIATION).permitted
