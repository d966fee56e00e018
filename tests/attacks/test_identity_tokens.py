"""Every way to be taken for somebody else is refused, each with its own code."""

import base64
import hashlib
import hmac
import json

import pytest

from medspace.trust import jws, tokens
from medspace.trust.did import build_document, key_id, parse_document
from medspace.trust.errors import DocumentError, UnauthenticatedError
from medspace.trust.model import SEEN
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, STRANGER, Space, list_at


def b64(value):
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def claims_of(space, **changes):
    start = int(space.clock.now().timestamp())
    claims = {"iss": COMPANY, "sub": COMPANY, "aud": HOSPITAL, "iat": start, "exp": start + 60, "jti": "1"} | changes
    return {name: value for name, value in claims.items() if value is not ...}


def forged(claims, header=(), signer=KEYS[COMPANY]):
    """A token with any header and claims, properly signed by `signer`."""
    kid = key_id(COMPANY, KEYS[COMPANY].public_key)
    whole = {"alg": "EdDSA", "kid": kid, "typ": "JWT"} | dict(header)
    signing_input = f"{b64({k: v for k, v in whole.items() if v is not ...})}.{b64(claims)}"
    return f"{signing_input}.{b64(signer.sign(signing_input.encode()))}"


def unsigned(space):
    return f"{b64({'alg': 'none'})}.{b64(claims_of(space))}."


def confused(space):
    """Signed with HMAC, the public key as the secret."""
    kid = key_id(COMPANY, KEYS[COMPANY].public_key)
    signing_input = f"{b64({'alg': 'HS256', 'kid': kid})}.{b64(claims_of(space))}"
    mac = hmac.new(KEYS[COMPANY].public_key, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{b64(mac)}"


def own_key_in_header(name, value):
    def attack(space):
        return forged(claims_of(space), {name: value}, KEYS[STRANGER])

    return attack


def with_claims(signer=KEYS[COMPANY], **changes):
    return lambda space: forged(claims_of(space, **changes), signer=signer)


def with_header(**changes):
    return lambda space: forged(claims_of(space), changes)


def shifted(**changes):
    def attack(space):
        start = int(space.clock.now().timestamp())
        return forged(claims_of(space, **{name: start + seconds for name, seconds in changes.items()}))

    return attack


JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(KEYS[STRANGER].public_key)}
STRANGERS_KEY = key_id(STRANGER, KEYS[STRANGER].public_key)

