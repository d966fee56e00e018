"""The wallet's side, pure: its keys, the printed code, what it proves, and what it signs for a request.

One key for each hospital, and for the printed code one key for each hospital as well: nothing that two hospitals see
of a wallet is the same.
"""

from base64 import b32decode, b32encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medspace.core.canonical import JsonObject, canonical
from medspace.core.clock import Randomness
from medspace.core.decoding import read_json
from medspace.core.errors import InvalidInputError, ProofError
from medspace.core.hashing import commitment
from medspace.core.text import Text, msgid
from medspace.services.wallets.asking import CARD_ID, MESSAGE, QUERY, REQUEST_TYP, RESPONSES
from medspace.services.wallets.issuing import CARD, GRANT, PROOF_TYP
from medspace.trust import dcql
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import EcKey, SigningKey
from medspace.trust.credentials.keys import read_jwk
from medspace.trust.jws import JwsError, encode
from medspace.trust.sdjwt.holding import present
from medspace.trust.sdjwt.model import Held, IssuerKeys, hash_of
from medspace.trust.sdjwt.proving import Binding

SEED_BYTES, CHECK_BYTES = 16, 4
LONGEST_LINK, LONGEST_REQUEST = 8 * 1024, 256 * 1024
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_GROUP = 4  # characters of the printed code that stand together


class WalletCodeError(InvalidInputError):
    """Not a printed code."""

    code = "wallet.code"
    sentence = msgid("That is not the code of a wallet: a letter is wrong or missing.")
    next_step = msgid("Type all letters of the printed code again.")


class OfferLinkError(InvalidInputError):
    """Not an invitation of a hospital."""

    code = "wallet.link"
    sentence = msgid("This link is not an invitation of a hospital.")
    next_step = msgid("Copy the whole link, from `openid-credential-offer:` to its end.")


class HospitalRequestError(ProofError):
    """What the hospital wants signed is not what the patient wants to say, or not of the hospital."""

    code = "wallet.hospital_request"
    sentence = msgid("The wallet does not sign what {origin} sent: {reason}.")
    next_step = msgid("Do not try again; tell the data office of the hospital, and the authority.")


@dataclass(frozen=True, slots=True)
class OfferRead:
    """An invitation: of which hospital (its origin), and the code."""

    origin: str
    code: str


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """What is sent to the hospital: the form of `direct_post`."""

    vp_token: str
    state: str


class _OfferForm(msgspec.Struct, frozen=True):
    credential_issuer: str
    credential_configuration_ids: list[str]
    grants: dict[str, JsonObject]


def read_offer(link: str) -> OfferRead:
    """The invitation in a link (OpenID4VCI 1.0 4.1).

    Raises:
        OfferLinkError: it is none, or of an origin that wallets do not call.
    """
    said = parse_qs(urlsplit(link).query).get("credential_offer", [""])[0] if len(link) <= LONGEST_LINK else ""
    try:
        form = read_json(said, _OfferForm)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        raise OfferLinkError from None
    code = form.grants.get(GRANT, {}).get("pre-authorized_code")
    if CARD not in form.credential_configuration_ids or not isinstance(code, str):
        raise OfferLinkError
    return OfferRead(origin_of(form.credential_issuer), code)


