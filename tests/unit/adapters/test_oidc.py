"""A provider of OpenID Connect: what is believed of what it says of itself, and what goes along with a code."""

import json
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.responses import Response
from starlette.routing import request_response

from medspace.adapters.extras import MissingExtraError
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.memory import ManualClock
from medspace.adapters.oidc import idtokens
from medspace.adapters.oidc.provider import OidcClient, OidcProvider, is_safe
from medspace.services.accounts.errors import LoginRefusedError, LoginUnavailableError
from tests.oidc import CLIENT, LI, SECRET, Provider, provided

BACK = "https://portal.example/portal/oidc/callback"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def served():
    with provided(Provider()) as provider:
        yield provider


@pytest.fixture
async def asked(served):
    http, clock = HttpClient(Guard.of((), loopback=True)), ManualClock()
    served.now, served.described, served.asked, served.secret = clock.now, {}, [], SECRET
    served.person, served.token = dict(LI), served.signed

    def client(secret=SECRET, issuer=served.issuer):
        return OidcProvider(OidcClient(issuer, CLIENT, ("openid", "x"), "groups", BACK, lambda: secret), http, clock)

    yield client
    await http.close()


async def redeemed(provider, served, **said):
    address = await provider.address(state="s", nonce="n", challenge=CHALLENGE, again=False)
    brought = served.visited(address) | said
    return await provider.redeem(brought["code"], verifier=VERIFIER, nonce="n", issuer=brought["iss"])


async def test_what_it_says_of_a_person(asked, served):
    claims = await redeemed(asked(), served)
    assert (claims.subject, claims.names, claims.groups) == ("4711", ("Dr Li",), ("stewards", "staff"))
    assert claims.authenticated == served.now()


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], ["private_key_jwt"], None])
async def test_the_secret_goes_along_as_the_provider_takes_it(asked, served, methods):
    served.described = {} if methods is None else {"token_endpoint_auth_methods_supported": methods}
    assert (await redeemed(asked(), served)).subject == "4711"
    with pytest.raises(LoginRefusedError, match="does not know the code"):
        await redeemed(asked("wrong"), served)


@pytest.mark.parametrize("size", [10, 9_000])
async def test_what_a_head_says_besides_is_not_looked_at(asked, served, size):
    head = json.dumps({"alg": "ES256", "kid": "k1", "x5c": ["A" * size], "pi.atm": "1"}).encode()

    def token(claims):
        told = b".".join(map(encoded, (head, json.dumps(claims).encode())))
        signed = served.key.get_op_key("sign").sign(told, ECDSA(SHA256()))
        proof = b"".join(one.to_bytes(32, "big") for one in decode_dss_signature(signed))
        return (told + b"." + encoded(proof)).decode()

    served.token = token
    assert (await redeemed(asked(), served)).subject == "4711"


def encoded(content):
    return urlsafe_b64encode(content).rstrip(b"=")


async def test_a_public_client_has_none(asked, served):
    served.secret = ""
    assert (await redeemed(asked(""), served)).subject == "4711"


@pytest.mark.parametrize(
    ("described", "why"),
    [
        ({"issuer": "https://other.example"}, "exactly what it says"),
        ({"token_endpoint": "http://login.example/token"}, "not reached over https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not reached over https"),
        ({"jwks_uri": "https://user@login.example/"}, "not reached over https"),
        ({"code_challenge_methods_supported": ["plain"]}, "no PKCE"),
        ({"token_endpoint": 7}, "cannot be read"),
    ],
)
async def test_what_it_says_of_itself_is_not_believed_when(asked, served, described, why):
    served.described = described
    provider = asked()
    for _ in range(3):
        with pytest.raises(LoginUnavailableError, match=why):
            await provider.address(state="s", nonce="n", challenge="c", again=False)
    assert served.asked == ["description"], "one that cannot be used is not asked by everybody who comes"
    served.described = {}
    provider.clock.advance(10)
    await provider.address(state="s", nonce="n", challenge="c", again=False)
    await provider.address(state="s", nonce="n", challenge="c", again=False)
    assert served.asked == ["description"] * 2
    provider.clock.advance(3600)
    await provider.description()
    assert served.asked == ["description"] * 3


async def test_an_endpoint_with_a_query_keeps_it(asked, served):
    served.described = {"authorization_endpoint": f"{served.issuer}/authorize?tenant=1"}
    address = await asked().address(state="s", nonce="n", challenge="c", again=True)
    assert "/authorize?tenant=1&response_type=code" in address
    assert address.endswith("&prompt=login&max_age=0")


async def test_one_that_is_not_there_or_speaks_nonsense_is_said_to_be_so(asked, served):
    for issuer, why in (("http://127.0.0.1:9", "must not be called"), (f"{served.issuer}/x", "status 404")):
        with pytest.raises(LoginUnavailableError, match=why):
            await asked(issuer=issuer).description()
    served.described = {"jwks_uri": f"{served.issuer}/token"}
    with pytest.raises(LoginUnavailableError, match="status 405"):
        await redeemed(asked(), served)
    served.described = {"token_endpoint": f"{served.issuer}/keys"}
    with pytest.raises(LoginUnavailableError, match="status 405"):
        await redeemed(asked(), served)
    served.described, served.token = {}, lambda claims: None
    with pytest.raises(LoginUnavailableError, match="no ID token"):
        await redeemed(asked(), served)


@pytest.mark.parametrize("keys", [None, "x", [{}] * 101])
async def test_keys_that_cannot_be_read_are_none(asked, served, keys):
    kept, served.keys = served.keys, keys
    with pytest.raises(LoginUnavailableError, match="keys cannot be read"):
        await redeemed(asked(), served)
    served.keys = kept


async def test_an_answer_that_is_no_json_is_none(asked, served):
    async def broken(request):
        return Response(b'{"issuer": 1, "issuer": 2}')

    kept, served.app.router.routes[0].app = served.app.router.routes[0].app, request_response(broken)
    with pytest.raises(LoginUnavailableError, match="answer cannot be read"):
        await asked().description()
    served.app.router.routes[0].app = kept


async def test_without_the_extra_nobody_is_sent_away(asked, monkeypatch):
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(MissingExtraError, match="joserfc") as missing:
        await asked().address(state="s", nonce="n", challenge="c", again=False)
    assert str(missing.value.advice) == 'Run: pip install "medspace[oidc]"'


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example/x?y=1", True),
        ("http://localhost:8080/", True),
        ("http://127.0.0.1/", True),
        ("http://login.example/", False),
        ("https://user:x@login.example/", False),
        ("https://login.example/#x", False),
        ("https://login.exämple/", False),
        ("https://[", False),
        ("ftp://login.example", False),
        ("https:///x", False),
        ("", False),
    ],
)
def test_a_safe_address(url, safe):
    assert is_safe(url) is safe


@pytest.mark.parametrize("value", [True, "1", None, 1e300, float("nan"), -1e300])
def test_a_time_that_is_none(value):
    assert idtokens.time_of(value) is None
