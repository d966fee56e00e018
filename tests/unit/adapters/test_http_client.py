import asyncio
import gzip
import random
import socket
import struct
import zlib

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient
from medspace.adapters.http.connection import MOST_HEADER_BYTES
from medspace.adapters.http.errors import BadAnswerError, ForbiddenAddressError
from medspace.adapters.http.guard import Guard
from medspace.connector.errors import NotSentError, UnreachableError
from tests.unit.adapters.http_servers import answer, serving

SMALL = ClientLimits(total=2, connect=1, answer=10_000)


@pytest.fixture
async def client():
    client = HttpClient(Guard(loopback=True), limits=SMALL)
    yield client
    await client.close()


async def test_a_message_goes_out_and_its_answer_comes_back(client):
    async with serving(answer(201, b'{"state":"REQUESTED"}', ETag="7")) as server:
        got = await client.request(
            "POST", server.url("/a?b=c"), headers={"Authorization": "Bearer t"}, body=b'{"a":1}'
        )
    assert (got.status, got.body, got.headers["etag"]) == (201, b'{"state":"REQUESTED"}', "7")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b'{"a":1}')
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer t"


async def test_a_connection_is_used_again(client):
    async with serving(answer()) as server:
        for _ in range(5):
            await client.request("GET", server.url())
        assert (server.connections, len(server.requests)) == (1, 5)


async def test_a_connection_that_the_server_ends_is_not_used_again(client):
    async with serving(answer(Connection="close"), answer()) as server:
        for _ in range(2):
            assert (await client.request("GET", server.url())).status == 200
        assert server.connections == 2


async def test_a_connection_that_is_idle_for_long_is_closed():
    client = HttpClient(Guard(loopback=True), limits=ClientLimits(idle=0.0))
    ended = asyncio.Event()

    async def watch(reader, writer):
        writer.write(answer())
        await reader.read()
        ended.set()

    async with serving(watch, watch) as server:
        await client.request("GET", server.url())
        await asyncio.wait_for(ended.wait(), 5)
        assert client._origins == {}
        await client.request("GET", server.url())
        assert server.connections == 2


async def test_connections_are_closed_with_the_client(client):
    async with serving(answer()) as server:
        await asyncio.gather(*(client.request("GET", server.url()) for _ in range(3)))
        await client.close()
        assert client._origins == {}
        await client.request("GET", server.url())
        assert server.connections == 4


async def test_no_more_connections_than_allowed_are_opened(client):
    limited = HttpClient(Guard(loopback=True), limits=ClientLimits(connections=3))
    async with serving(answer()) as server:
        answers = await asyncio.gather(*(limited.request("GET", server.url()) for _ in range(20)))
        assert [a.status for a in answers] == [200] * 20
        assert server.connections <= 3
        await limited.close()


async def test_a_packed_answer_is_unpacked(client):
    body = b'{"a":' + b"1" * 5000 + b"}"
    async with serving(answer(body=gzip.compress(body), Content_Encoding="gzip")) as server:
        assert (await client.request("GET", server.url())).body == body
    assert server.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n",
            b"{}",
        ),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(body=b"[]"), b"[]"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (answer(304, b"", Content_Length=None), b""),
    ],
)
async def test_all_framings_are_read(client, raw, body):
    async with serving(raw) as server:
        for _ in range(2):
            assert (await client.request("GET", server.url())).body == body
        assert server.connections == 1


async def test_an_answer_may_end_with_its_connection(client):
    async def close(_, writer):
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n{}")
        writer.close()

    async with serving(close) as server:
        assert (await client.request("GET", server.url())).body == b"{}"


async def test_an_answer_that_comes_byte_by_byte_is_whole(client):
    async def slowly(_, writer):
        for byte in answer(body=b'{"a":1}', X_Long="b" * 30):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(slowly) as server:
        got = await client.request("GET", server.url())
    assert (got.body, got.headers["x-long"]) == (b'{"a":1}', "b" * 30)


def bomb(size, encoding="gzip"):
    return answer(body=gzip.compress(b"0" * size), Content_Encoding=encoding)


async def endless_body(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"0" * 0x1000 + b"\r\n")
        await writer.drain()


