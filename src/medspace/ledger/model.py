"""The words of the ledger: entry, checkpoint, proof."""

from dataclasses import dataclass

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.store import Collection
from medspace.core.text import Text, msgid
from medspace.ledger.errors import MalformedEntryError, UnknownEntryKindError
from medspace.ledger.kinds import FactType, find, fits

LONGEST_ENTRY = 4 * 1024 * 1024  # bytes; a round with 10,000 answers is about 3 MB

# The facts of an entry are ASCII text and small integers under ASCII names. Of those this encoder makes the very
# bytes that core.canonical makes, many times faster; a test holds the two together.
_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log.

    `kind` is the dotted name of a kind that `kinds` knows, which says what `facts` holds; `time` is an instant as
    `core.clock.stamp` writes it; `actor` is the DID of the participant that did it.

    Raises:
        UnknownEntryKindError: this program does not know the kind.
        MalformedEntryError: the facts are not those of the kind, or something does not have its required form.
    """

    kind: str
    time: str
    actor: str
    facts: JsonObject

    def __post_init__(self) -> None:
        kind = find(self.kind)
        if kind is None:
            raise UnknownEntryKindError(kind=self.kind[:64])
        flaw = kind.flaw(self.facts) or self._flaw()
        if flaw:
            raise MalformedEntryError(reason=flaw)

    def _flaw(self) -> Text | None:
        if not fits(FactType.DID, self.actor):
            return Text(msgid("the actor is not a DID"))
        if not fits(FactType.TIME, self.time):
            return Text(msgid("the time is not an instant in UTC with milliseconds"))
        return None

    def encode(self) -> bytes:
        """The canonical bytes that the log keeps and hashes (RFC 8785)."""
        return _encoder.encode({"actor": self.actor, "facts": self.facts, "kind": self.kind, "time": self.time})


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: str
    facts: dict[str, Json]
    kind: str
    time: str


_decoder = msgspec.json.Decoder(_Wire)


def decode(content: bytes) -> Entry:
    """The entry that canonical bytes hold.

    Raises:
        UnknownEntryKindError: this program does not know the kind.
        MalformedEntryError: the bytes are not an entry in canonical form.
    """
    if len(content) > LONGEST_ENTRY:
        raise MalformedEntryError(reason=Text(msgid("it is longer than {most} bytes"), {"most": LONGEST_ENTRY}))
    try:
        wire = _decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedEntryError(reason=Text(msgid("it is not the JSON of an entry"))) from None
    entry = Entry(kind=wire.kind, time=wire.time, actor=wire.actor, facts=wire.facts)
    if entry.encode() != content:
        raise MalformedEntryError(reason=Text(msgid("it is not in canonical form")))
    return entry


def shown(content: bytes) -> JsonObject:
    """The entry that canonical bytes hold, for people: `kind`, `time`, `actor`, `facts`, and whether it is `known`.

    For unknown kinds the facts are left out, since their meaning is unknown.

    Raises:
        MalformedEntryError: the bytes are not an entry.
    """
    try:
        entry = decode(content)
    except UnknownEntryKindError:
        wire = _decoder.decode(content)
        return {"kind": wire.kind, "time": wire.time, "actor": wire.actor, "facts": {}, "known": False}
    return {"kind": entry.kind, "time": entry.time, "actor": entry.actor, "facts": entry.facts, "known": True}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log (C2SP tlog-checkpoint): who keeps it (`origin`), its number of entries, its 32-byte root.

    `extensions` are further lines of the note, which mean nothing to medspace.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """That an anchor keeps a checkpoint: which one, since when, and what it needs to find it again (`proof`)."""

    anchor: str
    time: str
    proof: str


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint of this log as it was signed: `note` is the text of the signed note; `time` when it was made."""

    id: str
    size: int
    time: str
    note: str
    receipts: tuple[Receipt, ...] = ()  # of the anchors that keep it


CHECKPOINTS = Collection("ledger_checkpoints", SignedCheckpoint, keys=("size",), unique=(("size",),))
COLLECTIONS = (CHECKPOINTS,)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry is number `index` of the log of `size` entries; `hashes` from the leaf to the root."""

    index: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the log of `size2` entries begins with the log of `size1` entries."""

    size1: int
    size2: int
    hashes: tuple[bytes, ...]
