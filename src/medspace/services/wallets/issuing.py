"""Issue cards by OpenID4VCI 1.0 with a pre-authorised code; each unit of work with its entry.

The hospital invites a patient whom it has in front of it: a code in a link, and a number told beside it, so that who
sees only the link gets nothing. The code is redeemed once, for a token that fetches one card, bound to the key whose
possession the wallet proves over a nonce of the hospital.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.clock import Randomness, instant, stamp
from medspace.core.hashing import commitment, same_secret
from medspace.core.paging import each
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.wallets.errors import (
    OfferPinError,
    OfferUnknownError,
    WalletMessageError,
    WalletProofError,
    WalletTokenError,
)
from medspace.services.wallets.model import (
    HOLDERS,
    IDENTITY,
    OFFERS,
    PATIENTS,
    RECEIPT,
    CardOffer,
    CardRole,
    HolderKey,
    PatientRecord,
)
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.credentials.keys import read_jwk
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import JwsError, decode, encode
from medspace.trust.sdjwt.model import IssuerKeys, StatusReference
from medspace.trust.sdjwt.statuslist import FEWEST, TokenStatusDraft, pack, sign_token_status_list
from medspace.trust.sdjwt.vc import FORMAT, CardDraft, sign_card

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
CARD = "patient-card"  # the one configuration that is offered
PROOF_TYP = "openid4vci-proof+jwt"
TOKEN, STATUS, NONCE, CREDENTIAL = "/oid4vci/token", "/oid4vci/status", "/oid4vci/nonce", "/oid4vci/credential"
OFFERED, CODED, CARD_YEARS = timedelta(days=3), timedelta(minutes=5), timedelta(days=3 * 365)
LIST_VALID = timedelta(hours=24)
MOST_TRIES, PIN_DIGITS = 5, 6
FORGOTTEN = 8  # invitations that are over go with each new one
LONGEST_PROOF = 8 * 1024
PROOF_AGE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=10)
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class CardIssuer:
    """Who issues cards: the origin of its wallets' door, its DID, its signing key, its secrets."""

    origin: str
    did: str
    key: SigningKey
    sealer: Sealer
    randomness: Randomness

    @property
    def keys(self) -> IssuerKeys:
        """Its own keys, to check its own cards with."""
        return IssuerKeys(self.origin, [(self.key.id, self.key.public)])

    @property
    def status_url(self) -> str:
        """Where the status list is."""
        return f"{self.origin}{STATUS}/1"

    def pseudonym(self, patient: str) -> str:
        """What a patient is called in cards and consents: it says nothing, and each hospital has another."""
        secret = self.sealer.key("wallets: pseudonyms")
        return commitment(secret, patient.encode()).rpartition(":")[2][:32]

    def secret_digest(self, text: str) -> str:
        """The digest of a code, number or token, as it is kept."""
        return commitment(self.sealer.key("wallets: codes"), text.encode())


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as it is told once: the link for the wallet, and the number beside it."""

    link: str
    pin: str
    expires: str


class _Offer(msgspec.Struct, frozen=True):
    credential_issuer: str
    credential_configuration_ids: list[str]
    grants: dict[str, dict[str, object]]


def offer(
    tx: Transaction, issuer: CardIssuer, patient: str, now: datetime, role: CardRole = CardRole.SELF, until: str = ""
) -> Invitation:
    """Invite a patient, or somebody who acts for them until a time."""
    code = encode(issuer.randomness.token_bytes(32))
    pin = f"{int.from_bytes(issuer.randomness.token_bytes(8)) % 10**PIN_DIGITS:0{PIN_DIGITS}}"
    expires = stamp(now + OFFERED)
    made = CardOffer(
        id=issuer.secret_digest(code),
        patient=patient,
        role=role,
        created=stamp(now),
        expires=expires,
        until=until,
        pin=issuer.secret_digest(f"{code} {pin}"),
    )
    tx.insert(OFFERS, made)
    for one in tx.find(OFFERS, order_by="expires", limit=FORGOTTEN):
        if instant(one.expires) <= now:
            tx.delete(OFFERS, one)
    grant: dict[str, object] = {
        "pre-authorized_code": code,
        "tx_code": {"input_mode": "numeric", "length": PIN_DIGITS},
    }
    said = msgspec.json.encode(_Offer(issuer.origin, [CARD], {GRANT: grant}))
    return Invitation(f"openid-credential-offer://?credential_offer={quote(said, safe='')}", pin, expires)


def redeem(tx: Transaction, issuer: CardIssuer, code: str, pin: str, now: datetime) -> str | None:
    """The token for a code; None where the number beside it is wrong, which is counted.

    Raises:
        OfferUnknownError: there is no such code, or it was redeemed, is over, or was tried too often.
    """
    found = tx.get(OFFERS, issuer.secret_digest(code))
    if found is None or found.token or found.tries >= MOST_TRIES or instant(found.expires) <= now:
        raise OfferUnknownError
    if not same_secret(found.pin, issuer.secret_digest(f"{code} {pin}")):
        tx.replace(OFFERS, found, replace(found, tries=found.tries + 1))
        return None
    token = encode(issuer.randomness.token_bytes(32))
    expires = stamp(now + CODED)
    tx.replace(OFFERS, found, replace(found, token=issuer.secret_digest(token), expires=expires))
    return token


def new_nonce(issuer: CardIssuer, now: datetime) -> str:
    """A nonce that is recognised without being kept, for some minutes."""
    until = int((now + CODED).timestamp()).to_bytes(8)
    random = issuer.randomness.token_bytes(16)
    return encode(until + random) + "." + _nonce_seal(issuer, until + random)


def _nonce_seal(issuer: CardIssuer, content: bytes) -> str:
    return commitment(issuer.sealer.key("wallets: nonces"), content).rpartition(":")[2]


def _fresh(issuer: CardIssuer, nonce: str, now: datetime) -> bool:
    content, _, seal = nonce.partition(".")
    try:
        raw = decode(content)
    except JwsError:
        return False
    return same_secret(seal, _nonce_seal(issuer, raw)) and int.from_bytes(raw[:8]) > now.timestamp()


def proven_key(issuer: CardIssuer, proof: str, now: datetime) -> PublicJwk:
    """The key of which a wallet proves that it has it (OpenID4VCI 1.0, appendix F.1).

    Raises:
        WalletProofError: it is not proven, for another issuer, or with a nonce that is not ours or over.
    """
    try:
        signed = jose.split(proof, LONGEST_PROOF, own_key=True)
        key = read_jwk(signed.jwk or {})
    except (JwsError, ValueError):
        raise WalletProofError from None
    if key is None or key.crv != "P-256" or signed.typ != PROOF_TYP or not signed.holds(key):
        raise WalletProofError
    claims = signed.payload
    at, nonce = claims.get("iat"), claims.get("nonce")
    if claims.get("aud") != issuer.origin or not isinstance(nonce, str) or not isinstance(at, int | float):
        raise WalletProofError
    if abs(now.timestamp() - at) > PROOF_AGE.total_seconds() or not _fresh(issuer, nonce, now):
        raise WalletProofError
    return key


def card_for(tx: Transaction, issuer: CardIssuer, token: str, proof: str, now: datetime, recovery: str = "") -> str:
    """The card of a patient, or of who acts for them, bound to the key that was proven; a token fetches one.

    Raises:
        WalletTokenError: the token is not one, was used, or is over.
        WalletProofError: the key is not proven, or stands for somebody already.
    """
    found = next(iter(tx.find(OFFERS, where={"token": issuer.secret_digest(token)}, limit=1)), None)
    if found is None or found.used or instant(found.expires) <= now:
        raise WalletTokenError
    key = proven_key(issuer, proof, now)
    tx.replace(OFFERS, found, replace(found, used=True))
    return bind(tx, issuer, found.patient, found.role, key, now, found.until, recovery)


def bind(
    tx: Transaction,
    issuer: CardIssuer,
    patient: str,
    role: CardRole,
    key: PublicJwk,
    now: datetime,
    until: str = "",
    recovery: str = "",
) -> str:
    """A card for a key that stands for a patient from now on.

    Raises:
        WalletProofError: the key stands for somebody already.
    """
    known(tx, issuer, patient)
    ends = min(now + CARD_YEARS, instant(until)) if until else now + CARD_YEARS
    holder = HolderKey(key.thumbprint, patient, role, _place(tx, issuer), stamp(now), stamp(ends), recovery=recovery)
    if tx.get(HOLDERS, holder.id) is not None:
        raise WalletProofError
    tx.insert(HOLDERS, holder)
    record(tx, Entry("wallet.bound", stamp(now), issuer.did, {"role": role.value}))
    draft = CardDraft(
        IDENTITY,
        issuer.origin,
        key,
        {"patient": issuer.pseudonym(patient), "role": role.value},
        now,
        ends,
        StatusReference(issuer.status_url, holder.place),
    )
    return sign_card(draft, issuer.key, issuer.randomness).text


def known(tx: Transaction, issuer: CardIssuer, patient: str) -> PatientRecord:
    """The record of a patient; a new one for a patient who has no wallet yet."""
    found = tx.get(PATIENTS, patient)
    if found is None:
        salt = issuer.sealer.seal(issuer.randomness.token_bytes(SALT_BYTES), f"wallets: salt of {patient}")
        found = PatientRecord(patient, issuer.pseudonym(patient), 0, salt)
        tx.insert(PATIENTS, found)
    return found


def salt_of(issuer: CardIssuer, patient: PatientRecord) -> str:
    """The salt of a patient's receipts, in hex."""
    return issuer.sealer.open(patient.salt, f"wallets: salt of {patient.id}").hex()


