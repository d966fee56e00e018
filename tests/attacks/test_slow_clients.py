"""A client that is too slow, or sends without end, loses its connection; others are served meanwhile."""

import asyncio

import pytest

from medspace.app.node.listening import listener
from tests.attacks.wires import chunked, door, everything, request, statuses, until

QUICK = {"head_seconds": 0.2, "body_seconds": 0.2}
CLOSE = ("Connection: close",)


async def test_a_head_that_does_not_end_in_time_is_cut_off():
    async with door(head_seconds=0.2) as open_door:
        slow = asyncio.create_task(open_door.say(b"GET / HTTP/1.1\r\nHost: here\r\n"))
        quick = await open_door.say(request(fields=CLOSE))
        assert quick.endswith(b"hello")
        assert statuses(await slow) == [408]


async def test_a_connection_that_says_nothing_ends():
    async with door(head_seconds=0.2) as open_door:
        assert await open_door.say() == b""


async def test_a_second_request_on_one_connection_is_bounded_too():
    async with door(head_seconds=0.2, idle=30.0) as open_door:
        answered = await open_door.say(request(), b"GET / HTTP/1.1\r\nHost")
        assert answered.count(b"hello") == 1
        assert statuses(answered) == [200, 408]


async def test_line_ends_between_requests_do_not_hold_a_connection():
    async with door(head_seconds=0.2) as open_door:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(request())
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.write(b"\r\n")
        async with asyncio.timeout(10):
            assert await everything(reader) == b""
        writer.close()


async def test_a_connection_that_idles_ends():
    async with door(idle=0.1) as open_door:
        assert statuses(await open_door.say(request())) == [200]


async def test_a_head_without_end_is_cut_off():
    async with door(head=1000) as open_door:
        answered = await open_door.say(b"GET / HTTP/1.1\r\nHost: here\r\nX: " + 2000 * b"x")
        assert statuses(answered) == [431]


async def test_a_request_within_the_bounds_is_answered_after_they_would_have_passed():
    async with door(**QUICK) as open_door:
        asking = asyncio.create_task(open_door.say(request("/wait", fields=CLOSE)))
        await open_door.say()  # ends once a head's time is over
        open_door.application.go.set()
        assert (await asking).endswith(b"waited")  # the bound is not on the answer


@pytest.mark.parametrize("path", ["/read", "/wait"])
async def test_a_body_that_does_not_end_in_time_is_cut_off(path):
    async with door(**QUICK) as open_door:
        assert statuses(await open_door.say(chunked(path, b"1\r\na\r\n"))) == [408]


DRIP = "drip: requests that are waited for"


async def test_bytes_that_drip_are_not_waited_for(attack_report):
    async with door(patience=0.0, rate=1e6) as open_door:
        answered = await open_door.say(chunked("/read", b"1\r\na\r\n"))
    attack_report(DRIP, got=statuses(answered) != [408], of=1, unit="requests")
    assert statuses(answered) == [408]


async def test_without_the_rate_the_same_drip_is_waited_for(attack_report):
    async with door(patience=0.0, rate=0.0) as open_door:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(chunked("/read", b"1\r\na\r\n"))
        await open_door.say(request(fields=CLOSE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        writer.write(b"0\r\n\r\n")
        waited = (await reader.readline()).startswith(b"HTTP/1.1 200")
        attack_report(DRIP, control=waited, of=1, unit="requests")
        assert waited
        writer.close()


async def test_an_answer_that_nobody_takes_ends_the_connection():
    async with door(taking=0.2) as open_door:
        _, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.transport.pause_reading()
        writer.write(request("/large"))
        await until(lambda: open_door.server.server_state.connections)
        await until(lambda: not open_door.server.server_state.connections)
        assert open_door.server.places.taken == 0
        writer.transport.abort()


def test_a_taken_port_is_said_plainly():
    with listener.bind("127.0.0.1", 0) as bound, pytest.raises(listener.ListenAddressError) as refused:
        listener.bind("127.0.0.1", bound.getsockname()[1])
    assert refused.value.code == "listener.address"
