"""Which content of its table an asset has now, beside those that were asked before."""

from dataclasses import replace
from datetime import datetime

from medspace.connector.usage import versions
from medspace.connector.usage.model import VERSIONS, Version
from medspace.connector.usage.ports import Threads
from medspace.connector.usage.versions import Content
from medspace.core.clock import stamp
from medspace.core.material import Source
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission

MOST_VERSIONS = 8  # of one asset; the oldest is forgotten first


class Contents:
    """Reads the content of each asset once, when it is first asked: a running connector's tables do not change."""

    def __init__(self, database: Database, sealer: Sealer, threads: Threads) -> None:
        self._database, self._sealer, self._threads = database, sealer, threads
        self._known: dict[str, Content] = {}

    def known(self, asset: str) -> Content | None:
        """The content of an asset, once it was read."""
        return self._known.get(asset)

    def sums(self, source: Source, admission: Admission) -> str:
        """The packed sums of all rows of the admitted asset, also of those outside of the scope. Blocking.

        What the asset holds is compared, whoever may see how much of it.
        """
        key = self._sealer.key("marks", admission.asset)
        return versions.packed(versions.sums_of(source.open(replace(admission, scope=())), key))

    async def remember(self, use: str, asset: str, sums: str, now: datetime) -> Content:
        """Compare a content with those before, and keep it beside them."""
        version = versions.version_of(sums)
        before = await self._database.read(lambda tx: _of(tx, asset))
        others = [(_version(one), one.sums) for one in before if _version(one) != version]
        content = await self._threads.call(use, lambda: versions.compared(versions.unpacked(sums), version, others))
        if len(others) == len(before):
            made = Version(f"{asset}\n{version}", asset, stamp(now), sums)
            await self._database.write(lambda tx: _keep(tx, made))
        self._known[asset] = content
        return content


def _version(kept: Version) -> str:
    return kept.id.rpartition("\n")[2]


def _of(tx: Transaction, asset: str) -> list[Version]:
    return tx.find(VERSIONS, where={"asset": asset}, order_by="time")


def _keep(tx: Transaction, made: Version) -> None:
    for old in _of(tx, made.asset)[: 1 - MOST_VERSIONS]:
        tx.delete(VERSIONS, old)
    tx.insert(VERSIONS, made)
