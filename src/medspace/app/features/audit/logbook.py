"""Reading one's own log: a page of it, one entry with its proof, uses of datasets, where models came from."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from medspace.app.doors.views import Speak
from medspace.app.features.audit.wording import facts_in_words, kind_in_words
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger import entry_proof, lineage, service, statements
from medspace.ledger.dataset_uses import DatasetUse, users_of, uses_of
from medspace.ledger.entry_proof import EntryProof
from medspace.ledger.errors import NoSuchEntryError
from medspace.ledger.model import CHECKPOINTS, SignedCheckpoint, decode, shown
from medspace.ledger.statements import LogLine, RecordedRun, Statements
from medspace.trust.jws import encode

MOST_LOOKED_AT = 20_000  # entries that one page of a search goes through
MOST_READ = 50_000  # of the newest entries, for what has to be put together from many
PAGE = 1_000
MOST_EARLIER = 64  # checkpoints that a reader compares the log with


@dataclass(frozen=True, slots=True)
class EntryWishes:
    """Which entries: of a kind or topic, about a dataset, a participant or an actor, from a time to another."""

    kind: str = ""
    dataset: str = ""
    party: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""

    def meets(self, entry: JsonObject) -> bool:
        """Whether an entry is one of them."""
        facts, kind = entry["facts"], entry["kind"]
        parties = [entry["actor"], *(facts.get(name) for name in ("user", "counterparty", "coordinator", "member"))]
        parties += facts["sites"] if isinstance(facts.get("sites"), list) else []  # of an admission it is a number
        return (
            (self.kind in ("", kind) or kind.startswith(f"{self.kind}."))
            and self.dataset in ("", facts.get("asset"))
            and (not self.party or self.party in parties)
            and self.actor in ("", facts.get("by"))
            and self.since <= entry["time"]
            and (not self.until or entry["time"] <= self.until)
        )


@dataclass(frozen=True, slots=True)
class Logbook:
    """The log of this participant, as people look at it."""

    node: Node

    async def search(self, wishes: EntryWishes, before: int | None, limit: int, speak: Speak) -> JsonObject:
        """The newest entries that meet the wishes, from before an index; `next` is where to go on, "" at the end."""

        def look(tx: Transaction) -> tuple[list[JsonObject], int, int]:
            size = tx.log.size()
            end = size if before is None else min(before, size)
            found: list[JsonObject] = []
            at = end
            for index, content in _backwards(tx, end, max(end - MOST_LOOKED_AT, 0)):
                at = index
                entry = shown(content)
                if wishes.meets(entry):
                    found.append({"index": index, **entry})
                    if len(found) == limit:
                        break
            return found, at, size

        found, at, size = await self.node.database.read(look)
        names = self.node.names()
        told = [
            one | {"said": kind_in_words(one["kind"], speak), "about": _about(one["facts"], names)}
            for one in await self._named(found)
        ]
        return {"entries": told, "size": size, "next": str(at) if at else ""}

    async def entry(self, index: int, speak: Speak) -> JsonObject:
        """One entry in words, and its text as it was hashed.

        Raises:
            NoSuchEntryError: there is none of that index.
        """
        content, size = await self.node.database.read(lambda tx: (_entry(tx, index), tx.log.size()))
        (told,) = await self._named([{"index": index, **shown(content)}])
        words = {"said": kind_in_words(told["kind"], speak), "words": facts_in_words(told["facts"], speak)}
        return {**told, **words, "text": content.decode(), "size": size}

    async def texts(self, after: int, limit: int) -> list[str]:
        """The texts of entries as they were hashed, from an index."""
        found = await self.node.database.read(lambda tx: tx.log.entries(after, min(after + limit, tx.log.size())))
        return [one.decode() for one in found]

    async def proof(self, index: int) -> EntryProof:
        """The proof that an entry is in the log that a fresh checkpoint signs.

        Raises:
            NoSuchEntryError: there is no such entry.
        """
        signed, members = await self._signed(), self.node.book.text
        return await self.node.database.read(lambda tx: entry_proof.prove(tx, index, signed, members))

    async def head(self) -> JsonObject:
        """What a reader verifies the log against: a fresh checkpoint, earlier ones, the members list, whose keys."""
        signed = await self._signed()
        earlier = await self.node.database.read(
            lambda tx: tx.find(CHECKPOINTS, order_by="size", after=signed.size, descending=True, limit=MOST_EARLIER)
        )
        return {
            "origin": self.node.did,
            "size": signed.size,
            "time": signed.time,
            "checkpoint": signed.note,
            "receipts": [{"anchor": one.anchor, "time": one.time} for one in signed.receipts],
            "earlier": [one.note for one in earlier],
            "members": self.node.book.text,
            "authority": self.node.config.space.authority,
            "authority_key": self._authority_key(),
        }

    async def uses(self, dataset: str, user: str = "") -> JsonObject:
        """Who used one's own datasets, or one of them: `users`, and their `uses`, or those of one `user`.

        `since_entry` is where the account begins.
        """
        log, first = await self._statements()
        found = uses_of(log, dataset)
        names = await self.node.actors.names(actor for use in found for actor in use.actors)
        members = self.node.names()
        theirs = [use for use in found if user in ("", use.user)]
        told = [_use(use, names) | {"user_name": members.get(use.user, "")} for use in theirs]
        users = [asdict(one) | {"user_name": members.get(one.user, "")} for one in users_of(found)]
        return {"users": users, "uses": told, "since_entry": first}

    async def runs(self) -> JsonObject:
        """The training runs that the log tells of, the newest first."""
        log, first = await self._statements()
        found = [_run(log.runs[run]) for _, run in reversed(lineage.runs({log.origin: log}))]
        return {"runs": found, "since_entry": first}

    async def lineage(self, run: str, speak: Speak) -> JsonObject:
        """Where the model of a run came from.

        Raises:
            NoSuchRunError: the log does not know it.
        """
        log, _ = await self._statements()
        logs = {log.origin: log}
        branches = lineage.tree(logs, run)
        return {
            **_run(log.runs[run]),
            "coordinator": log.origin,
            "user": log.runs[run].user or log.origin,
            "story": [{"depth": one.depth, "sentence": one.text.render(speak)} for one in branches],
            "sources": [_source(one, self.node.names()) for one in lineage.sources(logs, run)],
            "prov": lineage.prov(logs, run),
        }

    def _authority_key(self) -> str:
        config = self.node.config
        return encode(self.node.signing.public_key) if config.is_authority else config.space.authority_key

    async def _signed(self) -> SignedCheckpoint:
        now = self.node.clock.now()
        return await self.node.database.write(
            lambda tx: service.checkpoint(tx, self.node.signing, self.node.did, now)
        )

    async def _named(self, entries: list[JsonObject]) -> list[JsonObject]:
        """Entries with who did them, by name where there is one."""
        names = await self.node.actors.names(str(one["facts"].get("by", "")) for one in entries)
        return [one | {"by": _actor(one["facts"].get("by"), names)} for one in entries]

    async def _statements(self) -> tuple[Statements, int]:
        """What the newest entries say, and the index of the first of them."""

        def look(tx: Transaction) -> tuple[int, list[bytes]]:
            size = tx.log.size()
            first = max(size - MOST_READ, 0)
            pages = (tx.log.entries(start, min(start + PAGE, size)) for start in range(first, size, PAGE))
            return first, [one for page in pages for one in page]

        first, contents = await self.node.database.read(look)
        return await asyncio.to_thread(_read, self.node.did, first, contents), first


def _read(origin: str, first: int, contents: list[bytes]) -> Statements:
    return statements.read(origin, _lines(first, contents))


def _lines(first: int, contents: list[bytes]) -> Iterator[LogLine]:
    """Entries that this program can read; an audit says which it cannot."""
    for index, content in enumerate(contents, first):
        try:
            yield LogLine(index, decode(content))
        except MedspaceError:
            continue


def _backwards(tx: Transaction, end: int, first: int) -> Iterator[tuple[int, bytes]]:
    for stop in range(end, first, -PAGE):
        start = max(stop - PAGE, first)
        yield from zip(range(stop - 1, start - 1, -1), reversed(tx.log.entries(start, stop)), strict=True)


def _entry(tx: Transaction, index: int) -> bytes:
    size = tx.log.size()
    if not 0 <= index < size:
        facts = {"size": size, "index": index}
        raise NoSuchEntryError(reason=Text(msgid("a log of {size} entries has no entry {index}"), facts))
    return tx.log.entries(index, index + 1)[0]


def _about(facts: JsonObject, names: Mapping[str, str]) -> list[str]:
    """What an entry is about, in a few words: a dataset, another participant, a run."""
    parties = [facts[name] for name in ("user", "counterparty", "member") if name in facts]
    things = [str(facts[name]) for name in ("asset", "run") if name in facts]
    return [*things, *(names.get(one, one) for one in parties)]


def _actor(actor: object, names: Mapping[str, str]) -> JsonObject | None:
    return {"actor": actor, "name": names.get(str(actor), "")} if actor else None


def _use(use: DatasetUse, names: Mapping[str, str]) -> JsonObject:
    return {
        "use": use.transfer,
        "dataset": use.asset,
        "user": use.user,
        "coordinator": use.coordinator,
        "agreement": use.agreement,
        "kind": use.kind,
        "purposes": sorted(use.purposes),
        "runs": sorted(use.runs),
        "first": use.first,
        "last": use.last,
        "admitted": use.admitted,
        "released": use.released,
        "held_back": use.held_back,
        "entry": use.index,
        "actors": [_actor(one, names) for one in sorted(use.actors)],
    }


def _run(run: RecordedRun) -> JsonObject:
    end = run.finished or next(iter(run.ends), None)
    state = "finished" if run.finished else "failed" if run.failed else "running"
    return {
        "run": run.id,
        "state": state,
        "model": run.finished.facts["model"] if run.finished else "",
        "rounds": len(run.rounds),
        "protection": str(run.facts.get("protection", "")),
        "started": run.started.time if run.started else "",
        "ended": end.time if end else "",
        "entry": end.index if end else run.started.index if run.started else 0,
        "code": str(end.facts.get("code", "")) if end else "",
    }


def _source(source: lineage.SiteContribution, names: Mapping[str, str]) -> JsonObject:
    return {
        "site": source.site,
        "site_name": names.get(source.site, ""),
        "agreements": list(source.agreements),
        "datasets": list(source.assets),
        "purposes": list(source.purposes),
        "releases": source.releases,
    }
