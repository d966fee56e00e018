import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from medspace.core.keys import MldsaKey
from medspace.trust.did import MOST_KEYS, base_url, build_document, did_web, document_url, key_id, parse_document
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.jws import decode, encode
from medspace.trust.model import PURPOSES, ServiceEntry
from tests.signing import ring_of
from tests.unit.trust.space import COMPANY, KEYS

PUBLIC_KEY = KEYS[COMPANY].public_key


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
        ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
        ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
        ("did:web:127.0.0.1%3A8101", "http://127.0.0.1:8101/.well-known/did.json"),
        ("did:web:localhost%3A8101:a", "http://localhost:8101/a/did.json"),
    ],
)
def test_document_lives_where_the_method_says(did, url):
    assert document_url(did) == url


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:z6Mk",
        "did:web:",
        "did:web:Example.com",
        "did:web:example.com:",
        "did:web:example.com::a",
        "did:web:example.com:..:a",
        "did:web:example.com:.hidden",
        "did:web:example.com:a%2Fb",
        "did:web:example.com%2Fa",
        "did:web:example.com%3A",
        "did:web:example.com%3A0",
        "did:web:example.com%3A65536",
        "did:web:example.com%3a80",
        "did:web:example.com%3A80%3A80",
        "did:web:user@example.com",
        "did:web:example.com/a",
        "did:web:example.com?a=b",
        "did:web:example.com#a",
        "did:web:example.com.",
        "did:web:-example.com",
        "did:web:exa mple.com",
        "did:web:exämple.com",
        "did:web:10.0.0.1",
        "did:web:93.184.216.34",
        "did:web:2130706433",
        "did:web:0x7f000001",
        "did:web:0x7f.1",
        "did:web:127.1",
        "did:web:0177.0.0.1",
        "did:web:[%3A%3A1]",
        "did:web:example.com\n",
        "did:web:" + "a" * 600,
        "did:web:" + "a." * 130 + "com",
    ],
)
def test_any_other_spelling_is_refused(did):
    with pytest.raises(DidError):
        base_url(did)


labels = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(
    host=st.lists(labels, min_size=1, max_size=3),
    port=st.none() | st.integers(1, 65535),
    path=st.lists(labels, max_size=3),
)
def test_a_base_url_and_its_did_lead_to_each_other(host, port, path):
    scheme = "http" if host == ["localhost"] else "https"
    url = "/".join([f"{scheme}://" + ".".join(host) + (f":{port}" if port else ""), *path])
    assert base_url(did_web(url)) == url


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "ftp://example.com", "https://u@example.com", "https://example.com/a?b", "https://::1"],
)
def test_a_url_where_no_did_can_live_is_refused(url):
    with pytest.raises(DidError):
        did_web(url)


def test_key_is_named_by_its_thumbprint():
    # RFC 8037 A.3
    public_key = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert key_id("did:web:a.example", public_key) == "did:web:a.example#kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_an_independent_library_reads_the_key_of_the_document():
    method = build_document(COMPANY, PUBLIC_KEY)["verificationMethod"][0]
    assert OKPKey.import_key(method["publicKeyJwk"]).thumbprint() == method["id"].partition("#")[2]


def test_document_is_read_as_it_was_built():
    service = ServiceEntry(f"{COMPANY}#dsp", "CatalogService", "https://company.example/dsp/catalog")
    document = parse_document(json.dumps(build_document(COMPANY, PUBLIC_KEY, [service])).encode(), COMPANY)
    (key,) = document.keys
    assert document.id == COMPANY
    assert (key.id, key.public_key, key.purposes) == (key_id(COMPANY, PUBLIC_KEY), PUBLIC_KEY, frozenset(PURPOSES))
    assert document.services == (service,)


@pytest.mark.parametrize(
    "service",
    [
        ServiceEntry("#a", "CredentialService", "https://a.example/catalog"),
        ServiceEntry("#a", "DataService", "https://a.example/dsp"),
        ServiceEntry("#a", "DataService", "ftp://a.example/catalog"),
    ],
)
def test_a_service_that_the_protocol_does_not_know_is_not_published(service):
    with pytest.raises(ValueError, match="Dataspace Protocol"):
        build_document(COMPANY, PUBLIC_KEY, [service])


def altered(**changes):
    return json.dumps({**build_document(COMPANY, PUBLIC_KEY), **changes}).encode()


def method_with(**changes):
    method = build_document(COMPANY, PUBLIC_KEY)["verificationMethod"][0]
    return {**method, **changes}


