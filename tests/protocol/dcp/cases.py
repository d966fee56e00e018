"""The running cases of the conformance kit of DCP 1.0, in our own words: what each sends, and what must come of it.

A case fails by an AssertionError. Each names a control of `controls`: with that check switched off, it must fail.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc.jwk import ECKey

from tests.protocol.dcp.counterpart import MEMBERSHIP, NEVER, SCOPE, SENSITIVE, Counterpart, Party, _instant

HOUR = 3600
BELIEVED, UNREAD = "tokens are believed", "deliveries and offers are not read"
ACCESS, CLOSED = "access tokens are believed", "nobody is let in"


@dataclass(frozen=True)
class Case:
    """One case: its id, the section of the specification, the handler that it tries, its control."""

    id: str
    section: str
    handler: str
    control: str
    run: Callable[[Counterpart], None]


def refused(answer: httpx.Response) -> None:
    """A wrong message or token gives 4xx."""
    assert 400 <= answer.status_code < 500, answer.status_code


def accepted(answer: httpx.Response) -> None:
    assert 200 <= answer.status_code < 300, (answer.status_code, answer.text)


def token_faults(kit: Counterpart, sender: Party, audience: str, **claims: Any) -> dict[str, Callable[[], str]]:
    """The seven tokens that no receiver of a message may take; `used` is refused the second time."""
    now = int(time.time())

    def made(**changes: Any) -> Callable[[], str]:
        return lambda: kit.token(sender, audience, **{**claims, **changes})

    return {
        "wrong-key": lambda: kit.token(sender, audience, key=ECKey.generate_key("P-256"), **claims),
        "expired": made(exp=now - HOUR),
        "iat-in-future": made(iat=now + HOUR, exp=now + HOUR + 600),
        "nbf-in-future": made(nbf=now + HOUR),
        "wrong-aud": made(aud=kit.thirdparty.did),
        "iss-is-not-sub": made(sub=kit.thirdparty.did),
    }


@dataclass(frozen=True)
class Endpoint:
    """A handler that takes one message: where, from whom, to whom, with which valid body."""

    name: str
    section: str
    role: str
    service: str
    path: str
    sender: str
    body: Callable[[Counterpart], Any]
    unread: str

    def url(self, kit: Counterpart) -> str:
        return kit.service(self.role, self.service) + self.path

    def tokens(self, kit: Counterpart) -> dict[str, Callable[[], str]]:
        return token_faults(kit, kit.parties[self.sender], kit.ready[self.role])

    def token(self, kit: Counterpart) -> str:
        return kit.token(kit.parties[self.sender], kit.ready[self.role])

    def send(self, kit: Counterpart, token: str | None, body: Any = None, prefix: str = "Bearer ") -> httpx.Response:
        return kit.send(self.url(kit), body if body is not None else self.body(kit), token, prefix)

    def cases(self) -> Iterator[Case]:
        """Without header, without prefix, and the seven tokens."""
        yield self.case("no-header", lambda kit: refused(self.send(kit, None)))
        yield self.case("no-prefix", lambda kit: refused(self.send(kit, self.token(kit), prefix="")))
        for fault in ("wrong-key", "expired", "iat-in-future", "nbf-in-future", "wrong-aud", "iss-is-not-sub"):
            yield self.case(fault, self._faulty(fault))
        yield self.case("jti-used", self._twice)

    def case(self, what: str, run: Callable[[Counterpart], None], control: str = BELIEVED) -> Case:
        return Case(f"{self.name}.{what}", self.section, self.name, control, run)

    def _faulty(self, fault: str) -> Callable[[Counterpart], None]:
        return lambda kit: refused(self.send(kit, self.tokens(kit)[fault]()))

    def _twice(self, kit: Counterpart) -> None:
        token, body = self.token(kit), self.body(kit)
        accepted(self.send(kit, token, body))
        refused(self.send(kit, token, body))


# --- the credential service: presentations ------------------------------------------------------------------------


def query(kit: Counterpart, token: str | None = None, prefix: str = "Bearer ", **members: Any) -> httpx.Response:
    said = token or kit.token(kit.verifier, kit.ready["holder"], token=kit.access_token(MEMBERSHIP))
    body = kit.message("PresentationQueryMessage", **({"scope": [SCOPE.format(MEMBERSHIP)]} | members))
    body = {name: value for name, value in body.items() if value is not NEVER}
    return kit.send(f"{kit.service('holder', 'CredentialService')}/presentations/query", body, said, prefix)


def presented(what: str, section: str, control: str, run: Callable[[Counterpart], None]) -> Case:
    def stored(kit: Counterpart) -> None:
        accepted(kit.store(MEMBERSHIP, SENSITIVE))
        run(kit)

    return Case(f"query.{what}", section, "query", control, stored)


def _query_token(kit: Counterpart, **changes: Any) -> str:
    return kit.token(kit.verifier, kit.ready["holder"], token=kit.access_token(MEMBERSHIP), **changes)


def _bound_to_another(kit: Counterpart) -> None:
    token = kit.token(kit.thirdparty, kit.ready["holder"], token=kit.access_token(MEMBERSHIP))
    refused(query(kit, token))


def _of_another_document(kit: Counterpart) -> None:
    refused(query(kit, _query_token(kit, iss=kit.thirdparty.did, sub=kit.thirdparty.did)))


def _query_twice(kit: Counterpart) -> None:
    token = _query_token(kit)
    accepted(query(kit, token))
    refused(query(kit, token))


def _discovered(kit: Counterpart) -> None:
    assert kit.service("holder", "CredentialService").startswith("http")


def _both(kit: Counterpart) -> None:
    definition = {"id": "1", "input_descriptors": [{"id": "a", "constraints": {}}]}
    assert query(kit, presentationDefinition=definition).status_code == 400


def _empty_definition(kit: Counterpart) -> None:
    for definition in ({}, None):
        refused(query(kit, scope=NEVER, presentationDefinition=definition))


def _empty_scope(kit: Counterpart) -> None:
    for scope in ([], NEVER):
        assert query(kit, scope=scope).status_code == 400


def _shown(kit: Counterpart) -> None:
    assert set(kit.types_shown(query(kit))) == {"VerifiableCredential", MEMBERSHIP}


def _fewer(kit: Counterpart) -> None:
    token = kit.token(kit.verifier, kit.ready["holder"], token=kit.access_token(MEMBERSHIP, SENSITIVE))
    shown = kit.types_shown(query(kit, token, scope=[SCOPE.format(SENSITIVE)]))
    assert set(shown) == {"VerifiableCredential", SENSITIVE}


def _more(kit: Counterpart) -> None:
    refused(query(kit, scope=[SCOPE.format(MEMBERSHIP), SCOPE.format(SENSITIVE)]))


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


BOTH_BELIEVED, QUERIES = "tokens and access tokens are believed", "queries are not read"
PRESENTATION = (
    presented("token.bound-to-another", "4.3.3", ACCESS, _bound_to_another),
    presented(
        "token.iss-is-not-sub", "4.3.3", BELIEVED, lambda k: refused(query(k, _query_token(k, sub=k.thirdparty.did)))
    ),
    presented("token.wrong-aud", "4.3.3", BELIEVED, lambda k: refused(query(k, _query_token(k, aud=k.verifier.did)))),
    presented("token.sub-is-not-document", "4.3.3", BOTH_BELIEVED, _of_another_document),
    presented(
        "token.nbf-in-future", "4.3.3", BELIEVED, lambda k: refused(query(k, _query_token(k, nbf=_now(10**6))))
    ),
    presented("token.expired", "4.3.3", BELIEVED, lambda k: refused(query(k, _query_token(k, exp=_now(-(10**6)))))),
    presented("token.jti-used", "4.3.3", BELIEVED, _query_twice),
    presented("discovery", "5.2", "services are not published", _discovered),
    presented("malformed-header", "5.3.1", BELIEVED, lambda k: refused(query(k, _query_token(k), prefix=""))),
    presented(
        "invalid-access-token",
        "5.4",
        ACCESS,
        lambda k: refused(query(k, k.token(k.verifier, k.ready["holder"], token="faketoken"))),
    ),
    presented("scope-and-definition", "5.4.1", QUERIES, _both),
    presented("empty-definition", "5.4.1", QUERIES, _empty_definition),
    presented("empty-scope", "5.4.1", QUERIES, _empty_scope),
    presented("by-scope", "5.4.1.2", QUERIES, _shown),
    presented("fewer-than-allowed", "5.4.1.2", QUERIES, _fewer),
    presented("more-than-allowed", "5.4.1", QUERIES, _more),
)

# --- the verifier -------------------------------------------------------------------------------------------------


def trigger(kit: Counterpart, token: str | None = None, prefix: str = "Bearer ") -> httpx.Response:
    said = token or kit.token(kit.holder, kit.ready["verifier"], token="opaque")
    return kit.send(kit.ready["trigger"], {"@type": "CatalogRequestMessage", "anything": {}}, said, prefix)


def showing(kit: Counterpart, *credentials: str, **changes: Any) -> Callable[[dict[str, Any]], tuple[int, Any]]:
    """The counterpart's credential service shows these credentials in one presentation."""

    def answer(_: dict[str, Any]) -> tuple[int, Any]:
        return 200, kit.message(
            "PresentationResponseMessage", presentation=[kit.presentation(*credentials, **changes)]
        )

    return answer


