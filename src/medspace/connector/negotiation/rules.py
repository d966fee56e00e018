"""The contract negotiation as a state table (DSP 2025-1, Contract Negotiation Protocol 1.2)."""

from enum import StrEnum
from types import MappingProxyType

from medspace.connector.errors import OfferError
from medspace.connector.model import Negotiation, Role
from medspace.connector.model import NegotiationState as State
from medspace.connector.reasons import clause_of
from medspace.connector.states import Owner, StateTable, Transition
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.model import Policy, leaves
from medspace.policy.rules import enforceable


class Message(StrEnum):
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

TABLE: StateTable[State, Message] = StateTable(
    initial=State.INITIAL,
    terminated=State.TERMINATED,
    termination=Message.TERMINATION,
    conclusion=Message.FINALIZED,
    transitions=MappingProxyType(
        {
            (State.INITIAL, Message.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.INITIAL, Message.OFFER): Transition(State.OFFERED, _PROVIDER),
            (State.REQUESTED, Message.OFFER): Transition(State.OFFERED, _PROVIDER),
            (State.REQUESTED, Message.AGREEMENT): Transition(State.AGREED, _PROVIDER),
            (State.OFFERED, Message.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.OFFERED, Message.ACCEPTED): Transition(State.ACCEPTED, _CONSUMER),
            (State.ACCEPTED, Message.AGREEMENT): Transition(State.AGREED, _PROVIDER),
            (State.AGREED, Message.VERIFICATION): Transition(State.VERIFIED, _CONSUMER),
            (State.VERIFIED, Message.FINALIZED): Transition(State.FINALIZED, _PROVIDER),
            # The text says "at any state"; the picture names fewer. Whoever wants out, gets out.
            **{(state, Message.TERMINATION): Transition(State.TERMINATED, _EITHER) for state in RUNNING},
        }
    ),
    owners=MappingProxyType(
        {
            State.INITIAL: Owner.EITHER,  # whoever begins it
            State.REQUESTED: Owner.PROVIDER,
            State.OFFERED: Owner.CONSUMER,
            State.ACCEPTED: Owner.PROVIDER,
            State.AGREED: Owner.CONSUMER,
            State.VERIFIED: Owner.PROVIDER,
            State.FINALIZED: Owner.NOBODY,
            State.TERMINATED: Owner.NOBODY,
        }
    ),
)

# What the words of a `Reaction` send.
ACTIONS = MappingProxyType(
    {
        "request": Message.REQUEST,
        "counter": Message.REQUEST,
        "offer": Message.OFFER,
        "agree": Message.AGREEMENT,
        "accept": Message.ACCEPTED,
        "verify": Message.VERIFICATION,
        "finalize": Message.FINALIZED,
        "terminate": Message.TERMINATION,
    }
)


def agreement_flaw(did: str, negotiation: Negotiation) -> str | None:
    """What makes the agreement that came another than the one negotiated, as a msgid; None where nothing does."""
    agreement = negotiation.agreement or {}
    if agreement.get("assigner") != negotiation.counterparty:
        return msgid("The agreement names another provider.")
    if agreement.get("assignee") != did:
        return msgid("The agreement names another consumer.")
    if agreement.get("target") != negotiation.dataset:
        return msgid("The agreement is about another dataset.")
    return None


def counted(policy: Policy) -> bool:
    """Whether the policy bounds the number of uses, which a second agreement on the same terms would double."""
    return any(leaf.operand == "count" for rule in policy.permissions for leaf in leaves(rule.constraints))


def check_terms(role: Role, offer: JsonObject) -> None:
    """Refuse terms that a person may not agree to: nobody could read them, or (as provider) enforce them.

    Raises:
        InvalidPolicyError: they cannot be read.
        OfferError: they hold a clause that no enforcement point can enforce.
    """
    decision = enforceable(odrl.parse(offer))
    if role is Role.PROVIDER and not decision.permitted:
        facts: dict[str, Fact | Text] = {"clause": clause_of(decision) or "-"}
        raise OfferError(reason=Text(msgid("nothing can enforce {clause}"), facts))
