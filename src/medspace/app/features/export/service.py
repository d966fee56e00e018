"""A participant's data for export, page by page: records, dictionaries, configuration, the signed log."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medspace.adapters.ownership import read_owned
from medspace.app.features.export.records import KINDS
from medspace.app.node.config import LARGEST_FILE, Config
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import stamp
from medspace.core.errors import InvalidInputError
from medspace.core.store import Transaction
from medspace.core.text import msgid
from medspace.ledger import bundle, service

_PASSWORD = re.compile(r"([^:/]+://[^:/@]*):.*@")  # of an address; it may contain any character
_NAMED = re.compile(r"([?&][a-z_]*pass[a-z_]*=)[^&]*", re.IGNORECASE)


class ExportKindError(InvalidInputError):
    """There are no records of that kind."""

    code = "export.kind"
    sentence = msgid("There are no records called {kind}.")
    next_step = msgid("Use one of these: {known}.")


@dataclass(frozen=True, slots=True)
class Exported:
    """What one connector has."""

    node: Node

    async def records(self, kind: str, page: PageRequest = FIRST) -> list[JsonObject]:
        """A page of records of one kind, by identity.

        Raises:
            ExportKindError: there is no such kind.
        """
        if kind not in KINDS:
            raise ExportKindError(kind=kind, known=", ".join(KINDS))
        known = KINDS[kind]
        after = page.after or None
        found = await self.node.database.read(lambda tx: tx.find(known.collection, after=after, limit=page.limit))
        return [known.show(one) for one in found]

    async def datasets(self, page: PageRequest = FIRST) -> list[JsonObject]:
        """A page of one's own datasets as they are configured, each with its dictionary as it was written."""
        states = sorted(self.node.assets.states, key=lambda state: state.id)
        chosen = [state.prepared.configured for state in states if state.id > page.after][: page.limit]
        shown = []
        for asset in chosen:
            if asset is not None:
                text = await asyncio.to_thread(_text, self.node.config.path(asset.dictionary))
                shown.append({"id": asset.id, "configured": without_secrets(asset), "dictionary": text})
        return shown

    def configuration(self) -> JsonObject:
        """The current configuration without secrets, but with the paths of their files."""
        said = without_secrets(self.node.config)
        return {name: value for name, value in said.items() if name not in ("assets", "folder", "file")}

    async def log(self) -> JsonObject:
        """A fresh checkpoint of the whole log, and the members list that identifies its owner."""
        now = self.node.clock.now()
        signed = await self.node.database.write(
            lambda tx: service.checkpoint(tx, self.node.signing, self.node.did, now)
        )
        said = {"format": bundle.FORMAT, "origin": self.node.did, "checkpoint": signed.note}
        return said | {"members": self.node.book.text, "size": signed.size, "time": stamp(now)}

    async def entries(self, after: int, limit: int) -> Sequence[str]:
        """Entries of the log from index `after`, as they were signed."""

        def look(tx: Transaction) -> list[str]:
            end = min(after + limit, tx.log.size())
            return [one.decode() for one in tx.log.entries(after, end)] if after < end else []

        return await self.node.database.read(look)


def without_secrets(config: Config | msgspec.Struct) -> JsonObject:
    """A part of the configuration as JSON, without the passwords in addresses."""
    return dict(_masked(msgspec.to_builtins(config)))


def _masked(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _masked(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return _NAMED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", value)) if isinstance(value, str) else value


def _text(path: Path) -> str:
    return read_owned(path, LARGEST_FILE)[:LARGEST_FILE].decode("utf-8", "replace")