def receipt_card(issuer: CardIssuer, key: PublicJwk, claims: JsonObject, now: datetime) -> str:
    """The receipt of a consent, as a card for the same key."""
    draft = CardDraft(RECEIPT, issuer.origin, key, claims, now, now + CARD_YEARS)
    return sign_card(draft, issuer.key, issuer.randomness).text


def _place(tx: Transaction, issuer: CardIssuer) -> int:
    """A place on the status list that nobody can foresee."""
    while True:
        place = int.from_bytes(issuer.randomness.token_bytes(4)) % FEWEST
        if not tx.find(HOLDERS, where={"place": place}, limit=1):
            return place


def retire(tx: Transaction, issuer: CardIssuer, holder: HolderKey, now: datetime, by: str = "") -> None:
    """From now on a key stands for nobody; doing it again changes nothing."""
    if not holder.retired:
        tx.replace(HOLDERS, holder, replace(holder, retired=stamp(now)))
        said = {"role": holder.role.value} | ({"by": by} if by else {})
        record(tx, Entry("wallet.retired", stamp(now), issuer.did, said))


def status_list(tx: Transaction, issuer: CardIssuer, now: datetime) -> str:
    """The signed status list: the cards of keys that were retired are set."""
    retired = {one.place: 1 for one in each(tx, HOLDERS, {}) if one.retired}
    draft = TokenStatusDraft(issuer.status_url, issuer.origin, now, now + LIST_VALID, pack(retired))
    return sign_token_status_list(draft, issuer.key)


