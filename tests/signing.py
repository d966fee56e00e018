"""Parties that sign with Ed25519 and ML-DSA-65, the same in every test."""

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha512

from medspace.core.keys import MldsaKey
from medspace.core.signing import Ed25519Signer, HybridSigner, MldsaSigner
from medspace.trust.model import Member


@dataclass
class Ring:
    """Keys of ML-DSA-65 (`core.signing.MldsaKeys`) that a test changes; the last one signs."""

    signers: tuple[MldsaSigner, ...]
    known: tuple[MldsaKey, ...]

    def current(self) -> MldsaSigner:
        return self.signers[-1]


def ring_of(name: str, *, since: int = 0) -> Ring:
    signer, public = _signer(name)
    return Ring((signer,), (MldsaKey(public, since),))


@cache
def _signer(name: str) -> tuple[MldsaSigner, bytes]:
    signer = MldsaSigner.from_seed(sha512(f"mldsa {name}".encode()).digest()[:32])
    return signer, signer.public_key


def hybrid_of(did: str) -> HybridSigner:
    """The signer of a party."""
    from tests.runs import signer_of  # noqa: PLC0415 - which has members with these keys

    return HybridSigner(signer_of(did), ring_of(did))


def member_of(did: str, signer: HybridSigner | Ed25519Signer | None = None) -> Member:
    """A party as the members list has it."""
    signer = hybrid_of(did) if signer is None else signer
    mldsa = signer.mldsa.known if isinstance(signer, HybridSigner) else ()
    return Member(did, did, "DE", (), signer.public_key, mldsa=mldsa)


def with_keys(member: Member, *keys: MldsaKey) -> Member:
    return replace(member, mldsa=keys)
