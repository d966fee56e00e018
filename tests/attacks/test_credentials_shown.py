"""Credentials that only look right, shown to a verifier over real HTTP; and what a document or a list may lead to."""

import asyncio
import base64
import gzip
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from joserfc.jwk import ECKey

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.credentials import HttpKeyDocuments
from medspace.adapters.http.guard import Guard
from medspace.trust.errors import DidError, DocumentError
from tests.protocol.dcp.cases import accepted, refused, showing, trigger
from tests.protocol.dcp.controls import CONTROLS
from tests.protocol.dcp.counterpart import LIST_BITS, MEMBERSHIP, SENSITIVE, _instant
from tests.protocol.dcp.running import pair

PROVED, LOOKED = "credentials are believed", "presentations are not looked into"
NAMES = {PROVED: "credentials that do not hold", LOOKED: "credentials that only look like the type that is asked for"}


def listed(kit, index=1, **changes):
    return kit.credential(credentialStatus=kit.status(index, revoked=False, **changes))


def entry(kit, **changes):
    return kit.credential(credentialStatus=kit.status(1, revoked=False) | changes)


def served(kit, content):
    """A credential whose status list is this content, at its own address."""
    found = kit.status(1, revoked=False)
    kit.pages[found["statusListCredential"].removeprefix(kit.root)] = ("application/jwt", content)
    return kit.credential(credentialStatus=found)


def bomb(kit):
    found = kit.status(1, revoked=False)
    packed = base64.urlsafe_b64encode(gzip.compress(bytes(64 << 20))).rstrip(b"=").decode()
    claims = {"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": f"u{packed}"}
    url = found["statusListCredential"]
    text = kit.credential("BitstringStatusListCredential", url + "#list", claims=claims, id=url)
    kit.pages[url.removeprefix(kit.root)] = ("application/jwt", text.encode())
    return kit.credential(credentialStatus=found)


def of_another_issuer(kit):
    """A list that the holder itself has signed, at an address of its own."""
    found = kit.status(1, revoked=False)
    path = found["statusListCredential"].removeprefix(kit.root)
    issuer, kit.parties["issuer"] = kit.issuer, kit.thirdparty
    try:
        claims = {"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": "uH4sI"}
        text = kit.credential(
            "BitstringStatusListCredential", kit.root + path + "#list", claims=claims, id=kit.root + path
        )
    finally:
        kit.parties["issuer"] = issuer
    kit.pages[path] = ("application/jwt", text.encode())
    return kit.credential(credentialStatus=found)


def of_another_address(kit):
    first, second = kit.status(1, revoked=True), kit.status(1, revoked=False)
    pages = kit.pages
    pages[first["statusListCredential"].removeprefix(kit.root)] = pages[
        second["statusListCredential"].removeprefix(kit.root)
    ]
    return kit.credential(credentialStatus=first)


def schema(content):
    def made(kit):
        kit.pages["/schema/attack.json"] = ("application/json", json.dumps(content).encode())
        return kit.credential(credentialSchema={"id": f"{kit.root}/schema/attack.json", "type": "JsonSchema"})

    return made


def signed_by_another(kit):
    return kit.thirdparty.sign(json.loads(_payload(kit.credential())), kid=kit.issuer.kid)


def _payload(text):
    part = text.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def self_issued(kit):
    """The holder says itself that it is a member."""
    claims = json.loads(_payload(kit.credential()))
    claims["iss"] = claims["vc"]["issuer"] = kit.holder.did
    return kit.holder.sign(claims)


def unsigned(kit):
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{kit.credential().split('.')[1]}."


ATTACKS = {
    "a type in lower case": (LOOKED, lambda kit: kit.credential(MEMBERSHIP.lower())),
    "a type with another letter": (LOOKED, lambda kit: kit.credential(MEMBERSHIP.replace("l", "I"))),
    "a type with a blank": (LOOKED, lambda kit: kit.credential(MEMBERSHIP + " ")),
    "a type as an address": (LOOKED, lambda kit: kit.credential(f"https://example.org/#{MEMBERSHIP}")),
    "signed by nobody": (LOOKED, unsigned),
    "signed by another in the issuer's name": (PROVED, signed_by_another),
    "issued by its holder": (LOOKED, self_issued),
    "about somebody else": (PROVED, lambda kit: kit.credential(subject=kit.thirdparty.did)),
    "ended": (PROVED, lambda kit: kit.credential(expirationDate=_instant(int(time.time()) - 60))),
    "revoked": (PROVED, lambda kit: kit.credential(credentialStatus=kit.status(3, revoked=True))),
    "revoked in a list of 2021": (
        PROVED,
        lambda kit: kit.credential(credentialStatus=kit.status(3, revoked=True, kind="StatusList2021")),
    ),
    "a status list that has ended": (
        PROVED,
        lambda kit: listed(kit, expirationDate=_instant(int(time.time()) - 60)),
    ),
    "a status list of another issuer": (PROVED, of_another_issuer),
    "a status list of another address": (PROVED, of_another_address),
    "a status list that is not signed": (PROVED, lambda kit: served(kit, b'{"encodedList": "u"}')),
    "a status list that is not there": (PROVED, lambda kit: entry(kit, statusListCredential=f"{kit.root}/nowhere")),
    "a status list inside the network": (PROVED, lambda kit: entry(kit, statusListCredential="http://10.0.0.1/list")),
    "an index beyond the list": (PROVED, lambda kit: entry(kit, statusListIndex=str(LIST_BITS))),
    "an index below the list": (PROVED, lambda kit: entry(kit, statusListIndex="-1")),
    "another purpose than the list has": (PROVED, lambda kit: entry(kit, statusPurpose="suspension")),
    "a list that unpacks to 64 MiB": (PROVED, bomb),
    "a kind of list that is not read": (PROVED, lambda kit: entry(kit, type="RevocationList2020Status")),
    "against its schema": (PROVED, schema({"required": ["nothing"]})),
    "a schema that is none": (PROVED, schema([])),
    "a schema that refers elsewhere": (PROVED, schema({"$ref": "http://10.0.0.1/schema"})),
    "a schema with a long pattern": (PROVED, schema({"properties": {"id": {"pattern": "(a+)+" * 40}}})),
}


