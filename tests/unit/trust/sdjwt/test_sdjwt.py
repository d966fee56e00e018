"""SD-JWT: each rule by which a card, a disclosure or a presentation is refused, with its own code."""

import json
from dataclasses import replace
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.trust.credentials import jose
from medspace.trust.jws import encode
from medspace.trust.sdjwt.holding import present, select
from medspace.trust.sdjwt.issuing import sign_sd_jwt
from medspace.trust.sdjwt.model import HIDDEN, IssuerKeys, SdJwt, hash_of
from medspace.trust.sdjwt.proving import LONGEST_SHOWING, Binding, prove_issued
from medspace.trust.sdjwt.reading import LONGEST, MOST_DISCLOSURES, disclosed, split
from medspace.trust.sdjwt.vc import FORMAT, issuer_of, sign_card, verify_issued, verify_presented
from tests.unit.trust.sdjwt.cards import (
    BINDING,
    CLAIMS,
    HOLDER_KEY,
    ISSUER,
    ISSUER_KEY,
    KEYS,
    LIST,
    NOW,
    THIEF_KEY,
    VCT,
    Counting,
    draft,
    issued,
    new_key,
)

KB = "kb+jwt"


def held(**changes):
    return verify_issued(issued(**changes).text, KEYS, NOW)


def shown(*paths, key=HOLDER_KEY, binding=BINDING, at=NOW):
    return present(held(), paths, key, binding, at)


def code_of(call):
    with pytest.raises(Exception) as caught:
        call()
    return caught.value.code


def verify(text, binding=BINDING, vct=VCT, keys=KEYS, now=NOW):
    return verify_presented(text, keys, vct, binding, now)


def payload_signed(payload, *disclosures, key=ISSUER_KEY, typ=FORMAT):
    return SdJwt(jose.sign(key, payload, typ=typ), disclosures)


def base(**changes):
    return {
        "iss": ISSUER,
        "vct": VCT,
        "iat": int(NOW.timestamp()),
        "cnf": {"jwk": HOLDER_KEY.public.json()},
        **changes,
    }


def disclosure(*parts):
    return encode(json.dumps(parts).encode())


def bound(sd_jwt, key=HOLDER_KEY, typ=KB, **changes):
    claims = {
        "iat": int(NOW.timestamp()),
        "aud": BINDING.audience,
        "nonce": BINDING.nonce,
        "sd_hash": hash_of(sd_jwt.unbound),
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return replace(sd_jwt, binding=jose.sign(key, kept, typ=typ)).text


def test_a_card_is_held_with_all_its_claims_and_shown_with_those_asked_for():
    card = held()
    assert card.vct == VCT
    assert card.status.url == LIST
    assert {name: card.disclosed.claims[name] for name in CLAIMS} == CLAIMS
    presented = verify(shown(("purpose",)).text)
    assert "name" not in presented.card.disclosed.claims
    assert presented.card.disclosed.claims["purpose"] == "HRESCH"
    assert presented.card.holder_key == HOLDER_KEY.public
    assert issuer_of(shown().text) == ISSUER


def test_a_claim_not_shown_is_in_no_text():
    text = shown(("purpose",)).text
    assert sum(len(part) > 40 for part in text.split("~")[1:-1]) == 1
    for part in split(text).disclosures:
        assert b"Li Na" not in jose.decode(part)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": None}, "sdjwt.key_binding.nonce"),
        ({"nonce": "another"}, "sdjwt.key_binding.nonce"),
        ({"nonce": 7}, "sdjwt.key_binding.nonce"),
        ({"aud": None}, "sdjwt.key_binding.audience"),
        ({"aud": "https://other.example"}, "sdjwt.key_binding.audience"),
        ({"aud": [BINDING.audience]}, "sdjwt.key_binding.audience"),
        ({"sd_hash": None}, "sdjwt.key_binding.sd_hash"),
        ({"sd_hash": hash_of("other")}, "sdjwt.key_binding.sd_hash"),
        ({"iat": None}, "sdjwt.key_binding.time"),
        ({"iat": int((NOW - LONGEST_SHOWING).timestamp()) - 1}, "sdjwt.key_binding.time"),
        ({"iat": int(NOW.timestamp()) + 60}, "sdjwt.key_binding.time"),
        ({"iat": "now"}, "sdjwt.malformed"),
        ({"iat": 1e300}, "sdjwt.malformed"),
        ({"iat": True}, "sdjwt.malformed"),
        ({"exp": int(NOW.timestamp())}, "sdjwt.key_binding.time"),
        ({"transaction_data_hashes": "x"}, "sdjwt.key_binding"),
        ({"transaction_data_hashes": [], "transaction_data_hashes_alg": "md5"}, "sdjwt.key_binding"),
        ({"typ": "JWT"}, "sdjwt.key_binding"),
        ({"key": THIEF_KEY}, "sdjwt.key_binding"),
    ],
)
def test_a_binding_that_is_not_for_this_request_is_refused(changes, code):
    sd_jwt = select(held(), [("purpose",)])
    assert verify(bound(sd_jwt)).card.vct == VCT
    assert code_of(lambda: verify(bound(sd_jwt, **changes))) == code


