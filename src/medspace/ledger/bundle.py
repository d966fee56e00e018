"""An exported log: every entry, the signed checkpoint over them, and the members list that names the signer's key.

A bundle is one JSON file, so that anybody can keep it, send it and check it without any server. It holds entries
as the text that was hashed.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from medspace.core.decoding import read_file
from medspace.core.store import Log
from medspace.core.text import Text, msgid
from medspace.ledger.errors import MalformedBundleError, NoSuchEntryError
from medspace.ledger.model import LONGEST_ENTRY, SignedCheckpoint
from medspace.ledger.note import LONGEST_NOTE, parse, read_checkpoint

FORMAT: Literal["medspace-log-1"] = "medspace-log-1"
LARGEST_BUNDLE = 512 * 1024 * 1024  # bytes
MOST_ENTRIES = 2_000_000
MOST_EARLIER = 64
LONGEST_MEMBERS = 8 * 1024 * 1024  # bytes
PAGE = 1_000

_NoteText = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]
_EntryText = Annotated[str, msgspec.Meta(max_length=LONGEST_ENTRY)]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One connector's log.

    `origin` is the DID of its participant; `checkpoint` the signed note over all `entries`; `earlier` signed notes
    of the same log when it was shorter; `members` the members list as the authority signed it (compact JWS).
    """

    format: Literal["medspace-log-1"]
    origin: Annotated[str, msgspec.Meta(max_length=256)]
    checkpoint: _NoteText
    members: Annotated[str, msgspec.Meta(max_length=LONGEST_MEMBERS)]
    entries: Annotated[tuple[_EntryText, ...], msgspec.Meta(max_length=MOST_ENTRIES)]
    earlier: Annotated[tuple[_NoteText, ...], msgspec.Meta(max_length=MOST_EARLIER)] = ()


def export(log: Log, signed: SignedCheckpoint, members: str, earlier: Sequence[SignedCheckpoint] = ()) -> Bundle:
    """The log up to a checkpoint that was signed over it.

    Raises:
        NoSuchEntryError: the log is shorter than the checkpoint.
        MalformedBundleError: the log has more entries than a bundle holds.
    """
    state = read_checkpoint(parse(signed.note).text)
    if state.size > log.size():
        raise NoSuchEntryError(
            reason=Text(msgid("it has {count} entries, not {size}"), {"count": log.size(), "size": state.size})
        )
    if state.size > MOST_ENTRIES:
        facts = {"most": MOST_ENTRIES, "size": state.size}
        raise MalformedBundleError(reason=Text(msgid("a bundle holds {most} entries, and the log has {size}"), facts))
    pages = (log.entries(start, min(start + PAGE, state.size)) for start in range(0, state.size, PAGE))
    return Bundle(
        format=FORMAT,
        origin=state.origin,
        checkpoint=signed.note,
        members=members,
        entries=tuple(entry.decode() for page in pages for entry in page),
        earlier=tuple(other.note for other in earlier[:MOST_EARLIER]),
    )


def render(bundle: Bundle) -> bytes:
    """The bundle as a file, one entry to a line."""
    return msgspec.json.format(msgspec.json.encode(bundle), indent=1)


def read(content: bytes) -> Bundle:
    """The bundle that a file holds; nothing in it is proven yet.

    Raises:
        MalformedBundleError: it is not a bundle, or larger than any bundle may be.
    """
    return read_file(content, Bundle, LARGEST_BUNDLE, MalformedBundleError)
