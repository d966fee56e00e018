"""Credentials between whole connectors: asked for, delivered, shown, demanded of strangers, revoked."""

import json
from contextlib import contextmanager

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from medspace.app.doors.protocol.endpoints import BASE
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.credentials.eckey import ec_key_file
from medspace.app.main import main
from medspace.connector.usage.model import JOBS
from medspace.core.paging import each
from medspace.services.credentials.model import HELD, MADE
from medspace.trust.credentials import jose
from medspace.trust.credentials.idtokens import issue_id_token
from medspace.trust.credentials.presentations import verify_presentation
from medspace.trust.model import PURPOSES
from tests.e2e.space import hospital, staged
from tests.unit.trust.credentials.parties import ec_key

DCP = "[credentials]\ndcp = true"
MEMBERSHIP = "MembershipCredential"
ACCREDITATION = "ResearcherAccreditation"
ES256 = '\nalgorithm = "ES256"'
ISSUED = f"""
[[credentials.issued]]
type = "{ACCREDITATION}"
claims = {{ level = 2, bodies = ["board"] }}
stated = ["field"]
days = 90

[[credentials.issued]]
type = "GuestPass"
stated = ["reason"]
strangers = true

[[credentials.issued]]
type = "Newsletter"
decided = "at_once"
"""
CATALOGUE = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}


def desk(stage, key):
    return stage.nodes[key].connector.of("credentials").parts


def listed(stage, *keys):
    """Have these know who is believed."""
    for key in keys:
        assert stage.space(key).refresh_issuers()["issuers"], key


def delivered(stage, key):
    node = stage.nodes[key].connector.node

    async def look():
        found = await node.database.read(lambda tx: tx.find(HELD))
        return found or None

    return stage.run(node.changes.until(look, 20, HELD.topic()))


@contextmanager
def space(folder):
    with staged(folder) as stage:
        stage.add("authority", more=DCP + ES256 + ISSUED)
        stage.add("north", hospital(1), more=DCP)
        stage.add("company", more=DCP + ES256)
        stage.add("south", hospital(2, credentials=[f"{MEMBERSHIP}@{stage.nodes['authority'].did}"]), more=DCP)
        stage.add("plain")
        stage.add("stranger", more=DCP + ES256)
        stage.add("visitor", more=DCP)
        stage.open("authority", "north", "south", "company", "plain")
        stage.admit("north", "south", "company", "plain")
        stage.open("stranger", "visitor")
        for credential_type in (ACCREDITATION, "GuestPass", "Newsletter"):
            stage.space("authority").believe(credential_type, [stage.nodes["authority"].did])
        listed(stage, "authority", "north", "south", "company", "stranger", "visitor")
        yield stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with space(tmp_path_factory.mktemp("credentials")) as made:
        stage_of = made
        made.space("company").request_credential(made.nodes["authority"].did, MEMBERSHIP)
        assert delivered(made, "company")
        yield stage_of


def known(stage, key, did):
    """What terms at a connector know of a participant from credentials."""
    node = stage.nodes[key].connector.node
    return stage.run(node.database.read(lambda tx: node.facts(tx, did).credentials))


def call(stage, key, token, message=CATALOGUE):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{stage.nodes[key].url}{BASE}/catalog/request", json=message, headers=headers, timeout=30)


def test_a_member_is_delivered_its_membership(stage):
    authority, company = stage.nodes["authority"], stage.nodes["company"]
    found = stage.space("company").credentials()
    held_ones = [one for one in found["held"] if one["type"] == MEMBERSHIP]
    assert [one["issuer"] for one in held_ones] == [authority.did]
    asked = [one for one in found["requests"] if one["credentials"] == ["membership"]]
    assert [(one["issuer"], one["state"]) for one in asked] == [(authority.did, "ISSUED")]
    issued = [one for one in stage.space("authority").credentials()["issued"] if one["holder"] == company.did]
    assert [one["revoked"] for one in issued if one["type"] == MEMBERSHIP] == [""]
    noted = [one["facts"]["holder"] for one in stage.entries("authority", "credential.issued")]
    assert noted.count(company.did) == len(issued)
    assert "text" not in held_ones[0]


