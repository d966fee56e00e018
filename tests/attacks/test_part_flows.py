"""Large bodies and answers have a pace in place of a time: whoever drips is cut off, whoever flows is not."""

import asyncio
from io import BytesIO
from types import SimpleNamespace

import pytest

from tests.attacks.wires import request, statuses
from tests.unit.app.part_door import BINARY, JOB, KEEPING, PartApplication, headers, part_door, part_of, patiently

SIZE = 4 << 20
QUICK = {"flow_window": 0.2, "looks": 0.02}


def put(part, fields=None):
    lines = [f"{name}: {value}" for name, value in (fields or headers(**{"Content-Type": BINARY})).items()]
    return request(f"/jobs/{JOB}/parts/{part.digest}", "PUT", (*lines, f"Content-Length: {part.size}"))


def get(part):
    return request(f"/jobs/{JOB}/parts/{part.digest}", "GET", [f"{n}: {v}" for n, v in headers().items()])


class Watched(BytesIO):
    """A file that counts how often it is read."""

    read_count = 0

    def read(self, count=-1):
        self.read_count += 1
        return super().read(count)


def watched(application):
    """The files that are opened from now on."""
    opened, of = [], application.blobs.of

    class Blobs:
        def __init__(self, keeping):
            self.blobs = of(keeping)

        def open(self, part):
            opened.append(Watched(self.blobs.open(part).read()))
            return opened[-1]

    application.blobs = SimpleNamespace(of=Blobs)
    return opened


@pytest.mark.parametrize("drip", [b"", b"x"])
async def test_a_large_body_that_stops_or_drips_is_cut_off(drip):
    application, part = PartApplication(), part_of(bytes(SIZE))
    async with part_door(application, **QUICK) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(put(part) + bytes(SIZE // 2))
        answered = asyncio.ensure_future(reader.read(1 << 16))
        async with asyncio.timeout(20):
            while not answered.done():
                writer.write(drip)
                await asyncio.wait([answered], timeout=0.01)
        assert statuses(answered.result()) == [408]
        writer.close()
        await patiently(lambda: not application.blobs.shelf(KEEPING).busy)
        assert len(next(iter(application.blobs.shelf(KEEPING).partial.values()))) >= SIZE // 2


async def test_a_large_body_that_flows_has_more_time_than_any_other():
    """The control: what it may not exceed, an ordinary body may not either."""
    application, part = PartApplication(), part_of(bytes(SIZE))
    bounds = {"flow_window": 5.0, "looks": 0.02, "body_seconds": 0.2, "flow": 1.0}
    async with part_door(application, **bounds) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(put(part))
        for _ in range(8):
            writer.write(bytes(SIZE // 8))
            await writer.drain()
            await asyncio.sleep(0.06)
        assert statuses(await reader.read(1 << 16)) == [201]
        writer.close()


async def test_nobody_else_gets_a_large_body_in():
    application, part = PartApplication(), part_of(bytes(SIZE))
    async with part_door(application) as door:
        answered = await door.say(put(part, {"Content-Type": BINARY}), bytes(SIZE))
        assert statuses(answered) == [401]
        assert application.blobs._shelves == {}


async def test_a_large_answer_that_nobody_takes_ends_the_connection_and_its_file():
    application = PartApplication()
    part = application.release(bytes(32 << 20))
    opened = watched(application)
    async with part_door(application, **QUICK) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.transport.pause_reading()
        writer.write(get(part))
        await patiently(lambda: door.server.server_state.connections)
        await patiently(lambda: not door.server.server_state.connections)
        assert door.server.places.taken == 0
        await patiently(lambda: opened[0].closed)
        writer.transport.abort()


async def test_nothing_is_read_for_a_client_that_has_gone():
    application = PartApplication()
    part = application.release(bytes(32 << 20))
    opened = watched(application)
    async with part_door(application) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.transport.pause_reading()
        writer.write(get(part))
        await patiently(lambda: opened and opened[0].read_count > 1)
        writer.transport.abort()
        await patiently(lambda: opened[0].closed)
        assert opened[0].read_count < 16


async def test_a_large_answer_that_is_taken_slowly_is_given_to_its_end():
    application = PartApplication()
    part = application.release(bytes(16 << 20))
    async with part_door(application, flow_window=0.1, taking=0.1, flow=0.0) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1 << 16)
        writer.write(get(part))
        got = 0
        while got < 16 << 20 and (piece := await reader.read(1 << 18)):
            got += len(piece)
            await asyncio.sleep(0.01)
        assert got >= 16 << 20
        writer.close()


async def test_one_member_has_so_many_parts_on_their_way_at_once():
    application = PartApplication()
    parts = [part_of(bytes([number]) * 100) for number in range(8)]
    async with part_door(application) as door:
        writers = []
        for part in parts:
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(put(part) + b"x")
            writers.append(writer)
        await patiently(lambda: len(application.gate.asked) == 8)
        await patiently(lambda: len(application.blobs.shelf(KEEPING).busy) == 4)
        for writer in writers:
            writer.transport.abort()
        await patiently(lambda: not application.blobs.shelf(KEEPING).busy)
