"""Hear what a wallet has signed: OpenID4VP 1.0 for one verifier, by `direct_post`, with DCQL.

A wallet says what it wants to do, and is answered with a signed request for the patient's card in which that message
is the transaction data. Nothing is kept until the answer holds: the request travels sealed in its `state`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from medspace.core.canonical import JsonObject, canonical
from medspace.core.clock import instant, stamp
from medspace.core.decoding import read_json
from medspace.core.hashing import digest_bytes
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.wallets.errors import RequestUsedError, WalletKeyError, WalletMessageError
from medspace.services.wallets.issuing import CardIssuer
from medspace.services.wallets.model import (
    ANSWERED,
    HOLDERS,
    IDENTITY,
    PATIENTS,
    AnsweredRequest,
    HolderKey,
    PatientRecord,
)
from medspace.trust import dcql
from medspace.trust.credentials import jose
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import decode, encode
from medspace.trust.sdjwt.errors import KeyBindingHashError
from medspace.trust.sdjwt.model import PresentedCard, hash_of
from medspace.trust.sdjwt.proving import Binding
from medspace.trust.sdjwt.vc import FORMAT, verify_presented

REQUESTS, RESPONSES = "/oid4vp/requests", "/oid4vp/responses"
MESSAGE = "urn:medspace:wallet-message:1"
REQUEST_TYP = "oauth-authz-req+jwt"
SELF_ISSUED = "https://self-issued.me/v2"
ASKED = timedelta(minutes=5)
FORGOTTEN = 8  # old nonces that go with each new one
LARGEST_MESSAGE = 48 * 1024  # bytes
CARD_ID = "card"
QUERY: JsonObject = {
    "credentials": [
        {
            "id": CARD_ID,
            "format": FORMAT,
            "meta": {"vct_values": [IDENTITY]},
            "claims": [{"path": ["patient"]}, {"path": ["role"]}],
        }
    ]
}
_SEAL = "wallets: request"


class _SealedRequest(msgspec.Struct, frozen=True):
    nonce: str
    data: str
    until: float


_Texts = Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """What a patient, or who acts for them, has signed: by which key, what, and the evidence of it."""

    holder: HolderKey
    key: PublicJwk
    patient: PatientRecord
    said: JsonObject
    evidence: str


def client_id(issuer: CardIssuer) -> str:
    """The hospital's name as a verifier (OpenID4VP 1.0 5.9.3)."""
    return f"decentralized_identifier:{issuer.did}"


def request_for(issuer: CardIssuer, said: JsonObject, now: datetime) -> JsonObject:
    """The signed request for a message, with the name of who asks.

    Raises:
        WalletMessageError: it is too large, or cannot be signed.
    """
    try:
        content = canonical({**said, "type": MESSAGE, "credential_ids": [CARD_ID]})
    except ValueError:
        raise WalletMessageError(reason=Text(msgid("it is not JSON that can be signed"))) from None
    if len(content) > LARGEST_MESSAGE:
        raise WalletMessageError(reason=Text(msgid("it is too large")))
    data, nonce = encode(content), encode(issuer.randomness.token_bytes(16))
    sealed = msgspec.json.encode(_SealedRequest(nonce, data, (now + ASKED).timestamp()))
    claims: JsonObject = {
        "client_id": client_id(issuer),
        "response_type": "vp_token",
        "response_mode": "direct_post",
        "response_uri": issuer.origin + RESPONSES,
        "nonce": nonce,
        "state": issuer.sealer.seal(sealed, _SEAL),
        "dcql_query": QUERY,
        "transaction_data": [data],
        "aud": SELF_ISSUED,
        "iat": int(now.timestamp()),
        "exp": int((now + ASKED).timestamp()),
    }
    return {"client_id": client_id(issuer), "request": jose.sign(issuer.key, claims, typ=REQUEST_TYP)}


def hear(tx: Transaction, issuer: CardIssuer, answer: Mapping[str, str], now: datetime) -> HeardMessage:
    """What an answer to a request of ours says, and by whom; an answer is heard once.

    Raises:
        WalletMessageError: it is no answer to a request of ours.
        SdJwtError, DcqlUnansweredError: the card or the holder's signature does not hold.
        WalletKeyError: the key stands for nobody, or no longer.
        RequestUsedError: it was heard before, or came too late.
    """
    asked = _opened(issuer, answer.get("state", ""), now)
    text = _shown(answer.get("vp_token", ""))
    presented = verify_presented(text, issuer.keys, IDENTITY, Binding(client_id(issuer), asked.nonce), now)
    card = presented.card
    dcql.check(dcql.read_query(QUERY), {CARD_ID: [dcql.Card(card.vct, card.disclosed.placed)]})
    if presented.transaction_hashes != (hash_of(asked.data),):
        raise KeyBindingHashError
    holder, patient = _standing(tx, presented, now)
    used = AnsweredRequest(digest_bytes(asked.nonce.encode()), stamp(now + ASKED))
    if tx.get(ANSWERED, used.id) is not None:
        raise RequestUsedError
    tx.insert(ANSWERED, used)
    for one in tx.find(ANSWERED, order_by="expires", limit=FORGOTTEN):
        if instant(one.expires) <= now:
            tx.delete(ANSWERED, one)
    said = read_json(decode(asked.data), JsonObject)
    evidence = {"presentation": text, "transaction_data": asked.data, "nonce": asked.nonce, "aud": client_id(issuer)}
    return HeardMessage(holder, card.holder_key, patient, said, canonical(evidence).decode())


def _opened(issuer: CardIssuer, state: str, now: datetime) -> _SealedRequest:
    try:
        asked = msgspec.json.decode(issuer.sealer.open(state, _SEAL), type=_SealedRequest)
    except (ValueError, msgspec.DecodeError):
        raise WalletMessageError(reason=Text(msgid("it answers no request of this hospital"))) from None
    if asked.until <= now.timestamp():
        raise RequestUsedError
    return asked


def _shown(vp_token: str) -> str:
    try:
        shown = read_json(vp_token, dict[str, _Texts])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        raise WalletMessageError(reason=Text(msgid("it shows no card"))) from None
    if set(shown) != {CARD_ID}:
        raise WalletMessageError(reason=Text(msgid("it shows no card")))
    return shown[CARD_ID][0]


def _standing(tx: Transaction, presented: PresentedCard, now: datetime) -> tuple[HolderKey, PatientRecord]:
    """The key and the patient of a card, as they stand here now, whatever the card says."""
    holder = tx.get(HOLDERS, presented.card.holder_key.thumbprint)
    if holder is None or holder.retired or instant(holder.until) <= now:
        raise WalletKeyError
    patient = tx.get(PATIENTS, holder.patient)
    claims = presented.card.disclosed.claims
    if patient is None or claims["patient"] != patient.pseudonym or claims["role"] != holder.role.value:
        raise WalletKeyError
    return holder, patient
