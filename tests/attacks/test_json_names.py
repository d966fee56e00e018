"""A member that stands twice: whoever checks the first and does the second can be had. Each door refuses it."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import msgspec
import pytest

from medspace.adapters.http.peers import json_of
from medspace.app.doors.protocol import public
from medspace.connector import wire
from medspace.connector.errors import MessageError
from medspace.core import decoding
from medspace.core.canonical import canonical
from medspace.ledger import bundle, questions
from medspace.ledger.errors import MalformedBundleError, MalformedEntryError, MalformedQuestionsError
from medspace.ledger.model import Entry, decode
from medspace.policy import odrl, templates
from medspace.policy.errors import InvalidPolicyError
from medspace.trust import members, tokens
from medspace.trust.did import build_document, key_id, parse_document
from medspace.trust.errors import DocumentError, MembersListError, UnauthenticatedError
from medspace.trust.model import Member
from tests.routers import management
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, list_at

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP = canonical({"task": {"task": "count"}, "round": 1, "name": "sum", "inputs": {}})
MESSAGE = canonical({"@context": [wire.CONTEXT], "@type": "CatalogRequestMessage", "filter": {}})
BUNDLE = canonical({"format": bundle.FORMAT, "origin": HOSPITAL, "checkpoint": "c", "members": "m", "entries": []})
QUESTIONS = canonical({"format": "medspace-questions-1", "origin": HOSPITAL, "questions": []})
POLICY = canonical(templates.build("train-only", offer_id="urn:offer:1"))
DOCUMENT = canonical(build_document(COMPANY, KEYS[COMPANY].public_key, []))


def parts(signed):
    """Header and payload of a token."""
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in signed.split(".")[:2]]


def signed(did, header, payload):
    """Whatever it says, properly signed."""
    first, second = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload))
    signature = KEYS[did].sign(f"{first}.{second}".encode())
    return f"{first}.{second}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


HEADER, LIST = parts(list_at(NOW, AUTHORITY, HOSPITAL))
TOKEN_HEADER = canonical({"alg": "EdDSA", "kid": key_id(COMPANY, KEYS[COMPANY].public_key), "typ": "JWT"})
CLAIMS = canonical({"iss": COMPANY, "sub": COMPANY, "aud": HOSPITAL, "iat": 1, "exp": 61, "jti": "1"})


def token(header=TOKEN_HEADER, claims=CLAIMS):
    return tokens.read(signed(COMPANY, header, claims))


def listed(payload):
    return members.read_members(signed(AUTHORITY, HEADER, payload), KEYS[AUTHORITY].public_key)


def answered(content):
    return json_of(SimpleNamespace(body=content, headers={"content-type": "application/json"}))


def managed(content):
    """The members that a call of the management API has the authority admit."""
    admitted = []

    async def admit(did, *_, by):
        admitted.append(did)
        return Member(did, "", "", (), KEYS[COMPANY].public_key)

    async def call():
        transport = httpx.ASGITransport(management(SimpleNamespace(admit=admit)))
        async with httpx.AsyncClient(transport=transport, base_url="http://private") as client:
            return await client.post("/members", content=content, headers={"content-type": "application/json"})

    answer = asyncio.run(call())
    if answer.status_code == httpx.codes.BAD_REQUEST:
        assert answer.json()["code"] == "request.invalid"
        assert "names a member twice" in answer.json()["sentence"]
        raise ValueError(answer.text)
    return admitted


# door -> (how it reads, an honest document, the member that a liar says twice, the refusal)
DOORS = {
    "a message of the protocol": (wire.decode, MESSAGE, "@type", MessageError),
    "a step of a use": (public._read_step, STEP, "round", MessageError),
    "the header of an ID token": (lambda header: token(header=header), TOKEN_HEADER, "alg", UnauthenticatedError),
    "the claims of an ID token": (lambda claims: token(claims=claims), CLAIMS, "iss", UnauthenticatedError),
    "the members list": (listed, LIST, "iss", MembersListError),
    "a DID document": (lambda content: parse_document(content, COMPANY), DOCUMENT, "id", DocumentError),
    "an exported log": (bundle.read, BUNDLE, "origin", MalformedBundleError),
    "questions that are shown": (questions.read, QUESTIONS, "origin", MalformedQuestionsError),
    "a policy": (odrl.read, POLICY, "@type", InvalidPolicyError),
    "an answer of another connector": (answered, MESSAGE, "@type", ValueError),
    "a call of the management API": (managed, canonical({"did": COMPANY, "name": "Company"}), "did", ValueError),
}


def said_twice(content, name):
    """The member once more in front, with another value: the first counts for some, the last for others."""
    other = {"round": b"9"}.get(name, b'"something else"')
    return b"{" + json.dumps(name).encode() + b":" + other + b"," + content[1:]


def taken():
    """The doors that take a document in which a member stands twice."""
    found = []
    for door, (read, honest, name, refusal) in DOORS.items():
        assert read(honest) is not None
        try:
            read(said_twice(honest, name))
        except refusal:
            continue
        found.append(door)
    return found


class Same(int):
    """Equal to every number: the brake off."""

    def __eq__(self, _):
        return True

    def __ne__(self, _):
        return False

    __hash__ = int.__hash__


def test_a_member_that_stands_twice_is_refused(attack_report, monkeypatch):
    got = taken()
    monkeypatch.setattr(decoding, "_members", lambda _: Same())
    control = taken()
    attack_report(
        "a JSON member that stands twice: doors that take it",
        got=len(got),
        control=len(control),
        of=len(DOORS),
        unit="doors",
    )
    assert (got, control) == ([], list(DOORS))


@pytest.mark.parametrize("door", DOORS)
def test_so_is_one_deep_inside(door):
    read, honest, _, refusal = DOORS[door]
    inner = b'{"x":[{"y":1,"y":2}],' + honest[1:]
    with pytest.raises(refusal):
        read(inner)


def test_an_entry_of_the_log_was_never_read_in_two_ways():
    """Its bytes are compared with the canonical form of what was read."""
    entry = Entry("member.admitted", "2026-11-23T12:00:00.000Z", AUTHORITY, {"member": COMPANY}).encode()
    assert decode(entry)
    twice = b'{"actor":"did:web:other",' + entry[1:]
    assert msgspec.json.decode(twice)["actor"] == AUTHORITY
    with pytest.raises(MalformedEntryError):
        decode(twice)
