import asyncio
import random

import httpx
import pytest

from medspace.core.parts import Keeping, Part
from tests.attacks.wires import request, statuses
from tests.unit.app.part_door import (
    BINARY,
    JOB,
    KEEPING,
    Gate,
    PartApplication,
    headers,
    part_door,
    part_of,
    patiently,
    url,
)

LARGE = random.Random(1).randbytes(5 << 20)  # five times what any other body may have


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False) as http:
        yield http


def put(http, port, part, body, **more):
    fields = headers(**{"Content-Type": part.media_type, **more})
    return http.put(url(port, part.digest), content=body, headers=fields)


def kept(application, part):
    with application.blobs.of(KEEPING).open(part) as opened:
        return opened.read()


@pytest.mark.parametrize("content", [b"", b"content", LARGE])
async def test_a_part_is_brought_and_counts_once_it_is_whole(http, content):
    application, part = PartApplication(), part_of(content)
    async with part_door(application) as door:
        brought = await put(http, door.port, part, content)
        assert (brought.status_code, brought.json()["received"]) == (201, len(content))
        again = await put(http, door.port, part, content)
        assert (again.status_code, again.json()["received"]) == (201, len(content))
    assert kept(application, part) == content


async def brought_slowly(port, part, content, **more):
    """The first line of the answer to a client that reads only once it has sent everything, over a slow line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = headers(**{"Content-Type": part.media_type, "Content-Length": str(len(content)), "Host": "x", **more})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"PUT {httpx.URL(url(port, part.digest)).raw_path.decode()} HTTP/1.1\r\n{head}\r\n".encode())
    for start in range(0, len(content), 1 << 16):
        writer.write(content[start : start + (1 << 16)])
        await writer.drain()
        await asyncio.sleep(0.005)  # the slow line: an answer is there long before the body is
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_the_answer_to_a_part_that_is_not_needed_is_given_once_its_body_is_read(http):
    """Else it is lost to a reset: to one that is here already, and to one that begins at the wrong byte."""
    application, part, other = PartApplication(), part_of(LARGE), part_of(LARGE + b"more")
    async with part_door(application, farewell=0.05) as door:
        assert (await put(http, door.port, part, LARGE)).status_code == 201
        assert b" 201 " in await brought_slowly(door.port, part, LARGE)
        wrong = {"Content-Range": f"bytes 4-{other.size - 1}/{other.size}"}
        assert b" 409 " in await brought_slowly(door.port, other, LARGE, **wrong)


async def test_a_client_that_asks_whether_it_shall_send_what_is_here_already_is_told_at_once(http):
    application, part = PartApplication(), part_of(LARGE)
    async with part_door(application) as door:
        assert (await put(http, door.port, part, LARGE)).status_code == 201
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        asked = {"Content-Type": part.media_type, "Content-Length": str(part.size), "Host": "x"}
        fields = headers(**asked, Expect="100-continue")
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        path = httpx.URL(url(door.port, part.digest)).raw_path.decode()
        writer.write(f"PUT {path} HTTP/1.1\r\n{head}\r\n".encode())
        assert b" 201 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_parts_are_kept_and_found_where_the_door_says(http):
    """A coordinator brings and fetches the parts of the user that has named it."""
    other = Keeping("did:web:hospital.example", JOB)
    application, part = PartApplication(gate=Gate(keeping=other)), part_of(b"content")
    application.gate.released_parts[part.digest] = part
    async with part_door(application) as door:
        assert (await put(http, door.port, part, b"content")).status_code == 201
        with application.blobs.of(other).open(part) as opened:
            assert opened.read() == b"content"
        fetched = await http.get(url(door.port, part.digest), headers=headers())
        assert (fetched.status_code, fetched.content) == (200, b"content")


async def test_a_part_goes_on_where_it_was(http):
    application, part = PartApplication(), part_of(b"content")
    async with part_door(application) as door:
        for span, body, status, received in (
            ("bytes */7", b"", 202, 0),
            ("bytes 0-2/7", b"con", 202, 3),
            ("bytes */7", b"", 202, 3),
            ("bytes 3-6/7", b"tent", 201, 7),
            ("bytes */7", b"", 201, 7),
        ):
            told = await put(http, door.port, part, body, **{"Content-Range": span})
            assert (told.status_code, told.json()["received"]) == (status, received)
    assert kept(application, part) == b"content"


async def test_what_came_before_a_connection_broke_is_kept():
    application, part = PartApplication(), part_of(LARGE)
    fields = [f"{name}: {value}" for name, value in headers(**{"Content-Type": BINARY}).items()]
    head = request(f"/jobs/{JOB}/parts/{part.digest}", "PUT", (*fields, f"Content-Length: {len(LARGE)}"))
    async with part_door(application) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(head + LARGE[: 3 << 20])
        await writer.drain()
        receiving = application.blobs.shelf(KEEPING).partial
        await patiently(lambda: sum(map(len, receiving.values())) >= 2 << 20)
        writer.transport.abort()
        await patiently(lambda: not application.blobs.shelf(KEEPING).busy)
        (came,) = receiving.values()
        assert came == LARGE[: len(came)]
        async with httpx.AsyncClient() as http:
            span = {"Content-Range": f"bytes {len(came)}-{len(LARGE) - 1}/{len(LARGE)}"}
            told = await put(http, door.port, part, LARGE[len(came) :], **span)
        assert told.status_code == 201
    assert kept(application, part) == LARGE


@pytest.mark.parametrize(
    ("body", "more", "status", "code"),
    [
        (b"CONTENT", {}, 400, "part.invalid"),
        (b"content", {"Content-Range": "bytes 1-7/8"}, 409, "part.offset"),
        (b"content", {"Content-Range": "bytes 0-7/8"}, 400, "part.invalid"),
        (b"content", {"Content-Range": "bytes 0-6/6"}, 400, "part.invalid"),
        (b"content", {"Content-Range": "bytes 6-0/7"}, 400, "part.invalid"),
        (b"content", {"Content-Range": "items 0-6/7"}, 400, "part.invalid"),
        (b"", {"Content-Range": "bytes */99999999999999"}, 400, "part.invalid"),
        (b"content", {"Content-Type": "nothing"}, 400, "part.invalid"),
        (b"", {"Content-Range": "bytes */60000000"}, 202, None),
        (b"", {"Content-Range": "bytes */70000000"}, 429, "parts.full"),
    ],
)
async def test_what_is_no_such_part_is_refused(http, body, more, status, code):
    application, part = PartApplication(), part_of(b"content")
    async with part_door(application) as door:
        told = await put(http, door.port, part, body, **more)
    assert (told.status_code, told.json().get("code")) == (status, code)
    assert not application.blobs.has(KEEPING, part.digest)


async def test_a_digest_that_is_none_is_no_part(http):
    async with part_door() as door:
        for digest in ("x" * 64, "A" * 64, "a" * 63, "..%2f..%2fetc"):
            told = await put(http, door.port, Part(digest, BINARY, 0), b"")
            assert told.status_code in (400, 404)


async def test_a_part_without_a_length_is_refused(http):
    async def pieces():
        yield b"content"

    part = part_of(b"content")
    async with part_door() as door:
        told = await put(http, door.port, part, pieces())
    assert (told.status_code, told.json()["code"]) == (411, "part.length")


async def test_a_part_that_is_being_received_is_received_once(http):
    application, part = PartApplication(), part_of(b"content")
    receiving = application.blobs.receive(KEEPING, part)
    async with part_door(application) as door:
        told = await put(http, door.port, part, b"content")
        assert (told.status_code, told.json()["code"]) == (409, "parts.busy")
        receiving.close()
        assert (await put(http, door.port, part, b"content")).status_code == 201


async def test_a_part_of_a_release_is_fetched_whole_or_by_ranges(http):
    application = PartApplication()
    part = application.release(LARGE, "application/x-thing")
    async with part_door(application) as door:
        where = url(door.port, part.digest)
        whole = await http.get(where, headers=headers())
        assert (whole.status_code, whole.content) == (200, LARGE)
        assert whole.headers["content-type"] == "application/x-thing"
        assert whole.headers["etag"] == f'"{part.digest}"'
        for wanted, first, last in (
            ("0-0", 0, 0),
            ("5-", 5, len(LARGE) - 1),
            ("1000-99999999", 1000, len(LARGE) - 1),
        ):
            got = await http.get(where, headers=headers(Range=f"bytes={wanted}"))
            assert (got.status_code, got.content) == (206, LARGE[first : last + 1])
            assert got.headers["content-range"] == f"bytes {first}-{last}/{len(LARGE)}"
        for wanted in (f"{len(LARGE)}-", "9-8"):
            got = await http.get(where, headers=headers(Range=f"bytes={wanted}"))
            assert (got.status_code, got.json()["code"]) == (416, "part.range")
        for ignored in ("bytes=-5", "bytes=0-1,3-4", "lines=1-2"):
            assert (await http.get(where, headers=headers(Range=ignored))).status_code == 200


async def test_an_empty_part_is_fetched(http):
    application = PartApplication()
    part = application.release(b"")
    async with part_door(application) as door:
        got = await http.get(url(door.port, part.digest), headers=headers())
    assert (got.status_code, got.content) == (200, b"")


async def test_only_what_was_released_is_given(http):
    """What a question brought, and what an engine put aside, lies beside it and is not given."""
    application, part = PartApplication(), part_of(b"content")
    async with part_door(application) as door:
        assert (await put(http, door.port, part, b"content")).status_code == 201
        got = await http.get(url(door.port, part.digest), headers=headers())
        assert (got.status_code, got.json()["code"]) == (404, "part.unknown")
        application.gate.released_parts[part.digest] = part  # the control: it lies there
        assert (await http.get(url(door.port, part.digest), headers=headers())).content == b"content"
        lost = part_of(b"lost")
        application.gate.released_parts[lost.digest] = lost  # and what does not lie there is not made up
        assert (await http.get(url(door.port, lost.digest), headers=headers())).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 401),
        (headers("did:web:stranger.example"), 404),
        (headers(token="guessed"), 404),
    ],
)
async def test_nothing_of_a_body_is_read_before_caller_and_token_are_right(fields, status):
    """They are answered though the body never comes; the control waits for it."""
    application, part = PartApplication(), part_of(b"content")
    path = f"/jobs/{JOB}/parts/{part.digest}"

    def head(fields):
        lines = [f"{name}: {value}" for name, value in {**fields, "Content-Type": BINARY}.items()]
        return request(path, "PUT", (*lines, f"Content-Length: {1 << 30}", "Expect: 100-continue"))

    async with part_door(application) as door:
        assert statuses(await door.say(head(fields))) == [status]
        assert application.blobs._shelves == {}
        lines = [f"{name}: {value}" for name, value in {**headers(), "Content-Type": BINARY}.items()]
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(request(path, "PUT", (*lines, "Content-Length: 7", "Expect: 100-continue")))
        assert b" 100 " in await reader.readline()
        writer.close()
        await patiently(lambda: not application.blobs.shelf(KEEPING).busy)


async def test_who_fetches_too_much_at_once_is_asked_to_wait(http):
    application = PartApplication()
    part = application.release(bytes(8 << 20))
    waiting = []
    async with part_door(application) as door:
        for _ in range(4 + 16):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1)
            writer.transport.pause_reading()
            lines = [f"{name}: {value}" for name, value in headers().items()]
            writer.write(request(f"/jobs/{JOB}/parts/{part.digest}", "GET", lines))
            waiting.append(writer)
        await patiently(lambda: len(application.gate.asked) == 20)
        got = await http.get(url(door.port, part.digest), headers=headers())
        assert (got.status_code, got.json()["code"]) == (429, "job.crowded")
        for writer in waiting:
            writer.transport.abort()
        await patiently(lambda: not door.server.server_state.connections)