async def endless_head(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"0" * 0x1000)
        await writer.drain()


async def endless_hints(_, writer):
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50)
        await writer.drain()


async def endless_trailer(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ")
    while True:
        writer.write(b"0" * 0x1000)
        await writer.drain()


@pytest.mark.parametrize(
    "rude",
    [
        answer(body=b"0" * 10_001),
        endless_body,
        endless_head,
        endless_hints,
        endless_trailer,
        bomb(10_001),
        bomb(50_000_000),
        answer(body=gzip.compress(b"{}")[:-4], Content_Encoding="gzip"),
        answer(body=gzip.compress(b"{}") + b"more", Content_Encoding="gzip"),
        answer(body=b"not gzip", Content_Encoding="gzip"),
        answer(body=zlib.compress(b"{}"), Content_Encoding="deflate"),
        answer(body=gzip.compress(gzip.compress(b"{}")), Content_Encoding="gzip, gzip"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}",
        random.Random(0).randbytes(64),
        answer(X="0" * MOST_HEADER_BYTES),
    ],
)
async def test_an_answer_that_no_honest_server_gives_is_refused(client, rude):
    async with serving(rude) as server:
        with pytest.raises(BadAnswerError):
            await client.request("GET", server.url())


async def test_the_limits_of_one_call_can_be_narrower(client):
    async with serving(answer(body=b"0" * 101)) as server:
        with pytest.raises(BadAnswerError):
            await client.request("GET", server.url(), limit=100)
        assert (await client.request("GET", server.url(), limit=101)).status == 200


async def test_a_second_answer_is_never_taken_for_the_next_one(client):
    async with serving(answer(body=b'"mine"') + answer(body=b'"planted"'), answer(body=b'"next"')) as server:
        assert (await client.request("GET", server.url())).body == b'"mine"'
        assert (await client.request("GET", server.url())).body == b'"next"'
        assert server.connections == 2


async def test_bytes_between_two_calls_end_the_connection(client):
    planted = asyncio.Event()

    async def late(_, writer):
        writer.write(answer(body=b'"mine"'))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(answer(body=b'"planted"'))
        await writer.drain()
        planted.set()

    async with serving(late, answer(body=b'"next"')) as server:
        assert (await client.request("GET", server.url())).body == b'"mine"'
        await planted.wait()
        await asyncio.sleep(0.01)
        assert (await client.request("GET", server.url())).body == b'"next"'
        assert server.connections == 2


async def silent(reader, _):
    await reader.read()


async def dripping(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while True:
        writer.write(b"0")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("slow", [silent, dripping])
async def test_a_slow_server_costs_the_time_of_one_call_only(client, slow):
    async with serving(slow) as server, asyncio.timeout(60):  # both would go on for ever
        with pytest.raises(UnreachableError) as refused:
            await client.request("GET", server.url(), timeout=0.1)
    assert not isinstance(refused.value, NotSentError)


async def test_a_connection_that_ends_early_leaves_it_open_whether_the_message_arrived(client):
    async def hang_up(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        writer.close()

    async with serving(hang_up) as server:
        with pytest.raises(UnreachableError) as refused:
            await client.request("POST", server.url(), body=b"{}")
        assert not isinstance(refused.value, NotSentError)


async def test_a_reset_is_no_end_of_a_body(client):
    async def reset(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with serving(reset) as server:
        with pytest.raises(UnreachableError):
            await client.request("GET", server.url(), limit=100)


async def test_where_nobody_listens_nothing_was_sent(client):
    async with serving(answer()) as server:
        url = server.url()
    with pytest.raises(NotSentError):
        await client.request("POST", url, body=b"{}")


async def test_a_half_open_connection_is_given_up(client):
    """The kernel takes the connection, but nobody ever accepts it: the call ends by its own clock."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(UnreachableError):
            await client.request("POST", url, body=b"{}", timeout=0.1)


async def test_a_call_that_is_cancelled_leaves_no_connection_behind(client):
    asked, ended = asyncio.Event(), asyncio.Event()

    async def note(reader, _):
        asked.set()
        await reader.read()
        ended.set()

    async with serving(note, answer()) as server:
        task = asyncio.create_task(client.request("GET", server.url()))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)
        assert (await client.request("GET", server.url())).status == 200
        assert server.connections == 2


async def test_a_host_that_does_not_resolve_is_said(client):
    async def unknown(host, port):
        raise OSError(-2, "Name or service not known")

    lost = HttpClient(Guard(), resolve=unknown)
    with pytest.raises(NotSentError, match="Name or service not known"):
        await lost.request("GET", "https://hospital.example/")


async def test_a_resolver_that_hangs_is_given_up():
    async def hang(host, port):
        await asyncio.Event().wait()

    lost = HttpClient(Guard(), resolve=hang, limits=ClientLimits(connect=0.05))
    with pytest.raises(NotSentError, match="in time"):
        await lost.request("GET", "https://hospital.example/")


async def test_the_next_address_is_tried_where_one_does_not_answer():
    async def two(host, port):
        return ("::1", "127.0.0.1")

    client = HttpClient(Guard(loopback=True), resolve=two)
    async with serving(answer()) as server:
        assert (await client.request("GET", server.url(host="localhost"))).status == 200
    await client.close()


async def test_a_host_without_an_address_is_said():
    async def none(host, port):
        return ()

    with pytest.raises(NotSentError):
        await HttpClient(Guard(), resolve=none).request("GET", "https://hospital.example/")


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "é", "\x00"])
async def test_no_header_can_be_smuggled_in(client, value):
    with pytest.raises(NotSentError, match="header"):
        await client.request("GET", "http://127.0.0.1:8080/", headers={"Medspace-Job": value})


async def test_an_origin_that_is_not_used_any_more_is_forgotten(client):
    async with serving(answer(Connection="close")) as server:
        await client.request("GET", server.url())
    assert client._origins == {}


async def test_a_forbidden_address_is_not_called():
    async with serving(answer()) as server:
        with pytest.raises(ForbiddenAddressError):
            await HttpClient(Guard()).request("GET", server.url())
        assert server.connections == 0


async def test_headers_before_and_after_the_answer_do_not_count(client):
    packed = answer(body=gzip.compress(b"{}"), Content_Encoding="gzip")
    hinted = b"HTTP/1.1 103 Early Hints\r\nContent-Encoding: br\r\n\r\n" + packed
    trailed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\n\r\n"
    async with serving(hinted, trailed) as server:
        for _ in range(2):
            assert (await client.request("GET", server.url())).body == b"{}"


async def hang_up(_, writer):
    writer.close()


async def test_a_get_that_met_the_end_of_a_kept_connection_is_sent_once_more(client):
    async with serving(answer(), hang_up, answer(body=b'"again"')) as server:
        await client.request("GET", server.url("/1"))
        assert (await client.request("GET", server.url("/2"))).body == b'"again"'
    assert [request.path for request in server.requests] == ["/1", "/2", "/2"]
    assert server.connections == 2


async def test_it_is_not_sent_a_third_time(client):
    async with serving(answer(), hang_up) as server:
        await client.request("GET", server.url("/1"))
        with pytest.raises(UnreachableError):
            await client.request("GET", server.url("/2"))
    assert [request.path for request in server.requests] == ["/1", "/2", "/2"]


async def test_a_get_on_a_new_connection_is_not_repeated(client):
    async with serving(hang_up, answer()) as server:
        with pytest.raises(UnreachableError):
            await client.request("GET", server.url())
    assert len(server.requests) == 1


async def test_a_message_is_never_sent_twice(client):
    async with serving(answer(), hang_up, answer()) as server:
        await client.request("POST", server.url("/1"), body=b"{}")
        with pytest.raises(UnreachableError) as lost:
            await client.request("POST", server.url("/2"), body=b"{}")
        assert not isinstance(lost.value, NotSentError)
    assert [request.path for request in server.requests] == ["/1", "/2"]


async def test_an_answer_that_has_begun_is_not_asked_for_again(client):
    async def begin(_, writer):
        writer.write(b"H")
        writer.close()

    async with serving(answer(), begin, answer()) as server:
        await client.request("GET", server.url("/1"))
        with pytest.raises(UnreachableError):
            await client.request("GET", server.url("/2"))
    assert len(server.requests) == 2