def shows(what: str, control: str, run: Callable[[Counterpart], None], section: str = "5.4.3") -> Case:
    return Case(f"trigger.{what}", section, "trigger", control, run)


def _triggered(*credentials: Callable[[Counterpart], str], good: bool = False) -> Callable[[Counterpart], None]:
    def run(kit: Counterpart) -> None:
        kit.answer = showing(kit, *(made(kit) for made in credentials))
        kit.queries.clear()
        (accepted if good else refused)(trigger(kit))
        assert kit.queries[0]["scope"] == [SCOPE.format(MEMBERSHIP)]

    return run


def _token_case(**changes: Callable[[Counterpart], Any]) -> Callable[[Counterpart], None]:
    def run(kit: Counterpart) -> None:
        kit.answer = showing(kit, kit.credential())
        said = {name: value(kit) for name, value in changes.items()}
        claims: dict[str, Any] = {"token": "opaque"} | said
        refused(trigger(kit, kit.token(kit.holder, kit.ready["verifier"], **claims)))

    return run


def _third_party_calls(kit: Counterpart) -> None:
    """A third party with the holder's access token: the token is its own, so the credentials are not."""
    kit.answer = showing(kit, kit.credential())
    refused(trigger(kit, kit.token(kit.thirdparty, kit.holder.did, token="opaque")))