def test_a_presentation_is_for_one_reader(stage):
    company, north = stage.nodes["company"], stage.nodes["north"]
    shown = stage.space("company").present_credential(MEMBERSHIP, north.did)["presentation"]
    reader = desk(stage, "north")
    document = stage.run(reader.documents.document(company.did))
    now = reader.node.clock.now()
    (text,) = verify_presentation(shown, document, audience=north.did, now=now)
    credential = stage.run(reader.prover.holds(text, company.did))
    assert dict(credential.claims) == {"region": "DE", "roles": []}


def test_the_version_document_and_the_did_document_announce_it(stage):
    versions = httpx.get(f"{stage.nodes['north'].url}/.well-known/dspace-version").json()["protocolVersions"]
    assert versions[0]["auth"] == {
        "protocol": "dcp",
        "version": "1.0",
        "profile": ["vc20-bssl/jwt", "vc11-sl2021/jwt"],
    }
    assert (
        "auth"
        not in httpx.get(f"{stage.nodes['plain'].url}/.well-known/dspace-version").json()["protocolVersions"][0]
    )
    services = {
        one["type"] for one in httpx.get(f"{stage.nodes['authority'].url}/.well-known/did.json").json()["service"]
    }
    assert services >= {"CatalogService", "CredentialService", "IssuerService"}
    assert httpx.get(f"{stage.nodes['plain'].url}/dcp/issuer/metadata").status_code == 404


def held(stage, key, credential_type):
    node = stage.nodes[key].connector.node

    async def look():
        return await node.database.read(lambda tx: tx.find(HELD, where={"type": credential_type})) or None

    return stage.run(node.changes.until(look, 20, HELD.topic()))


def test_a_person_at_the_issuer_decides(stage):
    authority, company = stage.space("authority"), stage.space("company")
    issuer = stage.nodes["authority"].did
    company.request_credential(issuer, ACCREDITATION)
    (one,) = authority.waiting_credentials()
    assert (one["holder"], one["stated"], one["state"]) == (stage.nodes["company"].did, ["field"], "RECEIVED")
    with pytest.raises(SpaceError) as caught:
        authority.grant_credential(one["id"])
    assert caught.value.problem["code"] == "credential.decision"
    authority.grant_credential(one["id"], claims={"field": "cardiology"})
    (made,) = held(stage, "company", ACCREDITATION)
    credential = stage.run(desk(stage, "north").prover.holds(made.text, stage.nodes["company"].did))
    assert dict(credential.claims) == {"level": 2, "bodies": ["board"], "field": "cardiology"}
    assert authority.waiting_credentials() == []
    granted = stage.entries("authority", "credential.granted")
    (entry,) = [one for one in granted if one["facts"]["holder"] == stage.nodes["company"].did]
    assert entry["facts"]["by"].startswith("actor:")


def test_a_person_at_the_issuer_refuses_and_the_holder_is_told_why(stage):
    authority, company = stage.space("authority"), stage.space("company")
    asked = company.request_credential(stage.nodes["authority"].did, ACCREDITATION)
    (one,) = authority.waiting_credentials()
    refused = authority.refuse_credential(one["id"], "The board meets in May.")
    assert refused["state"] == "REJECTED"
    node = stage.nodes["company"].connector.node

    async def look():
        found = await node.database.read(lambda tx: tx.get(MADE, asked["id"]))
        return found if found.state == "REJECTED" else None

    assert stage.run(node.changes.until(look, 20, MADE.topic())).reason == "The board meets in May."
    for again in (lambda: authority.grant_credential(one["id"]), lambda: authority.refuse_credential("x", "no")):
        with pytest.raises(SpaceError) as caught:
            again()
        assert caught.value.problem["code"] in ("credential.decided", "credential.unknown")


def test_what_a_configuration_issues_at_once_needs_nobody(stage):
    stage.space("company").request_credential(stage.nodes["authority"].did, "Newsletter")
    assert held(stage, "company", "Newsletter")


def said(stage, capsys, *words):
    """What the authority's command line says."""
    with pytest.raises(SystemExit) as ended:
        main(["credentials", *words, "--config", str(stage.nodes["authority"].file)])
    return ended.value.code or 0, " ".join(capsys.readouterr().out.split())