def metadata(origin: str) -> JsonObject:
    """The metadata of the issuer (OpenID4VCI 1.0, 12.2)."""
    card = {
        "format": FORMAT,
        "vct": IDENTITY,
        "cryptographic_binding_methods_supported": ["jwk"],
        "credential_signing_alg_values_supported": ["EdDSA"],
        "proof_types_supported": {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}},
    }
    return {
        "credential_issuer": origin,
        "credential_endpoint": origin + CREDENTIAL,
        "nonce_endpoint": origin + NONCE,
        "credential_configurations_supported": {CARD: card},
    }


def authorisation_metadata(origin: str) -> JsonObject:
    """The metadata of the authorisation server (RFC 8414), which is the issuer itself."""
    return {
        "issuer": origin,
        "token_endpoint": origin + TOKEN,
        "grant_types_supported": [GRANT],
        "pre-authorized_grant_anonymous_access_supported": True,
    }


def issuer_metadata(issuer: CardIssuer) -> JsonObject:
    """The keys that cards are signed with (draft-ietf-oauth-sd-jwt-vc, JWT VC Issuer Metadata)."""
    key = issuer.key.public.json() | {"kid": issuer.key.id, "use": "sig", "alg": "EdDSA"}
    return {"issuer": issuer.origin, "jwks": {"keys": [key]}}


def insist(token: str | None) -> str:
    """The token; refused after a wrong number, once that was counted.

    Raises:
        OfferPinError: it was wrong.
    """
    if token is None:
        raise OfferPinError
    return token


class _CardWish(msgspec.Struct, frozen=True):
    proofs: dict[str, list[str]]
    credential_configuration_id: str = ""
    recovery: str = ""  # ours: the thumbprint of the key that the printed code makes


def read_card_wish(content: object) -> tuple[str, str]:
    """The proof and the recovery thumbprint in a request for a card.

    Raises:
        WalletMessageError: it is none, or for another kind of card.
    """
    try:
        wish = msgspec.convert(content, _CardWish)
    except msgspec.ValidationError:
        raise WalletMessageError(reason=Text(msgid("a member is missing or of the wrong kind"))) from None
    proofs = wish.proofs.get("jwt", [])
    if wish.credential_configuration_id != CARD or len(proofs) != 1 or len(wish.recovery) > 64:  # noqa: PLR2004
        raise WalletMessageError(reason=Text(msgid("it is not what is offered")))
    return proofs[0], wish.recovery
