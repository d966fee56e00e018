"""The scripted counterpart: holder, verifier, issuer and a third party of another maker, over real HTTP.

Nothing of the product is in it: tokens and credentials are signed by joserfc, lists are packed by gzip. It serves its
DID documents, answers queries as a case wants it, and takes what is delivered.
"""

import base64
import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx
from joserfc import jws
from joserfc.jwk import ECKey

CONTEXT = "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"
MEMBERSHIP, SENSITIVE = "MembershipCredential", "SensitiveDataCredential"
SCOPE = "org.eclipse.dspace.dcp.vc.type:{}:read"
PARTIES = ("holder", "verifier", "issuer", "thirdparty")
LIST_BITS = 16 * 1024 * 8
NEVER = object()


class Party:
    """One party: its DID and its key."""

    def __init__(self, root: str, name: str) -> None:
        self.did = f"did:web:{root.partition('://')[2].replace(':', '%3A')}:{name}"
        self.key = ECKey.generate_key("P-256")
        self.kid = f"{self.did}#{uuid.uuid4()}"

    def sign(self, claims: dict[str, Any], *, key: ECKey | None = None, **header: Any) -> str:
        head = {"alg": "ES256", "typ": "JWT", "kid": self.kid} | header
        return jws.serialize_compact(head, json.dumps(claims), key or self.key, ["ES256"])

    def document(self, services: dict[str, str]) -> dict[str, Any]:
        method = {
            "id": self.kid,
            "type": "JsonWebKey2020",
            "controller": self.did,
            "publicKeyJwk": self.key.as_dict(private=False),
        }
        return {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": self.did,
            "verificationMethod": [method],
            **{name: [self.kid] for name in ("authentication", "assertionMethod", "capabilityInvocation")},
            "service": [
                {"id": f"{self.did}#{kind}", "type": kind, "serviceEndpoint": url} for kind, url in services.items()
            ],
        }


