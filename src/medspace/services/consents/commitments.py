"""Whom a use counts, as commitments: nobody can read them, and each patient can prove hers in or out.

A leaf is HMAC-SHA-256 (RFC 2104) of the use under the patient's salt, which she has from her receipt. The leaves are
sorted, so that two neighbours prove that what would stand between them is not there; the tree is that of RFC 9162.
It is filled up to a multiple of ten with leaves that are nobody's, so that its size does not tell of one patient.

Security model: what a holder states binds it. A row that it uses and leaves out cannot be found from this.
"""

import hmac
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medspace.ledger import merkle

TENS = 10
FIRST, LAST = b"\x00" * 32, b"\xff" * 32  # nobody's: they stand at both ends, so that every leaf has neighbours
DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class LeafProof:
    """The proof that a leaf is in the tree of a use, or that it is not: the leaf itself, or both neighbours.

    Each has its index and its path, in hex.
    """

    size: int
    root: str
    included: bool
    leaves: tuple[tuple[int, str, tuple[str, ...]], ...]


def leaf(salt: bytes, use: str) -> bytes:
    """The leaf of a patient in the tree of a use."""
    return hmac.digest(salt, use.encode(), "sha256")


def all_leaves(salts: Iterable[bytes], use: str) -> list[bytes]:
    """The leaves of patients in the tree of a use; none of a patient without a salt."""
    said = use.encode()
    return [hmac.digest(salt, said, "sha256") for salt in salts if salt]


def filled(leaves: Iterable[bytes], secret: bytes, use: str) -> list[bytes]:
    """The sorted leaves of a tree: those of patients, both ends, and nobody's, up to a multiple of ten."""
    found = {FIRST, LAST, *leaves}
    number = 0
    while len(found) % TENS:
        found.add(hmac.digest(secret, f"{use} {number}".encode(), "sha256"))
        number += 1
    return sorted(found)


def root(leaves: Sequence[bytes]) -> str:
    """The root of the tree of sorted leaves, as the log writes it."""
    return DIGEST + merkle.Tree(map(merkle.leaf_hash, leaves)).root(len(leaves)).hex()


def prove(leaves: Sequence[bytes], wanted: bytes) -> LeafProof:
    """That a leaf is in the tree, or that it is not."""
    tree, size = merkle.Tree(map(merkle.leaf_hash, leaves)), len(leaves)
    at = bisect_left(leaves, wanted)
    included = at < size and leaves[at] == wanted
    shown = [at] if included else [at - 1, at]
    proofs = tuple((index, leaves[index].hex(), _path(tree, index)) for index in shown)
    return LeafProof(size, DIGEST + tree.root(size).hex(), included, proofs)


def _path(tree: merkle.Tree, index: int) -> tuple[str, ...]:
    hashes = tree.hashes(merkle.inclusion_nodes(index, tree.size))
    return tuple(one.hex() for one in merkle.inclusion_proof(index, tree.size, hashes))


def holds(proof: LeafProof, salt: bytes, use: str, size: int, stated: str) -> bool:
    """Whether a proof shows what it says, for the tree that the log states; offline, with the patient's salt."""
    wanted = leaf(salt, use)
    try:
        top = bytes.fromhex(stated.removeprefix(DIGEST))
        found = [(at, bytes.fromhex(one), tuple(map(bytes.fromhex, path))) for at, one, path in proof.leaves]
    except ValueError:
        return False
    shown = all(merkle.verify_inclusion(at, size, merkle.leaf_hash(one), path, top) for at, one, path in found)
    if not shown:
        return False
    if proof.included:
        return len(found) == 1 and hmac.compare_digest(found[0][1], wanted)
    return len(found) == 2 and found[1][0] == found[0][0] + 1 and found[0][1] < wanted < found[1][1]  # noqa: PLR2004 - neighbours
