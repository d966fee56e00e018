"""The login of a hospital for tests: a small provider of OpenID Connect over real HTTP, which signs with a fresh key.

Everybody who comes is the person that `person` says. `token` makes an ID token of claims; tests put others there.
"""

import socket
import threading
from base64 import b64decode, urlsafe_b64encode
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
import uvicorn
from joserfc import jws
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

CLIENT, SECRET = "medspace-clinic", "a secret of both: 100 % & more"
LI = {"sub": "4711", "name": "Dr Li", "groups": ["stewards", "staff"]}


class Provider:
    """One provider; what it was asked is in `asked`."""

    def __init__(self, now=lambda: datetime.now(UTC), secret=SECRET):
        self.now, self.secret, self.person = now, secret, dict(LI)
        self.key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
        self.keys = [self.key.as_dict(private=False)]
        self.codes, self.asked, self.described = {}, [], {}
        self.issuer = ""
        self.token = self.signed
        routes = [
            Route("/.well-known/openid-configuration", self.description),
            Route("/keys", self.shown_keys),
            Route("/authorize", self.authorize),
            Route("/token", self.redeem, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def signed(self, claims, key=None, **head):
        """An ID token of these claims, by the provider's key or another one."""
        key, told = key or self.key, {"alg": "ES256", "kid": "k1"} | head
        payload = httpx.Request("POST", "http://x", json=claims).content
        return jws.serialize_compact(told, payload, key, algorithms=[told["alg"]])

    async def description(self, request):
        self.asked.append("description")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
            | self.described
        )

    async def shown_keys(self, request):
        self.asked.append("keys")
        return JSONResponse({"keys": self.keys})

    async def authorize(self, request):
        """Sign the person in, and send the browser back."""
        self.asked.append("authorize")
        asked = dict(request.query_params)
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(self.answer(asked))}", 303)

    def answer(self, asked):
        """What a browser brings back that was sent here with this."""
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        code = token_hex(16)
        self.codes[code] = asked | {"person": dict(self.person)}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def claims(self, known):
        """What an ID token says that belongs to a code."""
        now = int(self.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": known["nonce"]}
        return claims | {"auth_time": now} | known["person"]

    async def redeem(self, request):
        """The ID token of a code, once, for whoever has the verifier and the secret."""
        self.asked.append("token")
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        known = self.codes.pop(form["code"], None)
        proof = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if known is None or proof != known["code_challenge"] or form["redirect_uri"] != known["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self._secret_of(request, form) != self.secret:
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.token(self.claims(known))})

    def _secret_of(self, request, form):
        head = request.headers.get("authorization", "")
        if not head:
            return form.get("client_secret", "") if form["client_id"] == CLIENT else None
        name, _, secret = b64decode(head.removeprefix("Basic ")).decode().partition(":")
        return unquote_plus(secret) if unquote_plus(name) == CLIENT else None

    def visited(self, address):
        """What a browser brings back that follows this address, without going there."""
        return self.answer(dict(parse_qsl(urlsplit(address).query)))


class _Server(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def provided(provider):
    """A provider that answers on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        provider.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = _Server(uvicorn.Config(provider.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert server.ready.wait(60)
            yield provider
        finally:
            server.should_exit = True
            thread.join(60)