ATTACKS = {
    "alg none": (unsigned, "identity.algorithm"),
    "alg None in another spelling": (with_header(alg="nOnE"), "identity.algorithm"),
    "alg HS256 with the public key as secret": (confused, "identity.algorithm"),
    "alg a list": (with_header(alg=["EdDSA"]), "identity.algorithm"),
    "alg missing": (with_header(alg=...), "identity.algorithm"),
    "own key as jwk": (own_key_in_header("jwk", JWK), "identity.header"),
    "own key at jku": (own_key_in_header("jku", "https://stranger.example/keys"), "identity.header"),
    "own key at x5u": (own_key_in_header("x5u", "https://stranger.example/c.pem"), "identity.header"),
    "own key as x5c": (own_key_in_header("x5c", ["MIIB"]), "identity.header"),
    "critical extension": (with_header(crit=["b64"], b64=False), "identity.header"),
    "kid of another document": (with_header(kid=STRANGERS_KEY), "identity.key"),
    "kid missing": (with_header(kid=...), "identity.key"),
    "kid not text": (with_header(kid=7), "identity.malformed"),
    "kid a path": (with_header(kid="../../keys/company"), "identity.key"),
    "typ of a members list": (with_header(typ="medspace-members+jwt"), "identity.malformed"),
    "signed by a stranger": (with_claims(signer=KEYS[STRANGER]), "identity.signature"),
    "subject is another": (with_claims(sub=AUTHORITY), "identity.subject"),
    "issuer is another member": (with_claims(iss=AUTHORITY, sub=AUTHORITY), "identity.key"),
    "issuer is no member": (with_claims(iss=STRANGER, sub=STRANGER), "identity.not-member"),
    "issuer is an address inside": (with_claims(iss="did:web:169.254.169.254"), "identity.issuer"),
    "issuer of another method": (with_claims(iss="did:key:z6Mk"), "identity.issuer"),
    "issuer missing": (with_claims(iss=...), "identity.malformed"),
    "issuer not text": (with_claims(iss=["did:web:company.example"]), "identity.malformed"),
    "audience is another": (with_claims(aud=AUTHORITY), "identity.audience"),
    "audience is a list": (with_claims(aud=[HOSPITAL]), "identity.audience"),
    "audience missing": (with_claims(aud=...), "identity.malformed"),
    "audience in upper case": (with_claims(aud=HOSPITAL.upper()), "identity.audience"),
    "expired": (shifted(iat=-100, exp=-40), "identity.expired"),
    "expiry missing": (with_claims(exp=...), "identity.malformed"),
    "expiry is text": (with_claims(exp="9999999999"), "identity.malformed"),
    "expiry is infinite": (with_claims(exp=1e400), "identity.malformed"),
    "expiry is a fraction": (with_claims(exp=1e10 + 0.5), "identity.malformed"),
    "issued in the future": (shifted(iat=30, exp=80), "identity.premature"),
    "valid in the future": (shifted(nbf=30), "identity.premature"),
    "lives for a day": (shifted(exp=86_400), "identity.lifetime"),
    "lives for ever": (with_claims(exp=2**63), "identity.lifetime"),
    "issue instant missing": (with_claims(iat=...), "identity.malformed"),
    "jti missing": (with_claims(jti=...), "identity.token-id"),
    "jti empty": (with_claims(jti=""), "identity.token-id"),
    "jti not text": (with_claims(jti=1), "identity.token-id"),
    "jti too long": (with_claims(jti="a" * 257), "identity.token-id"),
    "jti with half a character": (with_claims(jti="\ud800"), "identity.malformed"),
    "payload not an object": (lambda _: forged([]), "identity.malformed"),
    "oversized": (with_claims(more="a" * 5000), "identity.oversized"),
    "four parts": (lambda space: forged(claims_of(space)) + ".e30", "identity.malformed"),
    "padding": (lambda space: forged(claims_of(space)) + "==", "identity.malformed"),
    "signature cut short": (lambda space: forged(claims_of(space))[:-4], "identity.malformed"),
    "signature left out": (lambda space: forged(claims_of(space)).rpartition(".")[0] + ".", "identity.malformed"),
    "deeply nested header": (lambda _: f"{b64(b'[' * 2000)}.e30.{b64(bytes(64))}", "identity.malformed"),
    "header not text": (lambda _: f"{b64(bytes([255, 254]))}.e30.{b64(bytes(64))}", "identity.malformed"),
    "the members list itself": (lambda space: list_at(space.clock.now(), COMPANY), "identity.malformed"),
    "empty": (lambda _: ".", "identity.malformed"),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_forged_token_is_refused(name):
    attack, code = ATTACKS[name]
    space = await Space.opened()
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Bearer {attack(space)}")
    assert refused.value.code == code


async def test_the_same_token_unforged_is_accepted():
    space = await Space.opened()
    caller = await space.gatekeeper.authenticate(f"Bearer {forged(claims_of(space))}")
    assert caller.did == COMPANY


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "identity.missing"),
        ("", "identity.missing"),
        ("Bearer", "identity.malformed"),
        ("Bearer ", "identity.malformed"),
        ("Basic dXNlcjpwYXNz", "identity.malformed"),
        ("Bearer " + "a" * 5000, "identity.oversized"),
        ("Bearer a b", "identity.malformed"),
        ("Bearer é.é.é", "identity.malformed"),
    ],
)
async def test_odd_authorization_header_is_refused(header, code):
    space = await Space.opened()
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(header)
    assert refused.value.code == code


async def test_nothing_is_fetched_for_a_stranger():
    space = await Space.opened()
    for issuer in (STRANGER, "did:web:169.254.169.254", "did:web:localhost%3A22"):
        token = forged(claims_of(space, iss=issuer, sub=issuer), signer=KEYS[STRANGER])
        with pytest.raises(UnauthenticatedError):
            await space.gatekeeper.authenticate(f"Bearer {token}")
    assert space.documents.fetched == []


async def test_a_taken_over_web_server_is_not_enough():
    """Who changes the document at the company's address, but not the members list, is not the company."""
    space = await Space.opened()
    thief = KEYS[STRANGER]
    changed = json.dumps(build_document(COMPANY, thief.public_key)).encode()
    space.documents.documents[COMPANY] = parse_document(changed, COMPANY)
    token = forged(claims_of(space), {"kid": key_id(COMPANY, thief.public_key)}, thief)
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Bearer {token}")
    assert refused.value.code == "identity.key-mismatch"


