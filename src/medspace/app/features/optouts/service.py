"""Opt-outs as people see them: persons and hospitals at the registry, datasets that follow it at a hospital."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medspace.app.node.node import Node
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid, plain
from medspace.services.optouts import following, pseudonyms, registry
from medspace.services.optouts.errors import NoPermitsError, NoRegistryError, OptOutAnswerError, RegistryAwayError
from medspace.services.optouts.model import ASKERS, FOLLOWED, FollowedDataset
from medspace.services.optouts.registry import KEY_DOOR, QUESTION_DOOR, OptOutQuestion
from medspace.trust import jws
from medspace.trust.did import base_url
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import DidError

OK, BROKEN = 200, 500
KEPT = 64  # hospitals
Answered = tuple[int, frozenset[str]]  # the version, and the pseudonyms of who had opted out by then


@dataclass(frozen=True, slots=True)
class OptOutsService:
    """The registry, where this connector is the authority; and the datasets of its own that follow one."""

    node: Node
    _sets: dict[str, Answered] = field(default_factory=dict)  # by hospital

    # --- the registry ----------------------------------------------------------------------------------------

    async def change(self, persons: Sequence[str], *, back: bool, by: str) -> JsonObject:
        """Have persons opt out, or back in.

        Raises:
            NoRegistryError: this connector keeps none. OptOutPersonError: an identifier cannot be used.
        """
        self._insist_registry()
        node, now = self.node, self.node.clock.now()

        def unit(tx: Transaction) -> JsonObject:
            changed = registry.change(tx, node.did, node.sealer, persons, now, back=back, by=by)
            return {"changed": changed, "version": registry.version(tx)}

        return await node.database.write(unit)

    async def allow(self, hospital: str, most: int, *, by: str) -> JsonObject:
        """Say about how many persons a hospital may ask in all.

        Raises:
            NoRegistryError: this connector keeps none.
        """
        self._insist_registry()
        node, now = self.node, self.node.clock.now()
        await node.database.write(lambda tx: registry.allow(tx, node.did, hospital, most, now, by))
        return await self.registry()

    async def registry(self) -> JsonObject:
        """The state of the registry: its version, how many opted out, who has asked about how many.

        Raises:
            NoRegistryError: this connector keeps none.
        """
        self._insist_registry()
        names = self.node.names()

        def look(tx: Transaction) -> JsonObject:
            askers = [
                {"hospital": one.id, "name": names.get(one.id, ""), "most": one.most, "asked": one.asked}
                for one in each(tx, ASKERS, {})
            ]
            out = len(registry.opted_out(tx, self.node.sealer))
            return {"version": registry.version(tx), "persons": out, "hospitals": askers}

        return await self.node.database.read(look)

    async def key_for(self, hospital: str, public: bytes) -> str:
        """The key of a hospital's pseudonyms, sealed and signed.

        Raises:
            NoRegistryError: this connector keeps none. EnvelopeKeyError: that is no public key.
        """
        self._insist_registry()
        node = self.node
        return registry.sign_key(node.signing, node.did, node.sealer, hospital, public, node.clock.now())

    async def answer(self, hospital: str, question: OptOutQuestion) -> str:
        """What a hospital is answered: which of its pseudonyms have opted out.

        Raises:
            NoRegistryError: this connector keeps none. TooManyAskedError: it asks about too many persons.
        """
        self._insist_registry()
        node, now, asked = self.node, self.node.clock.now(), question.pseudonyms
        number, out = await self._set_of(hospital)

        def unit(tx: Transaction) -> str:
            registry.count(tx, hospital, asked)
            told = registry.sign_answer(node.signing, node.did, hospital, asked, out, number, now)
            registry.note(tx, node.did, hospital, told, number, now)
            return told

        return await node.database.write(unit)

    async def _set_of(self, hospital: str) -> Answered:
        """The pseudonyms, for one hospital, of everybody who has opted out by the newest version."""
        node = self.node
        number = await node.database.read(registry.version)
        known = self._sets.get(hospital)
        if known is None or known[0] != number:
            number, persons = await node.database.read(
                lambda tx: (registry.version(tx), registry.opted_out(tx, node.sealer))
            )
            key = pseudonyms.hospital_key(node.sealer, hospital)
            made = await asyncio.to_thread(lambda: frozenset(pseudonyms.pseudonym(key, one) for one in persons))
            known = (number, made)
            if len(self._sets) >= KEPT:
                self._sets.clear()
            self._sets[hospital] = known
        return known

    @property
    def keeps(self) -> bool:
        """Whether this connector keeps the registry: it is the authority."""
        return self.node.authority is not None

    def _insist_registry(self) -> None:
        if not self.keeps:
            raise NoRegistryError(did=self.node.did)

    # --- a hospital ------------------------------------------------------------------------------------------

    async def follow(
        self, dataset: str, column: str, persons: Mapping[str, str], *, add: bool, ask: bool, by: str
    ) -> JsonObject:
        """Have a dataset leave out who opted out at the registry; `persons` has the identifier of each value.

        They take the place of those before, or are added to them; the registry is asked at once, or later. The
        identifiers are forgotten once the pseudonyms are made of them.

        Raises:
            OptOutPersonError: an identifier cannot be used, or there are too many.
            NotFollowedError: nothing is there to add to.
            RegistryAwayError, OptOutAnswerError, TooManyAskedError: the registry does not answer so far.
            OptOutsError: opt-outs by another column were named by hand.
        """
        self._insist_permits()
        node, did = self.node, self.node.config.space.authority
        key = await self._key(did)
        of = await asyncio.to_thread(following.named, key, persons)
        made = await node.database.write(
            lambda tx: following.follow(tx, node.sealer, dataset, did, column, of, add=add)
        )
        return await self.refresh(dataset, by=by) if ask else _shown(made)

    async def refresh(self, dataset: str, *, by: str = "") -> JsonObject:
        """Ask the registry about everybody in a dataset anew.

        Raises:
            NotFollowedError: the dataset does not follow it.
            RegistryAwayError, OptOutAnswerError: the last answer stays; it holds until it expires.
        """
        self._insist_permits()
        node = self.node
        one = await node.database.read(lambda tx: following.followed(tx, dataset))
        of = await asyncio.to_thread(following.values_of, node.sealer, one)
        answers = []
        for asked in following.questions(of):
            text = await self._asked(one.registry, QUESTION_DOOR, {"pseudonyms": asked}, "answer")
            now = node.clock.now()
            answers.append(following.read_answer(text, one, node.did, self._signer, asked, now))
        now = node.clock.now()
        new = await node.database.write(
            lambda tx: following.take(tx, node.sealer, node.did, dataset, answers, now, by)
        )
        return _shown(new)

    async def stop(self, dataset: str, *, by: str) -> JsonObject:
        """Follow the registry no longer.

        Raises:
            NotFollowedError: the dataset does not follow it.
        """
        node, now = self.node, self.node.clock.now()
        await node.database.write(lambda tx: following.stop(tx, node.did, dataset, now, by))
        return {"dataset": dataset, "followed": False}

    async def datasets(self) -> list[JsonObject]:
        """The datasets that follow the registry."""
        found = await self.node.database.read(lambda tx: list(each(tx, FOLLOWED, {})))
        return [_shown(one) for one in found]

    async def _key(self, did: str) -> bytes:
        node = self.node
        known = await node.database.read(lambda tx: following.known_key(tx, node.sealer, did))
        if known is not None:
            return known
        mine = EnvelopeKey.generate(node.randomness)
        text = await self._asked(did, KEY_DOOR, {"public": jws.encode(mine.public)}, "key")
        key = following.read_key(text, did, node.did, self._signer, mine)
        await node.database.write(lambda tx: following.keep_key(tx, node.sealer, did, key))
        return key

    @property
    def _signer(self) -> bytes:
        """The public key of the authority."""
        node = self.node
        return node.signing.public_key if node.authority is not None else jws.decode(node.config.space.authority_key)

    async def _asked(self, did: str, door: str, message: JsonObject, member: str) -> str:
        try:
            reply = await self.node.transport.post(base_url(did) + door, message, did)
        except (UnreachableError, DidError):
            raise RegistryAwayError(did=did) from None
        said = reply.body if isinstance(reply.body, Mapping) else {}
        if reply.status >= BROKEN:
            raise RegistryAwayError(did=did)
        if reply.status != OK or not isinstance(said.get(member), str):
            raise OptOutAnswerError(reason=Text(msgid("it refused: {code}"), {"code": plain(said.get("code", "-"))}))
        return str(said[member])

    def _insist_permits(self) -> None:
        if "permits" not in self.node.features:
            raise NoPermitsError


def _shown(one: FollowedDataset) -> JsonObject:
    return {
        "dataset": one.id,
        "registry": one.registry,
        "column": one.column,
        "persons": one.persons,
        "out": one.out,
        "version": one.version,
        "answered": one.answered or None,
        "expires": one.expires or None,
    }
