"""Changing one's own offers while the connector runs: file and running state change together, or not at all."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import msgspec

from medspace.app.doors.views import Speak, offered
from medspace.app.features.offers import editing
from medspace.app.features.offers.editing import NewOffer, OfferChanges
from medspace.app.node.assets import AssetState
from medspace.app.node.config import Asset, Config, read_config
from medspace.app.node.holdings import Prepared, prepare
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.app.node.offering.drafting import spoken
from medspace.app.node.offering.loosening import (
    TermChange,
    changes,
    check_confirmed,
    check_seen,
    seen_of,
    seen_of_all,
)
from medspace.connector.catalogue import figures
from medspace.connector.errors import UnknownDatasetError
from medspace.connector.model import AGREEMENTS, CATALOGUE, Agreement
from medspace.connector.negotiation.rules import in_force
from medspace.connector.usage import ended
from medspace.connector.usage.model import LABELS
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.errors import MedspaceError
from medspace.core.instants import last_day
from medspace.core.store import Transaction
from medspace.core.text import Text, counted, msgid
from medspace.policy import odrl, templates
from medspace.policy.clashes import clashes
from medspace.policy.words import difference

PAGE = 500


@dataclass(frozen=True, slots=True)
class OfferDependents:
    """What depends on the offers of a dataset: agreements in force, and unfinished uses by others."""

    agreements: int = 0
    in_force: int = 0
    open_uses: int = 0


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers of one connector."""

    node: Node
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def file(self) -> Path:
        """The configuration file."""
        return self.node.config.path(self.node.config.file)

    # --- looking -----------------------------------------------------------------------------------------------
    async def page(self, speak: Speak, page: PageRequest = FIRST) -> list[JsonObject]:
        """One's own datasets with their offers, by identity."""
        states = sorted(self.node.assets.states, key=lambda state: state.id)
        chosen = [state for state in states if state.id > page.after][: page.limit]
        return [await self._shown(state, speak) for state in chosen]

    async def one(self, dataset: str, speak: Speak) -> JsonObject:
        """One of them.

        Raises:
            UnknownDatasetError: it is not held here.
        """
        return await self._shown(self._state(dataset), speak)

    def _state(self, dataset: str) -> AssetState:
        for state in self.node.assets.states:
            if state.id == dataset:
                return state
        raise UnknownDatasetError(dataset=dataset)

    async def _shown(self, state: AssetState, speak: Speak) -> JsonObject:
        listed = await self.node.database.read(lambda tx: tx.get(CATALOGUE, state.id))
        stands = await self._standing(state.id)
        described = listed or state.prepared.dataset
        return {
            "dataset": state.id,
            "title": described.title,
            "state": state.standing.value,
            "offered": listed is not None,
            "withdrawn": not state.prepared.offered,
            "published": listed.published if listed is not None else None,
            "formats": list(described.formats),
            "offers": [offered(offer, speak, self.node.clock.now()) for offer in described.offers],
            "agreements": stands.agreements,
            "in_force": stands.in_force,
            "open_uses": stands.open_uses,
            "publish": list(state.prepared.publish),
            "figures": figures.read(listed.figures if listed is not None else None),
            "problem": state.error.text.render(speak) if state.error else None,
        }

    async def _standing(self, dataset: str) -> OfferDependents:
        found, after = OfferDependents(), None
        while True:
            page, stands = await self.node.database.read(lambda tx, after=after: self._counted(tx, dataset, after))  # type: ignore[misc]
            found = OfferDependents(
                found.agreements + stands.agreements,
                found.in_force + stands.in_force,
                found.open_uses + stands.open_uses,
            )
            if len(page) < PAGE:
                return found
            after = page[-1].id

    def _counted(self, tx: Transaction, dataset: str, after: str | None) -> tuple[list[Agreement], OfferDependents]:
        where = {"provider": self.node.did, "dataset": dataset}
        page, now = tx.find(AGREEMENTS, where=where, after=after, limit=PAGE), self.node.clock.now()
        holds = [
            one for one in page if in_force(one, now, self.node.region(one.consumer)) and not ended.is_ended(tx, one)
        ]
        return page, OfferDependents(len(page), len(holds), sum(len(ended.open_uses(tx, one.id)) for one in page))

    # --- changing ----------------------------------------------------------------------------------------------
    async def add(self, new: NewOffer, speak: Speak, by: str = NOBODY) -> JsonObject:
        """Offer one more file, at once; if it cannot be offered, nothing changes.

        Raises:
            MedspaceError: as `editing.with_dataset`, and as at a start.
        """

        def written_in(config: Config) -> editing.Written:
            return editing.with_dataset(self.file, config, new, self.node.clock)

        return await self.put(written_in, speak, by, dry=new.dry)

    async def put(
        self, written_in: Callable[[Config], editing.Written], speak: Speak, by: str = NOBODY, *, dry: bool = False
    ) -> JsonObject:
        """Offer what is written into the configuration with it, at once, or leave everything as it was.

        `dry` only reports what everybody would see.

        Raises:
            OfferFileEditedError: other datasets of the file are not in force as it has them.
            MedspaceError: those of `written_in`, which blocks, and as at a start.
        """
        async with self.writing:
            config = await self._unedited()
            written = await asyncio.to_thread(written_in, config)
            told = spoken(written.told, lambda text: text.render(speak))
            if dry:
                return told | await asyncio.to_thread(self._tried, written, speak)
            await self._take(written.text, by, written.dataset, written.files)
        return told | await self.one(written.dataset, speak)

    def _tried(self, written: editing.Written, speak: Speak) -> JsonObject:
        """A dataset read as at a start, and what everybody would see of it. Blocking."""
        with editing.replacing(self.file, written.text, written.files, dry=True) as config:
            made = next(one for one in prepare(config, kinds=self.node.assets.kinds) if one.id == written.dataset)
            shown = editing.shown_of(made.open(), lambda text: text.render(speak))
        offers = [offered(offer, speak, self.node.clock.now()) for offer in made.dataset.offers]
        return {
            "dataset": made.id,
            "title": made.dataset.title,
            "formats": list(made.dataset.formats),
            "offers": offers,
            **shown,
        }

    async def change(
        self, dataset: str, said: OfferChanges, speak: Speak, by: str = NOBODY, *, dry: bool = False
    ) -> JsonObject:
        """Change the terms of an offer for future agreements; `dry` only reports the effect.

        Raises:
            OfferLoosenedError: a term would protect less than before, and is not among those that may.
            OfferMovedError: the changes are not those that were seen when that was confirmed.
            OfferFileEditedError: the datasets are not in force as the file has them.
            MedspaceError: as `editing.with_changes`, and as at a start.
        """
        async with self.writing:
            config = await self._unedited()
            text = editing.with_changes(self.file, config, dataset, said, self.node.clock)
            differs = self._differences(msgspec.toml.decode(text, type=Config), dataset)
            stands = await self._standing(dataset)
            notes = [*_kept(stands), *(await self._label_notes(dataset, said, text))]
            notes += self._clashes(text, dataset)
            if said.questions is not None:
                notes.append(Text(_QUESTIONS, {"questions": said.questions}))
            if not dry:
                check_confirmed(dataset, differs, said.loosen, said.seen)
                await self._take(text, by, dataset)
        told = {"notes": [one.render(speak) for one in notes], "changes": [one.told(speak) for one in differs]}
        return {"dry": dry, "seen": seen_of(dataset, differs), **told} | await self.one(dataset, speak)

    def _clashes(self, text: str, dataset: str) -> list[Text]:
        """What would clash in the terms of a dataset, as the configuration would have them."""
        _, asset = editing.found(msgspec.toml.decode(text, type=Config), dataset)
        now = self.node.clock.now()
        built = (templates.build_from(one.template, one.terms) for one in asset.offers)
        return [clash.text for offer in built for clash in clashes(odrl.parse(offer), now)]

    def _differences(self, after: Config, dataset: str) -> list[TermChange]:
        """What changes in a dataset that is in force, with what it answers now where nobody said how much."""
        old, (_, new) = self.node.assets.configured[dataset], editing.found(after, dataset)
        if old.questions is None and dataset in self.node.assets.questions:
            old = msgspec.structs.replace(old, questions=self.node.assets.questions[dataset])
            if new.questions is None:
                new = msgspec.structs.replace(new, questions=old.questions)
        return changes(old, new)

    async def withdraw(self, dataset: str, speak: Speak, by: str = NOBODY, *, dry: bool = False) -> JsonObject:
        """Stop offering a dataset: no new agreements on it; `dry` only reports the effect.

        Raises:
            OfferFileEditedError: the datasets are not in force as the file has them.
            MedspaceError: as `editing.with_offered`.
        """
        async with self.writing:
            text = editing.with_offered(self.file, await self._unedited(), dataset, offered=False)
            stands = await self._standing(dataset)
            notes = [Text(_WITHDRAWN, {"dataset": dataset}), *_kept(stands)]
            if stands.in_force:
                notes.append(Text(_TO_END))
            if not dry:
                await self._take(text, by, dataset)
        return {"dry": dry, "notes": [one.render(speak) for one in notes]} | await self.one(dataset, speak)

    async def publish(self, dataset: str, speak: Speak, by: str = NOBODY) -> JsonObject:
        """Offer a withdrawn dataset again.

        Raises:
            OfferFileEditedError: the datasets are not in force as the file has them.
            MedspaceError: as `editing.with_offered`, and as at a start.
        """
        async with self.writing:
            text = editing.with_offered(self.file, await self._unedited(), dataset, offered=True)
            await self._take(text, by, dataset)
        return await self.one(dataset, speak)

    async def reload(self, speak: Speak, by: str = NOBODY, *, dry: bool = False, seen: str = "") -> JsonObject:
        """Put the datasets of the configuration file in force, all or none; `dry` only says what changes.

        Their content is read again: a new extract may have taken the place of the one before.

        Raises:
            OfferLoosenedError: a term would protect less than before, and nobody says by `seen` to have seen it.
            OfferMovedError: the changes are not those that were seen.
            MedspaceError: it cannot be used; nothing changes.
        """
        async with self.writing:
            before = {state.id: state.prepared for state in self.node.assets.states}
            config = await self.read()
            wanted = await self.node.assets.prepared(config)
            after = {one.id: one for one in wanted}
            both = before.keys() & after.keys()
            differs = {one: _changed_terms(before[one].configured, after[one].configured) for one in sorted(both)}
            if not dry:
                check_seen(differs, seen)
                await self.node.assets.hold(wanted, by, afresh=True)
        return {
            "dry": dry,
            "seen": seen_of_all(differs),
            "added": sorted(after.keys() - before.keys()),
            "removed": sorted(before.keys() - after.keys()),
            "changed": sorted(one for one in both if before[one].configured != after[one].configured),
            "terms": [{"dataset": one, **term.told(speak)} for one, terms in differs.items() for term in terms],
            "contracts": [
                {"dataset": one, "sentence": text.render(speak)}
                for one in sorted(both)
                for text in _changed_contracts(before[one].dataset.offers, after[one].dataset.offers)
            ],
            "stands": [
                {"dataset": one, "in_force": stands.in_force, "open_uses": stands.open_uses}
                for one in sorted(before)
                if one not in after or before[one].configured != after[one].configured
                for stands in [await self._standing(one)]
            ],
            "needs_restart": _needing_restart(self.node.config, config),
            "datasets": list(self.node.assets.shown()),
        }

    async def read(self) -> Config:
        """The configuration, as it stands in its file."""
        return await asyncio.to_thread(read_config, self.file)

    async def _unedited(self) -> Config:
        """The configuration, where all that it says of datasets is in force.

        Raises:
            OfferFileEditedError: it is not.
        """
        config = await self.read()
        self._check_unedited(await self.node.assets.prepared(config))
        return config

    def _check_unedited(self, wanted: Sequence[Prepared], but: str = "") -> None:
        editing.check_unedited((state.prepared for state in self.node.assets.states), wanted, but)

    async def _take(self, text: str, by: str, dataset: str, files: Mapping[Path, str] | None = None) -> None:
        taken = False
        try:
            with editing.replacing(self.file, text, files) as config:
                wanted = await self.node.assets.prepared(config)
                self._check_unedited(wanted, dataset)  # the file may have been edited since it was read
                await self.node.assets.hold(wanted, by)
                taken = True
        except MedspaceError:
            if taken:  # the file could not be written after all: its old content is in force
                await self.node.assets.reload(await self.read(), by)
            raise

    async def _label_notes(self, dataset: str, said: OfferChanges, text: str) -> list[Text]:
        """If the label ends before the offer does, the label wins; say so rather than let people find out."""
        if said.until is None:
            return []
        config = msgspec.toml.decode(text, type=Config)
        _, asset = editing.found(config, dataset)
        labelled = await self.node.database.read(lambda tx: tx.get(LABELS, dataset))
        end = str((labelled.label if labelled else {}).get("valid_until", ""))
        until = str(asset.offers[max(said.offer, 1) - 1].terms.get("until", ""))
        if end and until and instant(end) < instant(until):
            return [Text(_LABEL, {"dataset": dataset, "end": last_day(end), "until": last_day(until)})]
        return []