def _trigger_twice(kit: Counterpart) -> None:
    kit.answer = showing(kit, kit.credential())
    token = kit.token(kit.holder, kit.ready["verifier"], token="opaque")
    accepted(trigger(kit, token))
    refused(trigger(kit, token))


def _without_prefix(kit: Counterpart) -> None:
    kit.answer = showing(kit, kit.credential())
    refused(trigger(kit, kit.token(kit.holder, kit.ready["verifier"], token="opaque"), prefix=""))


def _without_access(kit: Counterpart) -> None:
    kit.answer = showing(kit, kit.credential())
    refused(trigger(kit, kit.token(kit.holder, kit.ready["verifier"])))


def _nothing_presented(kit: Counterpart) -> None:
    kit.answer = lambda _: (200, kit.message("PresentationResponseMessage", presentation=[]))
    refused(trigger(kit))


def _resolved(kit: Counterpart) -> None:
    assert kit.service("verifier", "CredentialService").startswith("http")
    _triggered(lambda k: k.credential(), good=True)(kit)


def _revoked(kit: Counterpart) -> str:
    return kit.credential(credentialStatus=kit.status(1, revoked=True))


def _against_schema(kit: Counterpart) -> str:
    schema = {"properties": {"credentialSubject": {"type": "object", "required": ["foo"]}}}
    kit.pages["/schema/membership.json"] = ("application/json", json.dumps(schema).encode())
    named = {"id": f"{kit.root}/schema/membership.json", "type": "JsonSchema"}
    return kit.credential(claims={"baz": "quazz"}, credentialSchema=named)