def test_nobody_can_ask_for_a_binding_that_checks_nothing():
    for audience, nonce in (("", "n"), ("a", ""), ("", "")):
        with pytest.raises(ValueError, match="needs"):
            Binding(audience, nonce)


def test_a_card_without_its_holders_signature_or_with_other_parts_is_refused():
    assert code_of(lambda: verify(select(held(), []).text)) == "sdjwt.key_binding.missing"
    whole = shown(("purpose",), ("name",))
    fewer = replace(whole, disclosures=whole.disclosures[:1])
    assert code_of(lambda: verify(fewer.text)) == "sdjwt.key_binding.sd_hash"
    assert code_of(lambda: verify_issued(whole.text, KEYS, NOW)) == "sdjwt.key_binding"


def test_a_card_bound_to_no_key_counts_for_nobody():
    for confirmation in (None, {}, {"jwk": {}}, {"jwk": {"kty": "RSA"}}, {"kid": "x"}, {"jwk": {"kty": "EC"}}):
        sd_jwt = payload_signed(base(cnf=confirmation))
        assert code_of(partial(verify, bound(sd_jwt))) == "sdjwt.holder_key"
    jwk = HOLDER_KEY.public.json() | {"crv": "P-256", "x": "AAAA"}
    assert code_of(lambda: verify(bound(payload_signed(base(cnf={"jwk": jwk}))))) == "sdjwt.holder_key"


def test_a_key_cannot_be_disclosed_nor_anything_else_that_says_whether_the_card_counts():
    for name, value in (("cnf", {"jwk": THIEF_KEY.public.json()}), ("exp", 9999999999), ("status", {}), ("vct", "x")):
        part = disclosure("salt", name, value)
        payload = {key: one for key, one in base().items() if key != name} | {"_sd": [hash_of(part)]}
        text = bound(payload_signed(payload, part), key=THIEF_KEY)
        assert code_of(partial(verify, text)) == "sdjwt.disclosure.name"