def jwk_with(**changes):
    return method_with(publicKeyJwk={**method_with()["publicKeyJwk"], **changes})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"text"',
        b"[" * 60_000,
        b'{"id":' + b"[" * 60_000,
        b'{"id":"\xff"}',
        b'{"x":"' + b"a" * 65_536 + b'"}',
        altered(id="did:web:other.example"),
        altered(id=None),
        altered(verificationMethod=[]),
        altered(verificationMethod=None),
        altered(verificationMethod=[{"id": 1}]),
        altered(verificationMethod=[method_with()] * 2),
        altered(verificationMethod=[method_with()] * 65),
        altered(authentication=["#x"] * 65),
        altered(verificationMethod=[method_with(controller="did:web:other.example")]),
        altered(verificationMethod=[method_with(id="did:web:other.example#key")]),
        altered(verificationMethod=[jwk_with(d="secret")]),
        altered(verificationMethod=[jwk_with(x="AAAA")]),
        altered(verificationMethod=[jwk_with(x="not base64!")]),
        altered(verificationMethod=[jwk_with(x=None)]),
        altered(verificationMethod=[jwk_with(crv="P-256", kty="EC")]),
    ],
)
def test_a_document_that_cannot_be_relied_on_is_refused(content):
    with pytest.raises(DocumentError):
        parse_document(content, COMPANY)


def test_names_may_be_relative_and_foreign_entries_are_passed_over():
    method = method_with(id="#key")
    foreign = {"id": "#rsa", "type": "JsonWebKey2020", "controller": COMPANY, "publicKeyJwk": {"kty": "RSA"}}
    content = altered(
        verificationMethod=[foreign, method],
        capabilityInvocation=["#key"],
        assertionMethod=[method],
        service=["odd", {"id": "#a", "type": "CredentialService", "serviceEndpoint": "https://a.example"}],
    )
    document = parse_document(content, COMPANY)
    (key,) = document.keys
    assert key.id == f"{COMPANY}#key"
    assert key.purposes == {"capabilityInvocation"}
    assert document.services == ()


@given(st.binary(max_size=200))
def test_reading_ends_in_a_document_or_in_its_error(content):
    with pytest.raises(DocumentError):
        parse_document(content, COMPANY)


# --- ML-DSA-65 keys -------------------------------------------------------------------------------------------------

FIRST, SECOND = (ring_of(name).known[0].public for name in ("first", "second"))
MLDSA = (MldsaKey(FIRST, 1_700_000_000, 1_800_000_000), MldsaKey(SECOND, 1_750_000_000, 0, 1_760_000_000))


def with_mldsa(*keys):
    return build_document(COMPANY, PUBLIC_KEY, mldsa=keys or MLDSA)


def read(document):
    return parse_document(json.dumps(document).encode(), COMPANY)


def test_the_keys_of_a_document_are_read_with_their_times():
    document = with_mldsa()
    assert read(document).mldsa == MLDSA
    (key,) = read(document).keys  # and its Ed25519 key as ever
    assert key.public_key == PUBLIC_KEY
    assert [len(document[purpose]) for purpose in PURPOSES] == [1, 2, 1]  # they sign statements, no tokens
    method = document["verificationMethod"][1]
    assert method["publicKeyJwk"] == {"kty": "AKP", "alg": "ML-DSA-65", "pub": encode(FIRST)}
    assert (method["validFrom"], method["expires"]) == ("2023-11-14T22:13:20+00:00", "2027-01-15T08:00:00+00:00")
    assert "revoked" not in method


def changed(**changes):
    document = with_mldsa(MLDSA[0])
    document["verificationMethod"][1] |= changes
    return document


def test_a_key_that_is_not_for_statements_counts_for_nothing():
    document = with_mldsa(MLDSA[0])
    document["assertionMethod"] = document["assertionMethod"][:1]
    assert read(document).mldsa == ()
    other = changed(publicKeyJwk={"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"})
    assert read(other).mldsa == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"validFrom": ""}, {"validFrom": "soon"}, {"expires": "late"}, {"revoked": "9999999999"},
        {"controller": "did:web:x"},
        {"id": f"{COMPANY}#other"}, {"validFrom": "1900-01-01T00:00:00Z"},
        {"publicKeyJwk": {"kty": "AKP", "alg": "ML-DSA-65", "pub": encode(FIRST), "priv": "AA"}},
        {"publicKeyJwk": {"kty": "AKP", "alg": "ML-DSA-65", "pub": encode(FIRST[1:])}},
        {"publicKeyJwk": {"kty": "AKP", "alg": "ML-DSA-65", "pub": "?"}},
        {"publicKeyJwk": {"kty": "AKP", "alg": "ML-DSA-65"}},
    ],
)  # fmt: skip
def test_a_key_that_is_none_or_of_somebody_else_spoils_the_document(changes):
    with pytest.raises(DocumentError):
        read(changed(**changes))


def test_a_document_has_each_key_once_and_not_too_many():
    many = tuple(MldsaKey(number.to_bytes(2, "big") * 976, 1) for number in range(MOST_KEYS + 1))
    assert len(read(with_mldsa(*many[1:])).mldsa) == MOST_KEYS
    for keys in (many, (MLDSA[0], MLDSA[0])):
        with pytest.raises(DocumentError):
            read(with_mldsa(*keys))