def test_a_stranger_may_ask_where_the_configuration_lets_it_and_a_person_decides_at_the_command_line(stage, capsys):
    stranger, authority = stage.nodes["stranger"], stage.space("authority")
    for _ in range(2):
        stage.space("stranger").request_credential(stage.nodes["authority"].did, "GuestPass")
    first, second = [one["id"] for one in authority.waiting_credentials()]
    assert "2 requests to decide on" in said(stage, capsys, "list")[1]
    assert said(stage, capsys, "grant", first, "--claim", "reason")[0] == 2
    assert said(stage, capsys, "grant", first)[0] != 0
    assert stranger.did in said(stage, capsys, "grant", first, "--claim", "reason=A=B")[1]
    assert said(stage, capsys, "refuse", second, "--reason", "One is enough.")[0] == 0
    (given_one,) = held(stage, "stranger", "GuestPass")
    issued = jose.split(given_one.text, 100_000).payload
    assert issued["credentialSubject"] == {"id": stranger.did, "reason": "A=B"}
    assert authority.waiting_credentials() == []


def test_who_is_no_member_is_refused_at_once(stage):
    with pytest.raises(SpaceError) as caught:
        stage.space("stranger").request_credential(stage.nodes["authority"].did, ACCREDITATION)
    assert caught.value.problem["code"] == "credential.peer"


def test_the_other_key_is_published_and_signs_for_whoever_knows_no_member_by_its_own(stage):
    company, north = stage.nodes["company"], stage.nodes["north"]
    published = httpx.get(f"{company.url}/.well-known/did.json").json()
    keys = {one["id"]: one["publicKeyJwk"] for one in published["verificationMethod"]}
    (name,) = [one for one, key in keys.items() if key.get("crv") == "P-256"]
    assert all(name in published[purpose] for purpose in PURPOSES)
    holder = desk(stage, "company").holder

    def signed(did):
        return jose.split(holder.id_token(did, [MEMBERSHIP]), 100_000)

    outside, inside = signed(stage.nodes["stranger"].did), signed(north.did)
    assert (outside.algorithm, outside.kid) == ("ES256", name)
    assert inside.algorithm == "EdDSA"  # members know it by the key of the members list
    public = ECKey.import_key(keys[name])  # another library reads it
    text = holder.id_token(stage.nodes["stranger"].did, [MEMBERSHIP])
    assert json.loads(jws.deserialize_compact(text, public, ["ES256"]).payload)["iss"] == company.did
    (issued,) = held(stage, "company", MEMBERSHIP)
    assert jose.split(issued.text, 100_000).algorithm == "ES256"
    file = ec_key_file(company.config)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    stage.close("company")
    stage.open("company")
    assert file.read_bytes() == before


def test_calls_carry_tokens_of_dcp_where_both_sides_announce_it(stage):
    north, plain = stage.nodes["north"], stage.nodes["plain"]
    transport = stage.nodes["company"].connector.node.transport
    assert stage.run(transport.tokens(f"{north.url}{BASE}/catalog/request", north.did)).count(".") == 2
    assert stage.run(transport.tokens(f"{plain.url}{BASE}/catalog/request", plain.did)) is None
    agreement = stage.agree("company", "north")
    assert agreement
    reply = stage.run(transport.post(f"{plain.url}{BASE}/catalog/request", CATALOGUE, plain.did))
    assert reply.status == 200


def given(stage, key, claims):
    """A membership of the authority for somebody who is not on the members list, delivered to its connector."""
    issuer, holder = desk(stage, "authority").issuer, stage.nodes[key]
    text, made = stage.run(issuer.issue(issuer.issuables[0], holder.did, claims))
    body = {
        "@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"],
        "type": "CredentialMessage",
        "issuerPid": "1",
        "holderPid": "2",
        "status": "ISSUED",
        "credentials": [{"credentialType": MEMBERSHIP, "format": "vc20-bssl/jwt", "payload": text}],
    }
    token = desk(stage, "authority").holder.id_token(holder.did)
    url = f"{holder.url}/dcp/holder/credentials"
    sent = httpx.post(url, content=json.dumps(body), headers={"Authorization": f"Bearer {token}"})
    assert sent.status_code == 200, sent.text
    return made


