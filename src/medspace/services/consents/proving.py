"""What a holder has stated of a patient and a use, in one file that is proven without a server.

It holds, for each statement of the use, the entry of the log that makes it, with its path to a signed checkpoint, and
the leaves that show that the patient is in the stated tree, or is not. Nobody can read it without the patient's salt,
which is in her receipt and not in the file.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from medspace.connector.usage.model import QUESTIONS
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_file
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger import audit, entry_proof
from medspace.ledger.entry_proof import EntryProof, HexHash
from medspace.ledger.model import SignedCheckpoint, decode
from medspace.ledger.report import AuditOutcome
from medspace.services.consents import commitments, replaying
from medspace.services.consents.commitments import LeafProof
from medspace.services.consents.errors import CountedProofError, MalformedCountedProofError, NoConsentError
from medspace.services.consents.model import COUNTED, PATIENTS
from medspace.services.membership.listing import read_list

FORMAT: Literal["medspace-counted-1"] = "medspace-counted-1"
LARGEST_FILE = 16 * 1024 * 1024  # bytes
MOST = 1_000  # statements of one use
_Leaf = tuple[Annotated[int, msgspec.Meta(ge=0, le=2**53)], HexHash, tuple[HexHash, ...]]


class StatedUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement: the entry that makes it, and the leaves that show the patient in its tree, or not in it."""

    entry: EntryProof
    included: bool
    leaves: Annotated[tuple[_Leaf, ...], msgspec.Meta(max_length=2)]


class CountedProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was stated of a patient and a use."""

    format: Literal["medspace-counted-1"]
    use: Annotated[str, msgspec.Meta(max_length=256)]
    stated: Annotated[tuple[StatedUse, ...], msgspec.Meta(min_length=1, max_length=MOST)]


def prove(tx: Transaction, use: str, patient: str, signed: SignedCheckpoint, members: str) -> JsonObject:
    """The proof of what a use states of a patient, as JSON.

    Raises:
        NoConsentError: nothing is known of her, or the use has stated nothing.
    """
    known, kept = tx.get(PATIENTS, patient), {one.root: one for one in each(tx, COUNTED, {"use": use})}
    if known is None or not kept:
        raise NoConsentError(patient=patient[:80])
    wanted, stated = commitments.leaf(bytes.fromhex(known.salt), use), list[JsonObject]()
    for asked in sorted(each(tx, QUESTIONS, {"job": use}), key=lambda one: one.entry):
        (entry,) = map(decode, tx.log.entries(asked.entry, asked.entry + 1))
        one = kept.pop(str(entry.facts.get("patients")), None)
        if one is not None:
            shown = commitments.prove(replaying.leaves_of(one), wanted)
            proof = msgspec.to_builtins(entry_proof.prove(tx, asked.entry, signed, members))
            stated.append({"entry": proof, "included": shown.included, "leaves": asdict(shown)["leaves"]})
    return {"format": FORMAT, "use": use, "stated": stated}


def read(content: bytes) -> CountedProof:
    """The proof that a file holds; nothing in it is proven yet.

    Raises:
        MalformedCountedProofError: it is none, or larger than any may be.
    """
    return read_file(content, CountedProof, LARGEST_FILE, MalformedCountedProofError)


def verify(proof: CountedProof, salt: bytes, authority_key: bytes, now: datetime) -> tuple[bool, ...]:
    """Of each statement, whether it counts the patient of the salt.

    Raises:
        CountedProofError: a statement is not in the signed log, is of another use, or does not show what it says.
    """
    report = audit.verify_entries([one.entry for one in proof.stated], authority_key, now, read_list)
    if report.outcome is not AuditOutcome.VERIFIED:
        raise CountedProofError(reason=Text(msgid("its entries are not in a log that the holder signed")))
    return tuple(_shown(one, proof.use, salt) for one in proof.stated)


def _shown(stated: StatedUse, use: str, salt: bytes) -> bool:
    facts = decode(stated.entry.entry.encode()).facts
    root, size = facts.get("patients"), facts.get("leaves")
    if facts.get("transfer") != use or not isinstance(root, str) or not isinstance(size, int):
        raise CountedProofError(reason=Text(msgid("an entry is not of this use")))
    leaves: Sequence[tuple[int, str, tuple[str, ...]]] = stated.leaves
    if not commitments.holds(LeafProof(size, root, stated.included, tuple(leaves)), salt, use, size, root):
        raise CountedProofError(reason=Text(msgid("the leaves are not those of this patient in the stated tree")))
    return stated.included
