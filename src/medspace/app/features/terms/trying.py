"""Dry runs of policies: would a use be allowed, which clause decides, what would change it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from medspace.app.doors.views import Speak
from medspace.app.features.terms import views
from medspace.app.features.terms.service import Terms
from medspace.app.node import questions
from medspace.app.node.language import LANGUAGES, speaker
from medspace.app.node.node import Node
from medspace.connector.catalogue.finding import RulelessError, listed, ruleless
from medspace.connector.catalogue.pace import paced
from medspace.connector.errors import OfferError, UnknownAgreementError, UnknownDatasetError
from medspace.connector.model import AGREEMENTS, CATALOGUE
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.usage import ended
from medspace.connector.usage.brakes import within_year
from medspace.connector.usage.calls import numbered
from medspace.connector.usage.disclosures import within
from medspace.connector.usage.model import LABELS
from medspace.connector.usage.spent import begun
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.errors import InvalidInputError
from medspace.core.instants import BoundError, bound
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import labels, odrl
from medspace.policy.actions import BYTES, COMPUTED, DOWNLOAD, action_of
from medspace.policy.budgets import strictest
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.masks import protection
from medspace.policy.model import Policy, UseRequest
from medspace.policy.purposes import known, meant
from medspace.policy.regions import REGIONS
from medspace.policy.service import DryRun, dry_run, foreign_run

LONGEST = 200  # characters of an identity in a refusal
_HIDDEN = Text(
    msgid(
        "Only its holder knows the label of the data and what they still answer: it may refuse what its terms allow."
    )
)


class InstantError(InvalidInputError):
    """A time that cannot be read."""

    code = "request.instant"
    sentence = msgid("{text} is not a valid time.")
    next_step = msgid("Write an instant with its zone, such as 2026-12-31T12:00:00Z, or a day for its beginning.")


class PlaceUnknownError(InvalidInputError):
    """The place of a dry run is not one that terms can name."""

    code = "policy.place_unknown"
    sentence = msgid("{place} is not a place that terms can name.")
    next_step = msgid("Write the code of a country, such as DE or CN (ISO 3166-1 alpha-2), or EU or EEA.")


class PurposeUnknownError(InvalidInputError):
    """The purpose of a dry run is none that terms could name."""

    code = "policy.purpose_unknown"
    sentence = msgid("{purpose} is not a purpose that terms can name.")
    next_step = msgid("Write one of these, by its name or by its words: {known}.")


class UseUnknownError(InvalidInputError):
    """The kind of use of a dry run is none that there is."""

    code = "policy.use_unknown"
    sentence = msgid("{use} is not a kind of use.")
    next_step = msgid("Write one of these: {known}.")


@dataclass(frozen=True, slots=True)
class TriedTerms:
    """What a dry run is about: terms on a dataset, of which any may allow the use, and how often they were used.

    `beside` is what else is known to decide, `notes` what is not known here.
    """

    dataset: str
    holder: str
    terms: Sequence[Policy]
    user: str = ""
    count: int = 0
    beside: Sequence[Decision] = ()
    notes: Sequence[Text] = ()


@dataclass(frozen=True, slots=True)
class Trying:
    """Dry runs: of one's own offers, of what others offer, and of agreements."""

    terms: Terms

    @property
    def node(self) -> Node:
        """The connector."""
        return self.terms.node

    async def try_policy(self, wish: JsonObject, speak: Speak) -> JsonObject:
        """Dry run without effects: would a use be allowed, and what would change the answer.

        It is of one's own `dataset`, of that of another `participant` as it is offered (one `offer`, or any), or of
        an `agreement` on either. Of the data of others their label and what they still answer are not known.

        Raises:
            UnknownDatasetError, UnknownAgreementError, OfferError: there is none.
            PurposeUnknownError, PlaceUnknownError, InstantError: terms know no such purpose, place or time.
            UseUnknownError: there is no such kind of use.
            RulelessError, InvalidPolicyError: no offer that was meant can be read.
            ...: as for the other participant's catalogue, where it is unavailable.
        """
        tried = await self._tried(wish)
        request = self._wished(wish, tried)
        if tried.holder == self.node.did:
            return await self._on_own(tried, await self._known(request), speak)
        runs = await paced(
            foreign_run(one, replace(request, protection=protection(one)), beside=tried.beside) for one in tried.terms
        )
        told = _told(tried, runs, speak)
        unknown: JsonObject = {"questions": None, "numbers": None, "small_cells": 0, "budget": None}
        return {**told, **unknown, "standing": [text.render(speak) for text in tried.notes]}

    async def _known(self, request: UseRequest) -> UseRequest:
        """What this data holder alone knows: what the user has proved here, and by which routes rows pass."""
        user, routes = request.assignee, self.node.usage.routes
        if user is None:
            return replace(request, routes=routes)
        facts = await self.node.database.read(lambda tx: self.node.facts(tx, user))
        return replace(request, routes=routes, credentials=facts.credentials)

    async def _on_own(self, tried: TriedTerms, request: UseRequest, speak: Speak) -> JsonObject:
        dataset = tried.dataset
        labelled = await self.node.database.read(lambda tx: tx.get(LABELS, dataset))
        allowance = await self.node.database.read(lambda tx: self.node.usage.allowance(tx, dataset))
        given = await self.node.database.read(lambda tx: self.node.usage.given(tx, dataset))
        label = labels.parse(labelled.label if labelled else None)
        left = (within_year(allowance), within(given, 1))
        runs = [
            dry_run(
                one,
                label,
                replace(request, protection=protection(one)),
                beside=(*tried.beside, *_bounds(one, request, left)),
            )
            for one in tried.terms
        ]
        facts, sentences = await self.node.standing(dataset)
        return {
            **_told(tried, runs, speak),
            "questions": questions.shown(dataset, allowance),
            "numbers": questions.numbers_shown(dataset, given, self.node.assets.cells(dataset)),
            "small_cells": await asyncio.to_thread(self.node.assets.small_cells, dataset),
            **facts,
            "standing": [text.render(speak) for text in sentences],
        }

    async def _tried(self, wish: JsonObject) -> TriedTerms:
        if wish.get("agreement"):
            return await self.node.database.read(lambda tx: self._agreed(tx, wish["agreement"]))
        participant, name = wish.get("participant", ""), wish["dataset"]
        if participant not in ("", self.node.did):
            return await self._offered(participant, name, wish.get("offer", ""))
        dataset = await self.node.database.read(lambda tx: tx.get(CATALOGUE, name))
        if dataset is None:
            raise UnknownDatasetError(dataset=name)
        terms = _chosen(dataset.offers, wish.get("offer", ""))
        return TriedTerms(dataset.id, self.node.did, [odrl.parse(one) for one in terms])

    def _agreed(self, tx: Transaction, identity: str) -> TriedTerms:
        one = tx.get(AGREEMENTS, identity)
        if one is None:
            raise UnknownAgreementError(agreement=identity[:LONGEST])
        policy = odrl.parse(one.policy)
        if one.provider == self.node.did:
            open_ = ended.decide(tx, one)
            return TriedTerms(one.dataset, one.provider, [policy], one.consumer, numbered(tx, one.id), [open_])
        count, over = begun(tx, one.id)
        return TriedTerms(one.dataset, one.provider, [policy], one.consumer, count, [_told_over()] * over, [_HIDDEN])

    async def _offered(self, participant: str, name: str, offer: str) -> TriedTerms:
        found = listed(participant, await self.terms.finder.dataset(participant, name))
        offers = [one for one in _chosen(found["offers"], offer) if not ruleless(one)]
        if not offers:
            raise RulelessError
        read = await paced(_read(message_offer(one, name)) for one in offers)
        terms = [one for one in read if isinstance(one, Policy)]
        if not terms:
            raise next(one for one in read if isinstance(one, InvalidPolicyError))
        return TriedTerms(name, participant, terms, self.node.did, notes=[_HIDDEN])

    def _wished(self, wish: JsonObject, tried: TriedTerms) -> UseRequest:
        user = wish["user"] or tried.user
        return UseRequest(
            action=action_of(kind_of(wish["format"], self.node.kinds)),
            assignee=user or None,
            purpose=purpose(wish["purpose"]) or None,
            region=place(wish["place"]) or self.node.region(user),
            time=instant_of(wish["at"]) if wish["at"] else self.node.clock.now(),
            count=tried.count,
            target=tried.dataset,
            holders=tuple(wish.get("holders", ())) or None,
            roles=self.node.roles(user) if user else None,
        )


