"""How the product answers negotiations: by the published policy, or by a person.

Provider: a request must have exactly the terms of a published offer, and the policy must allow it for this consumer;
it is then agreed, on the published text, and finalised once verified. Consumer: an agreement on what we asked for is
accepted and verified; anything else waits for a person.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from medspace.connector.approvals import TWO
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
from medspace.connector.negotiation.rules import agreement_flaw, bounded, counted, timed
from medspace.connector.ports import FactsOf, NegotiationEvent
from medspace.connector.reasons import clause_of, sentences
from medspace.connector.steady import steady
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.actions import DUTIES, action_of, covers, points_of
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.model import Policy, Rule, UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide, enforceable
from medspace.policy.words import difference

_RUNNING = (State.REQUESTED, State.ACCEPTED, State.AGREED, State.VERIFIED)
# What may still come to nothing; once it is finalised, the agreement that it replaces has ended.
_OPEN = frozenset(NegotiationEvent) - {NegotiationEvent.REQUESTED, NegotiationEvent.FINALIZED}
_MOST = 1000
ALTERED, IRREPLACEABLE = "agreement.altered", "agreement.irreplaceable"
MOST_TOLD = 8  # differences between the terms that were offered and those of the agreement
CODES = frozenset(
    {
        *(
            ALTERED,
            IRREPLACEABLE,
            "agreement.mismatch",
            "catalog.unknown",
            "negotiation.in_force",
            "negotiation.not_offered",
        ),
        "offer.not_served",
    }
)
_ALTERED = msgid("The agreement has other terms than the offer that was on the table.")
_IN_FORCE = msgid("Terms that bound the number of uses are in force already; use that agreement or ask for others.")


class Answering(StrEnum):
    """Who answers requests for our data."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    TWO_PERSONS = "two-persons"


