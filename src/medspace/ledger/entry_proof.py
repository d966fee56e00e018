"""The proof of one entry: its text, its path to a signed checkpoint, the list that names the signer's key.

One JSON file, which anybody can keep, send and check without any server. Like a bundle it holds the text that was
hashed; unlike one it says nothing of the other entries.
"""

from typing import Annotated, Literal

import msgspec

from medspace.core.decoding import read_file
from medspace.core.store import Transaction
from medspace.ledger import merkle, service
from medspace.ledger.bundle import LONGEST_MEMBERS
from medspace.ledger.errors import MalformedEntryProofError
from medspace.ledger.model import LONGEST_ENTRY, SignedCheckpoint
from medspace.ledger.note import LARGEST_SIZE, LONGEST_NOTE, parse, read_checkpoint

FORMAT: Literal["medspace-entry-1"] = "medspace-entry-1"
LARGEST_FILE = 16 * 1024 * 1024  # bytes
MOST_HASHES = 64  # of a path in the largest log

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SIZE)]
HexHash = Annotated[str, msgspec.Meta(pattern=f"^[0-9a-f]{{{2 * merkle.HASH_SIZE}}}$")]


class EntryProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That `entry` is number `index` of the log of `origin`, as `checkpoint` signs it with `size` entries.

    `hashes` lead from the entry to the root, in lower-case hexadecimal; `members` is the members list as the
    authority signed it (compact JWS).
    """

    format: Literal["medspace-entry-1"]
    origin: Annotated[str, msgspec.Meta(max_length=256)]
    index: _Count
    size: _Count
    entry: Annotated[str, msgspec.Meta(max_length=LONGEST_ENTRY)]
    hashes: Annotated[tuple[HexHash, ...], msgspec.Meta(max_length=MOST_HASHES)]
    checkpoint: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]
    members: Annotated[str, msgspec.Meta(max_length=LONGEST_MEMBERS)]

    def leads_to(self, size: int, root: bytes) -> bool:
        """Whether the entry is in the log of that many entries with that root."""
        leaf = merkle.leaf_hash(self.entry.encode(errors="replace"))
        path = [bytes.fromhex(one) for one in self.hashes]
        return self.size == size and merkle.verify_inclusion(self.index, size, leaf, path, root)


def prove(tx: Transaction, index: int, signed: SignedCheckpoint, members: str) -> EntryProof:
    """The proof of an entry of the log, up to a checkpoint that was signed over it.

    Raises:
        NoSuchEntryError: there is no such entry.
    """
    state = read_checkpoint(parse(signed.note).text)
    proof = service.prove_inclusion(tx, index, state.size)
    (entry,) = tx.log.entries(index, index + 1)
    hashes = tuple(one.hex() for one in proof.hashes)
    return EntryProof(FORMAT, state.origin, index, state.size, entry.decode(), hashes, signed.note, members)


def read(content: bytes) -> EntryProof:
    """The proof that a file holds; nothing in it is proven yet.

    Raises:
        MalformedEntryProofError: it is none, or larger than any may be.
    """
    return read_file(content, EntryProof, LARGEST_FILE, MalformedEntryProofError)