def _chosen(offers: Sequence[JsonObject], offer: str) -> Sequence[JsonObject]:
    """The offer of that identity, or all of them.

    Raises:
        OfferError: there is none.
    """
    found = [one for one in offers if offer in ("", one.get("@id"))]
    if not found:
        raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": offer[:LONGEST] or "-"}))
    return found


def _read(offer: JsonObject) -> Policy | InvalidPolicyError:
    """An offer of somebody else, of which one that cannot be read hides none of the others."""
    try:
        return odrl.parse(offer)
    except InvalidPolicyError as error:
        return error


def _told(tried: TriedTerms, runs: Sequence[DryRun], speak: Speak) -> JsonObject:
    """The run that permits, or else the first."""
    best = next((run for run in runs if run.decision.permitted), runs[0])
    return {
        **views.decision(best.decision, speak),
        "dataset": tried.dataset,
        "participant": tried.holder,
        "user": tried.user,
        "contract": [text.render(speak) for text in best.terms],
        "remedies": [text.render(speak) for text in best.remedies],
        "protection": protection(tried.terms[runs.index(best)]),
        "masks": views.masks(best.masks, speak),
    }


def _told_over() -> Decision:
    """An agreement of which its holder has said that it is over."""
    asked, held = Text(msgid("The agreement must be in force.")), Text(msgid("Its holder admits no further use."))
    remedy = Text(msgid("Ask the holder for a new agreement."))
    return Decision(Verdict.DENY, ended.CODE, (Premise(ended.CLAUSE, asked, held, satisfied=False, remedy=remedy),))