def _changed_terms(before: Asset | None, after: Asset | None) -> list[TermChange]:
    return [] if before is None or after is None else changes(before, after)


def _changed_contracts(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> list[Text]:
    """What the contracts of a dataset say no longer, and what they say anew."""
    told: list[Text] = []
    for old, new in zip_longest(before, after, fillvalue=None):
        if old is None or new is None:
            gone = old is not None
            sentence = msgid("An offer is gone.") if gone else msgid("There is one more offer.")
            told.append(Text(sentence))
        else:
            told += difference(odrl.parse(old), odrl.parse(new))
    return told


def _kept(stands: OfferDependents) -> list[Text]:
    """The effect on existing agreements: the terms of each were signed, and stay."""
    if not stands.in_force:
        return [Text(msgid("No agreement is in force under it."))]
    agreements = counted(stands.in_force, msgid("{count} agreement"), msgid("{count} agreements"))
    uses = counted(stands.open_uses, msgid("{count} open use"), msgid("{count} open uses"))
    return [Text(_STANDS, {"agreements": agreements, "uses": uses})]


def _needing_restart(before: Config, after: Config) -> list[str]:
    """The sections other than the datasets that changed: they take effect at the next start."""
    names = (field.name for field in msgspec.structs.fields(Config) if field.name not in ("assets", "folder", "file"))
    return [name for name in names if getattr(before, name) != getattr(after, name)]


_STANDS = msgid(
    "In force as they were signed, until they end: {agreements} with {uses}. The change is for new agreements only."
)
_WITHDRAWN = msgid(
    "Nobody can negotiate {dataset} any more, and negotiations that wait for an answer come to no agreement. It "
    "stays so until `medspace offer publish {dataset}`."
)
_TO_END = msgid(
    "To end one of the agreements as well: `medspace agreement end ID`; `medspace agreements` lists them."
)
_QUESTIONS = msgid(
    "From now on it answers {questions} questions a year, of all users: that counts for every agreement."
)
_LABEL = msgid(
    "Its label allows uses until {end} only, whatever an offer says. To go on until then: `medspace label {dataset} "
    "--until {until}`."
)
