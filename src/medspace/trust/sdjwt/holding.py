"""Show a card: which disclosures belong to what is asked for, and the holder's signature over them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from medspace.core.canonical import JsonObject
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.sdjwt.model import ClaimPath, Held, SdJwt, hash_of
from medspace.trust.sdjwt.proving import KB_TYP, Binding


def select(held: Held, wanted: Iterable[ClaimPath]) -> SdJwt:
    """The card with the disclosures that lead to the wanted claims, and those that lie within them; no others."""
    paths = tuple(wanted)
    chosen = tuple(
        text for text in held.sd_jwt.disclosures if any(_meet(held.disclosed.paths[text], path) for path in paths)
    )
    return SdJwt(held.sd_jwt.issued, chosen)


def _meet(one: ClaimPath, wanted: ClaimPath) -> bool:
    """Whether one path leads to the other; None in the wanted one stands for any index."""
    return all(
        left == right or (right is None and isinstance(left, int)) for left, right in zip(one, wanted, strict=False)
    )


def present(
    held: Held,
    wanted: Iterable[ClaimPath],
    key: SigningKey,
    binding: Binding,
    now: datetime,
    transaction_hashes: Sequence[str] = (),
) -> SdJwt:
    """What is shown to one verifier for one request, signed with the holder's key.

    Raises:
        ValueError: the card is bound to another key.
    """
    if key.public != held.holder_key:
        raise ValueError("the card is bound to another key")
    shown = select(held, wanted)
    claims: JsonObject = {
        "iat": int(now.timestamp()),
        "aud": binding.audience,
        "nonce": binding.nonce,
        "sd_hash": hash_of(shown.unbound),
    }
    if transaction_hashes:
        claims |= {"transaction_data_hashes": list(transaction_hashes), "transaction_data_hashes_alg": "sha-256"}
    return SdJwt(shown.issued, shown.disclosures, jose.sign(key, claims, typ=KB_TYP))
