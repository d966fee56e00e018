import asyncio
import gzip

import pytest

from medspace.adapters.http.client import HttpClient, Outgoing
from medspace.adapters.http.connection import MOST_WAITING, Connection
from medspace.adapters.http.errors import BadAnswerError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.pace import Pace
from medspace.connector.errors import UnreachableError
from tests.unit.adapters.http_servers import answer, listening, serving

MANY = 8 << 20
PIECE = bytes(range(256)) * 1024  # 256 KiB
READ = 256 * 1024  # the most that asyncio reads at once


@pytest.fixture
async def client():
    client = HttpClient(Guard(loopback=True))
    yield client
    await client.close()


COUNT = MANY // len(PIECE)


async def pieces(count=COUNT):
    for _ in range(count):
        yield PIECE


async def whole_of(got):
    return b"".join([piece async for piece in got.pieces])


async def streamed(client, url, limit=MANY, **asked):
    """The whole answer to a streamed call."""
    async with client.stream("PUT" if "body" in asked else "GET", url, limit=limit, **asked) as got:
        return await whole_of(got)


async def large(_, writer):
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n".encode())
    async for piece in pieces():
        writer.write(piece)
        await writer.drain()


async def test_a_large_answer_comes_piece_by_piece_and_no_more_of_it_waits_than_allowed(client, monkeypatch):
    most = 0
    on_body = Connection.on_body

    def watched(self, chunk):
        nonlocal most
        on_body(self, chunk)
        most = max(most, self._reading.waiting)

    monkeypatch.setattr(Connection, "on_body", watched)
    async with serving(large) as server:
        for _ in range(2):
            async with client.stream("GET", server.url(), limit=MANY) as got:
                assert (got.status, got.headers["content-length"]) == (200, str(MANY))
                taken = []
                async for piece in got.pieces:
                    taken.append(piece)
                    for _ in range(5):  # the server is faster than we are
                        await asyncio.sleep(0)
            assert b"".join(taken) == PIECE * COUNT
        assert server.connections == 1
        assert server.requests[0].headers["accept-encoding"] == "identity"
    assert MOST_WAITING < most <= MOST_WAITING + READ


async def test_a_large_body_goes_out_piece_by_piece(client):
    async with serving(answer(201)) as server:
        body = Outgoing(MANY, pieces())
        async with client.stream("PUT", server.url(), limit=100, body=body) as got:
            assert (got.status, await whole_of(got)) == (201, b"{}")
    (request,) = server.requests
    assert request.body == PIECE * COUNT
    assert request.headers["content-type"] == "application/octet-stream"


async def test_an_answer_that_comes_early_ends_the_sending(client):
    sent = 0
    answered = asyncio.Event()

    async def endless():
        nonlocal sent
        while True:
            sent += len(PIECE)
            yield PIECE
            if sent > MANY:
                await answered.wait()

    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(413, b'{"code":"too.large"}'))
        await writer.drain()
        answered.set()
        await reader.read()

    async with listening(refuse) as url:
        async with client.stream("PUT", url, limit=100, body=Outgoing(1 << 40, endless())) as got:
            assert (got.status, await whole_of(got)) == (413, b'{"code":"too.large"}')
        assert client._origins == {}  # the rest of the body is owed on that connection


@pytest.mark.parametrize("length", [MANY - 1, MANY + 1])
async def test_a_body_of_another_length_is_not_sent_as_whole(client, length):
    async with serving(answer()) as server:
        with pytest.raises(ValueError, match="than it says"):
            await streamed(client, server.url(), body=Outgoing(length, pieces()))
    assert server.requests == []


async def test_who_leaves_early_closes_the_connection(client):
    async with serving(large) as server:
        async with client.stream("GET", server.url(), limit=MANY) as got:
            await anext(got.pieces)
        assert client._origins == {}
        with pytest.raises(KeyError):
            async with client.stream("GET", server.url(), limit=MANY):
                raise KeyError
        assert client._origins == {}


async def test_an_answer_that_breaks_off_is_told_after_what_came(client):
    async def breaks(_, writer):
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n".encode() + PIECE)
        await writer.drain()
        writer.close()

    taken = bytearray()

    async def take(url):
        async with client.stream("GET", url, limit=MANY) as got:
            async for piece in got.pieces:
                taken.extend(piece)

    async with serving(breaks) as server:
        with pytest.raises(UnreachableError):
            await take(server.url())
    assert bytes(taken) == PIECE


async def test_an_answer_beyond_its_limit_is_refused(client):
    async with serving(large) as server:
        with pytest.raises(BadAnswerError):
            await streamed(client, server.url(), MANY - 1)


async def test_an_answer_that_is_packed_is_refused(client):
    async with serving(answer(body=gzip.compress(b"{}"), Content_Encoding="gzip")) as server:
        with pytest.raises(BadAnswerError, match="compressed"):
            await streamed(client, server.url())


async def silent(reader, writer):
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n".encode())
    await reader.read()


async def dripping(_, writer):
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n".encode())
    while True:
        writer.write(b"0")
        await writer.drain()
        await asyncio.sleep(0.002)


async def mute(reader, _):
    await reader.read()


@pytest.mark.parametrize(
    ("slow", "pace"),
    [(silent, Pace(idle=0.1)), (mute, Pace(idle=0.1)), (dripping, Pace(patience=0.1, rate=16 * 1024.0))],
)
async def test_a_server_that_gives_too_slowly_is_left(client, slow, pace):
    async with serving(slow) as server, asyncio.timeout(60):
        with pytest.raises(UnreachableError, match="too long"):
            await streamed(client, server.url(), pace=pace)


async def test_a_server_that_takes_nothing_is_left(client):
    async def deaf(_, writer):
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with listening(deaf) as url, asyncio.timeout(60):
        with pytest.raises(UnreachableError, match="too long"):
            await streamed(client, url, body=Outgoing(1 << 40, pieces(1 << 20)), pace=Pace(idle=0.2))


async def test_a_server_is_not_blamed_for_our_own_time(client):
    """What counts is the time that was waited for the other side, not what we do with its pieces."""
    async with serving(large) as server:
        pace = Pace(patience=0.0, rate=1.0)
        async with client.stream("GET", server.url(), limit=MANY, pace=pace) as got:
            async for _ in got.pieces:
                await asyncio.sleep(0.001)
