"""The current content of an asset's rows, within one scope, compared with the contents that were asked before."""

from dataclasses import replace
from datetime import datetime

from medspace.connector.usage import versions
from medspace.connector.usage.editions import Editions
from medspace.connector.usage.model import VERSIONS, Version
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.ports import Threads
from medspace.connector.usage.rows import opened
from medspace.connector.usage.versions import Content
from medspace.core.clock import stamp
from medspace.core.material import Source
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission, RowScope

MOST_VERSIONS = 8  # per asset, of those that have not answered
MOST_ANSWERED = 64  # of those that have answered; about 11 KB per column
MOST_KNOWN = 64  # contents of all assets whose comparison is cached in memory
Scope = tuple[RowScope, ...]


class Contents:
    """Reads the content of each source and scope once, when it is first asked; a source always opens the same."""

    def __init__(self, database: Database, notebook: Notebook, threads: Threads, editions: Editions) -> None:
        self._database, self._notebook, self._threads = database, notebook, threads
        self._editions = editions
        self._known: dict[tuple[str, Scope, int], tuple[Source, Content]] = {}  # by the identity of the source

    def known(self, asset: str, scope: Scope, use: str) -> Content | None:
        """The content of an asset within a scope that a use works on, if it was read already."""
        source = self._editions.of(asset, use)
        found = self._known.get((asset, scope, id(source)))
        return None if found is None else found[1]

    def sums(self, source: Source, admission: Admission) -> str:
        """The packed sums of the admitted rows. Blocking.

        Raises:
            ScopeError: the source does not apply the scope.
        """
        key = self._notebook.sealer.key("marks", admission.asset)
        return versions.packed(versions.sums_of(opened(source, admission), key))

    async def remember(self, source: Source, admission: Admission, sums: str, now: datetime) -> Content:
        """Compare a content with earlier ones, and store it with them."""
        asset, use = admission.asset, admission.use
        version = versions.version_of(sums)
        before = await self._database.read(lambda tx: _of(tx, asset))
        others = [(_version(one), one.sums) for one in before if _version(one) != version]
        content = await self._threads.call(use, lambda: versions.compared(versions.unpacked(sums), version, others))
        if len(others) == len(before):
            made = Version(f"{asset}\n{version}", asset, stamp(now), sums)
            await self._database.write(lambda tx: self._keep(tx, made, now))
        self._add(source, asset, admission.scope, content)
        return content

    def _add(self, source: Source, asset: str, scope: Scope, content: Content) -> None:
        """Add a content, and update those of other scopes: the comparison is symmetric."""
        for key, (opened_from, known) in list(self._known.items()):
            persons = content.others.get(known.version)
            if not self._editions.holds(opened_from):
                del self._known[key]
            elif key[0] == asset and persons is not None:
                seen = replace(known, others={**known.others, content.version: persons})
                self._known[key] = (opened_from, seen)
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[asset, scope, id(source)] = (source, content)

    def _keep(self, tx: Transaction, made: Version, now: datetime) -> None:
        before = _of(tx, made.asset)
        answered = [one for one in before if self._notebook.asked_of(tx, one.asset, _version(one), now)]
        others = [one for one in before if one not in answered]
        # A content that has answered is needed for as long as its answers count, so those that have not are dropped
        # first.
        left = max(len(before) + 1 - MOST_VERSIONS, 0)
        for old in (*others[:left], *answered[: max(len(answered) + 1 - MOST_ANSWERED, 0)]):
            tx.delete(VERSIONS, old)
        tx.insert(VERSIONS, made)


def _version(kept: Version) -> str:
    return kept.id.rpartition("\n")[2]


def _of(tx: Transaction, asset: str) -> list[Version]:
    return tx.find(VERSIONS, where={"asset": asset}, order_by="time", limit=MOST_ANSWERED + MOST_VERSIONS)
