"""Writes a private folder file by file, with bounded memory and a digest of each file."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from medspace.adapters.keys import make_folder
from medspace.adapters.oswords import why
from medspace.app.node.language import CHINESE, ENGLISH, speaker
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

SUMS = "SHA256SUMS"
README = msgid(
    """\
# What {did} has in its data space

Written by medspace on {time} in open formats: JSON, JSON Lines (one record a line), TOML. No file holds a key, a
token or a password, and none holds rows of a dataset.

- `configuration.json`: the configuration as it was in force, without secrets.
- `datasets.jsonl`, `dictionaries/`: each dataset as it is configured, and its data dictionary.
- `offers.jsonl`, `labels.jsonl`: what stands in the catalogue (ODRL), and what each dataset allows whatever a
  contract says.
- `negotiations.jsonl`: every negotiation, with the terms on the table and why it failed, where it did.
- `agreements.jsonl`: every agreement: the ODRL policy as both sides have it, with its digest.
- `ended_agreements.jsonl`: those of them that this participant, as the holder, has ended.
- `uses.jsonl`, `steps.jsonl`: every use, and every step that others asked of its data, without what was asked.
- `runs.jsonl`, `rounds.jsonl`, `models.jsonl`: its training runs, round by round, and the models that came of them.
- `budgets.jsonl`, `budgets_of_agreements.jsonl`, `budget_debits.jsonl`, `budget_periods.jsonl`,
  `given_numbers.jsonl`: what its datasets have given of their privacy budgets, and how many numbers.
- `log.json`: the signed log with its checkpoint and the members list; `medspace audit verify log.json` checks it.
- `SHA256SUMS`: the digest of each file; `sha256sum --check SHA256SUMS` checks them.

The digest of an agreement is that of its policy in canonical JSON (RFC 8785). Both parties noted it in their logs
when the agreement became final, and the checkpoint of a log signs all of its entries. What was asked in a step is
sealed in the database, and shown by `medspace audit questions`. Arrays that came beside a model are not in here: they
lie in the folder of parts.
"""
)
READMES = {"README.md": ENGLISH, "README.zh.md": CHINESE}


class FolderTakenError(InvalidInputError):
    """The folder of an export is not empty."""

    code = "export.folder"
    sentence = msgid("The folder {folder} cannot be used: {reason}.")
    next_step = msgid("Name a folder that is new or empty.")


@dataclass(frozen=True, slots=True)
class Folder:
    """A new folder that only its owner can read; `written` has the digest and the size of each file."""

    path: Path
    written: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def new(cls, path: Path) -> "Folder":
        """Create it.

        Raises:
            FolderTakenError: it is not empty, or cannot be created.
        """
        try:
            make_folder(path)
            path.chmod(0o700)
            taken = next(path.iterdir(), None)
        except OSError as error:
            raise FolderTakenError(folder=str(path), reason=why(error)) from error
        if taken is not None:
            raise FolderTakenError(folder=str(path), reason=Text(msgid("it is not empty")))
        return cls(path)

    def write(self, name: str, pieces: Iterable[str]) -> None:
        """Write a file piece by piece.

        Raises:
            FolderTakenError: it cannot be written.
        """
        file, seen, size = self.path / name, sha256(), 0
        try:
            if file.parent != self.path:
                make_folder(file.parent)
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as stream:  # noqa: PTH123 - by descriptor, with its mode
                for piece in pieces:
                    content = piece.encode()
                    seen.update(content)
                    size += len(content)
                    stream.write(content)
        except OSError as error:
            raise FolderTakenError(folder=str(self.path), reason=why(error)) from error
        self.written[name] = (seen.hexdigest(), size)

    def explain(self, did: str, time: str) -> None:
        """Write what is in each file, in each language."""
        for name, language in READMES.items():
            self.write(name, [Text(README, {"did": did, "time": time}).render(speaker(language))])

    def close(self) -> None:
        """Write the digest of each file, in the format of `sha256sum`."""
        self.write(SUMS, (f"{digest}  {name}\n" for name, (digest, _) in sorted(self.written.items())))


def lines(records: Iterable[JsonObject]) -> Iterator[str]:
    """JSON Lines."""
    for record in records:
        yield json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n"


def document(value: Json) -> Iterator[str]:
    """One JSON document, for people to read."""
    yield json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def log(signed: JsonObject, entries: Iterable[str]) -> Iterator[str]:
    """The log in the format of `medspace audit verify`, entry by entry."""
    head = {name: signed[name] for name in ("format", "origin", "checkpoint", "members")}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "entries": ['
    for number, entry in enumerate(entries):
        yield (", " if number else "") + json.dumps(entry, ensure_ascii=False)
    yield "]}\n"