@dataclass(frozen=True, slots=True)
class PolicyStrategy:
    """The product's strategy (port `connector.ports.NegotiationStrategy`).

    `spent` says whether every use that one of our agreements allows has been made, at the given instant. `duties` are
    those that a condition here keeps: as provider, terms with any other duty are not agreed to; `routes` are those by
    which a condition here lets rows pass. `closed` says whether an agreement was ended early, `owing` whether a user
    owes for an asset what is overdue.
    """

    local: Local
    facts: FactsOf
    answering: Answering = Answering.AUTOMATIC
    spent: Callable[[Transaction, Agreement, datetime], bool] = lambda _tx, _agreement, _now: False
    duties: Collection[str] = frozenset(DUTIES)
    routes: Collection[str] = ()
    ended: Callable[[Transaction, str, str], bool] = lambda _tx, _user, _asset: False
    closed: Callable[[Transaction, Agreement], bool] = lambda _tx, _agreement: False
    owing: Callable[[Transaction, str, str], bool] = lambda _tx, _user, _asset: False

    def react(self, tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Reaction:
        """What to do now; an empty reaction holds the negotiation."""
        flaw = self._irreplaceable(tx, negotiation) if event in _OPEN else None
        if flaw is not None:
            return _terminate(IRREPLACEABLE, flaw)
        match event:
            case NegotiationEvent.REQUEST | NegotiationEvent.COUNTER | NegotiationEvent.ACCEPTED:
                return self._answer(tx, negotiation, event) if self.answering is Answering.AUTOMATIC else Reaction()
            case NegotiationEvent.VERIFIED:
                return Reaction(("finalize",))
            case NegotiationEvent.OFFER:
                return Reaction(("accept",)) if _as_asked(negotiation) else Reaction()
            case NegotiationEvent.AGREEMENT:
                return self._verify(negotiation)
            case _:
                return Reaction()

    def approve(self, tx: Transaction, negotiation: Negotiation, action: str) -> Reaction:
        """What to do when a person says yes.

        Terms that the policy forbids or that are unenforceable are not agreed to.

        Where two persons must say yes to requests for our data, the first yes has no effect yet.

        Raises:
            OfferError: these terms may not be agreed to, whoever says yes.
            UnknownDatasetError: the dataset is not offered (any more).
        """
        flaw = self._irreplaceable(tx, negotiation)
        if flaw is not None:
            raise OfferError(reason=Text(flaw))
        match action:
            case "agree":
                agreeing = self._agree(tx, negotiation)
                alone = self.answering is Answering.TWO_PERSONS and len(negotiation.approved_by) < TWO
                return Reaction() if alone else agreeing
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
        if event is not NegotiationEvent.ACCEPTED and (
            self._used_up(tx, negotiation, terms)
            or self._timed_before(tx, negotiation, terms)
            or self.ended(tx, negotiation.counterparty, dataset.id)
            or self.owing(tx, negotiation.counterparty, dataset.id)
            or self._begins_again(tx, negotiation, terms)
        ):
            # A limit on uses or time, an overdue duty, or the holder's ending of an agreement would mean nothing if
            # the user could simply ask again, or change back and forth between offers; so a person decides.
            return Reaction()
        return Reaction(("agree",), offer=message_offer(terms, dataset.id))

    def _counted_already(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether terms that bound the number of uses are, or are about to be, in force with this counterparty.

        Agreements that are used up do not count.
        """
        if not counted(odrl.parse(terms)):
            return False
        now = self.local.clock.now()
        others = (one for one in self._in_force(tx, negotiation, terms) if one.id != _replaced(negotiation))
        if any(not self.spent(tx, made, now) for made in others):
            return True
        promised = _promises(tx, negotiation)
        return promised is None or any(_same(made, terms) for made in promised)

    def _begins_again(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether a new agreement in place of one gives anew what the terms of either bound."""
        before = tx.get(AGREEMENTS, _replaced(negotiation))
        return before is not None and any(bounded(odrl.parse(one)) for one in (before.policy, terms))

    def _irreplaceable(self, tx: Transaction, negotiation: Negotiation) -> str | None:
        """Why the agreement whose place this one would take stays; None where it does not, or there is none."""
        if odrl.REPLACES not in negotiation.offer:
            return None
        made = tx.get(AGREEMENTS, _replaced(negotiation))
        names = {negotiation.role: self.local.did, negotiation.role.other: negotiation.counterparty}
        ours = (names[Role.PROVIDER], names[Role.CONSUMER], negotiation.dataset)
        if made is None or (made.provider, made.consumer, made.dataset) != ours:
            return msgid("There is no such agreement between these two on this dataset to take the place of.")
        if self.closed(tx, made):
            return msgid("The agreement to take the place of was ended.")
        if negotiation.role is Role.CONSUMER or _promised(tx, negotiation) is not None:
            return None  # the holder alone says which of several comes first, and stays with it
        promised = _promises(tx, negotiation)
        taken = promised is None or any(one.get(odrl.REPLACES) == made.id for one in promised)
        return msgid("Another agreement is about to take its place.") if taken else None

    def _used_up(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether these exact terms were agreed with this counterparty before, are in force, and are used up."""
        if not counted(odrl.parse(terms)):
            return False
        now = self.local.clock.now()
        return any(self.spent(tx, made, now) for made in self._in_force(tx, negotiation, terms))

    def _timed_before(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> bool:
        """Whether these exact terms, which end some time after they are agreed, were agreed with it before."""
        return timed(odrl.parse(terms)) and any(True for _ in self._agreed(tx, negotiation, terms))

    def _agreed(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> Iterator[Agreement]:
        """The agreements on these terms with the counterparty, over or not, however many others exist."""
        where = {"provider": self.local.did, "consumer": negotiation.counterparty, "dataset": negotiation.dataset}
        return (made for made in each(tx, AGREEMENTS, where) if _same(made.policy, terms))

    def _in_force(self, tx: Transaction, negotiation: Negotiation, terms: JsonObject) -> Iterator[Agreement]:
        """The agreements on these terms with the counterparty that are in force."""
        time, region = self.local.clock.now(), self.facts(tx, negotiation.counterparty).region
        request = UseRequest(assignee=negotiation.counterparty, region=region, time=time, target=negotiation.dataset)
        same = self._agreed(tx, negotiation, terms)
        return (a for a in same if decide(odrl.parse(a.policy), request, Point.NEGOTIATION).permitted)

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
        user = self.facts(tx, negotiation.counterparty)
        return UseRequest(
            action=action,
            assignee=negotiation.counterparty,
            region=user.region,
            time=steady(tx, self.local.clock.now()),
            target=dataset.id,
            roles=user.roles,
            credentials=user.credentials,
            routes=tuple(self.routes),
        )

    def _not_offered(self, tx: Transaction, negotiation: Negotiation, dataset: Dataset) -> Reaction:
        """Why these terms are not offered: the clause of an offer that forbids them, if there is one."""
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
        if negotiation.agreement is None or _same(negotiation.offer, negotiation.agreement):
            return Reaction(("verify",) if negotiation.agreement is not None else ())
        return _altered(negotiation.offer, negotiation.agreement)


def _promised(tx: Transaction, negotiation: Negotiation) -> JsonObject | None:
    """The agreement that a pending negotiation is about to lead to."""
    if negotiation.agreement is not None:
        return negotiation.agreement
    owed = tx.get(INTENTS, negotiation.id)
    return owed.message["agreement"] if owed is not None and owed.action == "agree" else None


def _promises(tx: Transaction, negotiation: Negotiation) -> list[JsonObject] | None:
    """As the provider: the agreements that the other pending negotiations with this counterparty are to lead to.

    None where there are more of these than anyone needs at once.
    """
    held: list[JsonObject | None] = []
    for state in _RUNNING:
        where = {"role": Role.PROVIDER, "counterparty": negotiation.counterparty, "state": state}
        open_ = tx.find(NEGOTIATIONS, where=where, limit=_MOST)
        if len(open_) == _MOST:
            return None
        held += [_promised(tx, other) for other in open_ if other.id != negotiation.id]
    return [made for made in held if made is not None]


def _replaced(negotiation: Negotiation) -> str:
    """The agreement whose place the one on the table would take; "" where there is none."""
    return str(negotiation.offer.get(odrl.REPLACES, ""))


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
    """Whether unpublished terms permit no more than the kinds of use for which the dataset is offered."""
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


def _altered(offer: JsonObject, agreement: JsonObject) -> Reaction:
    """An agreement on other terms than those that were on the table is nobody's to verify: it was never offered."""
    found = difference(odrl.parse(offer), odrl.parse(agreement))
    told = (Text(_ALTERED), *found[:MOST_TOLD])
    return Reaction(("terminate",), code=ALTERED, reason=tuple(map(str, told)))


def _terminate(code: str, sentence: str) -> Reaction:
    return Reaction(("terminate",), code=code, reason=(str(Text(sentence)),))