def test_a_stranger_is_let_in_by_what_it_shows(stage):
    north, stranger = stage.nodes["north"], stage.nodes["stranger"]
    caller = desk(stage, "stranger")
    assert call(stage, "north", caller.holder.id_token(north.did, [MEMBERSHIP])).status_code == 401
    assert call(stage, "north", caller.holder.id_token(north.did)).status_code == 401
    made = given(stage, "stranger", {"guest": True})
    admitted = caller.holder.id_token(north.did, [MEMBERSHIP])
    assert call(stage, "north", admitted).status_code == 200
    (fact,) = known(stage, "north", stranger.did)
    assert (fact.type, fact.issuer) == (MEMBERSHIP, stage.nodes["authority"].did)
    assert fact.claims == (("guest", ("true",)),)
    assert call(stage, "north", admitted).json() == {"code": "identity.replayed", "reason": []}
    revoked = stage.space("authority").revoke_credential(made.id)
    assert revoked["revoked"]
    desk(stage, "north").prover.lists._kept.clear()  # as after the minute for which a list is kept
    assert (
        call(stage, "north", caller.holder.id_token(north.did, [MEMBERSHIP])).json()["code"] == "identity.credentials"
    )
    (fact,) = known(stage, "north", stranger.did)
    assert fact.until <= desk(stage, "north").node.clock.now()  # so that no terms count it any more
    revoked = stage.entries("authority", "credential.revoked")
    (entry,) = [one for one in revoked if one["facts"]["holder"] == stranger.did]
    assert entry["facts"]["by"].startswith("actor:")


def running(stage, key):
    node = stage.nodes[key].connector.node
    return stage.run(node.database.read(lambda tx: sum(job.open for job in each(tx, JOBS, {}))))


def test_what_runs_by_a_credential_that_was_shown_ends_without_a_call(stage):
    """Nobody sends its status list: the data holder looks at the list each minute, and the use is cut off."""
    visitor, south = stage.space("visitor"), stage.nodes["south"].connector.node
    made = given(stage, "visitor", {"guest": True})
    stage.space("south").request_credential(stage.nodes["authority"].did, MEMBERSHIP)
    assert held(stage, "south", MEMBERSHIP)  # which it shows to the visitor, who knows no members list
    agreement = stage.agree("visitor", "south")
    with pytest.raises(SpaceError) as caught:
        visitor.request(agreement, "medspace:train")
    assert caught.value.problem["code"] == "label.regions"  # nobody has signed where a stranger is
    stage.space("authority").admit(stage.nodes["visitor"].did, name="Visitor", region="DE")
    for key in ("south", "visitor"):
        stage.space(key).refresh()
    visitor.request(agreement, "medspace:train")
    following = desk(stage, "south").kept
    stage.run(following.renew_all())
    assert running(stage, "south") == 1
    stage.space("authority").revoke_credential(made.id)
    stage.run(following.renew_all())  # as its background work does each minute

    async def ended():
        return not await south.database.read(lambda tx: [job for job in each(tx, JOBS, {}) if job.open]) or None

    assert stage.run(south.changes.until(ended, 20, JOBS.topic()))


def test_a_token_used_before_a_restart_is_refused_after_it(stage):
    north = stage.nodes["north"]
    token = desk(stage, "company").holder.id_token(north.did, [MEMBERSHIP])
    assert call(stage, "north", token).status_code == 200
    stage.close("north")
    stage.open("north")
    assert call(stage, "north", token).json()["code"] == "identity.replayed"


def test_a_member_is_proven_by_its_listed_key_alone(stage):
    """Who can change a member's DID document cannot speak in its name: the members list names its key."""
    north, company = stage.nodes["north"], stage.nodes["company"]
    clock = desk(stage, "north").node.clock
    forged = issue_id_token(
        ec_key(f"{company.did}#new"), company.did, north.did, now=clock.now(), token_id="1", access_token="x"
    )
    assert call(stage, "north", forged).json()["code"] == "identity.key"
    own = desk(stage, "company").keys.signing  # published, and not on the members list
    other = issue_id_token(own, company.did, north.did, now=clock.now(), token_id="2", access_token="x")
    assert own.algorithm == "ES256"
    assert call(stage, "north", other).json()["code"] == "identity.key"


def test_a_plain_member_talks_to_all(stage):
    north = stage.nodes["north"]
    answer = httpx.post(
        f"{north.url}{BASE}/catalog/request", json=CATALOGUE, headers=stage.nodes["plain"].bearer(north), timeout=30
    )
    assert answer.status_code == 200