LOOKED, PROVED = "presentations are not looked into", "credentials are believed"
VERIFIER = (
    shows("token.no-prefix", BELIEVED, _without_prefix, "4.3.1"),
    shows("token.bound-to-another", "tokens and presentations are believed", _third_party_calls, "4.3.3"),
    shows("token.iss-is-not-sub", BELIEVED, _token_case(sub=lambda k: k.thirdparty.did), "4.3.3"),
    shows("token.wrong-aud", BELIEVED, _token_case(aud=lambda k: k.thirdparty.did), "4.3.3"),
    shows("token.sub-is-not-document", BELIEVED, _token_case(sub=lambda k: k.thirdparty.did), "4.3.3"),
    shows("token.nbf-in-future", BELIEVED, _token_case(nbf=lambda _: _now(10**6)), "4.3.3"),
    shows("token.expired", BELIEVED, _token_case(exp=lambda _: _now(-(10**6))), "4.3.3"),
    shows("token.jti-used", BELIEVED, _trigger_twice, "4.3.3"),
    shows("token.no-access-token", "access tokens are not needed", _without_access, "4.3.1"),
    shows("resolves-the-prover", "services are not published", _resolved, "5.2"),
    shows("accepts", CLOSED, _triggered(lambda k: k.credential(), good=True), "5.4.2"),
    shows("another-credential", LOOKED, _triggered(lambda k: k.credential(SENSITIVE)), "5.4.2"),
    shows(
        "more-than-asked",
        CLOSED,
        _triggered(lambda k: k.credential(), lambda k: k.credential(SENSITIVE), good=True),
        "5.4.2",
    ),
    shows("empty-list", LOOKED, _nothing_presented, "5.4.2"),
    shows("missing-credential", LOOKED, _triggered(), "5.4.2"),
    shows("other-subject", PROVED, _triggered(lambda k: k.credential(subject=k.thirdparty.did))),
    shows("expired", PROVED, _triggered(lambda k: k.credential(expirationDate=_instant(_now(-100))))),
    shows("revoked", PROVED, _triggered(_revoked)),
    shows("not-yet-valid", PROVED, _triggered(lambda k: k.credential(issuanceDate=_instant(_now(HOUR))))),
    shows("against-its-schema", PROVED, _triggered(_against_schema)),
)

# --- the credential service: deliveries and offers ----------------------------------------------------------------


def _delivery(kit: Counterpart) -> Any:
    return kit.delivery([(kind, kit.credential(kind, kit.ready["holder"])) for kind in (MEMBERSHIP, SENSITIVE)])


def _offer(kit: Counterpart, **changes: Any) -> Any:
    offered = {
        "id": "d5c77b0e-7f4e-4fd5-8c5f-28b5fc3f96d1",
        "type": "CredentialObject",
        "credentialType": MEMBERSHIP,
        "offerReason": "reissue",
        "bindingMethods": ["did:web"],
        "profile": "vc11-sl2021/jwt",
        "issuancePolicy": {},
    }
    return kit.message("CredentialOfferMessage", issuer=kit.issuer.did, credentials=[offered]) | changes


STORE = Endpoint("store", "6.5.1", "holder", "CredentialService", "/credentials", "issuer", _delivery, UNREAD)
OFFER = Endpoint("offer", "6.6.1", "holder", "CredentialService", "/offers", "issuer", _offer, UNREAD)


def _wrong_body(endpoint: Endpoint, without: str = "", **changes: Any) -> Callable[[Counterpart], None]:
    def run(kit: Counterpart) -> None:
        body = endpoint.body(kit) | changes
        body.pop(without, None)
        refused(endpoint.send(kit, endpoint.token(kit), body))

    return run


def _accepted(endpoint: Endpoint, **changes: Any) -> Callable[[Counterpart], None]:
    return lambda kit: accepted(endpoint.send(kit, endpoint.token(kit), endpoint.body(kit) | changes))


OFFERS = (
    OFFER.case("accepts", _accepted(OFFER), CLOSED),
    OFFER.case("accepts-ids", _accepted(OFFER, credentials=[{"id": "one"}, {"id": "two"}]), CLOSED),
    *OFFER.cases(),
    OFFER.case("invalid-body", _wrong_body(OFFER, issuer=None), UNREAD),
)
STORAGE = (
    STORE.case("accepts", _accepted(STORE), CLOSED),
    *STORE.cases(),
    STORE.case("invalid-body", _wrong_body(STORE, "holderPid"), UNREAD),
    STORE.case("unknown-status", _wrong_body(STORE, status="INVALID_STATUS"), UNREAD),
)

