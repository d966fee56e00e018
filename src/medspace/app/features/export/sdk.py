"""The SDK's method to take everything along that a participant has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medspace.app.doors.sdk import Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path

if TYPE_CHECKING:
    from medspace.app.features.export import writing

KINDS = (
    "offers",
    "labels",
    "negotiations",
    "agreements",
    "ended_agreements",
    "uses",
    "steps",
    "runs",
    "rounds",
    "models",
    "budgets",
    "budgets_of_agreements",
    "budget_debits",
    "budget_periods",
    "given_numbers",
)
LONGEST_NAME = 80


class ExportClient(Client):
    """The SDK's method to export everything that a participant has."""

    def export(self, folder: str | Path) -> JsonObject:
        """Write everything that this participant has to a new, private folder, in open formats, with digests.

        Configuration and dictionaries, offers, labels, negotiations, agreements, uses, steps, runs, models, budgets
        and the signed log; no keys, tokens or passwords, and no rows. Exported page by page, with little memory.

        Raises:
            FolderTakenError: the folder is not empty, or cannot be written.
        """
        from medspace.app.features.export import writing  # noqa: PLC0415 - only who exports needs it

        told, configuration = self._get("/status"), self._get("/export/configuration")  # refused: nothing is made
        out = writing.Folder.new(Path(folder))
        out.write("configuration.json", writing.document(configuration["configuration"]))
        out.write("datasets.jsonl", writing.lines(self._described(out)))
        for kind in KINDS:
            out.write(f"{kind}.jsonl", writing.lines(self._records(path("export", "records", kind), "records")))
        signed = self._get("/export/log")  # last, so that it can describe all other files
        out.write("log.json", writing.log(signed, self._entries(int(signed["size"]))))
        out.explain(str(told["did"]), str(signed["time"]))
        out.close()
        files = [
            {"name": name, "digest": f"sha256:{one}", "bytes": size} for name, (one, size) in out.written.items()
        ]
        return {"folder": str(Path(folder)), "entries": signed["size"], "files": files}

    def _described(self, out: "writing.Folder") -> Iterator[JsonObject]:
        """One's own datasets; the dictionary of each is a file of its own beside them."""
        for number, one in enumerate(self._records("/export/datasets", "datasets"), start=1):
            safe = re.sub(r"[^A-Za-z0-9._-]+", "-", str(one["id"]))[:LONGEST_NAME]
            name = f"dictionaries/{number:04d}-{safe}.toml"
            out.write(name, [str(one["dictionary"])])
            yield {"id": one["id"], "configured": one["configured"], "dictionary": name}

    def _records(self, where: str, name: str) -> Iterator[JsonObject]:
        after = ""
        while True:
            page = self._get(where, **({"after": after} if after else {}))
            yield from page[name]
            after = str(page["next"])
            if not after:
                return

    def _entries(self, size: int) -> Iterator[str]:
        at = 0
        while at < size:
            page = self._get("/export/log/entries", after=at, limit=min(1000, size - at))["entries"]
            yield from page
            at += len(page)
            if not page:
                return
