"""At the authority: that a withdrawal was made by a time, without whose, of what, or at which hospital.

A wallet sends a salted commitment of its withdrawal; the authority writes it into its log and signs when it came.
Whoever has the withdrawal and the salt can show what the commitment is of; nobody else learns anything from it. The
numbers of a minute are bounded, since who sends them is not known.
"""

import re
from datetime import datetime, timedelta

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.wallets.consents import COMMITMENT
from medspace.services.wallets.errors import CommitmentsFullError, WalletMessageError
from medspace.services.wallets.model import COMMITMENTS, KeptCommitment
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey

COMMIT = "/wallet/commitments"
STATED = "medspace-commitment+jwt"
MOST_A_MINUTE = 120
MINUTE = timedelta(minutes=1)


def commit(tx: Transaction, did: str, text: object, now: datetime) -> KeptCommitment:
    """Keep a commitment with its time; one that came before is answered with the time when it came first.

    Raises:
        WalletMessageError: it is no commitment.
        CommitmentsFullError: too many in this minute.
    """
    if not isinstance(text, str) or not re.match(COMMITMENT, text):
        raise WalletMessageError(reason=Text(msgid("it is no commitment")))
    found = tx.get(COMMITMENTS, text)
    if found is not None:
        return found
    recent = tx.find(COMMITMENTS, order_by="time", after=stamp(now - MINUTE), limit=MOST_A_MINUTE)
    if len(recent) >= MOST_A_MINUTE:
        raise CommitmentsFullError(seconds=int(MINUTE.total_seconds()))
    entry = record(tx, Entry("withdrawal.committed", stamp(now), did, {"commitment": text}))
    kept = KeptCommitment(text, stamp(now), entry)
    tx.insert(COMMITMENTS, kept)
    return kept


def statement(kept: KeptCommitment, did: str, key: SigningKey) -> str:
    """What the authority signs of a commitment: when it came, and which entry of its log says so."""
    claims: JsonObject = {"iss": did, "commitment": kept.id, "time": kept.time, "entry": kept.entry}
    return jose.sign(key, claims, typ=STATED)