def test_of_another_type_issuer_or_key():
    assert code_of(lambda: verify(shown().text, vct="urn:other")) == "sdjwt.type"
    assert (
        code_of(lambda: verify(shown().text, keys=IssuerKeys("https://other.example", KEYS.keys))) == "sdjwt.issuer"
    )
    other = IssuerKeys(ISSUER, [(ISSUER_KEY.id, new_key().public)])
    assert code_of(lambda: verify(shown().text, keys=other)) == "sdjwt.signature"
    named = IssuerKeys(ISSUER, [("another", ISSUER_KEY.public)])
    assert code_of(lambda: verify(shown().text, keys=named)) == "sdjwt.signature"
    assert code_of(lambda: verify(bound(payload_signed(base(), typ="JWT")))) == "sdjwt.type"
    assert code_of(lambda: verify(bound(payload_signed(base(vct=""))))) == "sdjwt.malformed"
    assert code_of(lambda: issuer_of(payload_signed(base(iss=7)).text)) == "sdjwt.malformed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": int(NOW.timestamp())}, "sdjwt.expired"),
        ({"exp": "never"}, "sdjwt.malformed"),
        ({"nbf": int(NOW.timestamp()) + 60}, "sdjwt.premature"),
        ({"iat": int(NOW.timestamp()) + 60}, "sdjwt.premature"),
        ({"status": {"status_list": {"idx": -1, "uri": LIST}}}, "sdjwt.malformed"),
        ({"status": {"status_list": {"idx": True, "uri": LIST}}}, "sdjwt.malformed"),
        ({"status": {"other": {}}}, "sdjwt.malformed"),
        ({"status": "valid"}, "sdjwt.malformed"),
        ({"_sd_alg": "md5"}, "sdjwt.malformed"),
        ({"_sd": "x"}, "sdjwt.malformed"),
        ({"_sd": [7]}, "sdjwt.malformed"),
        ({"x": {"...": "y"}}, "sdjwt.malformed"),
        ({"x": [{"...": "y", "z": 1}]}, "sdjwt.malformed"),
        ({"x": [{"...": 7}]}, "sdjwt.malformed"),
        ({"_sd": ["y", "y"]}, "sdjwt.disclosure.twice"),
        ({"_sd": ["y"], "x": [{"...": "y"}]}, "sdjwt.disclosure.twice"),
        ({"_sd": [str(one) for one in range(5000)]}, "sdjwt.malformed"),
    ],
)
def test_what_an_issuer_may_not_sign(changes, code):
    assert verify(bound(payload_signed(base()))).card.vct == VCT
    assert code_of(lambda: verify(bound(payload_signed(base(**changes))))) == code


def test_disclosures_that_are_refused():
    named, element = disclosure("s", "a", 1), disclosure("s", 1)

    def found(payload, *parts):
        return code_of(lambda: disclosed(payload, parts))

    ok = {"_sd": [hash_of(named)], "x": [{"...": hash_of(element)}]}
    assert disclosed(ok, (named, element)).claims == {"a": 1, "x": [1]}
    assert found(ok, named, named) == "sdjwt.disclosure.twice"
    assert found(ok, named, disclosure("t", "b", 1)) == "sdjwt.disclosure.unused"
    assert found({"a": 0, "_sd": [hash_of(named)]}, named) == "sdjwt.disclosure.name"
    assert found({"_sd": [hash_of(element)]}, element) == "sdjwt.disclosure"
    assert found({"x": [{"...": hash_of(named)}]}, named) == "sdjwt.disclosure"
    for name in ("_sd", "..."):
        part = disclosure("s", name, ["x"])
        assert found({"_sd": [hash_of(part)]}, part) == "sdjwt.disclosure.name"
    for parts in ([], ["s"], ["s", 1, 2, 3], [1, "a", 2], ["s", 7, 1], ["s" * 200, "a", 1], {"s": 1}):
        part = encode(json.dumps(parts).encode())
        assert found({"_sd": [hash_of(part)]}, part) == "sdjwt.disclosure"
    twice = encode(b'["s", "a", {"b": 1, "b": 2}]')
    assert found({"_sd": [hash_of(twice)]}, twice) == "sdjwt.disclosure"
    assert found({"_sd": ["x"]}, "!") == "sdjwt.disclosure"


def test_two_disclosures_of_one_name_are_refused():
    one, two = disclosure("s", "a", 1), disclosure("t", "a", 2)
    payload = {"_sd": [hash_of(one), hash_of(two)]}
    assert code_of(lambda: disclosed(payload, (one, two))) == "sdjwt.disclosure.name"


