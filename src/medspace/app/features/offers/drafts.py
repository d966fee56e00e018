"""Offers that are being drafted, as people make them step by step: a table, its columns, its terms, then publication.

Each is its maker's alone, and the owner's. Whoever may set terms may upload a table; to name a file of this machine
is the owner's alone, since it says what of this machine is read.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from medspace.adapters.filenames import is_file
from medspace.adapters.oswords import why
from medspace.app.doors.views import Speak
from medspace.app.features.offers import choosing, publishing
from medspace.app.features.offers.keeping import (
    LARGEST_UPLOAD,
    ChosenTerms,
    DraftFolder,
    OfferDraft,
    OfferDraftUnknownError,
    SaidOfTable,
    UploadRefusedError,
    folder_of,
)
from medspace.app.features.offers.kept_terms import OwnTemplate
from medspace.app.features.offers.looking import TableLooks, check_upload, first_said, known, shown
from medspace.app.features.offers.service import Offers
from medspace.app.node.node import Node
from medspace.app.node.offering.drafting import check_rows
from medspace.app.node.offering.errors import PersonUnknownError
from medspace.app.node.offering.wishes import end
from medspace.core.actors import Actor
from medspace.core.canonical import Json, JsonObject
from medspace.core.instants import last_day
from medspace.core.text import Text, msgid


@dataclass(frozen=True, slots=True)
class OfferDrafts:
    """The offers that are being drafted at one connector."""

    offers: Offers
    looks: TableLooks = field(default_factory=TableLooks)

    @property
    def _node(self) -> Node:
        return self.offers.node

    @property
    def _kept(self) -> DraftFolder:
        return folder_of(self._node)

    # --- beginning ---------------------------------------------------------------------------------------------
    async def upload(self, name: str, pieces: AsyncIterator[bytes], by: Actor) -> OfferDraft:
        """Begin an offer with a file that is on its way; of one that is no table nothing is kept.

        Raises:
            UploadRefusedError: it is too large, of a form that is not taken, or there are too many drafts.
            MedspaceError: it cannot be read as a table.
        """
        made = await self._begun(name, by)
        try:
            await self._receive(made, pieces)
            await asyncio.to_thread(check_upload, Path(made.file))
            return await self._opened(made)
        except BaseException:
            await asyncio.to_thread(self._kept.remove, made.id)
            raise

    async def point(self, source: str, by: Actor) -> OfferDraft:
        """Begin an offer with a file of this machine, by its absolute path.

        Raises:
            UploadRefusedError: it is no absolute path of a file, or there are too many drafts.
            MedspaceError: it cannot be read as a table.
        """
        path = Path(source)
        if not path.is_absolute() or not await asyncio.to_thread(is_file, path):
            raise UploadRefusedError(Text(msgid("there is no file at that path on the connector's machine")))
        made = replace(await self._begun(path.name, by), file=str(path), uploaded=False)
        try:
            return await self._opened(made)
        except BaseException:
            await asyncio.to_thread(self._kept.remove, made.id)
            raise

    async def _begun(self, name: str, by: Actor) -> OfferDraft:
        try:
            return await asyncio.to_thread(self._kept.begun, name, by.id, self._node.clock.now())
        except OSError as error:
            raise UploadRefusedError(why(error)) from error

    async def _receive(self, made: OfferDraft, pieces: AsyncIterator[bytes]) -> None:
        size = 0
        try:
            with await asyncio.to_thread(self._kept.create, made) as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > LARGEST_UPLOAD:
                        facts = {"most": LARGEST_UPLOAD >> 20}
                        raise UploadRefusedError(Text(msgid("it has more than {most} MB"), facts))
                    await asyncio.to_thread(file.write, piece)
        except OSError as error:
            raise UploadRefusedError(why(error)) from error
        if not size:
            raise UploadRefusedError(Text(msgid("it is empty")))

    async def _opened(self, made: OfferDraft) -> OfferDraft:
        said = await self.looks.turn(first_said, Path(made.file))
        opened = replace(made, said=said)
        await self.looks.look(opened)
        await asyncio.to_thread(self._kept.keep, opened)
        return opened

    # --- looking -----------------------------------------------------------------------------------------------
    async def listed(self, by: Actor) -> list[JsonObject]:
        """The drafts that an actor may go on with."""
        found = await asyncio.to_thread(self._kept.all)
        return [_head(one) for one in found if _may(by, one)]

    async def find(self, pid: str, by: Actor) -> OfferDraft:
        """One draft.

        Raises:
            OfferDraftUnknownError: there is none, or it is somebody else's.
        """
        found = await asyncio.to_thread(self._kept.find, pid)
        if not _may(by, found):
            raise OfferDraftUnknownError
        return found

    async def columns(self, pid: str, by: Actor, speak: Speak) -> JsonObject:
        """The drafted dictionary beside a profile of each column.

        Raises:
            MedspaceError: there is no such draft, or its file cannot be read any more.
        """
        made = await self.find(pid, by)
        found = await self.looks.look(made)
        told = {name: _spoken(value, speak) for name, value in shown(found, made.said).items()}
        return _head(made) | {"table": told, "said": msgspec.to_builtins(made.said)}

    async def terms(self, pid: str, by: Actor, speak: Speak) -> JsonObject:
        """The terms that were chosen so far, and what may be chosen."""
        made = await self.find(pid, by)
        name, title = publishing.named(made)
        chosen = {field: getattr(made.terms, field) for field in ChosenTerms.__slots__}
        until = end(choosing.wishes_of(made.terms), self._node.clock)
        chosen |= {"dataset": name, "title": title, "until": made.terms.until or last_day(until)[:10]}
        chosen |= {field: list(chosen[field]) for field in ("purposes", "recipients", "regions", "publish")}
        return _head(made) | {"terms": chosen, "choices": choosing.choices(self._node, speak, made.terms)}

    async def foreseen(self, pid: str, by: Actor, speak: Speak) -> JsonObject:
        """The contract in words, and what it would say in four cases.

        Raises:
            MedspaceError: the terms cannot be offered.
        """
        made = await self.find(pid, by)
        name, title = publishing.named(made)
        drafted, _ = await self.looks.look(made)
        kept = [
            one.column.name for one in drafted.columns if one.left_out is None and one.column.name != drafted.person
        ]
        told = choosing.foreseen(made.terms, self._node, speak)
        seen = await asyncio.to_thread(publishing.seen_of, made, drafted, self._node.clock)
        return (
            _head(made)
            | told
            | {"dataset": name, "title": title, "columns": kept, "seen": seen, "publish": [*made.terms.publish]}
        )

    # --- saying ------------------------------------------------------------------------------------------------
    async def say(self, pid: str, said: SaidOfTable, by: Actor, *, ready: bool) -> OfferDraft:
        """Take what a person says of the table; `ready`: nothing may be left open.

        Raises:
            MedspaceError: it cannot be so, or (`ready`) something is left open; what was said before stays.
        """
        made = replace(await self.find(pid, by), said=said)
        drafted, _ = await self.looks.look(made)
        if ready and not (said.person or said.rows_are_persons):
            raise PersonUnknownError(file=made.name, seen="")
        if ready:
            check_rows(Path(made.file), drafted)
        made = replace(made, said=known(said, drafted))
        await asyncio.to_thread(self._kept.keep, made)
        return made

    async def begin_with(self, pid: str, own: OwnTemplate | None, by: Actor) -> OfferDraft:
        """Answer the questions as a template of one's own does, with all else that it says; None: no template.

        Raises:
            MedspaceError: there is no such draft.
        """
        made = await self.find(pid, by)
        begun = replace(ChosenTerms(), dataset=made.terms.dataset, title=made.terms.title, publish=made.terms.publish)
        if own is not None:
            begun = choosing.answered(begun, own.template, own.terms, self._node.clock)
        made = replace(made, terms=begun)
        await asyncio.to_thread(self._kept.keep, made)
        return made

    async def choose(self, pid: str, chosen: ChosenTerms, by: Actor) -> OfferDraft:
        """Take the terms that a person has chosen.

        Raises:
            MedspaceError: they cannot be offered; what was chosen before stays.
        """
        made = await self.find(pid, by)
        made = replace(made, terms=replace(chosen, more=made.terms.more))
        name, _ = publishing.named(made)
        publishing.check_free(await self.offers.read(), name)
        choosing.check_chosen(made.terms, self._node)
        await asyncio.to_thread(self._kept.keep, made)
        return made

    async def publish(self, pid: str, seen: str, by: Actor, speak: Speak) -> JsonObject:
        """Offer it, at once, as it was `seen`; what cannot be offered leaves everything as it was.

        Raises:
            OfferDraftMovedError: it is no longer what `foreseen` has told.
            MedspaceError: as `Offers.add`.
        """
        made = await self.find(pid, by)
        choosing.check_chosen(made.terms, self._node)
        name, _ = publishing.named(made)
        publishing.check_free(await self.offers.read(), name)
        placed = await asyncio.to_thread(self._kept.place, made, name)
        file, clock = self.offers.file, self._node.clock
        try:
            drafted = await self.looks.turn(publishing.drafted_of, made, placed)
            await asyncio.to_thread(publishing.check_seen, made, drafted, seen, clock)
            told = await self.offers.put(
                lambda c: publishing.written(file, c, made, placed, drafted, clock), speak, by.id
            )
        except BaseException:
            await asyncio.to_thread(self._kept.take_back, made, placed)
            raise
        await asyncio.to_thread(self._kept.settle, placed)
        await asyncio.to_thread(self._kept.remove, pid)
        return told

    async def discard(self, pid: str, by: Actor) -> None:
        """Remove a draft, with the file that was uploaded for it."""
        made = await self.find(pid, by)
        await asyncio.to_thread(self._kept.remove, made.id)


def _may(by: Actor, made: OfferDraft) -> bool:
    return by.id == made.by or by.may(())


def _head(made: OfferDraft) -> JsonObject:
    return {"id": made.id, "name": made.name, "made": made.made, "uploaded": made.uploaded}


def _spoken(value: Json | Text, speak: Speak) -> Json:
    """JSON with its sentences said."""
    if isinstance(value, Text):
        return value.render(speak)
    if isinstance(value, dict):
        return {name: _spoken(each, speak) for name, each in value.items()}
    return [_spoken(each, speak) for each in value] if isinstance(value, list) else value