async def test_a_second_key_in_the_document_is_no_key_of_the_member():
    space = await Space.opened()
    thief = KEYS[STRANGER].public_key
    document, added = build_document(COMPANY, KEYS[COMPANY].public_key), build_document(COMPANY, thief)
    for name in ("verificationMethod", "capabilityInvocation"):
        document[name] = [*document[name], *added[name]]
    space.documents.documents[COMPANY] = parse_document(json.dumps(document).encode(), COMPANY)
    token = forged(claims_of(space), {"kid": key_id(COMPANY, thief)}, KEYS[STRANGER])
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Bearer {token}")
    assert refused.value.code == "identity.key"


async def test_a_key_for_another_purpose_does_not_call():
    space = await Space.opened()
    document = build_document(COMPANY, KEYS[COMPANY].public_key) | {"capabilityInvocation": []}
    space.documents.documents[COMPANY] = parse_document(json.dumps(document).encode(), COMPANY)
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Bearer {forged(claims_of(space))}")
    assert refused.value.code == "identity.key"


def forget(tx):
    for seen in list(tx.find(SEEN, limit=100)):
        tx.delete(SEEN, seen)


async def code_of(call):
    try:
        await call
    except UnauthenticatedError as refused:
        return refused.code
    return "accepted"


async def replayed(*, remembered):
    """How a token that was overheard is answered, by the connector and by the one that is restarted."""
    space = await Space.opened()
    header = f"Bearer {space.identity().token_for(HOSPITAL)}"
    await space.gatekeeper.authenticate(header)
    taken = []
    for gatekeeper in (space.gatekeeper, space.new_gatekeeper()):
        if not remembered:
            await space.database.write(forget)
        taken.append(await code_of(gatekeeper.authenticate(header)))
    return taken


async def test_a_token_is_good_once_even_after_a_restart(attack_report):
    got, control = await replayed(remembered=True), await replayed(remembered=False)
    numbers = {"got": got.count("accepted"), "control": control.count("accepted"), "of": 2}
    attack_report("identity: overheard token taken again", **numbers, unit="calls")
    assert (got, control) == (["identity.replayed"] * 2, ["accepted"] * 2)


async def test_a_token_cannot_be_replayed_with_another_spelling():
    """Base64url has spare bits in its last character: only one spelling is taken."""
    space = await Space.opened()
    token = space.identity().token_for(HOSPITAL)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    twin = token[:-1] + alphabet[last ^ 1]
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Bearer {twin}")
    assert refused.value.code == "identity.malformed"


async def test_a_caller_can_take_no_token_of_another():
    """Two parties may use the same jti: the memory is by issuer and jti."""
    space = await Space.opened()
    first = await space.gatekeeper.authenticate(f"Bearer {forged(claims_of(space, jti='same'))}")
    own = key_id(AUTHORITY, KEYS[AUTHORITY].public_key)
    other = forged(claims_of(space, iss=AUTHORITY, sub=AUTHORITY, jti="same"), {"kid": own}, KEYS[AUTHORITY])
    second = await space.gatekeeper.authenticate(f"Bearer {other}")
    assert tokens.seen_id(first) != tokens.seen_id(second)


def test_every_refusal_has_a_code_of_its_own():
    def tree(kind):
        return [kind, *(sub for child in kind.__subclasses__() for sub in tree(child))]

    codes = [kind.code for kind in tree(UnauthenticatedError)]
    assert len(set(codes)) == len(codes)
    assert jws.ALGORITHM == "EdDSA"


async def test_another_scheme_with_a_good_token_is_refused():
    space = await Space.opened()
    with pytest.raises(UnauthenticatedError) as refused:
        await space.gatekeeper.authenticate(f"Basic {space.identity().token_for(HOSPITAL)}")
    assert refused.value.code == "identity.malformed"


def test_a_good_document_of_another_party_is_not_taken():
    document = json.dumps(build_document(STRANGER, KEYS[STRANGER].public_key)).encode()
    assert parse_document(document, STRANGER).id == STRANGER
    with pytest.raises(DocumentError):
        parse_document(document, COMPANY)