def test_a_chain_of_disclosures_is_followed_to_a_depth_and_no_further():
    parts, inner = [], 1
    for level in range(100):
        parts.append(disclosure(str(level), "a", inner))
        inner = {"_sd": [hash_of(parts[-1])]}
    assert code_of(lambda: disclosed(inner, parts)) == "sdjwt.malformed"
    few = parts[:10]
    assert disclosed({"_sd": [hash_of(few[-1])]}, few).claims["a"]["a"]


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "~", "x" * (LONGEST + 1), "a~" * (MOST_DISCLOSURES + 2), "é~", "a.b.c~~~"]
)
def test_what_is_no_sd_jwt_is_refused(text):
    assert code_of(lambda: issuer_of(text)) in ("sdjwt.malformed", "sdjwt.algorithm")
    assert code_of(lambda: verify_issued(text, KEYS, NOW)) in ("sdjwt.malformed", "sdjwt.algorithm")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "none", "typ": FORMAT}, "sdjwt.algorithm"),
        ({"alg": "HS256", "typ": FORMAT}, "sdjwt.algorithm"),
        ({"alg": "RS256", "typ": FORMAT}, "sdjwt.algorithm"),
        ({"typ": FORMAT}, "sdjwt.algorithm"),
        ({"alg": "ES384", "typ": FORMAT}, "sdjwt.malformed"),
        ({"alg": "EdDSA", "typ": FORMAT}, "sdjwt.signature"),
        ({"alg": "ES256", "typ": FORMAT, "jwk": THIEF_KEY.public.json()}, "sdjwt.header"),
        ({"alg": "ES256", "typ": FORMAT, "x5c": []}, "sdjwt.header"),
        ({"alg": "ES256", "typ": FORMAT, "crit": ["x"]}, "sdjwt.header"),
        ({"alg": "ES256", "typ": FORMAT, "kid": 7}, "sdjwt.malformed"),
    ],
)
def test_a_header_chooses_neither_algorithm_nor_key(header, code):
    body = msgspec.json.encode(base())
    signing_input = f"{encode(msgspec.json.encode(header))}.{encode(body)}"
    text = f"{signing_input}.{encode(THIEF_KEY.sign(signing_input.encode()))}~"
    assert code_of(lambda: verify_issued(text, KEYS, NOW)) == code


def test_a_card_is_not_shown_with_another_key():
    with pytest.raises(ValueError, match="another key"):
        present(held(), [], THIEF_KEY, BINDING, NOW)


def test_what_cannot_be_issued():
    with pytest.raises(ValueError, match="own"):
        sign_card(draft(claims={"exp": 1}), ISSUER_KEY, Counting())
    with pytest.raises(ValueError, match="reserved"):
        sign_sd_jwt({"a": {"_sd": []}}, [], ISSUER_KEY, Counting(), typ=FORMAT)
    with pytest.raises(ValueError, match="no claim"):
        sign_sd_jwt({"a": 1}, [("b",)], ISSUER_KEY, Counting(), typ=FORMAT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)


def paths_of(value, path=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inside:
        yield (*path, step)
        yield from paths_of(one, (*path, step))


@given(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4), st.data())
def test_all_that_is_hidden_can_be_disclosed_and_nothing_else_is_told(payload, data):
    every = list(paths_of(payload))
    hidden = data.draw(st.sets(st.sampled_from(every))) if every else set()
    made = sign_sd_jwt(payload, hidden, ISSUER_KEY, Counting(), typ="x", decoys=2)
    keys, texts = IssuerKeys("x", KEYS.keys), made.disclosures
    whole = prove_issued(split(made.text), keys, NOW, ("x",)).disclosed
    assert whole.claims == payload
    assert set(whole.paths.values()) == hidden
    nothing = prove_issued(SdJwt(made.issued, ()), keys, NOW, ("x",)).disclosed
    for path in hidden:
        value = nothing.placed
        for step in path:  # what is hidden, or lies within something hidden, is not there
            if value is HIDDEN or (isinstance(value, dict) and step not in value):
                break
            value = value[step]
        else:
            assert value is HIDDEN
    assert len(texts) == len(hidden)