@pytest.fixture(scope="module")
def kit():
    with pair() as counterpart:
        yield counterpart


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused(kit, attack):
    kit.answer = showing(kit, ATTACKS[attack][1](kit))
    refused(trigger(kit))


def test_the_same_without_a_fault_is_accepted(kit):
    """Without this the attacks would prove nothing."""
    for good in (
        kit.credential(),
        listed(kit),
        listed(kit, kind="StatusList2021"),
        schema({"required": ["id"]})(kit),
    ):
        kit.answer = showing(kit, good)
        accepted(trigger(kit))


def believed(kit, control):
    """How many of the attacks that this check is there for get in."""
    got = 0
    for made in mine(control):
        kit.answer = showing(kit, made(kit))
        got += trigger(kit).status_code == 200
    return got


def mine(control):
    return [made for name, made in ATTACKS.values() if name == control]


@pytest.mark.parametrize("control", [PROVED, LOOKED])
def test_none_of_them_is_believed(kit, control, attack_report):
    got = believed(kit, control)
    attack_report(f"{NAMES[control]}: let in", got=got, of=len(mine(control)), unit="credentials")
    assert got == 0


@pytest.mark.parametrize("control", [PROVED, LOOKED])
def test_without_the_check_it_is_believed(control, attack_report):
    with pair(CONTROLS[control]) as kit:
        got = believed(kit, control)
    attack_report(f"{NAMES[control]}: let in", control=got, of=len(mine(control)), unit="credentials")
    assert got == len(mine(control))


def test_an_older_list_after_a_newer_one_is_refused(kit):
    """Two lists of one address contradict each other: the older one does not count."""
    found = kit.status(1, revoked=False)
    path = found["statusListCredential"].removeprefix(kit.root)
    kit.answer = showing(kit, kit.credential(credentialStatus=found))
    accepted(trigger(kit))
    claims = json.loads(_payload(kit.pages[path][1].decode()))
    claims["nbf"] = claims["iat"] = claims["nbf"] - 100
    claims["vc"]["issuanceDate"] = _instant(claims["nbf"])
    kit.pages[path] = ("application/jwt", kit.issuer.sign(claims).encode())
    kit.forget()
    refused(trigger(kit))


def test_what_is_shown_beyond_the_question_is_in_no_log(kit, caplog):
    secret = "nobody-asked-for-this"
    with caplog.at_level(logging.DEBUG):
        kit.answer = showing(kit, kit.credential(), kit.credential(SENSITIVE, claims={"diagnosis": secret}))
        accepted(trigger(kit))
        kit.answer = showing(kit, kit.credential(SENSITIVE, claims={"diagnosis": secret}))
        answer = trigger(kit)
    refused(answer)
    assert secret not in answer.text
    assert secret not in caplog.text


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks for the document to another address."""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/internal")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


async def resolved(did, guard, resolve=None):
    client = HttpClient(guard, **({} if resolve is None else {"resolve": resolve}))
    try:
        return await HttpKeyDocuments(client).document(did)
    finally:
        await client.close()


def test_a_document_that_leads_elsewhere_is_not_followed():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        did = f"did:web:localhost%3A{server.server_address[1]}:party"
        with pytest.raises(DocumentError, match="302"):
            asyncio.run(resolved(did, Guard.of(loopback=True)))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_name_that_points_inside_is_not_called():
    """DNS rebinding: the address that is connected to is the one that is checked, at each connection."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"]

    with pytest.raises(DocumentError):
        asyncio.run(resolved("did:web:party.example", Guard.of(), resolve))
    assert asked == ["party.example"]


@pytest.mark.parametrize("did", ["did:web:10.0.0.1", "did:web:user@party.example", "did:key:z", "did:other:a", ""])
def test_what_is_no_did_is_never_fetched(did):
    with pytest.raises(DidError):
        asyncio.run(resolved(did, Guard.of(loopback=True)))


def test_a_key_of_the_same_name_that_was_rotated_away_is_refused(kit):
    """An issuer that uses a key id again: what the old key signed is not valid under the new one."""
    old = kit.credential()
    key, kit.issuer.key = kit.issuer.key, ECKey.generate_key("P-256")
    try:
        kit.answer = showing(kit, old)
        refused(trigger(kit))
        kit.answer = showing(kit, kit.credential())
        accepted(trigger(kit))
    finally:
        kit.issuer.key = key