# --- the issuer ---------------------------------------------------------------------------------------------------


def _request(kit: Counterpart) -> Any:
    ids = [
        one["id"]
        for one in kit.http.get(f"{kit.service('issuer', 'IssuerService')}/metadata").json()["credentialsSupported"]
    ]
    return kit.message("CredentialRequestMessage", holderPid="our-pid", credentials=[{"id": one} for one in ids])


REQUEST = Endpoint(
    "request", "6.4", "issuer", "IssuerService", "/credentials", "holder", _request, "requests are not read"
)


def requested(kit: Counterpart) -> str:
    """The id of a request that was taken."""
    answer = REQUEST.send(kit, REQUEST.token(kit))
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].rpartition("/")[2]


def _issued(kit: Counterpart) -> None:
    kit.delivered.clear()
    kit.arrived.clear()
    requested(kit)
    assert kit.arrived.wait(10)
    message = kit.delivered[0]
    assert (message["holderPid"], message["status"], message["type"]) == ("our-pid", "ISSUED", "CredentialMessage")
    assert [one["credentialType"] for one in message["credentials"]] == [MEMBERSHIP, SENSITIVE]
    for one in message["credentials"]:
        claims = kit._verified(one["payload"])
        assert claims["sub"] == kit.holder.did
        assert one["credentialType"] in claims["vc"]["type"]


@dataclass(frozen=True)
class StatusEndpoint(Endpoint):
    """GET /requests/{id} of a request that was taken."""

    def url(self, kit: Counterpart) -> str:
        return f"{super().url(kit)}/{requested(kit)}"

    def send(self, kit: Counterpart, token: str | None, body: Any = None, prefix: str = "Bearer ") -> httpx.Response:
        return kit.send(body or self.url(kit), None, token, prefix)

    def _twice(self, kit: Counterpart) -> None:
        token, url = self.token(kit), self.url(kit)
        accepted(self.send(kit, token, url))
        refused(self.send(kit, token, url))


STATUS = StatusEndpoint("status", "6.8", "issuer", "IssuerService", "/requests", "holder", lambda _: None, "")


def _status(kit: Counterpart) -> None:
    answer = STATUS.send(kit, STATUS.token(kit))
    accepted(answer)
    assert answer.json()["status"] in ("RECEIVED", "ISSUED", "REJECTED")
    assert answer.json()["type"] == "CredentialStatus"


def _unknown(kit: Counterpart) -> None:
    url = f"{kit.service('issuer', 'IssuerService')}/requests/not-there"
    refused(STATUS.send(kit, STATUS.token(kit), url))


def _metadata(kit: Counterpart) -> None:
    answer = kit.http.get(f"{kit.service('issuer', 'IssuerService')}/metadata")
    accepted(answer)
    assert (answer.json()["type"], answer.json()["issuer"]) == ("IssuerMetadata", kit.ready["issuer"])
    assert answer.json()["credentialsSupported"]


def _issuer_found(kit: Counterpart) -> None:
    assert kit.service("issuer", "IssuerService").startswith("http")


UNREAD_REQUESTS = "requests are not read"
ISSUER = (
    STATUS.case("answers", _status, CLOSED),
    *STATUS.cases(),
    STATUS.case("unknown-id", _unknown, UNREAD_REQUESTS),
    Case("metadata.answers", "6.7", "metadata", UNREAD_REQUESTS, _metadata),
    Case("discovery.issuer", "6.2", "discovery", "services are not published", _issuer_found),
    REQUEST.case("accepts", _issued, CLOSED),
    *REQUEST.cases(),
    REQUEST.case("invalid-body", _wrong_body(REQUEST, "credentials"), UNREAD_REQUESTS),
    REQUEST.case("no-holder-pid", _wrong_body(REQUEST, "holderPid"), UNREAD_REQUESTS),
)

CASES: tuple[Case, ...] = (*PRESENTATION, *VERIFIER, *OFFERS, *STORAGE, *ISSUER)
