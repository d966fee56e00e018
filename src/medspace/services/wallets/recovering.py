"""A printed code has a new key take the place of the lost ones: whoever has the code is the patient.

The code makes a key for each hospital (`holder.recovery_key`), whose thumbprint the hospital got with the first card.
The proof by that key names the new key, so that nobody puts another one in its place.
"""

from datetime import datetime

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.wallets.errors import RecoveryError, WalletMessageError, WalletProofError
from medspace.services.wallets.issuing import LONGEST_PROOF, CardIssuer, bind, proven_key, retire
from medspace.services.wallets.model import HOLDERS, CardRole
from medspace.trust.credentials import jose

RECOVER = "/wallet/recover"


class _RecoveryWish(msgspec.Struct, frozen=True):
    recovery: str  # a proof by the key that the code makes, which names the new key
    proof: str  # a proof by the new key


def read_recovery(content: JsonObject) -> tuple[str, str]:
    """The proofs by the key of the code and by the new key.

    Raises:
        WalletMessageError: they are not there.
    """
    try:
        wish = msgspec.convert(content, _RecoveryWish)
    except msgspec.ValidationError:
        raise WalletMessageError(reason=Text(msgid("a member is missing or of the wrong kind"))) from None
    return wish.recovery, wish.proof


def recover(tx: Transaction, issuer: CardIssuer, recovery: str, proof: str, now: datetime) -> str:
    """A card for the new key; the keys that were made with the same code stand for nobody from now on.

    Raises:
        WalletProofError: one of the keys is not proven, or the code was used for another new key.
        RecoveryError: the code belongs to no wallet here.
    """
    old, new = proven_key(issuer, recovery, now), proven_key(issuer, proof, now)
    if jose.split(recovery, LONGEST_PROOF, own_key=True).payload.get("binds") != new.thumbprint:
        raise WalletProofError
    name = old.thumbprint
    lost = [one for one in each(tx, HOLDERS, {"recovery": name}) if one.role is CardRole.SELF]
    if not lost:
        raise RecoveryError
    for one in lost:
        retire(tx, issuer, one, now)
    return bind(tx, issuer, lost[0].patient, CardRole.SELF, new, now, recovery=name)
