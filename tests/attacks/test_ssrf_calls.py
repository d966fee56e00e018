"""The guard at work on real connections: rebinding names, redirects, doors left ajar."""

import json

import pytest

from medspace.adapters.http import dialling
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import DspClient, HttpDocuments
from medspace.adapters.http.proxy import Proxy
from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.connector.errors import NotSentError, UnreachableError
from medspace.trust.errors import DocumentError
from medspace.trust.service import Identity
from tests.unit.adapters.http_servers import answer, forwarding, serving
from tests.unit.trust.space import COMPANY, HOSPITAL, KEYS


def resolver(*answers):
    """Gives one answer after the other, as a name server does that wants to be called twice."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    resolve.asked = asked
    return resolve


async def test_a_name_that_points_inside_is_not_called():
    async with serving(answer()) as server:
        client = HttpClient(Guard(loopback=True), resolve=resolver(["127.0.0.1"]))
        with pytest.raises(ForbiddenAddressError):
            await client.request("GET", f"https://hospital.example:{server.port}/")
        assert server.connections == 0


async def test_a_name_that_is_rebound_after_the_check_gains_nothing(monkeypatch):
    """The name is resolved once for each connection, and the very address that was checked is connected to."""
    connected = []

    async def connect(address, port):
        connected.append(str(address))
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(dialling, "reached", connect)
    resolve = resolver(["93.184.216.34"], ["127.0.0.1"])
    client = HttpClient(Guard(), resolve=resolve)
    with pytest.raises(NotSentError):
        await client.request("GET", "https://hospital.example/")
    assert (resolve.asked, connected) == (["hospital.example"], ["93.184.216.34"])
    with pytest.raises(ForbiddenAddressError):
        await client.request("GET", "https://hospital.example/")
    assert connected == ["93.184.216.34"]


async def test_one_bad_address_among_good_ones_spoils_them_all():
    resolve = resolver(["93.184.216.34", "169.254.169.254"])
    with pytest.raises(ForbiddenAddressError):
        await HttpClient(Guard(), resolve=resolve).request("GET", "https://hospital.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_inside_is_not_followed(status):
    async with serving(answer()) as inside, serving() as outside:
        outside.answers.append(answer(status, b"", Location=inside.url("/latest/meta-data/")))
        identity = Identity(COMPANY, KEYS[COMPANY], ManualClock(), SeededRandomness(1))
        client = HttpClient(Guard(loopback=True))
        reply = await DspClient(client, identity).post(outside.url(), {}, HOSPITAL)
        await client.close()
        assert (reply.status, inside.connections, len(outside.requests)) == (status, 0, 1)


async def test_a_redirect_of_a_did_document_is_not_followed():
    async with serving(answer()) as inside, serving() as outside:
        outside.answers.append(answer(302, b"", Location=inside.url()))
        client = HttpClient(Guard(loopback=True))
        with pytest.raises(DocumentError):
            await HttpDocuments(client).document(f"did:web:127.0.0.1%3A{outside.port}")
        await client.close()
        assert inside.connections == 0


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    async with serving(answer(body=json.dumps({"from": "proxy"}).encode())) as proxy, serving(answer()) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        client = HttpClient(Guard(loopback=True))
        assert (await client.request("GET", server.url())).body == b"{}"
        await client.close()
        assert proxy.connections == 0


async def test_a_callback_learns_nothing_of_what_is_inside():
    """Closed ports and forbidden addresses are told apart in our own log only, never in what goes out."""
    client = HttpClient(Guard())
    with pytest.raises(UnreachableError) as refused:
        await client.request("GET", "https://10.0.0.1/")
    assert isinstance(refused.value, NotSentError)


@pytest.mark.parametrize("inside", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1"])
async def test_what_must_not_be_called_is_not_asked_of_a_proxy_either(inside):
    async with serving(answer()) as proxy:
        through = Proxy("127.0.0.1", proxy.port)
        client = HttpClient(Guard(), resolve=resolver([inside]), proxy=through)
        with pytest.raises(ForbiddenAddressError):
            await client.request("GET", "https://hospital.example/")
        literal = f"[{inside}]" if ":" in inside else inside
        with pytest.raises(ForbiddenAddressError):
            await client.request("GET", f"https://{literal}/")
        assert proxy.connections == 0


async def test_a_proxy_is_not_asked_to_resolve_a_name():
    """The control: a public address is asked for, as an address, though the name could be had for less."""
    async with forwarding(refused=("93.184.216.34:443",)) as proxy:
        client = HttpClient(Guard(), resolve=resolver(["93.184.216.34"]), proxy=Proxy("127.0.0.1", proxy.port))
        with pytest.raises(NotSentError):
            await client.request("GET", "https://hospital.example/")
        assert proxy.asked == ["CONNECT 93.184.216.34:443"]
