"""A FHIR server in a process of its own that behaves as the rules of HL7 say, and misbehaves as a test asks it to.

    python -m tests.fhirserver PORT

It has search with paging, bulk export, SMART backend services and OAuth client credentials. `Served` starts one;
`Served.control` sets what it holds and its faults, by a door beside those of FHIR.
"""

import json
import re
import subprocess
import sys
import threading
import time
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.ports import claim

JWT_LIFE = 300
FHIR = "application/fhir+json"


@dataclass
class Held:
    """All that the server holds; `control` overwrites fields."""

    base: str
    resources: dict = field(default_factory=dict)
    deleted: list = field(default_factory=list)  # [type, id]
    now: str = "2026-01-01T00:00:00Z"
    faults: list = field(default_factory=list)
    polls: int = 1  # looks at a job before it is done
    per_file: int = 1000
    auth: str = ""  # "jwt", "secret"
    client: str = "medspace"
    secret: str = ""
    jwks: dict = field(default_factory=dict)
    skew: float = 0.0  # seconds that its clock is ahead
    token_uses: int = 1000
    token_life: int = 300
    requests: list = field(default_factory=list)
    tokens: dict = field(default_factory=dict)
    seen: list = field(default_factory=list)
    jobs: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)  # {"after": page, "resources": {...}}: it changes under the reader


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    held: Held
    lock = threading.Lock()

    def log_message(self, *_):
        """Say nothing."""

    def date_time_string(self, timestamp=None):
        """The time of a clock that may be wrong."""
        return super().date_time_string((timestamp or time.time()) + self.held.skew)

    def do_GET(self):
        self._do()

    def do_POST(self):
        self._do()

    def do_DELETE(self):
        self._do()

    def _do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            self._answered(body)

    def _answered(self, body):
        held = self.held
        if self.path == "/control":
            self._control(json.loads(body) if body else {})
            return
        held.requests.append([self.command, self.path, self.headers.get("Authorization", ""), self.headers["Host"]])
        for fault in held.faults:
            if fault.get("times", 1) > 0 and re.search(fault["path"], self.path):
                fault["times"] = fault.get("times", 1) - 1
                self._fault(fault)
                return
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix("/r4")
        if path == "/.well-known/smart-configuration":
            self._json(200, {"token_endpoint": f"{held.base}/token"}, "application/json")
        elif path == "/token":
            self._token({name: values[0] for name, values in parse_qs(body.decode()).items()})
        elif held.auth and not self._let_in():
            self._outcome(401, "login")
        elif path.endswith("/$export"):
            self._export(asked)
        elif path.startswith("/jobs/"):
            self._job(path)
        elif path.startswith("/files/"):
            self._file(path)
        else:
            self._search(path.strip("/"), asked)

    def _control(self, said):
        for name, value in said.items():
            setattr(self.held, name, value)
        told = {"requests": self.held.requests, "jobs": list(self.held.jobs)}
        self._json(200, told, "application/json")

    def _fault(self, fault):
        body = fault.get("body", "").replace("{base}", self.held.base).encode()
        self.send_response(fault["status"])
        for name, value in fault.get("headers", {}).items():
            self.send_header(name, value.replace("{base}", self.held.base))
        self.send_header("Content-Length", str(len(body) + fault.get("cut", 0)))
        if fault.get("cut"):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    # --- login ------------------------------------------------------------------------------------------------------
    def _token(self, said):
        problem = self._by_secret() if self.held.auth == "secret" else self._by_jwt(said)
        if problem:
            self._json(400, {"error": "invalid_client", "error_description": problem}, "application/json")
            return
        token = f"token-{len(self.held.tokens)}"
        self.held.tokens[token] = [self.held.token_uses, time.time() + self.held.skew + self.held.token_life]
        told = {"access_token": token, "token_type": "bearer", "expires_in": self.held.token_life}
        self._json(200, told | {"scope": said.get("scope", "")}, "application/json")

    def _by_secret(self):
        kind, _, pair = self.headers.get("Authorization", "").partition(" ")
        client, _, secret = b64decode(pair).decode().partition(":")
        right = (unquote_plus(client), unquote_plus(secret)) == (self.held.client, self.held.secret)
        return "" if kind == "Basic" and right else "secret"

    def _by_jwt(self, said):
        now = time.time() + self.held.skew
        try:
            keys = KeySet.import_key_set(self.held.jwks)
            token = jwt.decode(said.get("client_assertion", ""), keys, algorithms=["RS384", "ES384"])
        except (JoseError, ValueError) as error:
            return str(error)
        claims = token.claims
        if not claims["iss"] == claims["sub"] == self.held.client or claims["aud"] != f"{self.held.base}/token":
            return "iss, sub or aud"
        if not now < claims["exp"] <= now + JWT_LIFE:
            return "exp"
        if claims["jti"] in self.held.seen:
            return "jti"
        self.held.seen.append(claims["jti"])
        return (
            "" if said.get("grant_type") == "client_credentials" and "system/" in said.get("scope", "") else "scope"
        )

    def _let_in(self):
        known = self.held.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if known is None or known[0] <= 0 or known[1] < time.time() + self.held.skew:
            return False
        known[0] -= 1
        return True

    # --- bulk export ------------------------------------------------------------------------------------------------
    def _export(self, asked):
        if "respond-async" not in self.headers.get("Prefer", ""):
            self._outcome(400, "not-supported")
            return
        name = f"/jobs/{len(self.held.jobs) + 1}"
        since = asked.get("_since", "")
        found = {
            kind: [
                one
                for one in self.held.resources.get(kind, [])
                if one.get("meta", {}).get("lastUpdated", "9") > since
            ]
            for kind in asked["_type"].split(",")
        }
        self.held.jobs[name] = {"polls": self.held.polls, "found": found, "since": since, "time": self.held.now}
        self._send(202, b"", {"Content-Location": self.held.base + name})

    def _job(self, path):
        job = self.held.jobs.get(path)
        if job is None:
            self._outcome(404, "not-found")
        elif self.command == "DELETE":
            del self.held.jobs[path]
            self._send(202, b"", {})
        elif job["polls"] > 0:
            job["polls"] -= 1
            self._send(202, b"", {"X-Progress": "half", "Retry-After": "1"})
        else:
            self._json(200, self._manifest(path, job), "application/json")

    def _manifest(self, path, job):
        number, per = path.rpartition("/")[2], self.held.per_file
        output = [
            {"type": kind, "url": f"{self.held.base}/files/{number}/{kind}/{at}", "count": len(many[at : at + per])}
            for kind, many in job["found"].items()
            for at in range(0, len(many), per)
        ]
        gone = [{"type": "Bundle", "url": f"{self.held.base}/files/{number}/deleted/0"}] if job["since"] else []
        return {
            "transactionTime": job["time"], "request": "", "requiresAccessToken": bool(self.held.auth),
            "output": output, "deleted": gone if self.held.deleted else [], "error": [],
        }  # fmt: skip

    def _file(self, path):
        _, _, number, kind, at = path.split("/")
        job = self.held.jobs.get(f"/jobs/{number}")
        if job is None:
            self._outcome(404, "not-found")
            return
        if kind == "deleted":
            entries = [{"request": {"method": "DELETE", "url": f"{of}/{name}"}} for of, name in self.held.deleted]
            lines = [{"resourceType": "Bundle", "type": "transaction", "entry": entries}]
        else:
            lines = job["found"][kind][int(at) : int(at) + self.held.per_file]
        body = "".join(json.dumps(one) + "\n" for one in lines).encode()
        self._send(200, body, {"Content-Type": "application/fhir+ndjson"})

    # --- search -----------------------------------------------------------------------------------------------------
    def _search(self, kind, asked):
        many, count, page = self.held.resources.get(kind, []), int(asked.get("_count", 10)), int(asked.get("page", 0))
        entries = [{"resource": one, "search": {"mode": "match"}} for one in many[page * count : (page + 1) * count]]
        told = {"resourceType": "Bundle", "type": "searchset", "total": len(many), "entry": entries, "link": []}
        if (page + 1) * count < len(many):
            url = f"{self.held.base}/{kind}?_count={count}&page={page + 1}"
            told["link"].append({"relation": "next", "url": url})
        self._json(200, told, FHIR)
        if self.held.changes and self.held.changes["after"] == page and self.held.changes["times"] > 0:
            self.held.changes["times"] -= 1
            self.held.resources = {**self.held.resources, **self.held.changes["resources"]}

    def _outcome(self, status, code):
        issue = {"severity": "error", "code": code, "diagnostics": "Mary Smith, born 1970"}
        self._json(status, {"resourceType": "OperationOutcome", "issue": [issue]}, FHIR)

    def _json(self, status, said, kind):
        self._send(status, json.dumps(said).encode(), {"Content-Type": kind})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Served:
    """A running server: its address, and what a test tells it."""

    port: int

    @property
    def base(self):
        """Its address as FHIR has it."""
        return f"http://127.0.0.1:{self.port}/r4"

    def control(self, **said):
        """Set what it holds; what it was asked until now."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/control", json.dumps(said))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def asked(self, word=""):
        """The requests whose path has that word in it."""
        return [one for one in self.control()["requests"] if word in one[1]]


@contextmanager
def served():
    """A server in a process of its own."""
    port = claim(1)[0]
    process = subprocess.Popen([sys.executable, "-m", "tests.fhirserver", str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield Served(port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def fresh(server):
    """Let a server forget everything."""
    server.control(**vars(Held(server.base)))


if __name__ == "__main__":
    Handler.held = Held(f"http://127.0.0.1:{sys.argv[1]}/r4")
    listening = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    listening.daemon_threads = True
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    listening.serve_forever()