def origin_of(url: str) -> str:
    """The origin of an address that wallets call: https, or this machine.

    Raises:
        OfferLinkError: it is another one.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise OfferLinkError from None
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local) or parts.username is not None:
        raise OfferLinkError
    return f"{parts.scheme}://{parts.hostname}{port}"


def printed(seed: bytes) -> str:
    """The code that is printed for a seed: letters in groups, the last ones tell a mistake."""
    text = b32encode(seed + sha256(seed).digest()[:CHECK_BYTES]).decode()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def read_code(code: str) -> bytes:
    """The seed of a printed code.

    Raises:
        WalletCodeError: it is none.
    """
    text = "".join(code.split()).replace("-", "").upper().replace("0", "O").replace("1", "I")
    try:
        raw = b32decode(text)
    except ValueError:
        raise WalletCodeError from None
    seed = raw[:SEED_BYTES]
    if len(raw) != SEED_BYTES + CHECK_BYTES or sha256(seed).digest()[:CHECK_BYTES] != raw[SEED_BYTES:]:
        raise WalletCodeError
    return seed


def new_key(randomness: Randomness) -> str:
    """A new private key (PEM) for one hospital."""
    return _pem(_scalar(randomness.token_bytes(48)))


def recovery_key(seed: bytes, origin: str) -> EcKey:
    """The key that the printed code makes for one hospital."""
    info = f"medspace wallet recovery 1\n{origin}".encode()
    wide = HKDF(algorithm=SHA256(), length=48, salt=None, info=info).derive(seed)
    return key_of(_pem(_scalar(wide)))


# The order of the group of P-256 (SEC 2, 2.4.2); 48 bytes modulo it are uniform enough (FIPS 186-5, A.2.1).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _scalar(wide: bytes) -> int:
    return int.from_bytes(wide) % (_ORDER - 1) + 1


def _pem(scalar: int) -> str:
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_of(pem: str) -> EcKey:
    """The key of a PEM."""
    return EcKey("holder", pem.encode())


def proof_of(key: SigningKey, origin: str, nonce: str, now: datetime, **more: str) -> str:
    """The proof that the wallet has a key (OpenID4VCI 1.0, appendix F.1)."""
    header = canonical({"alg": key.algorithm, "typ": PROOF_TYP, "jwk": key.public.json()})
    claims = canonical({"aud": origin, "iat": int(now.timestamp()), "nonce": nonce, **more})
    signing_input = f"{encode(header)}.{encode(claims)}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


def issuer_keys(origin: str, said: JsonObject) -> IssuerKeys:
    """The keys in the metadata of an issuer (draft-ietf-oauth-sd-jwt-vc, JWT VC Issuer Metadata).

    Raises:
        HospitalRequestError: it is the metadata of somebody else, or has no keys.
    """
    jwks = said.get("jwks")
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if said.get("issuer") != origin or not isinstance(listed, list):
        raise _not_signed(origin, msgid("it has no keys"))
    found = []
    for one in listed[:16]:
        try:
            key = read_jwk(one) if isinstance(one, dict) else None
        except ValueError:
            key = None
        if key is not None:
            found.append((str(one.get("kid", "")), key))
    if not found:
        raise _not_signed(origin, msgid("it has no keys"))
    return IssuerKeys(origin, found)


def answer(
    held: Held, key: SigningKey, keys: IssuerKeys, verifier: str, request: str, said: JsonObject, now: datetime
) -> SignedAnswer:
    """The patient's signature under what they want to say, for a request of the hospital (`verifier`: its client id).

    Raises:
        HospitalRequestError: the request is not of the hospital, is over, wants something else signed, or wants more.
    """
    claims = _request(keys, request, now)
    wanted = {**said, "type": MESSAGE, "credential_ids": [CARD_ID]}
    data = claims.get("transaction_data")
    if data != [encode(canonical(wanted))]:
        raise _not_signed(keys.issuer, msgid("it is not what you want to say"))
    if claims.get("client_id") != verifier or claims.get("response_uri") != keys.issuer + RESPONSES:
        raise _not_signed(keys.issuer, msgid("it is for somebody else"))
    nonce, state = claims.get("nonce"), claims.get("state")
    if claims.get("dcql_query") != QUERY or not isinstance(nonce, str) or not nonce or not isinstance(state, str):
        raise _not_signed(keys.issuer, msgid("it asks for more than the card"))
    query = dcql.read_query(QUERY)
    match = dcql.choose(query, dcql.matches(query, [dcql.Card(held.vct, held.disclosed.placed)]))
    if match is None:
        raise _not_signed(keys.issuer, msgid("it asks for more than the card"))
    shown = present(held, match[CARD_ID].paths, key, Binding(verifier, nonce), now, [hash_of(data[0])])
    return SignedAnswer(canonical({CARD_ID: [shown.text]}).decode(), state)


def _request(keys: IssuerKeys, request: str, now: datetime) -> JsonObject:
    try:
        signed = jose.split(request, LONGEST_REQUEST)
    except JwsError:
        raise _not_signed(keys.issuer, msgid("it is not signed by the hospital")) from None
    known = any(signed.holds(key) for name, key in keys.keys if signed.kid in (name, None))
    if signed.typ != REQUEST_TYP or not known:
        raise _not_signed(keys.issuer, msgid("it is not signed by the hospital"))
    until = signed.payload.get("exp")
    if not isinstance(until, int) or until <= now.timestamp():
        raise _not_signed(keys.issuer, msgid("it is over"))
    return signed.payload


def _not_signed(origin: str, reason: str) -> HospitalRequestError:
    return HospitalRequestError(origin=origin, reason=Text(reason))


def commitment_of(withdrawal: JsonObject, salt: bytes) -> str:
    """The commitment of a withdrawal: what it says, under a salt of its own."""
    return commitment(salt, canonical(withdrawal))
