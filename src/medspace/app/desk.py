"""The desk: what a participant's own people ask of their connector, across the rooms."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from medspace import __version__
from medspace.adapters.metrics import Metrics
from medspace.app import questions, views
from medspace.app.assets import Assets
from medspace.app.bell import Bell
from medspace.app.config import Config
from medspace.app.finding import (
    Finder,
    NoConnectorError,
    RulelessError,
    listed,
    matching,
    not_found,
    ruleless,
)
from medspace.app.labels import Labels
from medspace.app.lists import FIRST, PageRequest
from medspace.app.renewal import Budgets
from medspace.app.sets import SetsOfSites
from medspace.app.signing import SigningKeys
from medspace.app.training import Training
from medspace.app.waiting import Waiting
from medspace.connector.errors import OfferError, UnknownDatasetError
from medspace.connector.model import (
    AGREEMENTS,
    CATALOGUE,
    NEGOTIATIONS,
    TRANSFERS,
    Agreement,
    Dataset,
    Negotiation,
    NegotiationState,
    Role,
    Transfer,
)
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.negotiation.rules import counted
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage.brakes import Allowance
from medspace.connector.usage.calls import numbered
from medspace.connector.usage.model import LABELS
from medspace.connector.usage.service import UsageControl
from medspace.connector.usage.spent import COUNT, exhausted, spent
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, instant
from medspace.core.errors import InvalidInputError
from medspace.core.paging import newest
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger import bundle, service
from medspace.ledger.model import CHECKPOINTS, decode
from medspace.policy import labels, odrl, rules, templates
from medspace.policy.actions import action_of
from medspace.policy.masks import protection
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.service import dry_run
from medspace.runs.errors import ModelUnknownError, NoModelError
from medspace.runs.model import MODELS, RUNS, Model, Run
from medspace.runs.service import Coordinator
from medspace.services.membership.errors import NotAuthorityError
from medspace.services.membership.service import Authority
from medspace.trust.did import base_url
from medspace.trust.errors import DocumentError
from medspace.trust.jws import encode
from medspace.trust.model import Member, facts
from medspace.trust.ports import Documents
from medspace.trust.service import MembersBook

DOWNLOAD = "HttpData-PULL"
LARGEST_RUNS = 20  # a run comes with its model
MOST = 1_000  # records that one answer is made from
Speak = Callable[[str], str]


class VerbError(InvalidInputError):
    """There is no such verb for a transfer."""

    code = "transfer.verb"
    sentence = msgid("A transfer cannot be told to {verb}.")
    next_step = msgid("Use one of suspend, resume, complete, terminate.")


class InstantError(InvalidInputError):
    """A time cannot be read."""

    code = "request.instant"
    sentence = msgid("{text} is not a valid time.")
    next_step = msgid("Write it as 2026-01-31T12:00:00Z.")


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the desk needs; `app.compose` fills it."""

    config: Config
    database: Database
    bell: Bell
    clock: Clock
    signer: Signer
    metrics_of: Metrics
    documents: Documents
    book: MembersBook
    authority: Authority | None
    finder: Finder
    negotiating: Negotiations
    transferring: Transfers
    coordinator: Coordinator
    training: Training
    waiting: Waiting
    usage: UsageControl
    labels: Labels
    sets: SetsOfSites
    budgets: Budgets
    signing: SigningKeys
    assets: Assets
    kinds: frozenset[str]

    # --- who is here -------------------------------------------------------------------------------------------
    async def status(self) -> JsonObject:
        """Who this connector is and what it can do."""
        entries = await self.database.read(lambda tx: tx.log.size())
        return {
            "did": self.config.did,
            "name": self.config.participant.name,
            "url": self.config.base_url,
            "authority": self.config.space.authority,
            "authority_key": self.config.space.authority_key or encode(self.signer.public_key),
            "is_authority": self.config.is_authority,
            "version": __version__,
            "kinds": sorted(self.kinds),
            "member": any(member.did == self.config.did for member in self.members()),
            "log_entries": entries,
            "assets": list(self.assets.shown()),
            "questions": [questions.shown(asset, one) for asset, one in sorted((await self._allowances()).items())],
            "numbers": await self._numbers(),
        }

    async def _numbers(self) -> list[JsonObject]:
        """How many numbers each published dataset has given, and how many it may."""
        asked = sorted(await self._allowances())
        found = await self.database.read(lambda tx: [self.usage.given(tx, asset) for asset in asked])
        cells = self.assets.cells
        return [questions.numbers_shown(asset, one, cells(asset)) for asset, one in zip(asked, found, strict=True)]

    async def _allowances(self) -> Mapping[str, Allowance]:
        """How many questions each published dataset was asked, and how many it still answers this year."""

        def look(tx: Transaction) -> dict[str, Allowance]:
            # How many an asset answers may depend on its persons: it is known once the asset was opened.
            published = [found.id for found in tx.find(CATALOGUE, limit=MOST) if found.id in self.assets.questions]
            return {asset: self.usage.allowance(tx, asset) for asset in published}

        return await self.database.read(look)

    async def uses(self) -> list[JsonObject]:
        """The agreements on our own datasets, with the number of uses that something was released to."""

        def look(tx: Transaction) -> list[JsonObject]:
            own = tx.find(AGREEMENTS, where={"provider": self.config.did}, limit=MOST)
            return [
                {"agreement": a.id, "user": a.consumer, "dataset": a.dataset, "uses": numbered(tx, a.id)} for a in own
            ]

        return await self.database.read(look)

    async def metrics(self) -> bytes:
        """Prometheus metrics."""
        self.metrics_of.entries.set(await self.database.read(lambda tx: tx.log.size()))
        return self.metrics_of.render()

    def members(self) -> tuple[Member, ...]:
        """The members of the space, as last heard."""
        return self.book.current.members if self.book.current else ()

    def names(self) -> Mapping[str, str]:
        """The name of each member by its DID."""
        return {member.did: member.name for member in self.members()}

    async def admit(self, did: str, name: str, region: str, roles: Sequence[str], operator: str = "") -> Member:
        """As the authority: put a participant on the list, with the key that its DID document shows now.

        Raises:
            NotAuthorityError: this connector is not the authority.
            DidError: the operator is named by something else than a did:web; two seats of it would go unnoticed.
            NoConnectorError: the participant has no document with a key.
            AwayError: its connector does not answer.
        """
        if self.authority is None:
            raise NotAuthorityError(authority=self.config.space.authority)
        if operator:
            base_url(operator)
        try:
            document = await self.documents.document(did)
        except DocumentError as error:
            raise not_found(did, error) from error
        if not document.keys:
            raise NoConnectorError(did=did, reason=Text(msgid("its DID document shows no key")))
        key = document.keys[0].public_key
        member = Member(did, name, region, tuple(roles), key, operator, document.mldsa)
        await self.authority.admit(member)
        return member

    async def remove(self, did: str) -> None:
        """As the authority: take a member off the list. Others hear of it within an hour.

        Raises:
            NotAuthorityError: this connector is not the authority.
            UnknownMemberError: it is not on the list.
        """
        if self.authority is None:
            raise NotAuthorityError(authority=self.config.space.authority)
        await self.authority.remove(did)

    async def refresh(self) -> None:
        """Fetch the members list anew."""
        if self.authority is None:
            await self.book.refresh()

    # --- find and agree ----------------------------------------------------------------------------------------
    async def catalog(self, participant: str, search: str) -> tuple[list[JsonObject], list[JsonObject]]:
        """Datasets of one participant or of all members, and who did not answer."""
        if participant:
            found = await self.finder.catalog(participant)
            problems: list[JsonObject] = []
        else:
            others = [member.did for member in self.members() if member.did != self.config.did]
            found, problems = await self.finder.everywhere(others)
        chosen = filter(matching(search), found)
        return sorted(chosen, key=lambda d: (d["title"], d["participant"], d["id"])), problems

    async def datasets(self, page: PageRequest = FIRST) -> list[Dataset]:
        """A page of one's own published datasets, by identity."""
        after = page.after or None
        return await self.database.read(lambda tx: tx.find(CATALOGUE, after=after, limit=page.limit))

    async def negotiate(self, participant: str, dataset: str, offer: str = "") -> Negotiation:
        """Ask for an agreement on an offer of the dataset, exactly as it is published.

        Terms that bound the number of uses are agreed once: while they are in force and not used up, that negotiation
        is given; so is one on these terms that is still open. A used-up agreement is never given for a new one: the
        holder is asked again, and answers for itself whether it counts uses as we do.

        Raises:
            UnknownDatasetError: there is no such dataset.
            OfferError: it has no such offer.
        """
        described = listed(participant, await self.finder.dataset(participant, dataset))
        chosen = [o for o in described["offers"] if offer in ("", o.get("@id"))]
        if chosen and all(map(ruleless, chosen)):
            raise RulelessError
        chosen = [o for o in chosen if not ruleless(o)]
        if not chosen:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": offer or "-"}))
        terms = message_offer(chosen[0], dataset)
        held = await self._agreement_on(participant, dataset)
        if held is not None and self._bounds(held, terms) and not await self._used_up(held):
            return await self.negotiating.find(held.negotiation)
        asked = await self._open_on(participant, terms) if counted(odrl.parse(terms)) else None
        if asked is not None:  # a person may have to answer it; asked twice, there would be two to answer
            return asked
        return await self._request(participant, dataset, chosen[0])

    async def _used_up(self, held: Agreement) -> bool:
        """Whether no use of an agreement may be left: as many were begun as it allows, or the holder said so."""
        where = {"role": Role.CONSUMER, "agreement": held.id}
        begun = await self.database.read(lambda tx: tx.find(TRANSFERS, where=where, limit=MOST))
        return len(begun) == MOST or exhausted(held, len(begun), self.clock.now()) or any(map(_said_used_up, begun))

    async def _open_on(self, participant: str, terms: JsonObject) -> Negotiation | None:
        """Our negotiation on these terms that waits for the participant's answer, if there is one."""
        where = {"role": Role.CONSUMER, "counterparty": participant, "state": NegotiationState.REQUESTED}
        open_ = await self.database.read(lambda tx: tx.find(NEGOTIATIONS, where=where, limit=MOST))
        wanted, target = odrl.parse(terms), terms["target"]
        same = (n for n in open_ if n.dataset == target and odrl.same_terms(odrl.parse(n.offer), wanted))
        return next(same, None)

    def _bounds(self, held: Agreement, offer: JsonObject) -> bool:
        """Whether an agreement in force has the terms of the offer, and they bound the number of uses."""
        policy = odrl.parse(held.policy)
        same = counted(policy) and odrl.same_terms(policy, odrl.parse(offer))
        return same and in_force(held, self.clock.now(), self._region(held.consumer))

    async def download(self, participant: str, dataset: str) -> JsonObject:
        """Ask for the rows: by a transfer under an agreement in force, or by negotiating an agreement to download.

        Raises:
            UnknownDatasetError: there is no such dataset.
            OfferError: it has no offer.
        """
        agreement = await self._agreement_on(participant, dataset)
        if agreement is not None:
            transfer = await self.request(agreement.id, DOWNLOAD)
            return {"id": transfer.id, "path": "transfers", "counterparty": participant}
        described = listed(participant, await self.finder.dataset(participant, dataset))
        if not described["offers"]:
            raise OfferError(reason=Text(msgid("the dataset has no offer {offer}"), {"offer": "-"}))
        wish = templates.build("download", offer_id=str(described["offers"][0].get("@id")))
        negotiation = await self._request(participant, dataset, wish)
        return {"id": negotiation.id, "path": "negotiations", "counterparty": participant}

    async def _request(self, participant: str, dataset: str, offer: JsonObject) -> Negotiation:
        address = await self.finder.address(participant)
        return await self.negotiating.request_negotiation(participant, address, offer, dataset)

    async def _agreement_on(self, participant: str, dataset: str) -> Agreement | None:
        where = {"provider": participant, "consumer": self.config.did, "dataset": dataset}
        found = await self.database.read(
            lambda tx: tx.find(AGREEMENTS, where=where, order_by="finalized", descending=True, limit=1)
        )
        return found[0] if found else None

    async def negotiations(self, page: PageRequest = FIRST) -> list[Negotiation]:
        """A page of negotiations, the newest first."""
        return await self.negotiating.recent(after=page.cursor(), limit=page.limit)

    async def negotiation(self, pid: str) -> Negotiation:
        """One negotiation."""
        return await self.negotiating.find(pid)

    async def answer(self, pid: str, *, approve: bool, reason: str) -> Negotiation:
        """A person's decision on a negotiation that waits for it."""
        if approve:
            return await self.negotiating.approve(pid)
        return await self.negotiating.reject(pid, reason)

    async def agreements(self, page: PageRequest = FIRST) -> list[Agreement]:
        """A page of agreements, the newest first."""
        return await self.negotiating.agreements(page.cursor(), page.limit)

    async def agreed(self, found: Sequence[Agreement], speak: Speak) -> list[JsonObject]:
        """Agreements with their contracts in plain words, and whether they are in force now."""
        did, now = self.config.did, self.clock.now()
        shown = []
        for made in found:
            over = await self._spent(made, now)
            holds = in_force(made, now, self._region(made.consumer))
            shown.append(views.agreement(made, did, speak, in_force=holds, used_up=over))
        return shown

    async def _spent(self, made: Agreement, now: datetime) -> bool:
        """Whether an agreement is known to be used up: by our count as its holder, else by what the holder said."""
        if not counted(odrl.parse(made.policy)):
            return False
        if made.provider == self.config.did:
            return await self.database.read(lambda tx: spent(tx, made, now))
        where = {"role": Role.CONSUMER, "agreement": made.id}
        begun = await self.database.read(lambda tx: tx.find(TRANSFERS, where=where, limit=MOST))
        return any(map(_said_used_up, begun))

    async def try_policy(self, wish: JsonObject, speak: Speak) -> JsonObject:
        """Dry run on one's own dataset, nothing written: would it be allowed, and what would change the answer.

        Raises:
            UnknownDatasetError: it is not ours.
        """
        dataset = await self.database.read(lambda tx: tx.get(CATALOGUE, wish["dataset"]))
        if dataset is None:
            raise UnknownDatasetError(dataset=wish["dataset"])
        labelled = await self.database.read(lambda tx: tx.get(LABELS, dataset.id))
        allowance = await self.database.read(lambda tx: self.usage.allowance(tx, dataset.id))
        given = await self.database.read(lambda tx: self.usage.given(tx, dataset.id))
        label = labels.parse(labelled.label if labelled else None)
        request = self._wished(wish, dataset.id)
        terms = [odrl.parse(offer) for offer in dataset.offers]
        tried = [dry_run(one, label, replace(request, protection=protection(one))) for one in terms]
        best = next((run for run in tried if run.decision.permitted), tried[0])
        return {
            **views.decision(best.decision, speak),
            "contract": [text.render(speak) for text in best.terms],
            "remedies": [text.render(speak) for text in best.remedies],
            "protection": protection(terms[tried.index(best)]),
            "masks": views.masks(best.masks, speak),
            "questions": questions.shown(dataset.id, allowance),
            "numbers": questions.numbers_shown(dataset.id, given, self.assets.cells(dataset.id)),
            "budget": await self.budgets.known(dataset.id),
            "small_cells": await asyncio.to_thread(self.assets.small_cells, dataset.id),
        }

    def _wished(self, wish: JsonObject, dataset: str) -> UseRequest:
        return UseRequest(
            action=action_of(wish["format"]),
            assignee=wish["user"] or None,
            purpose=wish["purpose"] or None,
            region=wish["place"] or self._region(wish["user"]),
            time=_instant(wish["at"]) if wish["at"] else self.clock.now(),
            count=0,
            target=dataset,
            holders=tuple(wish.get("holders", ())) or None,
        )

    def _region(self, did: str) -> str | None:
        """Where a member is, as the authority signed it."""
        return facts(self.book.current, did).region

    # --- use ---------------------------------------------------------------------------------------------------
    async def request(self, agreement: str, kind: str, address: JsonObject | None = None) -> Transfer:
        """Ask for a use under an agreement."""
        return await self.transferring.request_transfer(agreement, kind, address)

    async def transfers(self, page: PageRequest = FIRST) -> list[Transfer]:
        """A page of transfers, the newest first."""
        return await self.transferring.recent(after=page.cursor(), limit=page.limit)

    async def transfer(self, pid: str) -> Transfer:
        """One transfer."""
        return await self.transferring.find(pid)

    async def steer(self, pid: str, verb: str, reason: str) -> Transfer:
        """Suspend, resume, complete or terminate a transfer.

        Raises:
            VerbError: another verb.
        """
        told = (reason,) if reason else ()
        if verb == "suspend":
            return await self.transferring.suspend(pid, "transfer.suspended", *told)
        if verb == "terminate":
            return await self.transferring.terminate(pid, "transfer.ended", *told)
        verbs = {"resume": self.transferring.resume, "complete": self.transferring.complete}
        if verb not in verbs:
            raise VerbError(verb=verb)
        return await verbs[verb](pid)

    async def train(
        self,
        task: JsonObject,
        agreements: Sequence[str],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
    ) -> str:
        """Begin a training run; its identity."""
        begun = await self.training.begin(
            task, agreements, without_missing=without_missing, patience=patience, coordinator=coordinator
        )
        return begun.id

    async def forecast(self, task: JsonObject, agreements: Sequence[str], speak: Speak) -> JsonObject:
        """What training would cost and find; nothing is asked."""
        document, found = await self.training.forecast(task, agreements)
        return views.forecast(document, found, speak)

    async def run(self, run: str, speak: Speak) -> JsonObject:
        """A run as it stands, with its model once there is one."""
        record = await self.coordinator.run(run)
        return self.shown(record, await self.coordinator.model(run), speak)

    def shown(self, record: Run, made: Model | None, speak: Speak) -> JsonObject:
        """A run with its model, as people and programs see it."""
        return views.run(record, made, self.coordinator.describe, self.waiting, self.names(), speak)

    async def runs(self, page: PageRequest = FIRST) -> list[tuple[Run, Model | None]]:
        """A page of runs with their models, the newest first."""
        found = await newest(self.database, RUNS, {}, page.cursor(), min(page.limit, LARGEST_RUNS))

        def look(tx: Transaction) -> list[tuple[Run, Model | None]]:
            return [(run, tx.get(MODELS, run.model) if run.model else None) for run in found]

        return await self.database.read(look)

    async def cancel(self, run: str, speak: Speak) -> JsonObject:
        """Cancel a run that is not over."""
        await self.coordinator.cancel(run)
        return await self.run(run, speak)

    async def kept_model(self, model: str) -> Model:
        """A model by its identity, or by that of the run that made it.

        Raises:
            NoModelError: the run has none (yet).
            ModelUnknownError: there is no such model, and no such run.
        """

        def look(tx: Transaction) -> tuple[Model | None, Run | None]:
            run = tx.get(RUNS, model)
            return tx.get(MODELS, model if run is None else run.model or ""), run

        record, run = await self.database.read(look)
        if record is None:
            raise ModelUnknownError(model=model) if run is None else NoModelError(run=model, state=run.state)
        return record

    async def model(self, model: str, speak: Speak) -> JsonObject:
        """A model by its identity, or by that of the run that made it, as people read it.

        Raises:
            NoModelError, ModelUnknownError: there is none.
        """
        return views.model(await self.kept_model(model), self.coordinator.describe, self.names(), speak)

    # --- prove -------------------------------------------------------------------------------------------------
    async def bundle(self) -> bytes:
        """The whole log with a fresh checkpoint, as a file for an audit."""
        now = self.clock.now()
        signed = await self.database.write(lambda tx: service.checkpoint(tx, self.signer, self.config.did, now))
        members = self.book.text
        exported = await self.database.read(lambda tx: bundle.export(tx.log, signed, members))
        return bundle.render(exported)

    async def checkpoints(self, limit: int) -> list[JsonObject]:
        """What was signed of the log, the newest first, with the receipts of the anchors that keep it."""
        found = await self.database.read(
            lambda tx: tx.find(CHECKPOINTS, order_by="size", descending=True, limit=limit)
        )
        return [
            {
                "size": one.size,
                "time": one.time,
                "note": one.note,
                "receipts": [{"anchor": r.anchor, "time": r.time, "proof": r.proof} for r in one.receipts],
            }
            for one in found
        ]

    async def near_repeats(self, dataset: str, speak: Speak) -> list[JsonObject]:
        """Tasks that one thing tells apart from one that was answered before, of our datasets or of one."""
        found = []
        for asset in sorted(self.assets.sources):
            repeats = await self.usage.near_repeats(asset) if dataset in ("", asset) else []
            found += [
                {"dataset": asset, "entry": n.entry, "earlier": n.earlier, "differs": n.differs.render(speak)}
                for n in repeats
            ]
        return found

    async def entries(self, after: int, limit: int) -> list[JsonObject]:
        """Entries of the log from index `after`."""

        def look(tx: Transaction) -> list[bytes]:
            return list(tx.log.entries(after, min(after + limit, tx.log.size())))

        read = [decode(entry) for entry in await self.database.read(look)]
        return [
            {"index": after + at, "kind": e.kind, "time": e.time, "actor": e.actor, "facts": e.facts}
            for at, e in enumerate(read)
        ]

    async def inclusion(self, index: int) -> JsonObject:
        """The proof that an entry is in the log that a fresh checkpoint signs."""
        now = self.clock.now()
        signed = await self.database.write(lambda tx: service.checkpoint(tx, self.signer, self.config.did, now))
        proof = await self.database.read(lambda tx: service.prove_inclusion(tx, index, signed.size))
        return {
            "index": proof.index,
            "size": proof.size,
            "hashes": [one.hex() for one in proof.hashes],
            "checkpoint": signed.note,
        }


def _said_used_up(transfer: Transfer) -> bool:
    return transfer.failure is not None and transfer.failure.code == COUNT


def _instant(text: str) -> datetime:
    try:
        return instant(text)
    except ValueError:
        raise InstantError(text=text) from None


def in_force(agreement: Agreement, now: datetime, region: str | None) -> bool:
    """Whether an agreement's own terms still allow something at that instant; what is decided later is left open."""
    request = UseRequest(assignee=agreement.consumer, region=region, time=now, target=agreement.dataset)
    return rules.decide(odrl.parse(agreement.policy), request, Point.NEGOTIATION).permitted