def instant_of(text: str) -> datetime:
    """The instant that a person wrote; a day is its first instant.

    Raises:
        InstantError: it is neither a day nor an instant with its zone.
    """
    try:
        return bound(text, last=False)
    except BoundError:
        raise InstantError(text=text) from None


def _bounds(terms: Policy, request: UseRequest, left: Sequence[Decision]) -> Sequence[Decision]:
    """Whether questions and numbers are left, where answers are exact: those with noise are held to their budget."""
    return left if request.action != DOWNLOAD and strictest(terms) is None else ()


def purpose(text: str) -> str:
    """A purpose as terms name it, by its name or by its words in English or Chinese; empty where none was given.

    Raises:
        PurposeUnknownError: terms know no such purpose.
    """
    found = meant(text, map(speaker, LANGUAGES)) if text else ""
    if found is None:
        raise PurposeUnknownError(purpose=text, known=known())
    return found


def kind_of(text: str, served: frozenset[str]) -> str:
    """A kind of use, as a format or by its last word: train, download.

    Raises:
        UseUnknownError: there is none.
    """
    formats = sorted(COMPUTED | BYTES | served)
    words = {one.partition(":")[2]: one for one in formats if ":" in one} | {"download": "HttpData-PULL"}
    found = text if text in formats else words.get(text, "")
    if not found:
        raise UseUnknownError(use=text[:64], known=", ".join(formats))
    return found


def place(text: str) -> str:
    """A place in the form that terms use; empty where none was given.

    Raises:
        PlaceUnknownError: terms have no such place.
    """
    if text and text not in REGIONS.ancestors:
        raise PlaceUnknownError(place=text)
    return text
