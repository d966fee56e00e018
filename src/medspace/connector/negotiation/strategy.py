"""How the product answers negotiations: by the policy that is published, or by a person.

Provider: what is asked for must have exactly the terms of a published offer, and the policy must allow it for this
consumer; then it is agreed, on the published text, and finalised once verified. Consumer: what was asked for is
accepted and verified; anything else waits for a person.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from medspace.connector.errors import OfferError, UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import (
    AGREEMENTS,
    CATALOGUE,
    INTENTS,
    NEGOTIATIONS,
    Agreement,
    Dataset,
    Negotiation,
    Reaction,
    Role,
)
from medspace.connector.model import NegotiationState as State
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.negotiation.rules import agreement_flaw, counted
from medspace.connector.ports import FactsOf, NegotiationEvent
from medspace.connector.reasons import clause_of, sentences
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.store import Transaction
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.actions import DUTIES, action_of, covers, points_of
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.model import Policy, Rule, UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide, enforceable

_RUNNING = (State.REQUESTED, State.ACCEPTED, State.AGREED, State.VERIFIED)
_MOST = 1000
_IN_FORCE = msgid("Terms that bound the number of uses are in force already; use that agreement or ask for others.")


class Answering(StrEnum):
    """Who answers requests for our data."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class PolicyStrategy:
    """The product's strategy (port `connector.ports.NegotiationStrategy`).

    `spent` says whether every use that an agreement of ours allows was made; it is asked for the instant given.
    `duties` are those that somebody here keeps: of others nothing is agreed to as provider.
    """

    local: Local
    facts: FactsOf
    answering: Answering = Answering.AUTOMATIC
    spent: Callable[[Transaction, Agreement, datetime], bool] = lambda _tx, _agreement, _now: False
    duties: Collection[str] = frozenset(DUTIES)

    def react(self, tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Reaction:
        """What to do now; an empty reaction holds the negotiation."""
        match event:
            case NegotiationEvent.REQUEST | NegotiationEvent.COUNTER | NegotiationEvent.ACCEPTED:
                return Reaction() if self.answering is Answering.MANUAL else self._answer(tx, negotiation, event)
            case NegotiationEvent.VERIFIED:
                return Reaction(("finalize",))
            case NegotiationEvent.OFFER:
                return Reaction(("accept",)) if _as_asked(negotiation) else Reaction()
            case NegotiationEvent.AGREEMENT:
                return self._verify(negotiation)
            case _:
                return Reaction()

    def approve(self, tx: Transaction, negotiation: Negotiation, action: str) -> Reaction:
        """What to do when a person says yes; what the policy forbids or nobody can enforce is not agreed to.

        Raises:
            OfferError: these terms may not be agreed to, whoever says yes.
            UnknownDatasetError: the dataset is not offered (any more).
        """
        match action:
            case "agree":
                return self._agree(tx, negotiation)
            case "accept":
                _insist(enforceable(odrl.parse(negotiation.offer)))
            case "verify":
                _insist(enforceable(odrl.parse(negotiation.agreement or {})))
        return Reaction((action,))

    # --- provider ---------------------------------------------------------------------------------------------

    def _answer(self, tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Reaction:
        dataset = tx.get(CATALOGUE, negotiation.dataset)
        if dataset is None:
            return _terminate("catalog.unknown", msgid("The dataset is not offered here."))
        terms: JsonObject | None = negotiation.offer
        if event is not NegotiationEvent.ACCEPTED:
            terms = _published(dataset, negotiation.offer)
        if terms is None:
            return self._not_offered(tx, negotiation, dataset)
        if event is not NegotiationEvent.ACCEPTED and self._counted_already(tx, negotiation, terms):
            return _terminate("negotiation.in_force", _IN_FORCE)
        decision = self.decide(tx, negotiation, dataset, terms)
        if not decision.permitted:
            return _refuse(decision)
        if event is not NegotiationEvent.ACCEPTED and self._used_up(tx, negotiation, terms):
            return Reaction()  # the count would bound nothing if it were renewed by asking: a person decides
        return Reaction(("agree",), offer=message_offer(terms, dataset.id))

    def _counted_already(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether terms that bound the number of uses are, or are about to be, in force with this counterparty.

        Those that are used up are in the way no longer.
        """
        if not counted(odrl.parse(terms)):
            return False
        now = self.local.clock.now()
        left = [made for made in self._in_force(tx, negotiation) if not self.spent(tx, made, now)]
        held: list[JsonObject | None] = [agreement.policy for agreement in left]
        for state in _RUNNING:
            where = {"role": Role.PROVIDER, "counterparty": negotiation.counterparty, "state": state}
            others = tx.find(NEGOTIATIONS, where=where, limit=_MOST)
            if len(others) == _MOST:
                return True  # nobody needs so many at once
            held += [_promised(tx, other) for other in others if other.id != negotiation.id]
        return any(made is not None and _same(made, terms) for made in held)

    def _used_up(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether these very terms were agreed with this counterparty before, are in force, and are used up."""
        if not counted(odrl.parse(terms)):
            return False
        now = self.local.clock.now()
        same = (made for made in self._in_force(tx, negotiation) if _same(made.policy, terms))
        return any(self.spent(tx, made, now) for made in same)

    def _in_force(self, tx: Transaction, negotiation: Negotiation) -> list[Agreement]:
        where = {"provider": self.local.did, "consumer": negotiation.counterparty, "dataset": negotiation.dataset}
        found = tx.find(AGREEMENTS, where=where, order_by="finalized", descending=True, limit=_MOST)
        time, region = self.local.clock.now(), self.facts(tx, negotiation.counterparty).region
        request = UseRequest(assignee=negotiation.counterparty, region=region, time=time, target=negotiation.dataset)
        return [a for a in found if decide(odrl.parse(a.policy), request, Point.NEGOTIATION).permitted]

    def _agree(self, tx: Transaction, negotiation: Negotiation) -> Reaction:
        dataset = tx.get(CATALOGUE, negotiation.dataset)
        if dataset is None:
            raise UnknownDatasetError(dataset=negotiation.dataset)
        terms = _published(dataset, negotiation.offer) or negotiation.offer
        _insist(self.decide(tx, negotiation, dataset, terms))
        return Reaction(("agree",), offer=message_offer(terms, dataset.id))

    def decide(self, tx: Transaction, negotiation: Negotiation, dataset: Dataset, terms: JsonObject) -> Decision:
        """Whether these terms may be agreed to with this counterparty."""
        policy = odrl.parse(message_offer(terms, dataset.id))
        request = self._request(tx, negotiation, dataset)
        enforced = enforceable(policy, points_of(dataset.formats), self.duties)
        offered = () if _published(dataset, message_offer(terms, dataset.id)) else (_within(policy, dataset.formats),)
        return combine(enforced, *offered, decide(policy, request, Point.NEGOTIATION))

    def _request(
        self, tx: Transaction, negotiation: Negotiation, dataset: Dataset, action: str | None = None
    ) -> UseRequest:
        return UseRequest(
            action=action,
            assignee=negotiation.counterparty,
            region=self.facts(tx, negotiation.counterparty).region,
            time=self.local.clock.now(),
            target=dataset.id,
        )

    def _not_offered(self, tx: Transaction, negotiation: Negotiation, dataset: Dataset) -> Reaction:
        """Why these terms are not to be had: the clause of an offer that forbids what they ask for, if one does."""
        for rule in _permissions(negotiation.offer):
            request = self._request(tx, negotiation, dataset, rule.action)
            offers = (odrl.parse(message_offer(offer, dataset.id)) for offer in dataset.offers)
            decisions = [decide(offer, request, Point.NEGOTIATION) for offer in offers]
            if decisions and not any(decision.permitted for decision in decisions):
                return _refuse(decisions[0])
        sentence = msgid("The terms are not those of an offer in the catalogue; ask for one that is there.")
        return _terminate("negotiation.not_offered", sentence)

    # --- consumer ---------------------------------------------------------------------------------------------

    def _verify(self, negotiation: Negotiation) -> Reaction:
        flaw = agreement_flaw(self.local.did, negotiation)
        if flaw is not None:
            return _terminate("agreement.mismatch", flaw)
        if negotiation.agreement is not None and _same(negotiation.offer, negotiation.agreement):
            return Reaction(("verify",))
        return Reaction()


def _promised(tx: Transaction, negotiation: Negotiation) -> JsonObject | None:
    """The agreement that a negotiation under way is about to end in."""
    if negotiation.agreement is not None:
        return negotiation.agreement
    owed = tx.get(INTENTS, negotiation.id)
    return owed.message["agreement"] if owed is not None and owed.action == "agree" else None


def _as_asked(negotiation: Negotiation) -> bool:
    return (
        negotiation.role is Role.CONSUMER
        and negotiation.asked is not None
        and _same(negotiation.asked, negotiation.offer)
    )


def _published(dataset: Dataset, asked: JsonObject) -> JsonObject | None:
    offers = (message_offer(offer, dataset.id) for offer in dataset.offers)
    return next((offer for offer in offers if _same(offer, asked)), None)


def _same(one: JsonObject, other: JsonObject) -> bool:
    try:
        return one["target"] == other["target"] and odrl.same_terms(odrl.parse(one), odrl.parse(other))
    except InvalidPolicyError:
        return False


def _within(policy: Policy, kinds: Collection[str]) -> Decision:
    """Whether terms that are not published permit no more than the kinds of use that the dataset is offered for."""
    allowed = [action_of(kind) for kind in kinds]
    asked = Text(msgid("one of the uses {kinds}"), {"kinds": ", ".join(sorted(kinds)) or "-"})
    premises = tuple(
        Premise(rule.clause, asked, Text(msgid("the use is {kind}"), {"kind": rule.action}), satisfied=False)
        for rule in policy.permissions
        if not any(covers(action, rule.action) for action in allowed)
    )
    return Decision(Verdict.DENY if premises else Verdict.PERMIT, "offer.not_served", premises)


def _insist(decision: Decision) -> None:
    if not decision.permitted:
        facts: dict[str, Fact | Text] = {"clause": clause_of(decision) or decision.code}
        facts["sentence"] = next(iter(sentences(decision)), decision.code)
        raise OfferError(reason=Text(msgid("{clause} stands against it ({sentence})"), facts))


def _permissions(offer: JsonObject) -> tuple[Rule, ...]:
    try:
        return odrl.parse(offer).permissions
    except InvalidPolicyError:
        return ()


def _refuse(decision: Decision) -> Reaction:
    return Reaction(("terminate",), code=decision.code, reason=sentences(decision), clause=clause_of(decision))


def _terminate(code: str, sentence: str) -> Reaction:
    return Reaction(("terminate",), code=code, reason=(str(Text(sentence)),))