class Counterpart:
    """The counterpart on a free port, and the system that it talks to (`ready`, set once that runs)."""

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.root = f"http://localhost:{self._server.server_address[1]}"
        self.parties = {name: Party(self.root, name) for name in PARTIES}
        self.ready: dict[str, str] = {}
        self.forget: Callable[[], None] = lambda: None  # has the system look at status lists again
        self.answer: Callable[[dict[str, Any]], tuple[int, Any]] = lambda _: (404, None)
        self.queries: list[dict[str, Any]] = []
        self.delivered: list[dict[str, Any]] = []
        self.arrived = threading.Event()
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.http = httpx.Client(trust_env=False, timeout=20)
        self._documents: dict[str, dict[str, Any]] = {}

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def holder(self) -> Party:
        return self.parties["holder"]

    @property
    def verifier(self) -> Party:
        return self.parties["verifier"]

    @property
    def issuer(self) -> Party:
        return self.parties["issuer"]

    @property
    def thirdparty(self) -> Party:
        return self.parties["thirdparty"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.http.close()

    def page(self, path: str) -> tuple[str, bytes] | None:
        """What is at a path that is asked with GET."""
        name = path.strip("/").removesuffix("/did.json")
        if name in self.parties:
            services = {"CredentialService": self.root, "IssuerService": self.root}
            return "application/json", json.dumps(self.parties[name].document(services)).encode()
        return self.pages.get(path)

    # --- what it signs --------------------------------------------------------------------------------------------

    def token(self, sender: Party, audience: str, *, key: ECKey | None = None, **changes: Any) -> str:
        """An ID token, with some claims changed; NEVER leaves one out."""
        now = int(time.time())
        claims = {"iss": sender.did, "sub": sender.did, "aud": audience, "iat": now, "exp": now + 600}
        claims |= {"jti": str(uuid.uuid4())} | changes
        return sender.sign({name: value for name, value in claims.items() if value is not NEVER}, key=key)

    def credential(
        self, kind: str = MEMBERSHIP, subject: str = "", *, claims: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A credential of the data model 1.1 about `subject`; with parts of its content changed."""
        now = int(time.time())
        held = subject or self.holder.did
        body = {
            "@context": ["https://www.w3.org/2018/credentials/v1"],
            "id": str(uuid.uuid4()),
            "type": ["VerifiableCredential", kind],
            "issuer": self.issuer.did,
            "issuanceDate": _instant(now - 1),
            "expirationDate": _instant(now + 600),
            "credentialSubject": {"id": held, **(claims or {"foo": "bar"})},
        } | changes
        token = {"iss": self.issuer.did, "sub": held, "jti": str(uuid.uuid4()), "nbf": now - 1, "iat": now - 1}
        return self.issuer.sign({**token, "exp": now + 300, "vc": body})

    def new_credential(self, kind: str = MEMBERSHIP, subject: str = "", **changes: Any) -> str:
        """A credential of the data model 2.0."""
        now = int(time.time())
        body = {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "id": f"urn:uuid:{uuid.uuid4()}",
            "type": ["VerifiableCredential", kind],
            "issuer": {"id": self.issuer.did},
            "validFrom": _instant(now - 1),
            "validUntil": _instant(now + 600),
            "credentialSubject": {"id": subject or self.holder.did, "foo": "bar"},
        } | changes
        return self.issuer.sign(body, typ="vc+jwt")

    def presentation(self, *credentials: str, signer: Party | None = None, **changes: Any) -> str:
        """A presentation by the holder to the verifier under test."""
        now = int(time.time())
        by = signer or self.holder
        held = {"type": "VerifiablePresentation", "verifiableCredential": list(credentials)}
        claims = {"iss": by.did, "sub": by.did, "aud": self.ready["verifier"], "jti": str(uuid.uuid4())}
        return by.sign(claims | {"iat": now, "nbf": now, "exp": now + 300, "vp": held} | changes)

    def status(
        self, index: int, *, revoked: bool, kind: str = "BitstringStatusList", **changes: Any
    ) -> dict[str, Any]:
        """A signed status list that is served, and the entry of a credential in it."""
        bits = bytearray(LIST_BITS // 8)
        if revoked:
            bits[index // 8] |= 0x80 >> (index % 8)
        path = f"/statuslist/{uuid.uuid4()}"
        packed = base64.urlsafe_b64encode(gzip.compress(bytes(bits))).rstrip(b"=").decode()
        subject = {"type": kind, "statusPurpose": "revocation", "encodedList": f"u{packed}"}
        text = self.credential(
            f"{kind}Credential", self.root + path + "#list", claims=subject, id=self.root + path, **changes
        )
        self.pages[path] = ("application/jwt", text.encode())
        entry = "BitstringStatusListEntry" if kind == "BitstringStatusList" else "StatusList2021Entry"
        return {
            "id": str(uuid.uuid4()),
            "type": entry,
            "statusPurpose": "revocation",
            "statusListIndex": str(index),
            "statusListCredential": self.root + path,
        }

    # --- what it does ---------------------------------------------------------------------------------------------

    def message(self, kind: str, **members: Any) -> dict[str, Any]:
        return {"@context": [CONTEXT], "type": kind, **members}

    def service(self, role: str, kind: str) -> str:
        """The address of a service of the system, by its DID document."""
        host, _, path = self.ready[role].removeprefix("did:web:").partition(":")
        found = self.http.get(f"http://{host.replace('%3A', ':')}/{path.replace(':', '/')}/did.json").json()
        assert found["id"] == self.ready[role]
        return next(one["serviceEndpoint"] for one in found["service"] if one["type"] == kind)

    def send(self, url: str, body: Any, token: str | None, prefix: str = "Bearer ") -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"{prefix}{token}"}
        if body is None:
            return self.http.get(url, headers=headers)
        return self.http.post(url, json=body, headers=headers)

    def access_token(self, *kinds: str) -> str:
        """An access token of the system's holder for our verifier, from its token service."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.ready["client_id"],
            "client_secret": self.ready["client_secret"],
            "audience": self.verifier.did,
            "bearer_access_scope": " ".join(SCOPE.format(kind) for kind in kinds),
        }
        answer = self.http.post(f"{self.ready['sts']}/token", data=form)
        assert answer.status_code == 200, answer.text
        payload = answer.json()["access_token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["token"]

    def store(self, *kinds: str, **changes: Any) -> httpx.Response:
        """Deliver credentials of these types to the system's holder."""
        texts = [(kind, self.credential(kind, self.ready["holder"])) for kind in kinds]
        body = self.delivery(texts, **changes)
        token = self.token(self.issuer, self.ready["holder"])
        return self.send(f"{self.service('holder', 'CredentialService')}/credentials", body, token)

    def delivery(self, texts: list[tuple[str, str]], **changes: Any) -> dict[str, Any]:
        listed = [{"credentialType": kind, "format": "VC1_0_JWT", "payload": text} for kind, text in texts]
        body = self.message(
            "CredentialMessage",
            issuerPid=str(uuid.uuid4()),
            holderPid="holder-pid",
            status="ISSUED",
            credentials=listed,
        )
        return {name: value for name, value in (body | changes).items() if value is not NEVER}

    def types_shown(self, answer: httpx.Response) -> list[str]:
        """The types of the credentials in a presentation of the system's holder, whose signatures hold."""
        assert answer.status_code == 200, answer.text
        found: list[str] = []
        for text in answer.json()["presentation"]:
            claims = self._verified(text)
            assert claims["iss"] == self.ready["holder"]
            assert claims["aud"] == self.verifier.did
            for one in claims["vp"]["verifiableCredential"]:
                found += self._verified(one)["vc"]["type"]
        return found

    def _verified(self, text: str) -> dict[str, Any]:
        did, _, _ = jws.extract_compact(text.encode()).headers()["kid"].partition("#")
        host, _, path = did.removeprefix("did:web:").partition(":")
        document = self.http.get(f"http://{host.replace('%3A', ':')}/{path}/did.json").json()
        key = ECKey.import_key(document["verificationMethod"][0]["publicKeyJwk"])
        return json.loads(jws.deserialize_compact(text, key, ["ES256"]).payload)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _instant(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _handler(counterpart: Counterpart) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:
            found = counterpart.page(self.path)
            self._say(404 if found is None else 200, *(found or ("text/plain", b"")))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/presentations/query":
                counterpart.queries.append(body)
                status, told = counterpart.answer(body)
                return self._say(status, "application/json", json.dumps(told).encode())
            counterpart.delivered.append(body)
            counterpart.arrived.set()
            return self._say(200, "application/json", b"{}")

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
