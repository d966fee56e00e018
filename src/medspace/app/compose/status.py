"""The identity, abilities and state of this connector, whatever features it has."""

from collections.abc import Mapping
from dataclasses import dataclass

from medspace import __version__
from medspace.app.node import questions
from medspace.app.node.node import Node
from medspace.connector.model import (
    CATALOGUE,
)
from medspace.connector.usage.brakes import Allowance
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.store import Transaction
from medspace.trust.jws import encode
from medspace.trust.model import MemberList

MOST_OTHERS = 100  # members that are listed by name


@dataclass(frozen=True, slots=True)
class Status:
    """The connector itself, as its people see it."""

    node: Node

    async def status(self) -> JsonObject:
        """The identity and abilities of this connector."""
        entries = await self.node.database.read(lambda tx: tx.log.size())
        return {
            "did": self.node.did,
            "name": self.node.config.participant.name,
            "url": self.node.config.base_url,
            "authority": self.node.config.space.authority,
            "authority_key": self.node.config.space.authority_key or encode(self.node.signing.public_key),
            "is_authority": self.node.config.is_authority,
            "version": __version__,
            "kinds": sorted(self.node.kinds),
            "member": any(member.did == self.node.did for member in self.node.members()),
            "founded": _founded(self.node.book.current),
            "founded_before": _founded(self.node.book.before),
            "others": [one.did for one in self.node.members()[:MOST_OTHERS] if one.did != self.node.did],
            "log_entries": entries,
            "assets": list(self.node.assets.shown()),
            "questions": [questions.shown(asset, one) for asset, one in sorted((await self._allowances()).items())],
            "numbers": await self._numbers(),
        }

    async def _numbers(self) -> list[JsonObject]:
        """How many numbers each published dataset has released, and how many it may."""
        asked = sorted(await self._allowances())
        found = await self.node.database.read(lambda tx: [self.node.usage.given(tx, asset) for asset in asked])
        cells = self.node.assets.cells
        return [questions.numbers_shown(asset, one, cells(asset)) for asset, one in zip(asked, found, strict=True)]

    async def _allowances(self) -> Mapping[str, Allowance]:
        """How many questions each published dataset was asked, and how many it still answers this year."""

        def look(tx: Transaction) -> dict[str, Allowance]:
            # An asset's allowance may depend on its number of persons, which is known once the asset is open.
            published = [asset for asset in self.node.assets.questions if tx.get(CATALOGUE, asset) is not None]
            return {asset: self.node.usage.allowance(tx, asset) for asset in published}

        return await self.node.database.read(look)

    async def metrics(self) -> bytes:
        """Prometheus metrics."""
        self.node.metrics.entries.set(await self.node.database.read(lambda tx: tx.log.size()))
        return self.node.metrics.render()


def _founded(members: MemberList | None) -> str | None:
    return None if members is None or members.founded is None else stamp(members.founded)
