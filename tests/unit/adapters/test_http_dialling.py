import asyncio
import socket
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient
from medspace.adapters.http.dialling import first_of, interleaved, tls_context
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.proxy import Proxy
from medspace.connector.errors import NotSentError
from tests.unit.adapters.http_servers import Authority, answer, forwarding, serving

PUBLIC = "93.184.216.34"


def addresses(*texts):
    async def resolve(host, port):
        return texts

    return resolve


@contextmanager
def dead(port):
    """An address of this machine that takes connections and never greets: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(8):
                one = socket.socket()
                one.settimeout(0)
                one.connect_ex(("127.0.0.2", port))
                waiting.append(one)
            yield
        finally:
            for one in waiting:
                one.close()


async def test_one_dead_address_does_not_make_a_host_unreachable():
    client = HttpClient(
        Guard(loopback=True), resolve=addresses("127.0.0.2", "127.0.0.1"), limits=ClientLimits(connect=5)
    )
    async with serving(answer()) as server:
        with dead(server.port):
            assert (await client.request("GET", server.url(host="localhost"))).status == 200
    await client.close()


async def test_a_host_whose_only_address_is_dead_is_given_up():
    client = HttpClient(Guard(loopback=True), resolve=addresses("127.0.0.2"), limits=ClientLimits(connect=0.5))
    async with serving(answer()) as server:
        with dead(server.port), pytest.raises(NotSentError, match="in time"):
            await client.request("GET", server.url(host="localhost"))


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        (["::1", "::2", "10.0.0.1", "10.0.0.2"], ["::1", "10.0.0.1", "::2", "10.0.0.2"]),
        (["10.0.0.1", "::1", "::2", "::3"], ["10.0.0.1", "::1", "::2", "::3"]),
        (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]),
        ([], []),
    ],
)
def test_families_take_turns_and_the_resolvers_first_comes_first(given, tried):
    assert interleaved([ip_address(one) for one in given]) == [ip_address(one) for one in tried]


class Tries:
    """Attempts that end when the test says so; `begun` is the order in which they were begun."""

    def __init__(self, count):
        self.begun = []
        self.ends = [asyncio.get_running_loop().create_future() for _ in range(count)]
        self.cancelled = set()

    def attempts(self):
        return [lambda n=n: self.attempt(n) for n in range(len(self.ends))]

    async def attempt(self, number):
        self.begun.append(number)
        try:
            return await self.ends[number]
        except asyncio.CancelledError:
            self.cancelled.add(number)
            raise


async def test_a_failure_begins_the_next_attempt_at_once():
    with socket.socket() as sock:
        tries = Tries(3)
        tries.ends[0].set_exception(OSError(111, "refused"))
        tries.ends[1].set_result(sock)
        assert await first_of(tries.attempts(), 3600.0) is sock
        assert tries.begun == [0, 1]


async def test_silence_begins_the_next_attempt_after_the_delay():
    with socket.socket() as sock:
        tries = Tries(3)
        tries.ends[2].set_result(sock)
        assert await first_of(tries.attempts(), 0.001) is sock
        assert tries.begun == [0, 1, 2]
        assert tries.cancelled == {0, 1}


async def test_the_last_failure_is_told_where_all_fail():
    tries = Tries(2)
    tries.ends[0].set_exception(OSError(113, "no route"))
    tries.ends[1].set_exception(OSError(111, "refused"))
    with pytest.raises(OSError, match="refused"):
        await first_of(tries.attempts(), 3600.0)


async def test_of_two_that_connect_together_one_is_closed():
    first, second = socket.socket(), socket.socket()
    tries = Tries(1)

    async def last():
        tries.ends[0].set_result(first)
        return second

    won = await first_of([tries.attempts()[0], last], 0.001)
    lost = second if won is first else first
    assert lost.fileno() == -1
    won.close()


# --- a forward proxy --------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def proxied(authority, proxy, *found, way=None, **limits):
    tls = tls_context(authority.file)
    resolve = addresses(*found or (PUBLIC,))
    way = way or Proxy("127.0.0.1", proxy.port)
    return HttpClient(Guard(loopback=True), tls=tls, resolve=resolve, limits=ClientLimits(**limits), proxy=way)


async def test_a_proxy_is_asked_for_the_checked_address_and_the_certificate_is_the_hosts(authority):
    tls = authority.server_context("hospital.example")
    async with serving(answer(body=b'"here"'), tls=tls) as server, forwarding(to=server.port) as proxy:
        client = proxied(authority, proxy)
        for _ in range(2):
            got = await client.request("POST", f"https://hospital.example:{server.port}/x", body=b"{}")
            assert got.body == b'"here"'
        assert proxy.asked == [f"CONNECT {PUBLIC}:{server.port}"]
        await client.close()


BASIC = "Basic bWU6d8O2cmQ6MQ=="  # me:wörd:1


def through(proxy, user="me", password="wörd:1", scheme="http", host="127.0.0.1"):
    return Proxy.of(f"{scheme}://{host}:{proxy.port}", user, password)


async def test_user_and_password_go_to_the_proxy_and_no_further(authority):
    tls = authority.server_context("hospital.example")
    async with (
        serving(answer(body=b'"here"'), tls=tls) as server,
        forwarding(to=server.port, wants=BASIC) as proxy,
    ):
        way = through(proxy)
        client = proxied(authority, proxy, way=way)
        assert (await client.request("GET", f"https://hospital.example:{server.port}/")).body == b'"here"'
        assert "proxy-authorization" not in server.requests[0].headers
        assert not {"wörd", BASIC} & set(repr(way).split("'"))
        await client.close()


@pytest.mark.parametrize(("user", "password"), [("me", "word"), ("", "")])
async def test_a_wrong_password_is_said_and_not_shown(authority, user, password):
    async with forwarding(wants=BASIC) as proxy:
        client = proxied(authority, proxy, way=through(proxy, user, password))
        with pytest.raises(NotSentError, match="the proxy refuses with status 407") as refused:
            await client.request("GET", "https://hospital.example/")
        assert not password or password not in repr(refused.value)


async def test_the_way_to_the_proxy_may_be_tls_with_tls_to_the_host_within(authority):
    tls, outer = authority.server_context("hospital.example"), authority.server_context("127.0.0.1")
    large = b'"' + b"x" * 3_000_000 + b'"'
    async with (
        serving(answer(body=b'"here"'), answer(body=large), tls=tls) as server,
        forwarding(to=server.port, wants=BASIC, tls=outer) as proxy,
    ):
        client = proxied(authority, proxy, way=through(proxy, scheme="https"))
        url = f"https://hospital.example:{server.port}/"
        assert (await client.request("GET", url)).body == b'"here"'
        assert (await client.request("POST", url, body=large, limit=4_000_000)).body == large
        assert server.requests[1].body == large
        assert set(proxy.asked) == {f"CONNECT {PUBLIC}:{server.port}"}
        await client.close()


async def test_a_proxy_with_another_certificate_gets_no_password(authority):
    async with forwarding(tls=authority.server_context("other.example")) as proxy:
        with pytest.raises(NotSentError, match="TLS with the proxy failed"):
            await proxied(authority, proxy, way=through(proxy, scheme="https")).request(
                "GET", "https://hospital.example/"
            )
        assert proxy.asked == []


async def test_behind_a_tls_proxy_the_certificate_is_the_hosts_all_the_same(authority):
    inner, outer = authority.server_context("elsewhere.example"), authority.server_context("127.0.0.1")
    async with serving(answer(), tls=inner) as server, forwarding(to=server.port, tls=outer) as proxy:
        way = through(proxy, "", "", scheme="https")
        with pytest.raises(NotSentError, match="TLS failed"):
            await proxied(authority, proxy, way=way).request("GET", "https://hospital.example/")


@pytest.mark.parametrize(
    ("user", "password"), [("a:b", "s3cret"), ("me\n", "s3cret"), ("me", "s3\r\nX: 1"), ("", "s3cret")]
)
def test_what_cannot_be_sent_as_user_and_password_is_refused_and_not_repeated(user, password):
    with pytest.raises(ValueError, match=r"a password without|cannot be sent") as refused:
        Proxy.of("http://proxy:3128", user, password)
    assert password not in str(refused.value)


async def test_a_proxy_that_leads_elsewhere_is_found_out(authority):
    async with serving(answer(), tls=authority.server_context("other.example")) as server:
        async with forwarding(to=server.port) as proxy:
            with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
                await proxied(authority, proxy).request("GET", "https://hospital.example/")
        assert server.requests == []


async def test_the_next_address_is_tried_through_the_proxy(authority):
    v6, tls = "2606:4700::1111", authority.server_context("hospital.example")
    refused = (f"[{v6}]:443",)
    async with serving(answer(), tls=tls) as server, forwarding(to=server.port, refused=refused) as proxy:
        client = proxied(authority, proxy, v6, PUBLIC)
        assert (await client.request("GET", "https://hospital.example/")).status == 200
        assert proxy.asked == [f"CONNECT [{v6}]:443", f"CONNECT {PUBLIC}:443"]
        await client.close()


async def test_this_machine_is_called_without_the_proxy(authority):
    async with serving(answer()) as server, forwarding() as proxy:
        client = proxied(authority, proxy, "127.0.0.1")
        for host in ("localhost", "127.0.0.1"):
            assert (await client.request("GET", server.url(host=host))).status == 200
        assert proxy.asked == []
        await client.close()


async def test_a_proxy_that_refuses_is_said(authority):
    async with forwarding(refused=(f"{PUBLIC}:443",)) as proxy:
        with pytest.raises(NotSentError, match="the proxy refuses with status 403"):
            await proxied(authority, proxy).request("GET", "https://hospital.example/")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",  # words put into the host's mouth
        b"HTTP/1.1 200 OK\r\nX: " + b"0" * 10_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
)
async def test_a_proxy_that_says_something_else_gives_no_connection(authority, reply):
    async with forwarding(reply=reply) as proxy:
        with pytest.raises(NotSentError, match="does not answer CONNECT"):
            await proxied(authority, proxy).request("GET", "https://hospital.example/")


async def test_a_proxy_that_is_silent_is_given_up(authority):
    silent = asyncio.Event()

    async def hang(reader, writer):
        await reader.read(1)
        await silent.wait()

    async with serving(hang) as proxy:
        with pytest.raises(NotSentError, match="in time"):
            await proxied(authority, proxy, connect=0.2).request("GET", "https://hospital.example/")


async def test_a_proxy_that_is_not_there_is_said(authority):
    async with forwarding() as proxy:
        pass
    with pytest.raises(NotSentError, match=r"the proxy .* cannot be reached: nothing listens there"):
        await proxied(authority, proxy).request("GET", "https://hospital.example/")


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.hospital.example:3128", Proxy("proxy.hospital.example", 3128)),
        ("http://10.1.2.3:8080/", Proxy("10.1.2.3", 8080)),
        ("http://[fd00::1]:3128", Proxy("fd00::1", 3128)),
        ("https://proxy.example:3129", Proxy("proxy.example", 3129, secure=True)),
    ],
)
def test_a_proxy_is_read(url, proxy):
    assert Proxy.of(url) == proxy


@pytest.mark.parametrize(
    "url",
    ["proxy:3128", "ftp://proxy:3128", "http://proxy", "http://user:word@proxy:3128", "http://proxy:99999", ""],
)
def test_what_is_no_proxy_is_refused(url):
    with pytest.raises(ValueError, match="http://host:port"):
        Proxy.of(url)
