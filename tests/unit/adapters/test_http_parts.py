import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from medspace.adapters.blobs.memory import MemoryBlobStore
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import JobClient
from medspace.connector.errors import UnreachableError
from medspace.core.parts import Keeping
from tests.unit.adapters.http_servers import answer, listening, serving
from tests.unit.app.part_door import JOB, KEEPING, TOKEN, USER, PartApplication, part_door, part_of

HOLDER = "did:web:hospital.example"
OURS = Keeping(HOLDER, "our use")
LARGE = random.Random(2).randbytes(6 << 20)


class Named:
    """Signs with a name: what the double of the endpoint takes."""

    def token_for(self, audience):
        assert audience == HOLDER
        return USER


@pytest.fixture
async def jobs():
    client = HttpClient(Guard(loopback=True))
    jobs = JobClient(client, Named())
    jobs._parts = replace(jobs._parts, pause=0.05)
    yield jobs
    await client.close()


@pytest.fixture
def ours():
    return MemoryBlobStore(64 << 20, lambda: 0.0)


def made(store, content):
    with store.of(OURS).create("application/octet-stream") as new:
        new.write(content)
    return new.part


def endpoint(port):
    return f"http://127.0.0.1:{port}/jobs/{JOB}"


def read(store, keeping, part):
    with store.of(keeping).open(part) as opened:
        return opened.read()


@asynccontextmanager
async def cutting(port, *after):
    """A way to a server on which each connection breaks after so many bytes in either direction, then none does."""
    left = list(after)

    async def pump(reader, writer, most):
        while data := await reader.read(1 << 16):
            writer.write(data[:most])
            await writer.drain()
            most -= len(data)
            if most <= 0:
                return

    async def relay(reader, writer):
        most = left.pop(0) if left else 1 << 40
        there, onwards = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.ensure_future(pump(*way, most)) for way in ((reader, onwards), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            onwards.transport.abort()

    async with listening(relay) as url:
        yield int(url.rstrip("/").rpartition(":")[2])


@pytest.mark.parametrize("content", [b"", b"content", LARGE])
async def test_parts_go_there_and_back(jobs, ours, content):
    application, part = PartApplication(), made(ours, content)
    async with part_door(application) as door:
        for _ in range(2):
            await jobs.put_part(endpoint(door.port), TOKEN, part, ours.of(OURS), HOLDER)
        assert read(application.blobs, KEEPING, part) == content
        application.gate.released_parts[part.digest] = part
        back = Keeping(HOLDER, "back")
        for _ in range(2):
            await jobs.fetch_part(endpoint(door.port), TOKEN, part, ours, back, HOLDER)
        assert read(ours, back, part) == content


async def test_a_part_is_brought_over_connections_that_break(jobs, ours):
    application, part = PartApplication(), made(ours, LARGE)
    async with part_door(application) as door, cutting(door.port, 10, 1 << 20, 3 << 20, 1000, 3 << 20) as port:
        await jobs.put_part(endpoint(port), TOKEN, part, ours.of(OURS), HOLDER)
    assert read(application.blobs, KEEPING, part) == LARGE


async def test_a_part_is_fetched_over_connections_that_break(jobs, ours):
    application = PartApplication()
    part = application.release(LARGE)
    async with part_door(application) as door, cutting(door.port, 10, 1 << 20, 3 << 20, 1000, 1 << 20) as port:
        await jobs.fetch_part(endpoint(port), TOKEN, part, ours, OURS, HOLDER)
    assert read(ours, OURS, part) == LARGE


async def test_what_never_moves_is_given_up(jobs, ours):
    part = made(ours, b"content")
    async with part_door() as door, cutting(door.port, *[5] * 100) as port:
        with pytest.raises(UnreachableError):
            await jobs.put_part(endpoint(port), TOKEN, part, ours.of(OURS), HOLDER)
        with pytest.raises(UnreachableError):
            await jobs.fetch_part(endpoint(port), TOKEN, part_of(b"other"), ours, OURS, HOLDER)


async def test_a_part_that_we_do_not_have_is_not_brought(jobs, ours):
    with pytest.raises(KeyError):
        await jobs.put_part(endpoint(1), TOKEN, part_of(b"content"), ours.of(OURS), HOLDER)


async def test_refusals_are_told_in_the_sites_words(jobs, ours):
    part = made(ours, b"content")
    async with part_door() as door:
        with pytest.raises(JobRefusedError, match=r"use\.unknown"):
            await jobs.put_part(endpoint(door.port), "guessed", part, ours.of(OURS), HOLDER)
        with pytest.raises(JobRefusedError, match=r"part\.unknown"):
            await jobs.fetch_part(endpoint(door.port), TOKEN, part_of(b"other"), ours, OURS, HOLDER)


async def test_a_site_that_is_full_asks_for_patience(jobs, ours):
    part = made(ours, b"content")
    async with part_door(PartApplication(MemoryBlobStore(3, lambda: 0.0))) as door:
        with pytest.raises(JobBusyError, match=r"parts\.full"):
            await jobs.put_part(endpoint(door.port), TOKEN, part, ours.of(OURS), HOLDER)


async def test_another_content_than_was_released_is_not_taken(jobs, ours):
    part = part_of(b"content")
    async with serving(answer(body=b"CONTENT"), answer(body=b"content")) as server:
        with pytest.raises(BadAnswerError, match="a different digest"):
            await jobs.fetch_part(server.url(""), TOKEN, part, ours, OURS, HOLDER)
        assert not ours.has(OURS, part.digest)
        await jobs.fetch_part(server.url(""), TOKEN, part, ours, OURS, HOLDER)
    assert read(ours, OURS, part) == b"content"


@pytest.mark.parametrize(
    "raw",
    [
        answer(body=b"conten"),  # too short
        answer(206, b"content", Content_Range="bytes 1-7/8"),
        answer(206, b"content"),
        answer(206, b"content", Content_Range="nonsense"),
        answer(body=b"0" * (1 << 17)),
    ],
)
async def test_what_is_no_such_part_is_not_taken(jobs, ours, raw):
    async with serving(raw) as server:
        with pytest.raises(BadAnswerError):
            await jobs.fetch_part(server.url(""), TOKEN, part_of(b"content"), ours, OURS, HOLDER)
    assert not ours.has(OURS, part_of(b"content").digest)


@pytest.mark.parametrize("said", [b"[]", b"{}", b"{", b'{"received":8}', b'{"received":-1}', b'{"received":"7"}'])
@pytest.mark.parametrize("status", [201, 202])
async def test_a_site_that_says_nonsense_about_a_part_is_not_believed(jobs, ours, said, status):
    part = made(ours, b"content")
    async with serving(answer(status, said)) as server:
        with pytest.raises(BadAnswerError, match="how much"):
            await jobs.put_part(server.url(""), TOKEN, part, ours.of(OURS), HOLDER)


async def test_a_site_that_never_has_all_of_a_part_is_given_up(jobs, ours):
    part = made(ours, b"content")
    async with serving(answer(202, json.dumps({"received": 3}).encode())) as server:
        with pytest.raises(UnreachableError, match="all of a part"):
            await jobs.put_part(server.url(""), TOKEN, part, ours.of(OURS), HOLDER)
    assert {request.headers["content-range"] for request in server.requests} == {"bytes */7", "bytes 3-6/7"}
