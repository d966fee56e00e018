import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from medspace.trust.did import base_url, build_document, did_web, document_url, key_id, parse_document
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.jws import decode
from medspace.trust.model import PURPOSES, ServiceEntry
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
