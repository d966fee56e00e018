"""SD-JWT VC (draft-ietf-oauth-sd-jwt-vc): cards of a type, of an issuer, for the holder of a key.

A card without `cnf` is refused here although the draft allows it: what is bound to nobody could be shown by anybody.
"""

from dataclasses import dataclass, field
from datetime import datetime

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Randomness
from medspace.core.text import msgid
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import JwsError
from medspace.trust.sdjwt.errors import DisclosureNameError, KeyBindingError, SdJwtIssuerError, SdJwtTypeError
from medspace.trust.sdjwt.issuing import sign_sd_jwt
from medspace.trust.sdjwt.model import ClaimPath, Held, IssuerKeys, PresentedCard, SdJwt, StatusReference
from medspace.trust.sdjwt.proving import Binding, IssuerProof, holder_key, prove_bound, prove_issued, time_of
from medspace.trust.sdjwt.reading import malformed, split

FORMAT = "dc+sd-jwt"
# Never hidden: what says whether the card counts (draft-ietf-oauth-sd-jwt-vc, "Registered JWT Claims").
NEVER_HIDDEN = frozenset(("iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"))
LONGEST_URL = 2048


@dataclass(frozen=True, slots=True)
class CardDraft:
    """A card that an issuer is about to sign: all `claims` are hidden, each for itself, but those in `open`."""

    vct: str
    issuer: str
    holder_key: PublicJwk
    claims: JsonObject = field(repr=False)
    valid_from: datetime
    valid_until: datetime
    status: StatusReference | None = None
    open: frozenset[str] = frozenset()


def sign_card(draft: CardDraft, key: SigningKey, randomness: Randomness) -> SdJwt:
    """The signed card.

    Raises:
        ValueError: a claim has a name that the card itself uses.
    """
    if (NEVER_HIDDEN | {"iat"}) & draft.claims.keys():
        raise ValueError("a claim has a name of the card's own")
    payload: JsonObject = {
        "iss": draft.issuer,
        "vct": draft.vct,
        "iat": int(draft.valid_from.timestamp()),
        "nbf": int(draft.valid_from.timestamp()),
        "exp": int(draft.valid_until.timestamp()),
        "cnf": {"jwk": draft.holder_key.json()},
    }
    if draft.status is not None:
        payload["status"] = {"status_list": {"idx": draft.status.index, "uri": draft.status.url}}
    hidden: list[ClaimPath] = [(name,) for name in draft.claims if name not in draft.open]
    return sign_sd_jwt(payload | draft.claims, hidden, key, randomness, typ=FORMAT)


def verify_issued(text: str, keys: IssuerKeys, now: datetime) -> Held:
    """A card as its holder gets it: with its disclosures, and without a signature of a holder.

    Raises:
        SdJwtError: one subclass, with its own code, for each rule.
    """
    sd_jwt = split(text)
    if sd_jwt.binding:
        raise KeyBindingError
    return _card(sd_jwt, keys, prove_issued(sd_jwt, keys, now, (FORMAT,)))


def verify_presented(text: str, keys: IssuerKeys, vct: str, binding: Binding, now: datetime) -> PresentedCard:
    """A card as a verifier gets it: of that type, with its holder's signature for this binding.

    Whether it was taken back is for the caller to ask (`check_token_status`), where it names a status.

    Raises:
        SdJwtError: one subclass, with its own code, for each rule.
    """
    sd_jwt = split(text)
    proof = prove_issued(sd_jwt, keys, now, (FORMAT,))
    card = _card(sd_jwt, keys, proof)
    if card.vct != vct:
        raise SdJwtTypeError(found=card.vct[:80], wanted=vct)
    signed_at, hashes = prove_bound(sd_jwt, card.holder_key, binding, now)
    return PresentedCard(card, signed_at, hashes)


def _card(sd_jwt: SdJwt, keys: IssuerKeys, proof: IssuerProof) -> Held:
    payload = proof.payload
    for path in proof.disclosed.paths.values():
        if path[0] in NEVER_HIDDEN:
            raise DisclosureNameError(name=str(path[0]))
    issuer, vct = payload.get("iss"), payload.get("vct")
    if issuer != keys.issuer:
        raise SdJwtIssuerError(found=str(issuer)[:200], wanted=keys.issuer)
    if not isinstance(vct, str) or not vct:
        raise malformed(msgid("it names no type"))
    until = time_of(payload.get("exp"))
    status = status_reference(payload.get("status"))
    return Held(sd_jwt, keys.issuer, vct, holder_key(payload), proof.disclosed, until, status)


def issuer_of(text: str) -> str:
    """Who claims to have issued a card: where its keys are looked for, before anything is proven.

    Raises:
        SdJwtMalformedError: nobody.
    """
    sd_jwt = split(text)
    try:
        issuer = jose.split(sd_jwt.issued, len(text)).payload.get("iss")
    except JwsError:
        raise malformed(msgid("it is no signed text")) from None
    if not isinstance(issuer, str) or not 0 < len(issuer) <= LONGEST_URL:
        raise malformed(msgid("it names no issuer"))
    return issuer


def status_reference(status: Json) -> StatusReference | None:
    """Where the status of a card stands; None where it names none.

    Raises:
        SdJwtMalformedError: it names something that cannot be looked up: then nobody knows whether it counts.
    """
    if status is None:
        return None
    listed = status.get("status_list") if isinstance(status, dict) else None
    index = listed.get("idx") if isinstance(listed, dict) else None
    url = listed.get("uri") if isinstance(listed, dict) else None
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise malformed(msgid("its status cannot be looked up"))
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
        raise malformed(msgid("its status cannot be looked up"))
    return StatusReference(url, index)
